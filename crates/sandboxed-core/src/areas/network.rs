//! What the service reaches over the network, and who reaches it.
//!
//! The rules themselves are made by [`crate::filter`]; systemd.resource-control(5) and systemd.exec(5) describe the directives.

use std::net::IpAddr;

use sandboxed_systemd::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::filesystem::guarantees;
use crate::diagnostic::Kind;
use crate::filter;
use crate::guarantee::Guarantee;
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::policy::object;
use crate::scalar::{Address, Endpoint};
use crate::target::{Kernel, Netfilter};

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
    #[serde(deserialize_with = "objects")]
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

/// A list of objects; see [`object`].
fn objects<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Listen>, D::Error> {
    #[derive(Deserialize)]
    struct Item(#[serde(deserialize_with = "object")] Listen);
    Vec::<Item>::deserialize(deserializer).map(|items| items.into_iter().map(|Item(listen)| listen).collect())
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

/// A local endpoint, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalEndpoint {
    /// The protocol.
    pub protocol: Protocol,
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl LocalEndpoint {
    /// Takes an endpoint apart; the pattern of its type lets through numbers that are too large.
    pub fn parse(endpoint: &Endpoint) -> Option<Self> {
        let (protocol, rest) = endpoint.as_str().split_once(' ')?;
        let (address, port) = rest.rsplit_once(':')?;
        let address = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let protocol = if protocol == "tcp" { Protocol::Tcp } else { Protocol::Udp };
        Some(Self { protocol, address, port: port.parse().ok().filter(|port| *port != 0)? })
    }
}

impl Network {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        let allowed = self.allowed(planner);
        self.families(planner);
        match self.mode {
            Mode::None => Self::no_network(planner),
            Mode::Filtered => self.filtered(planner, &allowed),
        }
        if self.resolver == Resolver::Servers {
            let lines = self.name_servers.iter().map(|server| format!("nameserver {server}\n"));
            planner.plan.resolv_conf = Some(lines.collect());
        }
    }

    /// The local exceptions, and the name servers that need one. What is no address is an error.
    fn allowed(&self, planner: &mut Planner<'_>) -> Vec<LocalEndpoint> {
        let mut allowed = Vec::new();
        for (index, endpoint) in self.allow.iter().enumerate() {
            match LocalEndpoint::parse(endpoint) {
                Some(endpoint) => allowed.push(endpoint),
                None => planner.find(not_an_address(endpoint.as_str(), format!("/network/allow/{index}"))),
            }
        }
        for (index, server) in self.name_servers.iter().enumerate() {
            if server.as_str().parse::<IpAddr>().is_err() {
                planner.find(not_an_address(server.as_str(), format!("/network/nameServers/{index}")));
            }
        }
        self.contradictions(planner);
        // A name server on this machine (systemd-resolved's, say) is reached like any other local port.
        let local = planner.target.name_servers.iter().filter(|_| self.resolver == Resolver::Host);
        for address in local.copied().filter(IpAddr::is_loopback) {
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                allowed.push(LocalEndpoint { protocol, address, port: 53 });
            }
        }
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }

    fn contradictions(&self, planner: &mut Planner<'_>) {
        let conflict =
            |reason: &str, help: &str| Kind::Conflict { reason: reason.to_owned(), help: help.to_owned() };
        if self.mode == Mode::None {
            for (field, used) in [("listen", !self.listen.is_empty()), ("allow", !self.allow.is_empty())] {
                if used {
                    let kind = conflict(
                        "a service without a network cannot have this",
                        "use the mode `filtered`, or leave this out",
                    );
                    planner.find(
                        Finding::new(kind, format!("/network/{field}"))
                            .related("/network/mode", "no network because of this"),
                    );
                }
            }
        }
        match (self.resolver, self.name_servers.is_empty()) {
            (Resolver::Servers, true) => {
                let kind = conflict("the resolver `servers` needs at least one", "add them to `nameServers`");
                planner.find(Finding::new(kind, "/network/resolver"));
            }
            (Resolver::Host | Resolver::None, false) => {
                let kind = conflict(
                    "name servers are only used by the resolver `servers`",
                    "set `resolver` to `servers`, or leave them out",
                );
                planner.find(
                    Finding::new(kind, "/network/nameServers").related("/network/resolver", "the resolver"),
                );
            }
            _ => {}
        }
        let bindable =
            planner.policy.privileges.capabilities.iter().any(|c| c.name() == "CAP_NET_BIND_SERVICE");
        for (index, listen) in self.listen.iter().enumerate() {
            if listen.port < 1024 && !bindable && planner.policy.sockets.is_empty() {
                let reason = format!("port {} can only be bound with CAP_NET_BIND_SERVICE", listen.port);
                let help = "let a socket unit bind it (`sockets`), or add the capability to `privileges.capabilities`".to_owned();
                planner.find(Finding::new(
                    Kind::Conflict { reason, help },
                    format!("/network/listen/{index}/port"),
                ));
            }
        }
    }

    fn families(&self, planner: &mut Planner<'_>) {
        let families: Vec<&str> = match self.mode {
            // Sockets of the internet would reach nothing; those by activation are made already.
            Mode::None => self
                .address_families
                .iter()
                .map(|f| f.name())
                .filter(|name| !name.starts_with("AF_INET"))
                .collect(),
            Mode::Filtered => self.address_families.iter().map(|family| family.name()).collect(),
        };
        let list =
            if families.is_empty() { Value::word("none") } else { Value::allow(families.iter().copied()) };
        let families = families.iter().map(|&name| name.to_owned());
        guarantee(&ADDRESS_FAMILIES_LIMITED)
            .by(Mechanism::service("RestrictAddressFamilies", list))
            .except(families)
            .keep(planner);
    }

    fn no_network(planner: &mut Planner<'_>) {
        let nothing = || Mechanism::service("PrivateNetwork", Value::Bool(true));
        for promised in [&LOCAL_PORTS_CLOSED, &PORTS_NOT_TAKEN, &OFFER_LIMITED, &ABSTRACT_SOCKETS_CLOSED] {
            guarantee(promised).by(nothing()).keep(planner);
        }
    }

    fn filtered(&self, planner: &mut Planner<'_>, allowed: &[LocalEndpoint]) {
        let without = match planner.target.netfilter {
            Netfilter::Nftables => planner
                .target
                .program("nft")
                .is_none()
                .then(|| "the target does not say where `nft` is".to_owned()),
            Netfilter::Iptables => Some("the filter needs nftables; the target has iptables only".to_owned()),
            Netfilter::None => Some("the target has no packet filter".to_owned()),
        };
        let rules = || {
            Mechanism::named("a packet filter on the service's slice")
                .since_kernel(Kernel::new(5, 13))
                .unless(without.clone())
        };
        let shown = |endpoint: &LocalEndpoint| match endpoint.protocol {
            Protocol::Tcp => format!("tcp {}", std::net::SocketAddr::new(endpoint.address, endpoint.port)),
            Protocol::Udp => format!("udp {}", std::net::SocketAddr::new(endpoint.address, endpoint.port)),
        };
        // Where nothing local is asked for, systemd's own filter is a second layer that knows nothing of the first.
        let alone = allowed.is_empty() && self.listen.is_empty();
        let closed = if alone {
            rules()
                .and("IPAddressDeny", Value::words(["localhost"]))
                .summary("a packet filter on the service's slice, and systemd's own")
        } else {
            rules()
        };
        let filtered =
            guarantee(&LOCAL_PORTS_CLOSED).by(closed).except(allowed.iter().map(shown)).keep(planner);
        let offered = self.listen.iter().map(|listen| listen.port.to_string());
        let taken = guarantee(&PORTS_NOT_TAKEN)
            .by(rules().summary("a packet filter on the service's slice").leaves_open(
                "callers of another TCP port are refused, but the service can keep a free port number occupied",
            ))
            .except(offered)
            .keep(planner);
        let limited = guarantee(&OFFER_LIMITED).by(rules()).keep(planner);
        if filtered || taken || limited {
            let scope = filter::Scope { local: filtered, offer: taken || limited };
            match filter::build(&planner.plan.name, &planner.plan.slice, self, allowed, scope) {
                Ok(filter) => planner.plan.filter = Some(filter),
                Err(error) => {
                    let help = "name fewer ports and exceptions".to_owned();
                    planner
                        .find(Finding::new(Kind::Conflict { reason: error.to_string(), help }, "/network"));
                }
            }
        }
        let unix = self.address_families.contains(&AddressFamily::Unix);
        let mechanism = if unix {
            Mechanism::named("nothing").leaves_open(
                "abstract unix sockets belong to the network, which the service shares with the machine",
            )
        } else {
            Mechanism::named("the service can make no unix socket")
        };
        let scope = Mechanism::launcher("--scope=abstract-unix-socket", "a Landlock domain")
            .since_kernel(Kernel::new(6, 12))
            .leaves_open("the name of an abstract socket that nobody has taken can be taken")
            .unless((!unix).then(|| "there is no need".to_owned()));
        guarantee(&ABSTRACT_SOCKETS_CLOSED).by(scope).or(mechanism).keep(planner);
    }
}

fn not_an_address(text: &str, field: String) -> Finding {
    let expected = "an address and port that exist".to_owned();
    Finding::new(Kind::WrongValue { value: text.to_owned(), expected, suggestion: None }, field)
}
