//! What the service reaches over the network, and who reaches it.
//!
//! The filter itself is written by `emit::filter`; systemd.resource-control(5) and systemd.exec(5) describe the directives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::filesystem::guarantees;
use crate::guarantee::Guarantee;
use crate::scalar::{Address, Endpoint};

/// What the service reaches over the network, and who reaches it.
///
/// By default it reaches other machines, and nothing on this one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Network")]
pub struct Network {
    /// How the service is kept from the machine's own network.
    #[schemars(title = "Mode", extend("x-guarantee" = "local-ports-closed"))]
    pub mode: Mode,
    /// The ports that the service offers. It can bind no other.
    #[schemars(title = "Offered ports", extend("x-guarantee" = "ports-not-taken"))]
    pub listen: Vec<Listen>,
    /// Ports of this machine that the service may reach all the same, such as a database on the loopback address.
    #[schemars(title = "Local exceptions", extend("x-guarantee" = "local-ports-closed"))]
    pub allow: Vec<Endpoint>,
    /// How the service resolves names.
    #[schemars(title = "Resolver", extend("x-guarantee" = "local-ports-closed"))]
    pub resolver: Resolver,
    /// The name servers, where `resolver` is `servers`.
    #[schemars(title = "Name servers")]
    pub name_servers: Vec<Address>,
    /// The address families that the service may make sockets of.
    #[schemars(title = "Address families", extend("x-guarantee" = "address-families-limited"))]
    pub address_families: Vec<AddressFamily>,
}

/// How the service is kept from the machine's own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It uses the machine's network, and a filter closes whatever a separate machine could not reach.
    Filtered,
    /// It has no network. Sockets reach it by activation only.
    None,
}

/// A port that the service offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Offered port")]
pub struct Listen {
    /// The port.
    #[schemars(title = "Port", range(min = 1, max = 65535), example = &8008)]
    #[serde(deserialize_with = "port")]
    pub port: u16,
    /// The transport protocol.
    #[serde(default)]
    #[schemars(title = "Protocol")]
    pub protocol: Protocol,
    /// Who may reach it.
    #[serde(default)]
    #[schemars(title = "Reachable from")]
    pub from: Peers,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP, tcp(7).
    #[default]
    Tcp,
    /// UDP, udp(7).
    Udp,
}

/// Who may reach an offered port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Peers {
    /// Processes of this machine only, such as a reverse proxy.
    #[default]
    Localhost,
    /// Everybody whom the machine's own firewall lets through.
    Anywhere,
}

/// How the service resolves names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Resolver {
    /// As the machine does: its /etc/resolv.conf, and a name server on this machine where that names one.
    Host,
    /// By the servers of `nameServers`, which other machines run.
    Servers,
    /// Not at all.
    None,
}

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

impl Default for Network {
    fn default() -> Self {
        Self {
            mode: Mode::Filtered,
            listen: Vec::new(),
            allow: Vec::new(),
            resolver: Resolver::Host,
            name_servers: Vec::new(),
            address_families: vec![AddressFamily::Unix, AddressFamily::Inet, AddressFamily::Inet6],
        }
    }
}

/// A port number: not 0, which means "any" to bind(2). 80.0 is 80 in JSON.
fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    use crate::number::integer;
    integer(deserializer, 1, u64::from(u16::MAX))
        .and_then(|n| u16::try_from(n).map_err(serde::de::Error::custom))
}

guarantees! { Network;
    LOCAL_PORTS_CLOSED = "local-ports-closed", "/network/allow",
        "cannot reach a port of this machine that another machine could not reach";
    PORTS_NOT_TAKEN = "ports-not-taken", "/network/listen",
        "cannot take a port that the policy does not offer";
    OFFER_LIMITED = "offer-limited", "/network/listen",
        "cannot be reached on a port by those whom the policy does not name";
    ADDRESS_FAMILIES_LIMITED = "address-families-limited", "/network/addressFamilies",
        "cannot make a socket of an address family that the policy does not name";
    ABSTRACT_SOCKETS_CLOSED = "abstract-sockets-closed", "/network/mode",
        "cannot connect to or squat an abstract unix socket of another process";
}
