//! Listeners: one thread that answers everybody with the token and remembers who has written.

use std::collections::BTreeSet;
use std::fs::{self, Permissions};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use crate::sys::network::{bind, host_addresses, internet, listen, port, readable, socket, unix};
use crate::sys::{call, descriptor};
use crate::targets::{AbstractSocket, Listener, Protocol, SocketFile, SocketKind, Targets};

/// A socket that is served.
struct Served {
    socket: OwnedFd,
    /// Connections are accepted; otherwise datagrams are answered.
    accepts: bool,
}

/// The thread; dropping ends it.
#[derive(Debug)]
pub(super) struct Server {
    thread: Option<JoinHandle<()>>,
    stop: Arc<AtomicBool>,
    arrived: Arc<Mutex<BTreeSet<String>>>,
}

impl Server {
    /// Opens all sockets, notes them in `targets`, and starts to serve them.
    pub(super) fn start(targets: &mut Targets, notes: &mut Vec<String>) -> io::Result<Server> {
        let mut served = Vec::new();
        let mut note = |what: String, result: io::Result<Served>| match result {
            Ok(socket) => {
                served.push(socket);
                true
            }
            Err(error) => {
                notes.push(format!("no listener on {what}: {error}"));
                false
            }
        };
        for (protocol, address, scope) in addresses() {
            let mut at = 0;
            let made = internet_socket(protocol, address, scope)
                .inspect(|served| at = port(&served.socket).unwrap_or(0));
            if note(format!("{protocol:?} {address}"), made) {
                targets.listeners.push(Listener { protocol, address, scope, port: at });
            }
        }
        for kind in [SocketKind::Stream, SocketKind::Datagram, SocketKind::Seqpacket] {
            let name = format!("sandboxed-probe-{}-{kind:?}", targets.token).to_lowercase();
            if note(format!("@{name}"), unix_socket(kind, &unix(name.as_bytes(), true))) {
                targets.abstract_sockets.push(AbstractSocket { kind, name });
            }
        }
        let files = [
            ("run", SocketKind::Stream),
            ("run", SocketKind::Datagram),
            ("run", SocketKind::Seqpacket),
            ("tmp", SocketKind::Stream),
            ("var-lib", SocketKind::Stream),
        ];
        for (place, kind) in files {
            let Some(directory) = targets.places.get(place).map(|place| place.directory.clone()) else {
                continue;
            };
            let path = directory.join(format!("{kind:?}").to_lowercase());
            if note(path.display().to_string(), socket_file(kind, &path)) {
                targets.sockets.push(SocketFile { place: place.into(), kind, path });
            }
        }
        targets.free_ports.extend(free_port());
        let (stop, arrived) = (Arc::new(AtomicBool::new(false)), Arc::default());
        let thread = std::thread::Builder::new().name("sandboxed-plant".into()).spawn({
            let (stop, arrived, token) = (Arc::clone(&stop), Arc::clone(&arrived), targets.token.clone());
            move || serve(&served, &token, &stop, &arrived)
        })?;
        Ok(Server { thread: Some(thread), stop, arrived })
    }

