//! The packet filter of a sandbox: what a policy's network area means in netfilter's terms.
//!
//! It closes whatever the routing tables call local in both families: the loopback networks, addresses written in
//! another way (`0.0.0.0`, v4-mapped ones), and the host's own other addresses, which travel over `lo` where firewalls
//! accept everything. It recognises answers of TCP by their flags and ports instead of by connection tracking, which
//! would be switched on for the whole machine.

mod incoming;
mod outgoing;

use std::net::IpAddr;

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::Service;
use sandboxed_netfilter::name::{CgroupPath, Interface};
use sandboxed_netfilter::rule::Rule;
use sandboxed_netfilter::value::{Protocol as Transport, Value};
use sandboxed_systemd::name::{self, UnitName};

use crate::areas::network::{LocalEndpoint, Network, Protocol};
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
    let mut service = Service::new(
        sandbox,
        cgroup,
        if scope.local { outgoing::rules(network, allowed)? } else { Vec::new() },
    )?;
    let inbound = scope.offer || !ports(network, Protocol::Udp).is_empty();
    if inbound {
        service = service.with_input(incoming::rules(network, allowed, scope)?)?;
    }
    let conntrack = service
        .chains()
        .any(|chain| chain.rules.iter().flat_map(|rule| &rule.matches).any(Match::needs_conntrack));
    Ok(Filter { service, inbound, conntrack })
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
