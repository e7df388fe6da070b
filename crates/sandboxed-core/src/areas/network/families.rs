//! The sockets that the service may make.

use sandboxed_systemd::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::conflict;
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
        let by_launcher = Mechanism::launcher(option, "a last system call filter").unless(none.clone());
        let otherwise = match none {
            Some(_) => Mechanism::named("the service can make no internet socket"),
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
            .by(Mechanism::service("RestrictAddressFamilies", list))
            .except(families)
            .keep(planner);
    }

    /// Abstract unix sockets, whose names belong to the network.
    pub(super) fn abstract_sockets(&self, planner: &mut Planner<'_>) {
        let unix = self.address_families.contains(&AddressFamily::Unix);
        let mechanism = if unix {
            Mechanism::named("nothing").leaves_open(
                "abstract unix sockets belong to the network, which the service shares with the machine",
            )
        } else {
            Mechanism::named("the service can make no unix socket")
        };
        let scope = Mechanism::named("a Landlock domain, by sandboxed-launch")
            .and_landlock(vec!["--scope=abstract-unix-socket".to_owned()], Kernel::new(6, 12))
            .leaves_open("the name of an abstract socket that nobody has taken can be taken")
            .unless((!unix).then(|| "there is no need".to_owned()));
        guarantee(&ABSTRACT_SOCKETS_CLOSED).by(scope).or(mechanism).keep(planner);
    }
}
