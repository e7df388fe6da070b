//! Datagrams from different control groups, and what the model says about them.

use std::{
    io::ErrorKind,
    net::{IpAddr, SocketAddr, UdpSocket},
    process::Command,
    sync::OnceLock,
};

use sandboxed_netfilter::{
    model::{Loaded, Outcome, Packet},
    table::Hook,
    value::{AddressType, Protocol},
};

use crate::namespace::Group;

/// Addresses and what they are in the namespace.
const DESTINATIONS: &[(&str, AddressType, &str)] = &[
    ("127.0.0.1", AddressType::Local, "lo"),
    ("10.77.0.1", AddressType::Local, "lo"),
    ("10.77.0.2", AddressType::Unicast, "up0"),
    ("::1", AddressType::Local, "lo"),
    ("fd77::1", AddressType::Local, "lo"),
    ("fd77::2", AddressType::Unicast, "up0"),
];

/// A socket made in a group.
pub(crate) struct Sender {
    group: Group,
    port: u16,
    socket: UdpSocket,
}

impl Sender {
    /// One for each group and family; each has a port of its own, which its rules may name.
    pub(crate) fn all() -> Vec<Self> {
        let families = ["0.0.0.0", "::"];
        let mut senders = Vec::new();
        for (number, group) in (0u16..).zip(Group::ALL) {
            group.enter();
            for (family, address) in (0u16..).zip(families) {
                let port = 5000 + 2 * number + family;
                let socket = UdpSocket::bind((address.parse::<IpAddr>().unwrap(), port)).unwrap();
                senders.push(Self { group, port, socket });
            }
        }
        senders
    }

    /// Sends a datagram: whether the filter let it go.
    fn send(&self, to: SocketAddr) -> bool {
        loop {
            match self.socket.send_to(b"x", to) {
                Ok(_) => return true,
                Err(error) if error.kind() == ErrorKind::PermissionDenied => return false,
                // An answer to an earlier datagram.
                Err(error) if error.kind() == ErrorKind::ConnectionRefused => {}
                Err(error) => panic!("can't send to {to}: {error}"),
            }
        }
    }

    /// The same datagram for the model.
    fn packet(&self, (address, kind, interface): &(&str, AddressType, &str), port: u16) -> Packet {
        let destination: IpAddr = address.parse().unwrap();
        let source = if destination.is_ipv4() { "10.77.0.1" } else { "fd77::1" }.parse().unwrap();
        Packet {
            hook: Hook::Output,
            cgroup: Some(self.group.path()),
            out_interface: Some(interface.parse().unwrap()),
            in_interface: None,
            interface_numbers: (Some(if *interface == "lo" { 1 } else { uplink() }), None),
            // No rule of these tests asks for it, as it depends on the route.
            source,
            destination,
            source_type: AddressType::Local,
            destination_type: *kind,
            protocol: Protocol::Udp.number(),
            ports: Some((self.port, port)),
            tcp_flags: None,
            direction: None,
            state: None,
            exceeds_limits: false,
        }
    }
}

/// The number of `up0`, which is the only uplink of these tests.
pub(crate) fn uplink() -> u32 {
    static NUMBER: OnceLock<u32> = OnceLock::new();
    *NUMBER.get_or_init(|| {
        let output = Command::new("ip").args(["-o", "link", "show", "up0"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().split(':').next().unwrap().parse().unwrap()
    })
}

/// Compares every datagram with what the model says.
pub(crate) fn compare(senders: &[Sender], model: &mut Loaded, what: &str) {
    for sender in senders {
        for destination in DESTINATIONS {
            let address: IpAddr = destination.0.parse().unwrap();
            if address.is_ipv4() != sender.socket.local_addr().unwrap().is_ipv4() {
                continue;
            }
            for port in [53, 54, 99] {
                let expected = model.judge(&sender.packet(destination, port)) == Outcome::Accepted;
                let found = sender.send((address, port).into());
                assert_eq!(
                    found, expected,
                    "from {:?} port {} to {address} port {port} under\n{what}",
                    sender.group, sender.port
                );
            }
        }
    }
}
