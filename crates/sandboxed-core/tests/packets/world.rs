//! This machine, its interfaces, other machines behind them, and a service in its slice: in namespaces of a test's own.

use std::fs;
use std::io::{ErrorKind, Write};
use std::net::{IpAddr, SocketAddr, UdpSocket};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_linger, set_socket_timeout};
use rustix::net::{AddressFamily, SocketType, bind, connect, listen, socket};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use sandboxed_netfilter::script::Script;

use crate::network::{ADDRESSES, Begins, INTERFACES, PORTS};

/// A network in which each address of another machine is behind one interface. Neighbours are known beforehand, so that no
/// packet waits for an answer.
const SETUP: &str = r#"
mount -t cgroup2 none /sys/fs/cgroup && mount -t tmpfs none /run && mkdir /run/netns || exit 77
ip link set lo up && ip netns add out && ip -n out link set lo up || exit 77
for link in eth0:2 bridge0:3 wg0:4; do
    name=${link%:*} number=${link#*:}
    here=02:00:00:00:0$number:01 there=02:00:00:00:0$number:02
    ip link add "$name" address $here type veth peer name "$name" address $there netns out || exit 77
    ip link set "$name" up && ip -n out link set "$name" up
    echo 0 > "/proc/sys/net/ipv4/conf/$name/rp_filter"
    ip -n out route add default dev "$name" table $number && ip -n out -6 route add default dev "$name" table $number
    ip -n out neighbour add 192.0.2.1 lladdr $here dev "$name" && ip -n out neighbour add 192.0.2.2 lladdr $here dev "$name"
    ip -n out neighbour add 2001:db8::1 lladdr $here dev "$name" && ip -n out neighbour add 2001:db8::2 lladdr $here dev "$name"
done
ip netns exec out sh -c 'for file in /proc/sys/net/ipv4/conf/*/rp_filter; do echo 0 > $file; done'
echo 0 > /proc/sys/net/ipv4/conf/all/rp_filter
ip address add 192.0.2.1/32 dev eth0 && ip address add 192.0.2.2/32 dev eth0
ip address add 2001:db8::1/128 dev eth0 nodad && ip address add 2001:db8::2/128 dev eth0 nodad
for peer in $PEERS; do
    address=${peer%,*} name=${peer#*,}
    case $name in eth0) number=2 ;; bridge0) number=3 ;; wg0) number=4 ;; esac
    case $address in
        *:*) family=-6 own=2001:db8::1 length=128 options=nodad ;;
        *) family=-4 own=192.0.2.1 length=32 options= ;;
    esac
    ip -n out address add $address/$length dev "$name" $options
    ip route add $address dev "$name" src $own
    ip neighbour add $address lladdr 02:00:00:00:0$number:02 dev "$name"
    ip -n out $family rule add from $address lookup $number
done
exec "$0" "$@"
"#;

/// The service's own addresses; those of the machine that policies name are others.
const SERVICE: [&str; 2] = ["192.0.2.2", "2001:db8::2"];
/// Where what nobody filters goes to, to see that what was sent before it has arrived or will not.
const MARKER: u16 = 9;
/// How long a packet that is on its way may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// The interface that an address is behind, by its place in [`INTERFACES`].
pub(crate) fn interface_of(address: &str) -> usize {
    match address {
        "127.0.0.1" | "192.0.2.1" | "::1" | "2001:db8::1" => 0,
        "10.1.2.3" | "fd00::9" => 2,
        "100.64.0.9" => 3,
        _ => 1,
    }
}

/// Runs `test` in namespaces of its own.
pub(crate) fn alone(name: &str, test: fn()) {
    if std::env::var_os("IN_NAMESPACES").is_some() {
        return test();
    }
    let others = ADDRESSES.into_iter().filter(|address| interface_of(address) != 0);
    let peers: Vec<String> =
        others.map(|address| format!("{address},{}", INTERFACES[interface_of(address)].0)).collect();
    let output = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c", SETUP])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("IN_NAMESPACES", "1")
        .env("PEERS", peers.join(" "))
        .output();
    let Ok(output) = output else { return skipped(name, "there is no unshare(1)") };
    let [printed, errors] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if matches!(output.status.code(), Some(1 | 77)) && !printed.contains("running 1 test") {
        return skipped(
            name,
            &format!("no network namespace with control groups can be made here: {}", errors.trim()),
        );
    }
    assert!(output.status.success(), "{printed}{errors}");
    eprint!("{errors}");
    print!("{printed}");
}

/// Says so past the harness, which shows nothing of tests that pass.
fn skipped(name: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {name} (real packets): {reason}");
}

/// What is asked of the thread in the other machines' namespace: to call somebody from an address.
type Call = (bool, IpAddr, SocketAddr);

/// The namespaces with everybody in them.
pub(crate) struct World {
    group: String,
    /// The service's sockets: one to send from in each family, and those on which it is called.
    speakers: [UdpSocket; 2],
    called: Vec<UdpSocket>,
    /// Where nobody filters.
    marker: [UdpSocket; 2],
    others: Sender<(Call, Sender<bool>)>,
}

