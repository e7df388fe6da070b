//! The packet filter of a sandbox: what a policy's network area means in netfilter's terms.
//!
//! It closes whatever the routing tables call local in both families: the loopback networks, addresses written in
//! another way (`0.0.0.0`, v4-mapped ones), and the host's own other addresses, which travel over `lo` where firewalls
//! accept everything. It recognises answers of TCP by their flags and ports instead of by connection tracking, which
//! would be switched on for the whole machine.

mod egress;
mod handed;
mod incoming;
mod outgoing;
mod private;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::{Filter as Table, Service};
use sandboxed_netfilter::iptables;
use sandboxed_netfilter::name::{CgroupPath, Interface};
use sandboxed_netfilter::rule::Rule;
use sandboxed_netfilter::table;
use sandboxed_netfilter::value::{Ports, Protocol as Transport, Value};
use sandboxed_systemd::name::{self, UnitName};

use crate::areas::network::{LocalEndpoint, Network, Peers, Protocol};
use crate::plan::Filter;
use crate::scalar::{InterfaceName, PortRange};
use crate::target::{Firewall, Netfilter};

/// Where the loopback networks begin. They are never on the wire.
const LOOPBACK: (Ipv4Addr, Ipv6Addr) = (Ipv4Addr::new(127, 0, 0, 0), Ipv6Addr::LOCALHOST);

pub(crate) use handed::handed;
pub(crate) use private::private;

/// Why there is no filter for a policy. The policy's types rule all of these out but one: too many endpoints.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A name that netfilter does not take.
    #[error(transparent)]
    Name(#[from] sandboxed_netfilter::name::NameError),
    /// A set that netfilter does not take.
    #[error(transparent)]
    Set(#[from] sandboxed_netfilter::set::SetError),
    /// What iptables has nothing for.
    #[error(transparent)]
    Iptables(#[from] iptables::IptablesError),
    /// A network or port with a number that is too large.
    #[error("a network or port that does not exist")]
    Number,
}

/// Which guarantees the filter is to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The machine's own ports are closed to the service.
    pub(crate) local: bool,
    /// Only offered ports of the service are reached.
    pub(crate) offer: bool,
    /// What leaves to other machines is restricted as the policy says.
    pub(crate) egress: bool,
    /// By which interfaces it may leave.
    pub(crate) uplinks: Uplinks,
}

/// By which interfaces the service may send to other machines, beside those that the policy names further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uplinks {
    /// By those in the table's set, which the table's owner keeps.
    Followed,
    /// By those that the policy names.
    Named,
    /// By all.
    Everything,
}

/// What is asked of a filter.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked<'a> {
    /// The policy's area.
    pub(crate) network: &'a Network,
    /// Its local exceptions.
    pub(crate) allowed: &'a [LocalEndpoint],
    /// The name servers of its resolver.
    pub(crate) name_servers: &'a [IpAddr],
    /// The ports that the machine's firewall opens to others.
    pub(crate) firewall: &'a Firewall,
    /// What the filter is made with.
    pub(crate) flavour: Netfilter,
    /// The guarantees.
    pub(crate) scope: Scope,
}

impl Asked<'_> {
    fn restricts_egress(&self) -> bool {
        self.scope.egress && self.network.restricts_egress()
    }
}

/// The filter of the sandbox `sandbox` in `slice`.
///
/// # Errors
/// If netfilter takes no such name or set.
pub(crate) fn build(sandbox: &str, slice: &UnitName, asked: &Asked<'_>) -> Result<Filter, FilterError> {
    let cgroup = CgroupPath::new(&name::cgroup_path(slice))?;
    let rules = outgoing::rules(sandbox, asked)?;
    let mut service = Service::new(sandbox, cgroup.clone(), rules.clone())?;
    if asked.restricts_egress() {
        service = service.with_egress(egress::rules(sandbox, asked)?)?;
    }
    let inbound = asked.scope.offer || !offered(asked.network, Protocol::Udp, |_| true).is_empty();
    if inbound {
        service = service.with_input(incoming::rules(sandbox, asked)?)?;
    }
    let iptables = match asked.flavour {
        Netfilter::Iptables => {
            let table = service.sets().into_iter().fold(Table::default().table(), table::Table::with_set);
            Some(iptables::Service::new(sandbox, cgroup, &rules, &table)?)
        }
        Netfilter::Nftables | Netfilter::None => None,
    };
    let conntrack = service
        .chains()
        .any(|chain| chain.rules.iter().flat_map(|rule| &rule.matches).any(Match::needs_conntrack));
    Ok(Filter { service, iptables, sockets: None, inbound, conntrack })
}

/// The local exceptions, by the addresses and ports of either side.
fn exceptions(
    allowed: &[LocalEndpoint],
    addresses: [Field; 2],
    port: Field,
) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    for (transport, protocol) in [(Transport::Tcp, Protocol::Tcp), (Transport::Udp, Protocol::Udp)] {
        let [four, six] = addresses;
        for (address, wanted) in [(four, true), (six, false)] {
            let keys: Vec<Vec<Value>> = allowed
                .iter()
                .filter(|endpoint| endpoint.protocol == protocol && endpoint.address.is_ipv4() == wanted)
                .map(|endpoint| vec![single(endpoint.address), endpoint.port.into()])
                .collect();
            if !keys.is_empty() {
                rules.push(
                    Rule::accept()
                        .when(Match::protocol(transport))
                        .when(Match::all(&[address, port], keys)?)
                        .comment("exceptions of the policy"),
                );
            }
        }
    }
    Ok(rules)
}

/// The ports that a service offers by a protocol to those whom `whom` picks.
fn offered(network: &Network, protocol: Protocol, whom: impl Fn(Peers) -> bool) -> Vec<u16> {
    let chosen = network.listen.iter().filter(|listen| listen.protocol == protocol && whom(listen.from));
    let mut ports: Vec<u16> = chosen.map(|listen| listen.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
}

/// Ports of a firewall, each a port or a range.
fn ports(texts: &[String]) -> Result<Vec<Ports>, FilterError> {
    let one = |text: &String| PortRange::new(text).and_then(|range| range.ports()).ok_or(FilterError::Number);
    texts.iter().map(one).collect()
}

/// Interfaces by name.
fn names_of(names: &[InterfaceName]) -> Result<Vec<Interface>, FilterError> {
    Ok(names.iter().map(|name| Interface::new(name.as_str())).collect::<Result<_, _>>()?)
}

fn single(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(address) => Value::Addresses4(address, address),
        IpAddr::V6(address) => Value::Addresses6(address, address),
    }
}

fn loopback() -> Result<Interface, FilterError> {
    Ok(Interface::new("lo")?)
}
