//! The sockets that the service may make.

use sandboxed_systemd::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::conflict;
use super::handed::SCOPE;
use super::{ABSTRACT_SOCKETS_CLOSED, ADDRESS_FAMILIES_LIMITED, Mode, Network, PROTOCOLS_LIMITED, Protocol};
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::target::Kernel;

/// An address family, address_families(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum AddressFamily {
    /// Unix sockets, unix(7).
    #[serde(rename = "AF_UNIX")]
    Unix,
    /// IPv4, ip(7).
    #[serde(rename = "AF_INET")]
    Inet,
    /// IPv6, ipv6(7).
    #[serde(rename = "AF_INET6")]
    Inet6,
    /// Netlink, netlink(7): shows the machine's interfaces, routes and neighbours.
    #[serde(rename = "AF_NETLINK")]
    Netlink,
    /// Packets, packet(7): shows all traffic to those who have `CAP_NET_RAW`.
    #[serde(rename = "AF_PACKET")]
    Packet,
    /// Virtual machine sockets, vsock(7): reaches the hypervisor and guests.
    #[serde(rename = "AF_VSOCK")]
    Vsock,
    /// Bluetooth.
    #[serde(rename = "AF_BLUETOOTH")]
    Bluetooth,
    /// Controller area networks.
    #[serde(rename = "AF_CAN")]
    Can,
}

impl AddressFamily {
    /// The name that systemd knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unix => "AF_UNIX",
            Self::Inet => "AF_INET",
            Self::Inet6 => "AF_INET6",
            Self::Netlink => "AF_NETLINK",
            Self::Packet => "AF_PACKET",
            Self::Vsock => "AF_VSOCK",
            Self::Bluetooth => "AF_BLUETOOTH",
            Self::Can => "AF_CAN",
        }
    }
}

/// A protocol of internet sockets, protocols(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum InternetProtocol {
    /// TCP, tcp(7).
    Tcp,
    /// UDP, udp(7).
    Udp,
    /// Echo requests (ping) without a privilege, icmp(7).
    Icmp,
    /// Multipath TCP: takes TCP ports too, which Landlock does not see.
    Mptcp,
    /// SCTP, sctp(7).
    Sctp,
    /// DCCP.
    Dccp,
    /// UDP-Lite, udplite(7).
    Udplite,
}

impl InternetProtocol {
    /// The name that sandboxed-launch knows it by.
    fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Icmp => "icmp",
            Self::Mptcp => "mptcp",
            Self::Sctp => "sctp",
            Self::Dccp => "dccp",
            Self::Udplite => "udplite",
        }
    }
}

impl Network {
    /// Whether the service can make internet sockets at all.
    pub(in crate::areas) fn has_internet(&self) -> bool {
        let internet = |family: &AddressFamily| matches!(family, AddressFamily::Inet | AddressFamily::Inet6);
        self.mode != Mode::None && self.address_families.iter().any(internet)
    }

    /// Which protocols internet sockets can be of: `RestrictAddressFamilies=` does not look at that.
    pub(super) fn protocols(&self, planner: &mut Planner<'_>) {
        let names: Vec<String> = self.protocols.iter().map(|protocol| protocol.name().to_owned()).collect();
        let none = (!self.has_internet()).then(|| "there is no need".to_owned());
        let option = format!("--internet-protocols={}", names.join(","));
        let unseen = planner.policy.syscalls.unseen("looks at a socket's protocol");
        let by_launcher = Mechanism::launcher(option, "a last system call filter")
            .unless(none.clone())
            .leaves_open_as_well(unseen.clone());
        let otherwise = match none {
            Some(_) => Mechanism::named("the service can make no internet socket").leaves_open_as_well(unseen),
            None => Mechanism::named("nothing").leaves_open(
                "RestrictAddressFamilies= does not look at a socket's protocol, and there is no sandboxed-launch to do it: \
                 sockets of rare protocols (SCTP, DCCP, MPTCP) make the kernel load their modules",
            ),
        };
        guarantee(&PROTOCOLS_LIMITED).by(by_launcher).or(otherwise).except(names).keep(planner);
        for (index, listen) in self.listen.iter().enumerate() {
            let (protocol, name) = match listen.protocol {
                Protocol::Tcp => (InternetProtocol::Tcp, "tcp"),
                Protocol::Udp => (InternetProtocol::Udp, "udp"),
            };
            if !self.protocols.contains(&protocol) {
                let kind = conflict(
                    &format!("the service offers a port of {name} and may make no socket of it"),
                    &format!("name `{name}` in `protocols`, or offer no such port"),
                );
                let finding = Finding::new(kind, format!("/network/listen/{index}"));
                planner.find(finding.related("/network/protocols", "not named here"));
            }
        }
    }