impl World {
    /// Everybody listens at every port: the machine at its own addresses, others at theirs, the service at its own.
    pub(crate) fn new(group: &str) -> Self {
        fs::create_dir_all(directory(group)).unwrap();
        let service: Vec<IpAddr> = SERVICE.map(|address| address.parse().unwrap()).into();
        let own = ADDRESSES.into_iter().filter(|address| interface_of(address) == 0);
        enter("");
        let _ = listeners(&own.map(|address| address.parse().unwrap()).collect::<Vec<_>>());
        let marker = ["192.0.2.1", "2001:db8::1"].map(|address| receiver(address.parse().unwrap(), MARKER));
        let (others, asked) = channel();
        thread::spawn(move || elsewhere(&asked));
        enter(group);
        let speakers = ["0.0.0.0:0", "[::]:0"].map(|any| UdpSocket::bind(any).unwrap());
        let called = listeners(&service);
        enter("");
        Self { group: group.to_owned(), speakers, called, marker, others }
    }

    /// Whether the service gets this out.
    pub(crate) fn sends(&self, begins: Begins) -> bool {
        let to = SocketAddr::new(begins.address.parse().unwrap(), begins.port);
        if begins.tcp {
            enter(&self.group);
            let reached = call(None, to);
            enter("");
            return reached;
        }
        let [v4, v6] = &self.speakers;
        let speaker = if to.is_ipv4() { v4 } else { v6 };
        loop {
            match speaker.send_to(b"x", to) {
                Ok(_) => return true,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return false,
                // An answer to an earlier datagram.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => panic!("can't send to {to}: {error}"),
            }
        }
    }

    /// Whether this reaches the service, from that address.
    pub(crate) fn reaches(&self, begins: Begins) -> bool {
        let from: IpAddr = begins.address.parse().unwrap();
        let family = usize::from(from.is_ipv6());
        let own: IpAddr = SERVICE[family].parse().unwrap();
        let to = SocketAddr::new(own, begins.port);
        let ask = |tcp, to| {
            if begins.interface == 0 {
                return speak(tcp, from, to);
            }
            let (answer, answered) = channel();
            self.others.send(((tcp, from, to), answer)).unwrap();
            answered.recv().unwrap()
        };
        if begins.tcp {
            return ask(true, to);
        }
        let called = self.called.iter().find(|socket| socket.local_addr().unwrap() == to).unwrap();
        ask(false, to);
        let marker = &self.marker[family];
        ask(false, marker.local_addr().unwrap());
        let mut text = [0; 8];
        marker.recv_from(&mut text).unwrap();
        called.set_nonblocking(true).unwrap();
        called.recv_from(&mut text).is_ok()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        enter("");
        // The common slice is another's where it is not empty.
        let _ = fs::remove_dir(directory(&self.group));
        let _ = self.group.split_once('/').map(|(common, _)| fs::remove_dir(directory(common)));
    }
}

/// The number of the interface with the default route.
pub(crate) fn uplink() -> u32 {
    let output = Command::new("ip").args(["-o", "link", "show", "eth0"]).output().unwrap();
    String::from_utf8(output.stdout).unwrap().split(':').next().unwrap().parse().unwrap()
}

/// Has the kernel take a script.
pub(crate) fn load(script: &Script) {
    let mut child = Command::new("nft").args(["-f", "-"]).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(script.to_string().as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "nft refused:\n{script}");
}

/// The thread that has its place where the other machines are.
fn elsewhere(asked: &Receiver<(Call, Sender<bool>)>) {
    let namespace = fs::File::open("/run/netns/out").unwrap();
    move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    let others = ADDRESSES.into_iter().filter(|address| interface_of(address) != 0);
    let _sockets = listeners(&others.map(|address| address.parse().unwrap()).collect::<Vec<_>>());
    for ((tcp, from, to), answer) in asked {
        answer.send(speak(tcp, from, to)).unwrap();
    }
}

/// Calls by TCP, which says whether somebody answered, or sends a datagram.
fn speak(tcp: bool, from: IpAddr, to: SocketAddr) -> bool {
    if tcp {
        return call(Some(from), to);
    }
    let socket = UdpSocket::bind((from, 0)).unwrap();
    socket.send_to(b"x", to).is_ok()
}

/// Whether a connection comes about.
fn call(from: Option<IpAddr>, to: SocketAddr) -> bool {
    let socket = stream(to);
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE)).unwrap();
    // Nothing is left of it, TIME_WAIT included, by which the kernel would know the caller again: docs/netfilter.md.
    set_socket_linger(&socket, Some(Duration::ZERO)).unwrap();
    if let Some(from) = from {
        bind(&socket, &SocketAddr::new(from, 0)).unwrap();
    }
    connect(&socket, &to).is_ok()
}

fn stream(address: SocketAddr) -> OwnedFd {
    let family = if address.is_ipv4() { AddressFamily::INET } else { AddressFamily::INET6 };
    socket(family, SocketType::STREAM, None).unwrap()
}

/// Sockets of both kinds at every port of these addresses. Those for TCP are kept by threads that take each connection.
fn listeners(addresses: &[IpAddr]) -> Vec<UdpSocket> {
    let mut receivers = Vec::new();
    for (&address, port) in addresses.iter().flat_map(|address| PORTS.map(|port| (address, port))) {
        receivers.push(receiver(address, port));
        let socket = stream(SocketAddr::new(address, port));
        bind(&socket, &SocketAddr::new(address, port)).unwrap();
        listen(&socket, 128).unwrap();
        thread::spawn(move || while rustix::net::accept(&socket).is_ok() {});
    }
    receivers
}

fn receiver(address: IpAddr, port: u16) -> UdpSocket {
    let socket = UdpSocket::bind((address, port)).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

fn directory(group: &str) -> String {
    format!("/sys/fs/cgroup/{group}")
}

/// Moves this process into a group; its sockets belong to the one that they were made in.
fn enter(group: &str) {
    fs::write(format!("{}/cgroup.procs", directory(group)), std::process::id().to_string()).unwrap();
}
