//! What leaves to other machines, where the policy restricts it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use sandboxed_netfilter::expression::{Field, Match, Per};
use sandboxed_netfilter::filter::{names, refuse};
use sandboxed_netfilter::rule::Rule;
use sandboxed_netfilter::value::{Protocol as Transport, State, Value};

use super::{Asked, FilterError, names_of, outgoing, single};
use crate::areas::network::{Dns, Egress, EgressAction, EgressRule, Limits, Network, Peers, Transports};

/// IPv4 networks that are not the internet (IANA's registry of special-purpose addresses), and addresses of metadata
/// services of clouds.
const NOT_INTERNET4: [(Ipv4Addr, u8); 12] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
    // Azure's, which is no private address.
    (Ipv4Addr::new(168, 63, 129, 16), 32),
];

/// The same for IPv6; those that have an IPv4 address inside are made from the list above.
const NOT_INTERNET6: [(Ipv6Addr, u8); 7] = [
    // Unspecified, loopback, IPv4-compatible.
    (Ipv6Addr::UNSPECIFIED, 96),
    // Translation within one network, RFC 8215.
    (Ipv6Addr::new(0x64, 0xff9b, 1, 0, 0, 0, 0, 0), 48),
    (Ipv6Addr::new(0x100, 0, 0, 0, 0, 0, 0, 0), 64),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0), 7),
    (Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0), 10),
    (Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8),
];

/// The rules for what leaves to other machines; the first that fits decides.
pub(super) fn rules(sandbox: &str, asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let network = asked.network;
    let mut rules = rates(&network.limits);
    let peers = [names::peers4(), names::peers6()];
    rules.extend(outgoing::answers(sandbox, asked, peers, &[], |from| from != Peers::Localhost)?);
    rules.extend(connections(&network.limits)?);
    rules.extend(elsewhere(asked)?);
    Ok(rules)
}

/// Which other machines are reached.
pub(super) fn elsewhere(asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let network = asked.network;
    let mut rules = name_servers(asked)?;
    for rule in &network.egress_rules {
        rules.extend(one(rule)?);
    }
    match network.egress {
        Egress::Any => rules.push(Rule::accept()),
        Egress::None => rules.push(refuse().comment("other machines")),
        Egress::Internet => {
            let [four, six] = not_internet()?;
            for (field, nets) in [(Field::Destination4, four), (Field::Destination6, six)] {
                rules.push(refuse().when(Match::is(field, nets)?).comment("not the internet"));
            }
            rules.push(Rule::accept().comment("the internet"));
        }
    }
    Ok(rules)
}

/// What is beyond a rate, whichever connection it belongs to, is lost.
pub(super) fn rates(limits: &Limits) -> Vec<Rule> {
    let mut rules = Vec::new();
    if let Some(rate) = limits.packets_per_second {
        let over = Match::PacketsOver { rate, per: Per::Second, burst: rate };
        rules.push(Rule::drop().when(over).comment("too many packets"));
    }
    if let Some(kilobytes) = limits.kilobytes_per_second {
        let rate = u64::from(kilobytes) * 1024;
        rules.push(Rule::drop().when(Match::BytesOver { rate, burst: rate }).comment("too many bytes"));
    }
    rules
}

/// Connections that the service opens beyond its limits are refused.
pub(super) fn connections(limits: &Limits) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    if let Some(rate) = limits.connections_per_second {
        rules.push(too_fast(rate, rate));
    }
    if let Some(open) = limits.open_connections {
        rules.push(too_many(open)?);
    }
    Ok(rules)
}

/// The same where the machine tracks all of its connections. Those that are over stay in the table of all for two minutes and
/// are not counted, so where the policy names no limit their number is bounded by the rate.
pub(super) fn tracked_connections(network: &Network) -> Result<Vec<Rule>, FilterError> {
    let most = network.open_sockets;
    let fast = match network.limits.connections_per_second {
        Some(rate) => too_fast(rate, rate),
        // Twice as many in a minute, and up to a quarter at once: as for sockets in the mode `filtered`.
        None => too_fast(most.div_ceil(30), most.div_ceil(4)),
    };
    Ok(vec![fast, too_many(network.limits.open_connections.unwrap_or(most))?])
}

fn too_fast(rate: u32, burst: u32) -> Rule {
    let over = Match::PacketsOver { rate, per: Per::Second, burst };
    refuse().when(Match::opening()).when(over).comment("too many connections at once")
}

