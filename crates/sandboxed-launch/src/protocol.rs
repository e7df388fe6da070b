//! Protocols of internet sockets: protocols(5), socket(2).

use std::ffi::OsStr;

/// A protocol of internet sockets, protocols(5), with the types that socket(2) makes sockets of it by and its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InternetProtocol {
    /// Its name on the command line.
    name: &'static str,
    /// The type.
    pub(crate) kind: i32,
    /// The protocols that go with this type; 0 stands for the type's usual one.
    pub(crate) numbers: &'static [i32],
}

/// `IPPROTO_DCCP` and `SOCK_DCCP`.
const DCCP: (i32, i32) = (33, 6);

/// The protocols. One that goes by two types is there twice.
const INTERNET_PROTOCOLS: [InternetProtocol; 8] = [
    InternetProtocol { name: "tcp", kind: libc::SOCK_STREAM, numbers: &[0, libc::IPPROTO_TCP] },
    InternetProtocol { name: "udp", kind: libc::SOCK_DGRAM, numbers: &[0, libc::IPPROTO_UDP] },
    InternetProtocol {
        name: "icmp",
        kind: libc::SOCK_DGRAM,
        numbers: &[libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6],
    },
    InternetProtocol { name: "mptcp", kind: libc::SOCK_STREAM, numbers: &[libc::IPPROTO_MPTCP] },
    InternetProtocol { name: "sctp", kind: libc::SOCK_STREAM, numbers: &[libc::IPPROTO_SCTP] },
    InternetProtocol { name: "sctp", kind: libc::SOCK_SEQPACKET, numbers: &[0, libc::IPPROTO_SCTP] },
    InternetProtocol { name: "dccp", kind: DCCP.1, numbers: &[0, DCCP.0] },
    InternetProtocol { name: "udplite", kind: libc::SOCK_DGRAM, numbers: &[libc::IPPROTO_UDPLITE] },
];

impl InternetProtocol {
    /// What [`InternetProtocol::by_name`] knows.
    pub(crate) const EXPECTED: &str = "one of tcp, udp, icmp, mptcp, sctp, dccp, udplite";

    /// The protocol of this name, for each type it goes by.
    pub(crate) fn by_name(name: &OsStr) -> Option<Vec<Self>> {
        let named: Vec<Self> =
            INTERNET_PROTOCOLS.into_iter().filter(|protocol| name == protocol.name).collect();
        (!named.is_empty()).then_some(named)
    }
}