    pub(super) fn families(&self, planner: &mut Planner<'_>) {
        let families: Vec<&str> = match self.mode {
            // Sockets of the internet would reach nothing; those by activation are made already.
            Mode::None => self
                .address_families
                .iter()
                .map(|f| f.name())
                .filter(|name| !name.starts_with("AF_INET"))
                .collect(),
            Mode::Filtered | Mode::Private | Mode::Joined => {
                self.address_families.iter().map(|family| family.name()).collect()
            }
        };
        let list =
            if families.is_empty() { Value::word("none") } else { Value::allow(families.iter().copied()) };
        let families = families.iter().map(|&name| name.to_owned());
        guarantee(&ADDRESS_FAMILIES_LIMITED)
            .by(Mechanism::service("RestrictAddressFamilies", list)
                .leaves_open_as_well(planner.policy.syscalls.unseen("looks at a socket's address family")))
            .except(families)
            .keep(planner);
    }

    /// Abstract unix sockets, whose names belong to the network. `RestrictAddressFamilies=` does not look at socketpair(2), and
    /// a pair's sockets have no name yet: each takes one, and one for datagrams sends to any. Those of streams and of sequenced
    /// packets are connected, and cannot be to anybody else: unix(7).
    pub(super) fn abstract_sockets(&self, planner: &mut Planner<'_>) {
        const SQUAT: &str = "the name of an abstract socket that nobody has taken can be taken";
        let scope = Mechanism::named("a Landlock domain, by sandboxed-launch")
            .and_landlock(vec![SCOPE.to_owned()], Kernel::new(6, 12))
            .leaves_open(SQUAT);
        let closed = guarantee(&ABSTRACT_SOCKETS_CLOSED).by(scope);
        let shared = "abstract unix sockets belong to the network, which the service shares with the machine";
        let closed = if self.address_families.contains(&AddressFamily::Unix) {
            closed.or(Mechanism::named("nothing").leaves_open(shared))
        } else {
            let handed = Self::handed_datagrams(planner).map(|socket| {
                format!("a unix datagram socket, such as {socket} hands it or may, sends to any name")
            });
            let no_pairs =
                Mechanism::launcher("--no-datagram-pairs", "no unix socket that could send to a name")
                    .leaves_open(SQUAT)
                    .unless(handed)
                    .unless(planner.policy.syscalls.unseen("keeps it from unix sockets"));
            let pairs = format!(
                "{shared}: a pair of sockets, which RestrictAddressFamilies= does not look at, reaches them"
            );
            closed.or(no_pairs).or(Mechanism::named("nothing").leaves_open(pairs))
        };
        closed.keep(planner);
    }
}

#[cfg(test)]
mod tests {
    use sandboxed_systemd::directive::Section;
    use sandboxed_systemd::name::UnitName;

    use crate::plan::Status;
    use crate::socket::Socket;
    use crate::target::{Kernel, Target};
    use crate::testing;

