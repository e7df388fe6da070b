//! Reaching ports of the host: every local address in both families, in all its spellings.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use super::super::with_token;
use super::{LOOPBACK_V4, LOOPBACK_V6, at_host_address, listener};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::network::{bind, connect, internet, receive, send, set_option, socket};
use crate::targets::{Listener, Protocol, Targets};

/// How the address of a listener is written.
#[derive(Clone, Copy)]
enum Spelling {
    /// 127.0.0.1
    Loopback4,
    /// 127.1.2.3: all of 127/8 is loopback.
    OtherLoopback4,
    /// 0.0.0.0: as a destination it means this host.
    Unspecified4,
    /// `::1`
    Loopback6,
    /// `::`
    Unspecified6,
    /// `::ffff:127.0.0.1`
    MappedLoopback,
    /// `::ffff:0.0.0.0`
    MappedUnspecified,
    /// An address of an interface: the packets go over `lo` all the same.
    Host4,
    /// The same for IPv6.
    Host6,
    /// `::ffff:` and an address of an interface.
    MappedHost4,
    /// An `fe80::` address with its interface.
    LinkLocal6,
}

impl Spelling {
    /// The listener that it leads to, and the destination to send to.
    fn resolve(self, targets: &Targets, protocol: Protocol) -> Result<SocketAddr, Shut> {
        let at = |address| listener(targets, protocol, address);
        let as_is = |listener: &Listener| SocketAddr::new(listener.address, listener.port);
        let instead = |listener: &Listener, address: IpAddr| SocketAddr::new(address, listener.port);
        let mapped = |listener: &Listener| match listener.address {
            IpAddr::V4(v4) => instead(listener, v4.to_ipv6_mapped().into()),
            IpAddr::V6(_) => as_is(listener),
        };
        Ok(match self {
            Spelling::Loopback4 => as_is(at(LOOPBACK_V4)?),
            Spelling::OtherLoopback4 => as_is(at(Ipv4Addr::new(127, 1, 2, 3).into())?),
            Spelling::Unspecified4 => instead(at(LOOPBACK_V4)?, Ipv4Addr::UNSPECIFIED.into()),
            Spelling::Loopback6 => as_is(at(LOOPBACK_V6)?),
            Spelling::Unspecified6 => instead(at(LOOPBACK_V6)?, Ipv6Addr::UNSPECIFIED.into()),
            Spelling::MappedLoopback => mapped(at(LOOPBACK_V4)?),
            Spelling::MappedUnspecified => {
                instead(at(LOOPBACK_V4)?, Ipv4Addr::UNSPECIFIED.to_ipv6_mapped().into())
            }
            Spelling::Host4 => as_is(at_host_address(targets, protocol, false)?),
            Spelling::MappedHost4 => mapped(at_host_address(targets, protocol, false)?),
            Spelling::Host6 => as_is(at_host_address(targets, protocol, true)?),
            Spelling::LinkLocal6 => link_local(targets, protocol)?,
        })
    }
}

fn link_local(targets: &Targets, protocol: Protocol) -> Result<SocketAddr, Shut> {
    targets
        .listeners
        .iter()
        .filter(|listener| listener.protocol == protocol && listener.scope != 0)
        .find_map(|listener| match listener.address {
            IpAddr::V6(v6) if !v6.is_multicast() => {
                Some(SocketAddrV6::new(v6, listener.port, 0, listener.scope).into())
            }
            _ => None,
        })
        .ok_or_else(|| Shut::missing("nobody listens for the probe on a link-local address"))
}

/// Declares a channel for each spelling and transport.
macro_rules! spellings {
    ($($id:literal $title:literal $source:literal $attempt:ident $spelling:ident),* $(,)?) => {
        /// Reaching ports of the host.
        pub(crate) const LOCAL: &[Channel] = &[$(Channel {
            id: $id,
            title: $title,
            guarantee: Guarantee::LocalPortsClosed,
            source: $source,
            attempt: |targets| $attempt(targets, Spelling::$spelling),
        }),*,
        Channel {
            id: "tcp-fast-open",
            title: "send data to a local TCP port without connect(2)",
            guarantee: Guarantee::LocalPortsClosed,
            source: "tcp(7)",
            attempt: fast_open,
        },
        Channel {
            id: "tcp-multipath",
            title: "connect to 127.0.0.1 over multipath TCP",
            guarantee: Guarantee::LocalPortsClosed,
            source: "socket(2)",
            attempt: multipath,
        },
        Channel {
            id: "tcp-from-loopback",
            title: "connect to an address of the host from 127.0.0.1, which many programs trust",
            guarantee: Guarantee::LocalPortsClosed,
            source: "ip(7)",
            attempt: from_loopback,
        },
        Channel {
            id: "udp-connected",
            title: "send to a local UDP port from a connected socket",
            guarantee: Guarantee::LocalPortsClosed,
            source: "udp(7)",
            attempt: udp_connected,
        },
        Channel {
            id: "udp-multicast",
            title: "send to a multicast group that the host listens to on its loopback interface",
            guarantee: Guarantee::LocalPortsClosed,
            source: "ip(7)",
            attempt: multicast,
        },
        Channel {
            id: "udp-broadcast",
            title: "send to the broadcast address of the loopback network",
            guarantee: Guarantee::LocalPortsClosed,
            source: "ip(7)",
            attempt: broadcast,
        }];
    };
}

