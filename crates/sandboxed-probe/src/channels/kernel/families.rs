//! Rarely used socket families: code in which the kernel has had many of its holes, and which it loads on demand.
//!
//! The socket type asked for does not exist. The kernel says so (`EINVAL`) before it looks for the family's module,
//! and thus loads nothing, but after any filter for families has had its say (`EAFNOSUPPORT`).

use crate::channel::{Attempt, Channel, past_the_gate};
use crate::guarantee::Guarantee;
use crate::sys::call;

/// Declares a channel for each family.
macro_rules! families {
    ($($id:literal $what:literal $source:literal $number:literal),* $(,)?) => {
        /// Socket families.
        pub(crate) const FAMILIES: &[Channel] = &[$(Channel {
            id: concat!("family-", $id),
            title: concat!("create sockets of the family for ", $what),
            guarantee: Guarantee::AddressFamiliesLimited,
            source: $source,
            attempt: |_| family($number),
        }),*];
    };
}

families! {
    "alg" "the kernel's cryptography (AF_ALG)" "socket(2)" 38,
    "netlink" "talking to the kernel (AF_NETLINK)" "netlink(7)" 16,
    "packet" "raw packets (AF_PACKET)" "packet(7)" 17,
    "vsock" "virtual machines (AF_VSOCK)" "vsock(7)" 40,
    "key" "IPsec keys (AF_KEY)" "socket(2)" 15,
    "xdp" "packets around the stack (AF_XDP)" "socket(2)" 44,
    "bluetooth" "Bluetooth (AF_BLUETOOTH)" "socket(2)" 31,
    "can" "vehicle buses (AF_CAN)" "socket(2)" 29,
    "tipc" "clusters (AF_TIPC)" "socket(2)" 30,
    "rds" "reliable datagrams (AF_RDS)" "socket(2)" 21,
    "kcm" "the connection multiplexer (AF_KCM)" "socket(2)" 41,
    "smc" "shared memory over RDMA (AF_SMC)" "socket(2)" 43,
    "qipcrtr" "Qualcomm's modems (AF_QIPCRTR)" "socket(2)" 42,
    "nfc" "near field communication (AF_NFC)" "socket(2)" 39,
    "phonet" "Nokia's modems (AF_PHONET)" "socket(2)" 35,
    "ieee802154" "sensor networks (AF_IEEE802154)" "socket(2)" 36,
    "llc" "IEEE 802.2 (AF_LLC)" "socket(2)" 26,
    "x25" "X.25 (AF_X25)" "x25(7)" 9,
    "ax25" "amateur radio (AF_AX25)" "socket(2)" 3,
    "appletalk" "AppleTalk (AF_APPLETALK)" "ddp(7)" 5,
}

fn family(number: i32) -> Attempt {
    /// A type that does not exist.
    const NO_TYPE: i32 = 15;
    past_the_gate(call!(libc::SYS_socket, number, NO_TYPE, 0), &[libc::EINVAL])
}
