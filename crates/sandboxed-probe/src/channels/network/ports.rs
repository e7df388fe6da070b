//! Taking ports that are others', or that others need.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::OwnedFd;

use super::{LOOPBACK_V4, LOOPBACK_V6};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::network::{self, bind, internet, listen, set_option, socket};
use crate::sys::process;
use crate::targets::Targets;

/// The ports.
pub(crate) const PORTS: &[Channel] = &[
    Channel {
        id: "port-squat-tcp-v4",
        title: "listen on a free TCP port of the host that it was not given",
        guarantee: Guarantee::PortsNotTaken,
        source: "bind(2)",
        attempt: |targets| squat(targets, libc::SOCK_STREAM, LOOPBACK_V4),
    },
    Channel {
        id: "port-squat-tcp-v6",
        title: "listen on a free TCP port of the host over IPv6",
        guarantee: Guarantee::PortsNotTaken,
        source: "bind(2)",
        attempt: |targets| squat(targets, libc::SOCK_STREAM, LOOPBACK_V6),
    },
    Channel {
        id: "port-squat-tcp-any",
        title: "listen on a free TCP port on all addresses of the host",
        guarantee: Guarantee::PortsNotTaken,
        source: "bind(2)",
        attempt: |targets| squat(targets, libc::SOCK_STREAM, Ipv6Addr::UNSPECIFIED.into()),
    },
    Channel {
        id: "port-squat-udp-v4",
        title: "take a free UDP port of the host that it was not given",
        guarantee: Guarantee::PortsNotTaken,
        source: "bind(2)",
        attempt: |targets| squat(targets, libc::SOCK_DGRAM, Ipv4Addr::UNSPECIFIED.into()),
    },
    Channel {
        id: "port-squat-udp-v6",
        title: "take a free UDP port of the host over IPv6",
        guarantee: Guarantee::PortsNotTaken,
        source: "bind(2)",
        attempt: |targets| squat(targets, libc::SOCK_DGRAM, LOOPBACK_V6),
    },
    Channel {
        id: "port-steal-tcp",
        title: "share the TCP port of another service and get half of its connections",
        guarantee: Guarantee::PortsNotTaken,
        source: "socket(7)",
        attempt: |targets| steal(targets, libc::SOCK_STREAM, targets.victim()?.shared_tcp_port),
    },
    Channel {
        id: "port-steal-udp",
        title: "share the UDP port of another service and get half of its datagrams",
        guarantee: Guarantee::PortsNotTaken,
        source: "socket(7)",
        attempt: |targets| steal(targets, libc::SOCK_DGRAM, targets.victim()?.shared_udp_port),
    },
    Channel {
        id: "port-steal-udp-chosen",
        title: "have the kernel choose a UDP port that another service has, and get its datagrams",
        guarantee: Guarantee::PortsNotTaken,
        source: "socket(7)",
        attempt: steal_chosen,
    },
    Channel {
        id: "ports-exhaust",
        title: "have so many sockets that hardly a port is left for others",
        guarantee: Guarantee::PortsNotExhausted,
        source: "ip(7)",
        attempt: exhaust,
    },
];

/// Takes a port that is free on the host. In a network namespace of the service's own that is nobody's loss.
fn squat(targets: &Targets, kind: i32, address: IpAddr) -> Attempt {
    let mut refusal = Shut::missing("no free port was planned");
    for port in &targets.free_ports {
        let address = SocketAddr::new(address, *port);
        let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
        let socket = socket(family, kind, 0).step("socket")?;
        match bind(&socket, &internet(&address)) {
            Ok(()) => {
                if kind == libc::SOCK_STREAM {
                    listen(&socket).step("listen")?;
                }
                given(&socket, *port)?;
                return shared(targets, &format!("took {address}"));
            }
            Err(error) => refusal = error.into(),
        }
    }
    Err(refusal)
}

fn steal(targets: &Targets, kind: i32, port: u16) -> Attempt {
    let socket = socket(libc::AF_INET, kind, 0).step("socket")?;
    set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1).step("share the port")?;
    // Not listening: bound is proof enough, and the victim keeps all of its connections.
    bind(&socket, &internet(&SocketAddr::new(LOOPBACK_V4, port))).step("bind")?;
    given(&socket, port)?;
    shared(targets, &format!("shares 127.0.0.1:{port}"))
}

/// Shares the port of a socket with `SO_REUSEADDR`: nobody asks for the port itself, so who may have which is not asked either.
fn steal_chosen(targets: &Targets) -> Attempt {
    /// `IP_LOCAL_PORT_RANGE` of Linux 6.3, linux/in.h: the lower half is the first port, the upper half the last.
    const LOCAL_PORT_RANGE: i32 = 51;
    /// Of some 28,000 ports each is chosen at random: this one is missed by one in a thousand who try as often.
    const TRIES: usize = 200_000;
    let port = targets.victim()?.reused_udp_port;
    let this = u32::from(port) << 16 | u32::from(port);
    let mut given = 0;
    for _ in 0..TRIES {
        let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
        set_option(&socket, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1).step("share ports")?;
        let narrowed = set_option(&socket, libc::IPPROTO_IP, LOCAL_PORT_RANGE, this.cast_signed());
        bind(&socket, &internet(&SocketAddr::new(LOOPBACK_V4, 0))).step("bind")?;
        given = network::port(&socket)?;
        if given == port {
            return shared(targets, &format!("shares 127.0.0.1:{port}"));
        }
        if narrowed.is_ok() {
            return Err(Shut::closed(format!("wanted port {port} and was given {given}")));
        }
    }
    Err(Shut::closed(format!("port {port} was never given in {TRIES} tries, at last {given}")))
}

/// Opens one more socket than the plan gives. They are bound to nothing, so nobody misses a port meanwhile.
fn exhaust(targets: &Targets) -> Attempt {
    const MODEST: u64 = 8192;
    const MOST: u64 = 1 << 16;
    let given = targets.limits.sockets.unwrap_or(MODEST);
    if given > MOST {
        return Err(Shut::missing(format!("{given} sockets are too many to try")));
    }
    let (_, hard) = process::limit(process::DESCRIPTORS)?;
    process::set_limit(0, process::DESCRIPTORS, hard, hard).step("raise the soft limit")?;
    let mut all: Vec<OwnedFd> = Vec::new();
    while all.len() as u64 <= given {
        match socket(libc::AF_INET, libc::SOCK_DGRAM, 0) {
            Ok(socket) => all.push(socket),
            // A limit of each process, of which there can be many.
            Err(error) if error.raw_os_error() == Some(libc::EMFILE) => {
                return Err(Shut::missing(format!("a process may have only {hard} descriptors")));
            }
            Err(error) => return Err(error).step(&format!("socket {}", all.len() + 1)),
        }
    }
    shared(targets, &format!("had {} sockets open", all.len()))
}

/// Whether a socket is bound to the port that was asked for: a filter at bind(2) may have another one be chosen.
fn given(socket: &OwnedFd, wanted: u16) -> Result<(), Shut> {
    let given = network::port(socket)?;
    if given == wanted {
        return Ok(());
    }
    Err(Shut::closed(format!("asked for port {wanted} and was given {given}")))
}

/// Evidence that counts only in the host's network namespace.
fn shared(targets: &Targets, evidence: &str) -> Attempt {
    match targets.in_host_namespace("net") {
        Some(false) => Err(Shut::closed(format!("{evidence}, in a network namespace of its own"))),
        _ => Ok(evidence.into()),
    }
}
