//! What the service reaches over the network, and who reaches it.
//!
//! The rules themselves are made by [`crate::filter`]; systemd.resource-control(5) and systemd.exec(5) describe the directives.

mod advice;
mod check;
mod egress;
mod families;
mod filtered;
mod handed;
mod iptables;
mod joined;
mod local;
mod none;
mod offer;
mod private;
mod resolver;
mod sockets;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use egress::{Dns, Egress, EgressAction, EgressRule, Limits, Transports};
pub use families::{AddressFamily, InternetProtocol};
pub use local::{HostAddresses, LocalEndpoint};
pub use offer::{Listen, OtherPorts, Peers, Protocol};
pub use resolver::Resolver;

use crate::guarantee::guarantees;
use crate::planner::Planner;
use crate::policy::{object, present};
use crate::scalar::{Address, Endpoint, HostPath, InterfaceName, Prefix, UnitName};

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
    /// The ports that the service offers. Callers of any other TCP port are refused.
    #[serde(deserialize_with = "offer::objects")]
    #[schemars(title = "Offered ports", extend("x-guarantee" = "ports-not-taken"))]
    pub listen: Vec<Listen>,
    /// What becomes of a socket that the service binds to a UDP port which it does not offer, in the mode `filtered`.
    #[schemars(title = "Other UDP ports", extend("x-guarantee" = "ports-not-taken"))]
    pub other_udp_ports: OtherPorts,
    /// How many internet sockets the service may have open at a time, in the mode `filtered`; in a minute it may begin twice as
    /// many TCP connections. Each takes one of the ports that the kernel gives out (`net.ipv4.ip_local_port_range`), a connection
    /// for a minute beyond its end. Connections that it accepts do not count. In the mode `private` it is how many connections the
    /// machine tracks for it at a time.
    #[schemars(title = "Open sockets", range(min = 16, max = 1_000_000), extend("x-guarantee" = "ports-not-exhausted"))]
    #[serde(deserialize_with = "sockets::open_sockets")]
    pub open_sockets: u32,
    /// Ports of this machine that the service may reach all the same, such as a database on the loopback address.
    #[schemars(title = "Local exceptions", extend("x-guarantee" = "local-ports-closed"))]
    pub allow: Vec<Endpoint>,
    /// What the service reaches of the machine's own addresses other than the loopback ones.
    #[schemars(title = "The machine's addresses", extend("x-guarantee" = "local-ports-closed"))]
    pub host_addresses: HostAddresses,
    /// The interfaces that lead to other machines. Where none is named, those that a default route leads to, as the routes
    /// change.
    #[schemars(title = "Uplinks", extend("x-guarantee" = "host-networks-closed", "examples" = [["eth0"]]))]
    pub uplinks: Vec<InterfaceName>,
    /// Further interfaces by which the service may send, such as a VPN or a bridge. All others are closed, also those that
    /// appear later: what is behind them (containers, virtual machines) may be reached from this machine alone.
    #[schemars(title = "Further interfaces", extend("x-guarantee" = "host-networks-closed", "examples" = [["wg0"]]))]
    pub interfaces: Vec<InterfaceName>,
    /// Where the service may send beyond this machine, where no rule of `egressRules` fits.
    #[schemars(title = "Egress", extend("x-guarantee" = "egress-limited"))]
    pub egress: Egress,
    /// Rules for what leaves to other machines; the first that fits decides. The name servers of the resolver are reached
    /// in any case.
    #[serde(deserialize_with = "egress::objects")]
    #[schemars(title = "Egress rules", extend("x-guarantee" = "egress-limited", "examples" = [[{ "action": "deny", "to": ["192.0.2.0/24"] }]]))]
    pub egress_rules: Vec<EgressRule>,
    /// Which name servers the service may ask.
    #[schemars(title = "Name servers reached", extend("x-guarantee" = "egress-limited"))]
    pub dns: Dns,
    /// How much the service may send to other machines.
    #[serde(deserialize_with = "object")]
    #[schemars(title = "Limits of what leaves", extend("x-guarantee" = "egress-limited"))]
    pub limits: Limits,
    /// How the service resolves names.
    #[schemars(title = "Resolver", extend("x-guarantee" = "local-ports-closed"))]
    pub resolver: Resolver,
    /// The name servers, where `resolver` is `servers`.
    #[schemars(title = "Name servers")]
    pub name_servers: Vec<Address>,
    /// The networks of the service's cable in the mode `private`, at most one of each family, instead of those that are chosen
    /// by the sandbox's name among what the machine has no route to. IPv4 needs four addresses (`/30`).
    #[schemars(title = "Networks of its own", extend("examples" = [["10.99.0.0/30", "fd00:99::/64"]]))]
    pub prefixes: Vec<Prefix>,
    /// The network namespace that the service joins in the mode `joined`, such as that of a VPN.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "HostPath", title = "Namespace", example = "/run/netns/vpn")]
    pub namespace: Option<HostPath>,
    /// The unit that makes this namespace: the service starts after it and stops with it.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "UnitName", title = "Unit of the namespace", example = "vpn.service")]
    pub namespace_unit: Option<UnitName>,
    /// The address families that the service may make sockets of.
    #[schemars(title = "Address families", extend("x-guarantee" = "address-families-limited", "examples" = [["AF_UNIX", "AF_INET", "AF_INET6", "AF_NETLINK"]]))]
    pub address_families: Vec<AddressFamily>,
    /// The protocols that its internet sockets may be of. Sockets of others make the kernel load modules, and reach what
    /// nobody filters.
    #[schemars(title = "Protocols", extend("x-guarantee" = "protocols-limited"))]
    pub protocols: Vec<InternetProtocol>,
}