fn too_many(open: u32) -> Result<Rule, FilterError> {
    let new = Match::is(Field::State, [State::New])?;
    Ok(refuse().when(new).when(Match::ConnectionsOver(open)).comment("too many open connections"))
}

/// The name servers of the resolver, which are reached in any case; and, if asked, nothing else on their port.
fn name_servers(asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let dns = || Match::is(Field::Protocol, [Transport::Udp, Transport::Tcp].map(Value::from));
    let mut rules = Vec::new();
    let elsewhere: Vec<IpAddr> = asked.name_servers.iter().copied().filter(|ip| !ip.is_loopback()).collect();
    for (field, four) in [(Field::Destination4, true), (Field::Destination6, false)] {
        let servers: Vec<Value> =
            elsewhere.iter().filter(|ip| ip.is_ipv4() == four).map(|ip| single(*ip)).collect();
        if !servers.is_empty() {
            rules.push(
                Rule::accept()
                    .when(dns()?)
                    .when(Match::is(Field::DestinationPort, [53u16])?)
                    .when(Match::is(field, servers)?)
                    .comment("name servers"),
            );
        }
    }
    if asked.network.dns == Dns::Resolver {
        let port = Match::is(Field::DestinationPort, [53u16])?;
        rules.push(refuse().when(dns()?).when(port).comment("other name servers"));
    }
    Ok(rules)
}

/// A rule of the policy: one for each family that it names networks of, or one for both.
fn one(rule: &EgressRule) -> Result<Vec<Rule>, FilterError> {
    let mut conditions = Vec::new();
    match (rule.protocol, rule.ports.is_empty()) {
        (Transports::Any, true) => {}
        (Transports::Any, false) => {
            conditions.push(Match::is(Field::Protocol, [Transport::Tcp, Transport::Udp].map(Value::from))?);
        }
        (Transports::Tcp, _) => conditions.push(Match::protocol(Transport::Tcp)),
        (Transports::Udp, _) => conditions.push(Match::protocol(Transport::Udp)),
    }
    if !rule.ports.is_empty() {
        let ports = rule.ports.iter().map(|range| range.ports().ok_or(FilterError::Number));
        conditions.push(Match::is(Field::DestinationPort, ports.collect::<Result<Vec<_>, _>>()?)?);
    }
    if !rule.interfaces.is_empty() {
        conditions.push(Match::is(Field::OutInterface, names_of(&rule.interfaces)?)?);
    }
    let of = || match rule.action {
        EgressAction::Allow => Rule::accept(),
        EgressAction::Deny => refuse(),
    };
    let whole =
        |start: Rule| conditions.iter().cloned().fold(start, Rule::when).comment("a rule of the policy");
    if rule.to.is_empty() {
        return Ok(vec![whole(of())]);
    }
    let nets = rule.to.iter().map(|prefix| prefix.network().ok_or(FilterError::Number));
    let nets = nets.collect::<Result<Vec<IpNet>, _>>()?;
    let mut rules = Vec::new();
    for (field, four) in [(Field::Destination4, true), (Field::Destination6, false)] {
        let nets: Vec<IpNet> = nets.iter().copied().filter(|net| net.addr().is_ipv4() == four).collect();
        if !nets.is_empty() {
            rules.push(whole(of().when(Match::is(field, nets)?)));
        }
    }
    Ok(rules)
}

/// All networks that are not the internet.
fn not_internet() -> Result<[Vec<Value>; 2], FilterError> {
    let mut four = Vec::new();
    let mut six = Vec::new();
    let net6 = |address: Ipv6Addr, length| Ipv6Net::new(address, length).map_err(|_| FilterError::Number);
    for (address, length) in NOT_INTERNET4 {
        four.push(Ipv4Net::new(address, length).map_err(|_| FilterError::Number)?.into());
        let [a, b, c, d] = address.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        // As it is translated by a NAT64 (RFC 6052), sent through a 6to4 tunnel (RFC 3056), and mapped.
        six.push(net6(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low), 96 + length)?.into());
        six.push(net6(Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 0), 16 + length)?.into());
        six.push(net6(Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, high, low), 96 + length)?.into());
    }
    for (address, length) in NOT_INTERNET6 {
        six.push(net6(address, length)?.into());
    }
    Ok([four, six])
}
