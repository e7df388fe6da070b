//! The packet filter of a sandbox: what a policy's network area means in netfilter's terms.
//!
//! It closes whatever the routing tables call local in both families: the loopback networks, addresses written in
//! another way (`0.0.0.0`, v4-mapped ones), and the host's own other addresses, which travel over `lo` where firewalls
//! accept everything. It recognises answers of TCP by their flags and ports instead of by connection tracking, which
//! would be switched on for the whole machine.

use std::net::IpAddr;

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::{Service, names, refuse};
use sandboxed_netfilter::name::{CgroupPath, Interface};
use sandboxed_netfilter::rule::{Action, Rule};
use sandboxed_netfilter::value::{Protocol as Transport, Value};
use sandboxed_systemd::name::{self, UnitName};

use crate::areas::network::{LocalEndpoint, Network, Peers, Protocol};
use crate::plan::Filter;

/// Why there is no filter for a policy. The policy's types rule all of these out but one: too many endpoints.
#[derive(Debug, thiserror::Error)]
pub enum FilterError {
    /// A name that netfilter does not take.
    #[error(transparent)]
    Name(#[from] sandboxed_netfilter::name::NameError),
    /// A set that netfilter does not take.
    #[error(transparent)]
    Set(#[from] sandboxed_netfilter::set::SetError),
}

/// Which guarantees the filter is to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scope {
    /// The machine's own ports are closed to the service.
    pub(crate) local: bool,
    /// Only offered ports of the service are reached.
    pub(crate) offer: bool,
}

/// The filter of the sandbox `sandbox` in `slice`.
///
/// # Errors
/// If netfilter takes no such name or set.
pub(crate) fn build(
    sandbox: &str,
    slice: &UnitName,
    network: &Network,
    allowed: &[LocalEndpoint],
    scope: Scope,
) -> Result<Filter, FilterError> {
    let cgroup = CgroupPath::new(&name::cgroup_path(slice))?;
    let mut service =
        Service::new(sandbox, cgroup, if scope.local { output(network, allowed)? } else { Vec::new() })?;
    let inbound = scope.offer || !ports(network, Protocol::Udp).is_empty();
    if inbound {
        service = service.with_input(input(network, allowed, scope)?)?;
    }
    let conntrack = service
        .chains()
        .any(|chain| chain.rules.iter().flat_map(|rule| &rule.matches).any(Match::needs_conntrack));
    Ok(Filter { service, inbound, conntrack })
}

/// What the service may send.
fn output(network: &Network, allowed: &[LocalEndpoint]) -> Result<Vec<Rule>, FilterError> {
    // Whatever is for this machine leaves by `lo`, whichever of its addresses, interfaces and socket options are used. To
    // look at the interface first spares all other packets the look into the routing tables, half of the filter's cost.
    let mut rules = vec![
        Rule::accept().when(Match::is_not(Field::OutInterface, [loopback()?])?).comment("to other machines"),
    ];
    let tcp = ports(network, Protocol::Tcp);
    if !tcp.is_empty() {
        rules.push(
            Rule::accept()
                .when(Match::protocol(Transport::Tcp))
                .when(Match::is(Field::SourcePort, tcp)?)
                .when(Match::not_opening())
                .comment("answers to those who called the service"),
        );
    }
    let udp = ports(network, Protocol::Udp);
    if !udp.is_empty() {
        for (address, callers) in
            [(Field::Destination4, names::callers4()), (Field::Destination6, names::callers6())]
        {
            rules.push(
                Rule::accept()
                    .when(Match::protocol(Transport::Udp))
                    .when(Match::is(Field::SourcePort, udp.clone())?)
                    .when(Match::in_set(&[address, Field::DestinationPort, Field::SourcePort], &callers))
                    .comment("answers to those who called the service"),
            );
        }
    }
    rules.extend(exceptions(allowed, [Field::Destination4, Field::Destination6], Field::DestinationPort)?);
    rules.push(refuse().comment("this machine, whatever the address"));
    Ok(rules)
}

/// What may reach the service. TCP segments that open no connection have been accepted before.
fn input(network: &Network, allowed: &[LocalEndpoint], scope: Scope) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    for (protocol, transport) in [(Protocol::Tcp, Transport::Tcp), (Protocol::Udp, Transport::Udp)] {
        let offered = |peers| {
            network.listen.iter().filter(move |l| l.protocol == protocol && l.from == peers).map(|l| l.port)
        };
        let local: Vec<u16> = offered(Peers::Localhost).collect();
        let anywhere: Vec<u16> = offered(Peers::Anywhere).collect();
        let learn = ports(network, protocol);
        if protocol == Protocol::Udp && !learn.is_empty() {
            // So that the service can answer them, and nobody else on this machine.
            for (address, callers) in
                [(Field::Source4, names::callers4()), (Field::Source6, names::callers6())]
            {
                let fields = vec![address, Field::SourcePort, Field::DestinationPort];
                rules.push(
                    Rule::new(Action::Learn { set: callers, fields })
                        .when(Match::is(Field::InInterface, [loopback()?])?)
                        .when(Match::protocol(Transport::Udp))
                        .when(Match::is(Field::DestinationPort, learn.clone())?)
                        .comment("who may be answered"),
                );
            }
        }
        if !local.is_empty() {
            rules.push(
                Rule::accept()
                    .when(Match::is(Field::InInterface, [loopback()?])?)
                    .when(Match::protocol(transport))
                    .when(Match::is(Field::DestinationPort, local)?)
                    .comment("offered to this machine"),
            );
        }
        if !anywhere.is_empty() {
            rules.push(
                Rule::accept()
                    .when(Match::protocol(transport))
                    .when(Match::is(Field::DestinationPort, anywhere)?)
                    .comment("offered to everybody"),
            );
        }
    }
    if scope.offer {
        rules.extend(exceptions(allowed, [Field::Source4, Field::Source6], Field::SourcePort)?);
        rules.push(refuse().when(Match::protocol(Transport::Tcp)).comment("not offered"));
        rules.push(
            refuse()
                .when(Match::is(Field::InInterface, [loopback()?])?)
                .when(Match::protocol(Transport::Udp))
                .comment("not offered to this machine"),
        );
    }
    Ok(rules)
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

/// The ports that a service offers by a protocol.
fn ports(network: &Network, protocol: Protocol) -> Vec<u16> {
    let mut ports: Vec<u16> =
        network.listen.iter().filter(|l| l.protocol == protocol).map(|l| l.port).collect();
    ports.sort_unstable();
    ports.dedup();
    ports
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