    /// The channels whose datagrams have arrived.
    pub(super) fn arrived(&self) -> BTreeSet<String> {
        self.arrived.lock().map(|arrived| arrived.clone()).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A multicast group for use within an organisation (RFC 2365); joined on the loopback interface only.
const GROUP: Ipv4Addr = Ipv4Addr::new(239, 255, 77, 77);

/// Where to listen: loopback addresses, one address of each kind that the host has, multicast and broadcast.
fn addresses() -> Vec<(Protocol, IpAddr, u32)> {
    let mut both: Vec<(IpAddr, u32)> = vec![
        (Ipv4Addr::LOCALHOST.into(), 0),
        (Ipv4Addr::new(127, 1, 2, 3).into(), 0),
        (Ipv6Addr::LOCALHOST.into(), 0),
    ];
    let host = host_addresses().unwrap_or_default();
    let is_link_local = |address: &IpAddr| matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local());
    let others = || host.iter().filter(|host| !host.address.is_loopback());
    let first = [
        others().find(|host| host.address.is_ipv4()),
        others().find(|host| host.address.is_ipv6() && !is_link_local(&host.address)),
        others().find(|host| is_link_local(&host.address)),
    ];
    both.extend(first.into_iter().flatten().map(|host| (host.address, host.scope)));
    let tcp = both.iter().map(|(address, scope)| (Protocol::Tcp, *address, *scope));
    let udp = both.iter().map(|(address, scope)| (Protocol::Udp, *address, *scope));
    let special =
        [GROUP, Ipv4Addr::new(127, 255, 255, 255)].map(|address| (Protocol::Udp, address.into(), 0));
    tcp.chain(udp).chain(special).collect()
}

fn internet_socket(protocol: Protocol, address: IpAddr, scope: u32) -> io::Result<Served> {
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    let accepts = protocol == Protocol::Tcp;
    let socket = socket(family, if accepts { libc::SOCK_STREAM } else { libc::SOCK_DGRAM }, 0)?;
    let full = match address {
        IpAddr::V4(_) => SocketAddr::new(address, 0),
        IpAddr::V6(v6) => SocketAddrV6::new(v6, 0, 0, scope).into(),
    };
    bind(&socket, &internet(&full))?;
    if accepts {
        listen(&socket)?;
    }
    if address == IpAddr::V4(GROUP) {
        let [a, b, c, d] = GROUP.octets();
        let membership = [a, b, c, d, 127, 0, 0, 1];
        let length = membership.len();
        call!(libc::SYS_setsockopt, &socket, libc::IPPROTO_IP, libc::IP_ADD_MEMBERSHIP, &membership, length)?;
    }
    Ok(Served { socket, accepts })
}

fn unix_socket(kind: SocketKind, address: &[u8]) -> io::Result<Served> {
    let number = match kind {
        SocketKind::Stream => libc::SOCK_STREAM,
        SocketKind::Datagram => libc::SOCK_DGRAM,
        SocketKind::Seqpacket => libc::SOCK_SEQPACKET,
    };
    let socket = socket(libc::AF_UNIX, number, 0)?;
    bind(&socket, address)?;
    let accepts = kind != SocketKind::Datagram;
    if accepts {
        listen(&socket)?;
    }
    Ok(Served { socket, accepts })
}

fn socket_file(kind: SocketKind, path: &Path) -> io::Result<Served> {
    let served = unix_socket(kind, &unix(path.as_os_str().as_bytes(), false))?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    Ok(served)
}

/// A port that nobody uses, neither over TCP nor over UDP.
fn free_port() -> Option<u16> {
    (0..16).find_map(|_| {
        let tcp = std::net::TcpListener::bind((Ipv6Addr::UNSPECIFIED, 0))
            .or_else(|_| std::net::TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0)));
        let port = tcp.ok()?.local_addr().ok()?.port();
        std::net::UdpSocket::bind((Ipv4Addr::UNSPECIFIED, port)).ok().map(|_| port)
    })
}

/// Until it is told to stop.
fn serve(all: &[Served], token: &str, stop: &AtomicBool, arrived: &Mutex<BTreeSet<String>>) {
    /// How soon it notices that it should stop.
    const MILLISECONDS: i32 = 100;
    // Connections stay open for a while: closing at once can take the answer back that is under way.
    let mut connections = std::collections::VecDeque::new();
    let sockets: Vec<&OwnedFd> = all.iter().map(|served| &served.socket).collect();
    while !stop.load(Ordering::Relaxed) {
        let Ok(ready) = readable(&sockets, MILLISECONDS) else { continue };
        for (served, _) in all.iter().zip(ready).filter(|(_, ready)| *ready) {
            if served.accepts {
                let flags = libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
                if let Ok(peer) = descriptor(call!(libc::SYS_accept4, &served.socket, 0, 0, flags)) {
                    let _ = crate::sys::network::send(&peer, token.as_bytes(), libc::MSG_NOSIGNAL, &[]);
                    connections.push_back(peer);
                    connections.truncate(256);
                }
            } else if let Some(channel) = answer(&served.socket, token) {
                let _ = arrived.lock().map(|mut arrived| arrived.insert(channel));
            }
        }
    }
}

/// Answers one datagram. Returns the channel that it says it comes from.
fn answer(socket: &OwnedFd, token: &str) -> Option<String> {
    let (mut datagram, mut sender) = ([0_u8; 256], [0_u8; 128]);
    let mut length = u32::try_from(sender.len()).ok()?.to_ne_bytes();
    let size = datagram.len();
    let flags = libc::MSG_DONTWAIT;
    let received =
        call!(libc::SYS_recvfrom, socket, &mut datagram, size, flags, &mut sender, &mut length).ok()?;
    let sender = sender.get(..usize::try_from(u32::from_ne_bytes(length)).ok()?)?;
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    if crate::sys::network::send(socket, token.as_bytes(), flags, sender).is_err() {
        // A multicast or broadcast address cannot be a source.
        let fresh = crate::sys::network::socket(libc::AF_INET, libc::SOCK_DGRAM, 0).ok()?;
        let _ = crate::sys::network::send(&fresh, token.as_bytes(), flags, sender);
    }
    let text = String::from_utf8_lossy(datagram.get(..usize::try_from(received).ok()?)?).into_owned();
    let (sent, channel) = text.split_once(' ')?;
    (sent == token).then(|| channel.to_owned())
}
