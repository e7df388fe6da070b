//! Rarely used socket families and protocols: code in which the kernel has had many of its holes, and which it loads on demand.
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

/// Declares a channel for each protocol of internet sockets, by the type that goes with it.
macro_rules! protocols {
    ($($id:literal $what:literal $family:ident $kind:expr, $number:expr, $source:literal;)*) => {
        /// Protocols of internet sockets.
        pub(crate) const PROTOCOLS: &[Channel] = &[$(Channel {
            id: concat!("protocol-", $id),
            title: concat!("create sockets of ", $what),
            guarantee: Guarantee::ProtocolsLimited,
            source: $source,
            attempt: |_| protocol(libc::$family, $kind, $number),
        }),*];
    };
}

protocols! {
    "sctp-stream" "SCTP in the style of TCP" AF_INET libc::SOCK_STREAM, libc::IPPROTO_SCTP, "sctp(7)";
    "sctp-packets" "SCTP with many peers" AF_INET libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP, "sctp(7)";
    "sctp-default" "SCTP without naming it" AF_INET libc::SOCK_SEQPACKET, 0, "sctp(7)";
    "sctp-v6" "SCTP over IPv6" AF_INET6 libc::SOCK_SEQPACKET, libc::IPPROTO_SCTP, "sctp(7)";
    "dccp" "DCCP" AF_INET SOCK_DCCP, IPPROTO_DCCP, "socket(2)";
    "dccp-v6" "DCCP over IPv6" AF_INET6 SOCK_DCCP, IPPROTO_DCCP, "socket(2)";
    "udplite" "UDP-Lite" AF_INET libc::SOCK_DGRAM, libc::IPPROTO_UDPLITE, "udplite(7)";
    "mptcp" "multipath TCP, which takes TCP ports" AF_INET6 libc::SOCK_STREAM, libc::IPPROTO_MPTCP, "socket(2)";
    "smc" "TCP over RDMA (SMC)" AF_INET libc::SOCK_STREAM, IPPROTO_SMC, "socket(2)";
    "l2tp" "tunnels of the second layer (L2TP)" AF_INET libc::SOCK_DGRAM, IPPROTO_L2TP, "socket(2)";
    "packet" "packets in the way of old programs (SOCK_PACKET)" AF_INET SOCK_PACKET, 0, "packet(7)";
}

/// Of linux/dccp.h and linux/in.h; the types of linux/net.h.
const IPPROTO_DCCP: i32 = 33;
const IPPROTO_L2TP: i32 = 115;
const IPPROTO_SMC: i32 = 256;
const SOCK_DCCP: i32 = 6;
const SOCK_PACKET: i32 = 10;

/// With a flag beside the type that does not exist: the kernel says so (`EINVAL`) before it looks for the protocol's module,
/// and thus loads nothing.
fn protocol(family: i32, kind: i32, number: i32) -> Attempt {
    const NO_FLAG: i32 = 0x100;
    past_the_gate(call!(libc::SYS_socket, family, kind | NO_FLAG, number), &[libc::EINVAL])
}
