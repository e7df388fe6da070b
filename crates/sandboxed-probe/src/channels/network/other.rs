//! Abstract sockets, packets below TCP and UDP, and the network's configuration.

use super::super::{peek, with_token};
use super::LOOPBACK_V4;
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::network::{
    bind, connect, family, host_addresses, netlink, receive, set_option, socket, unix,
};
use crate::sys::{self, call};
use crate::targets::{Protocol, SocketKind, Targets};

/// The rest of the network.
pub(crate) const OTHER: &[Channel] = &[
    Channel {
        id: "abstract-stream",
        title: "connect to an abstract stream socket",
        guarantee: Guarantee::AbstractSocketsClosed,
        source: "unix(7)",
        attempt: |targets| abstract_socket(targets, SocketKind::Stream),
    },
    Channel {
        id: "abstract-datagram",
        title: "send to an abstract datagram socket",
        guarantee: Guarantee::AbstractSocketsClosed,
        source: "unix(7)",
        attempt: |targets| abstract_socket(targets, SocketKind::Datagram),
    },
    Channel {
        id: "abstract-seqpacket",
        title: "connect to an abstract seqpacket socket",
        guarantee: Guarantee::AbstractSocketsClosed,
        source: "unix(7)",
        attempt: |targets| abstract_socket(targets, SocketKind::Seqpacket),
    },
    Channel {
        id: "abstract-squat",
        title: "take abstract names that programs of the host expect to be theirs",
        guarantee: Guarantee::AbstractSocketsClosed,
        source: "unix(7)",
        attempt: abstract_squat,
    },
    Channel {
        id: "raw-v4",
        title: "open a raw IPv4 socket",
        guarantee: Guarantee::NoCapabilities,
        source: "raw(7)",
        attempt: |_| opened(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
    },
    Channel {
        id: "raw-v6",
        title: "open a raw IPv6 socket",
        guarantee: Guarantee::NoCapabilities,
        source: "raw(7)",
        attempt: |_| opened(libc::AF_INET6, libc::SOCK_RAW, libc::IPPROTO_ICMPV6),
    },
    Channel {
        id: "packet-raw",
        title: "open a socket that sees all packets of all interfaces",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "packet(7)",
        attempt: |_| opened(libc::AF_PACKET, libc::SOCK_RAW, 0),
    },
    Channel {
        id: "packet-datagram",
        title: "open a packet socket without link headers",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "packet(7)",
        attempt: |_| opened(libc::AF_PACKET, libc::SOCK_DGRAM, 0),
    },
    Channel {
        id: "vsock-host",
        title: "reach the hypervisor or the machine over a virtual machine socket",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "vsock(7)",
        attempt: vsock,
    },
    Channel {
        id: "socket-mark",
        title: "mark packets so that the host's rules treat them as something else",
        guarantee: Guarantee::NoCapabilities,
        source: "socket(7)",
        attempt: |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
            set_option(&socket, libc::SOL_SOCKET, libc::SO_MARK, 1)?;
            Ok("set SO_MARK".into())
        },
    },
    Channel {
        id: "foreign-source",
        title: "use source addresses of other machines",
        guarantee: Guarantee::NoCapabilities,
        source: "ip(7)",
        attempt: |_| {
            let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
            set_option(&socket, libc::IPPROTO_IP, libc::IP_TRANSPARENT, 1)?;
            Ok("set IP_TRANSPARENT".into())
        },
    },
    Channel {
        id: "interface-configure",
        title: "configure a network interface",
        guarantee: Guarantee::NoCapabilities,
        source: "netdevice(7)",
        attempt: configure_interface,
    },
    Channel {
        id: "interface-create",
        title: "create a network interface",
        guarantee: Guarantee::NoCapabilities,
        source: "netdevice(7)",
        attempt: create_interface,
    },
    Channel {
        id: "filter-rules",
        title: "talk to the packet filter",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "nft(8)",
        attempt: |_| {
            /// `NFNL_SUBSYS_NFTABLES` and `NFT_MSG_GETGEN`: asks for the generation of the rules.
            const GET_GENERATION: u16 = 10 << 8 | 16;
            netlink(libc::NETLINK_NETFILTER, GET_GENERATION, REQUEST, &[0; 4])?;
            Ok("the packet filter answered".into())
        },
    },
    Channel {
        id: "ipsec-policies",
        title: "talk to the IPsec policy database",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "ip-xfrm(8)",
        attempt: |_| {
            /// `XFRM_MSG_GETSPDINFO`
            const GET_INFO: u16 = 0x25;
            netlink(libc::NETLINK_XFRM, GET_INFO, REQUEST, &[0; 4])?;
            Ok("the policy database answered".into())
        },
    },
    Channel {
        id: "list-interfaces",
        title: "see the network interfaces and addresses of the host",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "rtnetlink(7)",
        attempt: list_interfaces,
    },
    Channel {
        id: "list-sockets",
        title: "list the sockets of others",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "sock_diag(7)",
        attempt: list_sockets,
    },
    Channel {
        id: "read-proc-net-tcp",
        title: "read the table of TCP sockets",
        guarantee: Guarantee::KernelInformationHidden,
        source: "proc(5)",
        attempt: |targets| table_of_tcp(targets, "/proc/net/tcp"),
    },
    Channel {
        id: "read-own-net-tcp",
        title: "read the table of TCP sockets by a process of its own",
        guarantee: Guarantee::KernelInformationHidden,
        source: "proc(5)",
        attempt: |targets| table_of_tcp(targets, "/proc/self/net/tcp"),
    },
    Channel {
        id: "read-proc-net-unix",
        title: "read the table of unix sockets",
        guarantee: Guarantee::KernelInformationHidden,
        source: "proc(5)",
        attempt: |targets| table_of_unix(targets, "/proc/net/unix"),
    },
    Channel {
        id: "read-own-net-unix",
        title: "read the table of unix sockets by a thread of its own",
        guarantee: Guarantee::KernelInformationHidden,
        source: "proc(5)",
        attempt: |targets| table_of_unix(targets, "/proc/thread-self/net/unix"),
    },
    Channel {
        id: "device-events",
        title: "listen to the kernel's device events",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "netlink(7)",
        attempt: |targets| {
            let socket =
                socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_KOBJECT_UEVENT).step("socket")?;
            let group: [u8; 12] = sys::fields(&[(0, &family(libc::AF_NETLINK)), (8, &1_u32.to_ne_bytes())]);
            bind(&socket, &group).step("bind")?;
            if targets.in_host_namespace("net") == Some(false) {
                return Err(Shut::closed("the network namespace has no devices"));
            }
            Ok("joined the group".into())
        },
    },
    Channel {
        id: "audit-log",
        title: "write to the audit log",
        guarantee: Guarantee::AddressFamiliesLimited,
        source: "netlink(7)",
        attempt: |_| {
            /// `AUDIT_GET`: asks for the status, which takes the same privilege family as writing.
            const GET_STATUS: u16 = 1000;
            netlink(libc::NETLINK_AUDIT, GET_STATUS, REQUEST, &[0; 4])?;
            Ok("the audit system answered".into())
        },
    },
];

