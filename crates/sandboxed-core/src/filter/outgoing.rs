//! What the service may send.
//!
//! A packet for another machine leaves by an uplink, or an interface that the policy opens by name; whatever is for this
//! machine leaves by `lo`. So what leaves by an uplink is let go first, after one look at the interface. A packet that a
//! redirection of the host's own firewall turned round to this machine still has the interface that it would have left by,
//! but a loopback address already, and is treated as local.

use std::net::Ipv4Addr;

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::{Service, names, refuse};
use sandboxed_netfilter::rule::{Rule, Verdict};
use sandboxed_netfilter::value::{Protocol as Transport, Value};

use super::{Asked, FilterError, Uplinks, exceptions, loopback, names_of, offered, ports};
use crate::areas::network::{HostAddresses, Peers, Protocol};

/// The rules for what the service sends.
pub(super) fn rules(sandbox: &str, asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let mut rules = others(sandbox, asked)?;
    if !asked.scope.local && asked.scope.uplinks == Uplinks::Everything {
        return Ok(rules);
    }
    let callers = [names::callers4(), names::callers6()];
    rules.extend(answers(sandbox, asked, callers, &[Field::OutInterfaceNumber], |_| true)?);
    rules.extend(exceptions(
        asked.allowed,
        [Field::Destination4, Field::Destination6],
        Field::DestinationPort,
    )?);
    rules.extend(as_remote(asked, Direction::Out)?);
    rules.push(if asked.scope.local {
        refuse().comment("this machine, and what only it reaches")
    } else {
        let elsewhere = Match::is_not(Field::OutInterface, [loopback()?])?;
        refuse().when(elsewhere).comment("what only this machine reaches")
    });
    Ok(rules)
}

/// What leaves to other machines.
fn others(sandbox: &str, asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let further = names_of(&asked.network.interfaces)?;
    let mut ways = Vec::new();
    match &asked.scope.uplinks {
        Uplinks::Followed => {
            ways.push(Match::in_set(&[Field::OutInterfaceNumber], &names::uplinks()));
            if !further.is_empty() {
                ways.push(Match::is(Field::OutInterface, further)?);
            }
        }
        Uplinks::Named => {
            let named = names_of(&asked.network.uplinks)?.into_iter().chain(further);
            ways.push(Match::is(Field::OutInterface, named)?);
        }
        Uplinks::Everything => ways.push(Match::is_not(Field::OutInterface, [loopback()?])?),
    }
    let verdict = || -> Result<Verdict, FilterError> {
        Ok(if asked.restricts_egress() {
            Verdict::Goto(Service::egress_chain(sandbox)?)
        } else {
            Verdict::Accept
        })
    };
    let mut rules = Vec::new();
    for way in ways {
        for elsewhere in not_loopback([Field::Destination4, Field::Destination6])? {
            rules.push(Rule::new(verdict()?).when(elsewhere).when(way.clone()).comment("to other machines"));
        }
    }
    Ok(rules)
}

/// That an address is none of the loopback ones, in either family.
fn not_loopback([four, six]: [Field; 2]) -> Result<[Match; 2], FilterError> {
    let (v4, v6) = super::LOOPBACK;
    let all4 = Value::Addresses4(v4, Ipv4Addr::new(127, 255, 255, 255));
    Ok([Match::is_not(four, [all4])?, Match::is_not(six, [Value::Addresses6(v6, v6)])?])
}

/// Answers to those who called the service: by TCP whatever opens no connection, by UDP what goes to those who were seen to
/// call, which two sets remember; their keys begin with the fields `way`. Ports are those that are offered to `whom`.
pub(super) fn answers(
    sandbox: &str,
    asked: &Asked<'_>,
    [seen4, seen6]: [sandboxed_netfilter::name::Ident; 2],
    way: &[Field],
    whom: impl Fn(Peers) -> bool + Copy,
) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    let tcp = offered(asked.network, Protocol::Tcp, whom);
    if !tcp.is_empty() {
        rules.push(
            Rule::accept()
                .when(Match::protocol(Transport::Tcp))
                .when(Match::is(Field::SourcePort, tcp)?)
                .when(Match::not_opening())
                .comment("answers to those who called the service"),
        );
    }
    let udp = offered(asked.network, Protocol::Udp, whom);
    if !udp.is_empty() {
        for (address, seen) in [(Field::Destination4, seen4), (Field::Destination6, seen6)] {
            let seen = Service::own_set(&seen, sandbox)?;
            let peer = [way, &[address, Field::DestinationPort, Field::SourcePort]].concat();
            rules.push(
                Rule::accept()
                    .when(Match::protocol(Transport::Udp))
                    .when(Match::is(Field::SourcePort, udp.clone())?)
                    .when(Match::in_set(&peer, &seen))
                    .comment("answers to those who called the service"),
            );
        }
    }
    Ok(rules)
}

/// Which way packets go between the service and the machine's own addresses.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// From the service.
    Out,
    /// To it.
    In,
}

/// The ports that the machine's firewall opens to other machines, on the addresses by which they reach it.
pub(super) fn as_remote(asked: &Asked<'_>, direction: Direction) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    if asked.network.host_addresses != HostAddresses::AsRemote {
        return Ok(rules);
    }
    let (interface, addresses, port) = match direction {
        Direction::Out => {
            (Field::OutInterface, [Field::Destination4, Field::Destination6], Field::DestinationPort)
        }
        Direction::In => (Field::InInterface, [Field::Source4, Field::Source6], Field::SourcePort),
    };
    for (transport, open) in [(Transport::Tcp, &asked.firewall.tcp), (Transport::Udp, &asked.firewall.udp)] {
        let open = ports(open)?;
        if open.is_empty() {
            continue;
        }
        for address in not_loopback(addresses)? {
            rules.push(
                Rule::accept()
                    .when(Match::is(interface, [loopback()?])?)
                    .when(address)
                    .when(Match::protocol(transport))
                    .when(Match::is(port, open.clone())?)
                    .comment("open to other machines as well"),
            );
        }
    }
    Ok(rules)
}
