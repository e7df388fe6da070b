//! What may reach the service.

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::{Service, names, refuse};
use sandboxed_netfilter::rule::{Action, Rule};
use sandboxed_netfilter::value::Protocol as Transport;

use super::outgoing::{Direction, as_remote};
use super::{Asked, FilterError, Uplinks, exceptions, loopback, names_of, offered};
use crate::areas::network::{Listen, Network, Peers, Protocol};

/// The rules for what reaches the service. TCP segments that open no connection have been accepted before.
pub(super) fn rules(sandbox: &str, asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let mut rules = learning(sandbox, asked)?;
    for (protocol, transport) in [(Protocol::Tcp, Transport::Tcp), (Protocol::Udp, Transport::Udp)] {
        let local = offered(asked.network, protocol, |from| from == Peers::Localhost);
        if !local.is_empty() {
            rules.push(
                Rule::accept()
                    .when(Match::is(Field::InInterface, [loopback()?])?)
                    .when(Match::protocol(transport))
                    .when(Match::is(Field::DestinationPort, local)?)
                    .comment("offered to this machine"),
            );
        }
        rules.extend(to_others(asked.network, protocol, transport)?);
        let partly = offered(asked.network, protocol, |from| from != Peers::Anywhere);
        if asked.scope.offer && protocol == Protocol::Udp && !partly.is_empty() {
            rules.push(
                refuse()
                    .when(Match::protocol(transport))
                    .when(Match::is(Field::DestinationPort, partly)?)
                    .comment("offered to others"),
            );
        }
    }
    if asked.scope.offer {
        rules.extend(exceptions(asked.allowed, [Field::Source4, Field::Source6], Field::SourcePort)?);
        rules.extend(as_remote(asked, Direction::In)?);
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

/// Remembers who called by UDP, so that the service can answer them and nobody else: those who do not come by an uplink, with the
/// interface by which they do (whom a packet is from is what its sender says), and, where the service may not send to all who do,
/// those as well.
fn learning(sandbox: &str, asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let udp = offered(asked.network, Protocol::Udp, |_| true);
    let mut rules = Vec::new();
    if udp.is_empty() {
        return Ok(rules);
    }
    let local = match asked.scope.uplinks {
        Uplinks::Followed => Match::not_in_set(&[Field::InInterfaceNumber], &names::uplinks()),
        Uplinks::Named => Match::is_not(Field::InInterface, names_of(&asked.network.uplinks)?)?,
        Uplinks::Everything => Match::is(Field::InInterface, [loopback()?])?,
    };
    let mut learn = |whence: Match, [set4, set6]: [_; 2], way: &[Field]| -> Result<(), FilterError> {
        for (address, set) in [(Field::Source4, set4), (Field::Source6, set6)] {
            let set = Service::own_set(&set, sandbox)?;
            let fields = [way, &[address, Field::SourcePort, Field::DestinationPort]].concat();
            rules.push(
                Rule::new(Action::Learn { set, fields })
                    .when(whence.clone())
                    .when(Match::protocol(Transport::Udp))
                    .when(Match::is(Field::DestinationPort, udp.clone())?)
                    .comment("who may be answered"),
            );
        }
        Ok(())
    };
    learn(local, [names::callers4(), names::callers6()], &[Field::InInterfaceNumber])?;
    if asked.restricts_egress() {
        let elsewhere = Match::is_not(Field::InInterface, [loopback()?])?;
        // Asymmetric routes are usual there.
        learn(elsewhere, [names::peers4(), names::peers6()], &[])?;
    }
    Ok(rules)
}

/// Offers to everybody, and to some of the other machines.
pub(super) fn to_others(
    network: &Network,
    protocol: Protocol,
    transport: Transport,
) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    let anywhere = offered(network, protocol, |from| from == Peers::Anywhere);
    if !anywhere.is_empty() {
        rules.push(
            Rule::accept()
                .when(Match::protocol(transport))
                .when(Match::is(Field::DestinationPort, anywhere)?)
                .comment("offered to everybody"),
        );
    }
    for listen in network.listen.iter().filter(|l| l.protocol == protocol && l.from == Peers::Named) {
        rules.extend(to_named(listen, transport)?);
    }
    Ok(rules)
}

/// A port that is offered to some other machines.
fn to_named(listen: &Listen, transport: Transport) -> Result<Vec<Rule>, FilterError> {
    let way = if listen.interfaces.is_empty() {
        Match::is_not(Field::InInterface, [loopback()?])?
    } else {
        Match::is(Field::InInterface, names_of(&listen.interfaces)?)?
    };
    let whole = |start: Rule| -> Result<Rule, FilterError> {
        Ok(start
            .when(way.clone())
            .when(Match::protocol(transport))
            .when(Match::is(Field::DestinationPort, [listen.port])?)
            .comment("offered to some"))
    };
    if listen.networks.is_empty() {
        return Ok(vec![whole(Rule::accept())?]);
    }
    let nets = listen.networks.iter().map(|prefix| prefix.network().ok_or(FilterError::Number));
    let nets = nets.collect::<Result<Vec<_>, _>>()?;
    let mut rules = Vec::new();
    for (field, four) in [(Field::Source4, true), (Field::Source6, false)] {
        let nets: Vec<_> = nets.iter().copied().filter(|net| net.addr().is_ipv4() == four).collect();
        if !nets.is_empty() {
            rules.push(whole(Rule::accept().when(Match::is(field, nets)?))?);
        }
    }
    Ok(rules)
}