/// `NLM_F_REQUEST` and `NLM_F_ACK`.
const REQUEST: u16 = 1 | 4;

fn opened(family: i32, kind: i32, protocol: i32) -> Attempt {
    socket(family, kind, protocol)?;
    Ok("opened one".into())
}

fn abstract_socket(targets: &Targets, kind: SocketKind) -> Attempt {
    let target = targets.abstract_sockets.iter().find(|socket| socket.kind == kind);
    let target = target.ok_or_else(|| Shut::missing("no abstract socket was planted"))?;
    super::super::ipc::talk(targets, kind, &unix(target.name.as_bytes(), true))
}

/// The name of a planted socket being taken proves that names are shared with the host and that binding one is not
/// refused. (Landlock's scopes keep from connecting, not from binding.)
fn abstract_squat(targets: &Targets) -> Attempt {
    let taken =
        targets.abstract_sockets.first().ok_or_else(|| Shut::missing("no abstract socket was planted"))?;
    let socket = socket(libc::AF_UNIX, libc::SOCK_STREAM, 0).step("socket")?;
    let kind = match taken.kind {
        SocketKind::Stream => Some(socket),
        _ => None,
    };
    let socket = kind.ok_or_else(|| Shut::missing("no abstract stream socket was planted"))?;
    match bind(&socket, &unix(taken.name.as_bytes(), true)) {
        Ok(()) => Err(Shut::closed("the names are not shared with the host")),
        Err(error) if error.raw_os_error() == Some(libc::EADDRINUSE) => {
            Ok("names are shared with the host and binding one is not refused".into())
        }
        Err(error) => Err(error.into()),
    }
}

/// The planted listener, in a table of the network's.
fn table_of_tcp(targets: &Targets, path: &str) -> Attempt {
    let port = super::listener(targets, Protocol::Tcp, LOOPBACK_V4)?.port;
    let table = peek(path)?;
    let entry = format!("0100007F:{port:04X}");
    if String::from_utf8_lossy(&table).contains(&entry) {
        Ok(format!("the planted listener is in it as {entry}"))
    } else {
        Err(Shut::closed("the planted listener is not in it"))
    }
}

/// The planted abstract socket, in a table of the network's.
fn table_of_unix(targets: &Targets, path: &str) -> Attempt {
    let socket = targets.abstract_sockets.first();
    socket.ok_or_else(|| Shut::missing("no abstract socket was planted"))?;
    with_token(targets, &std::fs::read(path)?, path)
}