    /// What becomes of abstract sockets, and what the service is started by.
    fn planned(network: &str, socket: &str, kernel: Kernel, launcher: bool) -> (Status, String) {
        let sockets = if socket.is_empty() { "[]" } else { r#"["a.socket"]"# };
        let fields = format!(r#", "sockets": {sockets}, "network": {{ {network} }}"#);
        let mut target: Target = "debian-13".parse().unwrap();
        target.kernel = kernel;
        if !launcher {
            target.programs.remove("sandboxed-launch");
        }
        let name = UnitName::new("a.socket").unwrap();
        let known = Socket::parse(name, &format!("[Socket]\n{socket}\n")).unwrap();
        // One that nobody looked for may be anything.
        let sockets: Vec<Socket> =
            (!socket.is_empty() && socket != "unknown").then_some(known).into_iter().collect();
        let plan = testing::plan(&fields, "", &target, Some(&sockets));
        let line = plan.units[0].settings.get(Section::Service, "ExecStart");
        (plan.status("abstract-sockets-closed").clone(), format!("{line:?}"))
    }

    const OLD: Kernel = Kernel::new(6, 1);
    const NEW: Kernel = Kernel::new(6, 12);
    const SCOPE: &str = "--scope=abstract-unix-socket";
    const NO_PAIRS: &str = "--no-datagram-pairs";

    /// A service without `AF_UNIX` makes pairs all the same.
    #[test]
    fn pairs_of_sockets_are_no_way_to_abstract_names() {
        const NO_UNIX: &str = r#""addressFamilies": ["AF_INET"]"#;
        for (network, socket, kernel, launcher, expected, weak) in [
            (NO_UNIX, "", NEW, true, [true, false], "that nobody has taken"),
            (NO_UNIX, "", OLD, true, [false, true], "that nobody has taken"),
            (NO_UNIX, "ListenDatagram=/run/a", OLD, true, [false, false], "a pair of sockets"),
            (NO_UNIX, "ListenDatagram=/run/a", NEW, true, [true, false], "that nobody has taken"),
            (NO_UNIX, "", NEW, false, [false, false], "a pair of sockets"),
            ("", "", NEW, true, [true, false], "that nobody has taken"),
            ("", "", OLD, true, [false, false], "shares with the machine"),
        ] {
            let (status, line) = planned(network, socket, kernel, launcher);
            assert_eq!(
                [SCOPE, NO_PAIRS].map(|option| line.contains(option)),
                expected,
                "{network} {socket} {line}"
            );
            assert!(status.weakness().contains(weak), "{network} {socket}: {status:?}");
        }
    }

    /// A datagram socket that is handed in is of the machine's network.
    #[test]
    fn handed_datagram_sockets_are_scoped_or_named() {
        for mode in [r#""mode": "none""#, r#""mode": "private""#] {
            for closed in ["", "ListenStream=/run/a", "ListenSequentialPacket=@a"] {
                let (status, line) = planned(mode, closed, NEW, true);
                assert!(matches!(status, Status::Kept { .. }), "{mode} {closed}: {status:?}");
                assert!(!line.contains(SCOPE), "{line}");
            }
            for open in ["ListenDatagram=/run/a", "ListenDatagram=@a", "unknown"] {
                let (status, line) = planned(mode, open, NEW, true);
                assert!(matches!(status, Status::Kept { .. }), "{mode} {open}: {status:?}");
                assert!(line.contains(SCOPE), "{line}");
                for (kernel, launcher) in [(OLD, true), (NEW, false)] {
                    let (status, line) = planned(mode, open, kernel, launcher);
                    assert!(status.weakness().contains("a.socket hands it"), "{mode} {open}: {status:?}");
                    assert!(!line.contains(SCOPE), "{line}");
                }
            }
        }
        for launcher in [true, false] {
            let (status, line) = planned(r#""mode": "none""#, "", NEW, launcher);
            assert_eq!(line.contains("--named-streams"), launcher, "{line}");
            assert_eq!(matches!(status, Status::Kept { .. }), launcher, "{status:?}");
            assert!(launcher || status.weakness().starts_with("its standard streams"), "{status:?}");
        }
        let joined = r#""mode": "joined", "namespace": "/run/netns/vpn""#;
        let (status, line) = planned(joined, "ListenDatagram=@a", NEW, true);
        assert!(line.contains(SCOPE) && !status.weakness().contains("a.socket"), "{status:?} {line}");
        let (status, _) = planned(joined, "ListenDatagram=@a", OLD, true);
        assert!(status.weakness().contains("a.socket hands it"), "{status:?}");
    }
}