/// How the service is kept from the machine's own network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    /// It uses the machine's network, and a filter closes whatever a separate machine could not reach.
    Filtered,
    /// It has a network of its own, with a virtual cable to the machine. Other machines are reached with the machine's
    /// address, and the machine itself is not. Connections are tracked for it, and the machine passes its packets on.
    Private,
    /// It is in a network that something else has made, such as a VPN, and is as open as that is.
    Joined,
    /// It has no network. Sockets reach it by activation only.
    None,
}

impl Default for Network {
    fn default() -> Self {
        Self {
            mode: Mode::Filtered,
            listen: Vec::new(),
            other_udp_ports: OtherPorts::Refused,
            // With as many, and what ended connections still hold, an eighth of the usual range is left.
            open_sockets: 8192,
            allow: Vec::new(),
            host_addresses: HostAddresses::Closed,
            uplinks: Vec::new(),
            interfaces: Vec::new(),
            egress: Egress::Any,
            egress_rules: Vec::new(),
            dns: Dns::Any,
            limits: Limits::default(),
            resolver: Resolver::Host,
            name_servers: Vec::new(),
            prefixes: Vec::new(),
            namespace: None,
            namespace_unit: None,
            address_families: vec![AddressFamily::Unix, AddressFamily::Inet, AddressFamily::Inet6],
            protocols: vec![InternetProtocol::Tcp, InternetProtocol::Udp, InternetProtocol::Icmp],
        }
    }
}

guarantees! { Network;
    LOCAL_PORTS_CLOSED = "local-ports-closed", "/network/allow",
        "cannot reach a port of this machine that another machine could not reach";
    HOST_NETWORKS_CLOSED = "host-networks-closed", "/network/interfaces",
        "cannot send into a network that exists only on this machine";
    EGRESS_LIMITED = "egress-limited", "/network/egress",
        "cannot reach another machine that the policy does not let it reach";
    PORTS_NOT_TAKEN = "ports-not-taken", "/network/listen",
        "cannot take a port that the policy does not offer";
    PORTS_NOT_EXHAUSTED = "ports-not-exhausted", "/network/openSockets",
        "cannot use up the ports, or the tracking, that the machine's other connections need";
    OFFER_LIMITED = "offer-limited", "/network/listen",
        "cannot be reached on a port by those whom the policy does not name";
    ADDRESS_FAMILIES_LIMITED = "address-families-limited", "/network/addressFamilies",
        "cannot make a socket of an address family that the policy does not name";
    PROTOCOLS_LIMITED = "protocols-limited", "/network/protocols",
        "cannot make an internet socket of a protocol that the policy does not name";
    ABSTRACT_SOCKETS_CLOSED = "abstract-sockets-closed", "/network/mode",
        "cannot connect to or squat an abstract unix socket of another process";
}

impl Network {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        let allowed = self.allowed(planner);
        self.families(planner);
        self.protocols(planner);
        match self.mode {
            Mode::None => Self::no_network(planner),
            Mode::Filtered => self.filtered(planner, &allowed),
            Mode::Private => self.private(planner, &allowed),
            Mode::Joined => self.joined(planner),
        }
        self.resolver(planner);
        self.advise(planner);
    }
}