/// `VMADDR_CID_HOST`, and `VMADDR_CID_LOCAL` for the machine itself. Port 1 has no listener: being refused by the other
/// side means that it was reached.
fn vsock(_: &Targets) -> Attempt {
    let mut refusal = Shut::closed("not reached");
    for machine in [2_u32, 1] {
        let socket = socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0).step("socket")?;
        let address: [u8; 16] = sys::fields(&[
            (0, &family(libc::AF_VSOCK)),
            (4, &1_u32.to_ne_bytes()),
            (8, &machine.to_ne_bytes()),
        ]);
        match connect(&socket, &address) {
            Ok(()) => return Ok(format!("connected to machine {machine}")),
            Err(error) if error.raw_os_error() == Some(libc::ECONNRESET) => {
                return Ok(format!("machine {machine} was reached and refused"));
            }
            Err(error) => refusal = error.into(),
        }
    }
    Err(refusal)
}

/// Sets the transmit queue length of the loopback interface to what it is.
fn configure_interface(_: &Targets) -> Attempt {
    /// `SIOCGIFTXQLEN` and `SIOCSIFTXQLEN`
    const GET_QUEUE_LENGTH: u64 = 0x8942;
    const SET_QUEUE_LENGTH: u64 = 0x8943;
    let socket = socket(libc::AF_INET, libc::SOCK_DGRAM, 0).step("socket")?;
    let mut request: [u8; 40] = sys::fields(&[(0, b"lo")]);
    call!(libc::SYS_ioctl, &socket, GET_QUEUE_LENGTH, &mut request).step("read the queue length")?;
    call!(libc::SYS_ioctl, &socket, SET_QUEUE_LENGTH, &mut request)?;
    Ok("set the queue length of lo to what it was".into())
}

/// Makes an interface of kind `dummy`, or a tunnel, that is gone with the descriptor.
fn create_interface(_: &Targets) -> Attempt {
    /// `TUNSETIFF` and `IFF_TUN | IFF_NO_PI` of tun(4).
    const SET_INTERFACE: u64 = 0x4004_54ca;
    const TUN: u16 = 0x1001;
    let device =
        super::super::open("/dev/net/tun".as_ref(), std::fs::OpenOptions::new().read(true).write(true))?;
    let mut request: [u8; 40] = sys::fields(&[(0, b"sandboxed%d"), (16, &TUN.to_ne_bytes())]);
    call!(libc::SYS_ioctl, std::os::fd::AsFd::as_fd(&device), SET_INTERFACE, &mut request)?;
    Ok("created a tunnel interface and removed it".into())
}

/// An address of the host that is no loopback address and that the probe sees, too.
fn list_interfaces(targets: &Targets) -> Attempt {
    let host: Vec<_> = targets.listeners.iter().map(|listener| listener.address).collect();
    if !host.iter().any(|address| !address.is_loopback() && !address.is_multicast()) {
        return Err(Shut::missing("the host listens on no address but loopback"));
    }
    let seen = host_addresses()?;
    let known = seen.iter().find(|seen| !seen.address.is_loopback() && host.contains(&seen.address));
    match known {
        Some(known) => Ok(format!("saw {} on {}", known.address, known.interface)),
        None => Err(Shut::closed("saw no address of the host")),
    }
}

/// Asks for all listening TCP sockets and looks for the planted one.
fn list_sockets(targets: &Targets) -> Attempt {
    /// `SOCK_DIAG_BY_FAMILY`
    const BY_FAMILY: u16 = 20;
    /// `NLM_F_REQUEST` and `NLM_F_DUMP`.
    const DUMP: u16 = 1 | 0x300;
    /// `TCP_LISTEN` as a bit.
    const LISTENING: u32 = 1 << 10;
    let port = super::listener(targets, Protocol::Tcp, LOOPBACK_V4)?.port;
    let request: [u8; 56] = sys::fields(&[
        (
            0,
            &[
                u8::try_from(libc::AF_INET).unwrap_or_default(),
                u8::try_from(libc::IPPROTO_TCP).unwrap_or_default(),
            ],
        ),
        (4, &LISTENING.to_ne_bytes()),
    ]);
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG).step("socket")?;
    sys::network::netlink_send(&socket, BY_FAMILY, DUMP, &request).step("ask")?;
    // Source port and address of a socket, as they follow one another in the answer.
    let [high, low] = port.to_be_bytes();
    let mut buffer = vec![0; 32 * 1024];
    for _ in 0..64 {
        let length = receive(&socket, &mut buffer).step("answer")?;
        let message = buffer.get(..length).unwrap_or_default();
        if message
            .windows(8)
            .any(|window| matches!(window, [h, l, 0, 0, 127, 0, 0, 1] if (*h, *l) == (high, low)))
        {
            return Ok(format!("the planted listener on port {port} is in the list"));
        }
        // NLMSG_DONE and NLMSG_ERROR end the list.
        if matches!(message.get(4..6), Some([2 | 3, 0])) {
            break;
        }
    }
    Err(Shut::closed("the planted listener is not in the list"))
}