spellings! {
    "tcp-loopback-v4" "connect to 127.0.0.1" "ip(7)" tcp Loopback4,
    "tcp-loopback-v4-other" "connect to 127.1.2.3" "ip(7)" tcp OtherLoopback4,
    "tcp-unspecified-v4" "connect to 0.0.0.0" "ip(7)" tcp Unspecified4,
    "tcp-loopback-v6" "connect to ::1" "ipv6(7)" tcp Loopback6,
    "tcp-unspecified-v6" "connect to ::" "ipv6(7)" tcp Unspecified6,
    "tcp-mapped-loopback" "connect to ::ffff:127.0.0.1" "ipv6(7)" tcp MappedLoopback,
    "tcp-mapped-unspecified" "connect to ::ffff:0.0.0.0" "ipv6(7)" tcp MappedUnspecified,
    "tcp-host-v4" "connect to an IPv4 address of the host" "ip(7)" tcp Host4,
    "tcp-mapped-host-v4" "connect to an IPv4 address of the host, written as IPv6" "ipv6(7)" tcp MappedHost4,
    "tcp-host-v6" "connect to an IPv6 address of the host" "ipv6(7)" tcp Host6,
    "tcp-link-local-v6" "connect to a link-local address of the host" "ipv6(7)" tcp LinkLocal6,
    "udp-loopback-v4" "send to 127.0.0.1" "udp(7)" udp Loopback4,
    "udp-loopback-v4-other" "send to 127.1.2.3" "udp(7)" udp OtherLoopback4,
    "udp-unspecified-v4" "send to 0.0.0.0" "udp(7)" udp Unspecified4,
    "udp-loopback-v6" "send to ::1" "udp(7)" udp Loopback6,
    "udp-unspecified-v6" "send to ::" "udp(7)" udp Unspecified6,
    "udp-mapped-loopback" "send to ::ffff:127.0.0.1" "udp(7)" udp MappedLoopback,
    "udp-host-v4" "send to an IPv4 address of the host" "udp(7)" udp Host4,
    "udp-host-v6" "send to an IPv6 address of the host" "udp(7)" udp Host6,
    "udp-link-local-v6" "send to a link-local address of the host" "udp(7)" udp LinkLocal6,
}

/// Address family of an address.
fn family(address: &SocketAddr) -> i32 {
    if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 }
}

fn tcp(targets: &Targets, spelling: Spelling) -> Attempt {
    let address = spelling.resolve(targets, Protocol::Tcp)?;
    let socket = socket(family(&address), libc::SOCK_STREAM, 0).step("socket")?;
    connect(&socket, &internet(&address)).step(&format!("connect to {address}"))?;
    answered(targets, &socket, &address.to_string())
}

fn udp(targets: &Targets, spelling: Spelling) -> Attempt {
    let address = spelling.resolve(targets, Protocol::Udp)?;
    let socket = socket(family(&address), libc::SOCK_DGRAM, 0).step("socket")?;
    ask(targets, &socket, &address)
}

/// Sends a datagram and waits for the answer.
fn ask(targets: &Targets, socket: &std::os::fd::OwnedFd, address: &SocketAddr) -> Attempt {
    send(socket, &targets.greeting(), 0, &internet(address)).step(&format!("send to {address}"))?;
    answered(targets, socket, &address.to_string())
}

/// Reads the token from a peer: only the host's listener knows it.
fn answered(targets: &Targets, socket: &std::os::fd::OwnedFd, from: &str) -> Attempt {
    let mut buffer = [0; 256];
    let length = receive(socket, &mut buffer).step(&format!("answer of {from}"))?;
    with_token(targets, buffer.get(..length).unwrap_or_default(), &format!("the answer of {from}"))
}

fn fast_open(targets: &Targets) -> Attempt {
    let address = Spelling::Loopback4.resolve(targets, Protocol::Tcp)?;
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0).step("socket")?;
    send(&socket, b"x", libc::MSG_FASTOPEN, &internet(&address)).step("send")?;
    answered(targets, &socket, &address.to_string())
}

fn multipath(targets: &Targets) -> Attempt {
    let address = Spelling::Loopback4.resolve(targets, Protocol::Tcp)?;
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, libc::IPPROTO_MPTCP).step("socket")?;
    connect(&socket, &internet(&address)).step("connect")?;
    answered(targets, &socket, &address.to_string())
}

fn from_loopback(targets: &Targets) -> Attempt {
    let address = Spelling::Host4.resolve(targets, Protocol::Tcp)?;
    let socket = socket(libc::AF_INET, libc::SOCK_STREAM, 0).step("socket")?;
    bind(&socket, &internet(&SocketAddr::new(LOOPBACK_V4, 0))).step("bind to 127.0.0.1")?;
    connect(&socket, &internet(&address)).step(&format!("connect to {address}"))?;
    answered(targets, &socket, &address.to_string())
}

fn udp_connected(targets: &Targets) -> Attempt {
    let address = Spelling::Loopback4.resolve(targets, Protocol::Udp)?;
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
    connect(&socket, &internet(&address)).step("connect")?;
    send(&socket, &targets.greeting(), 0, &[]).step("send")?;
    answered(targets, &socket, &address.to_string())
}

fn multicast(targets: &Targets) -> Attempt {
    let group = targets.listeners.iter().find(|listener| listener.address.is_multicast());
    let group = group.ok_or_else(|| Shut::missing("the host listens to no multicast group for the probe"))?;
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
    let interface = i32::from_ne_bytes(Ipv4Addr::LOCALHOST.octets());
    set_option(&socket, libc::IPPROTO_IP, libc::IP_MULTICAST_IF, interface).step("choose the interface")?;
    ask(targets, &socket, &SocketAddr::new(group.address, group.port))
}

fn broadcast(targets: &Targets) -> Attempt {
    let listener = listener(targets, Protocol::Udp, Ipv4Addr::new(127, 255, 255, 255).into())?;
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_BROADCAST, 1).step("allow broadcasts")?;
    ask(targets, &socket, &SocketAddr::new(listener.address, listener.port))
}
