//! The rules of a service with a network of its own: what it may send to others, and what they may send to it. What is for the
//! machine itself is refused before, for all such services at once ([`sandboxed_netfilter::private`]).

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::refuse;
use sandboxed_netfilter::name::Interface;
use sandboxed_netfilter::private::{Chains, heard, names};
use sandboxed_netfilter::rule::{Action, Rule};
use sandboxed_netfilter::value::Protocol as Transport;

use super::incoming::to_others;
use super::{Asked, FilterError, egress, names_of, offered};
use crate::areas::network::{Peers, Protocol};

/// The chains of a service.
///
/// # Errors
/// If netfilter takes no such name or set.
pub(crate) fn private(sandbox: &str, asked: &Asked<'_>) -> Result<Chains, FilterError> {
    let network = asked.network;
    let ways = Ways::of(asked)?;
    let mut refused = refuse().comment("networks of this machine alone");
    for beyond in ways.beyond(Field::OutInterface)? {
        refused = refused.when(beyond);
    }
    let mut leaving = vec![refused];
    leaving.extend(egress::tracked_connections(network)?);
    leaving.extend(egress::elsewhere(asked)?);
    let udp = offered(network, Protocol::Udp, |from| from != Peers::Localhost);
    let mut arriving = Vec::new();
    let answers = if udp.is_empty() {
        vec![Rule::accept().when(Match::reply()).comment(ANSWERS)]
    } else {
        arriving.extend(learning(sandbox, &ways, &udp)?);
        answers(sandbox, &ways)?
    };
    for (protocol, transport) in [(Protocol::Tcp, Transport::Tcp), (Protocol::Udp, Transport::Udp)] {
        arriving.extend(to_others(network, protocol, transport)?);
    }
    Ok(Chains::new(sandbox, egress::rates(&network.limits), answers, leaving, arriving)?)
}

const ANSWERS: &str = "answers to those who called the service";

/// By which interfaces the service may send: the uplinks, as the table knows them or as the policy names them, and those that
/// the policy names further.
struct Ways {
    followed: bool,
    named: Vec<Interface>,
}

impl Ways {
    fn of(asked: &Asked<'_>) -> Result<Self, FilterError> {
        let network = asked.network;
        let mut named = names_of(&network.uplinks)?;
        named.extend(names_of(&network.interfaces)?);
        Ok(Self { followed: network.uplinks.is_empty(), named })
    }

    /// Each is a condition that holds for some of them, and none holds for another.
    fn among(&self, field: Field) -> Result<Vec<Match>, FilterError> {
        let mut conditions = Vec::new();
        if self.followed {
            conditions.push(Match::in_set(&[field], &names::uplinks()));
        }
        if !self.named.is_empty() {
            conditions.push(Match::is(field, self.named.clone())?);
        }
        Ok(conditions)
    }

    /// All of these hold for every other interface, and not for one of them.
    fn beyond(&self, field: Field) -> Result<Vec<Match>, FilterError> {
        let mut conditions = Vec::new();
        if self.followed {
            conditions.push(Match::not_in_set(&[field], &names::uplinks()));
        }
        if !self.named.is_empty() {
            conditions.push(Match::is_not(field, self.named.clone())?);
        }
        Ok(conditions)
    }
}

/// Answers, where the service takes UDP packets. Whoever sends it one writes into it whom it came from: if that were believed,
/// the service could send whatever it likes to somebody whom only this machine reaches, as an answer. By TCP nobody is sent
/// anything before he has agreed to it.
fn answers(sandbox: &str, ways: &Ways) -> Result<Vec<Rule>, FilterError> {
    let answer = || Rule::accept().when(Match::reply()).comment(ANSWERS);
    let mut rules = vec![answer().when(Match::is_not(Field::Protocol, [Transport::Udp])?)];
    rules.extend(ways.among(Field::OutInterface)?.into_iter().map(|way| answer().when(way)));
    for (address, set) in [Field::Destination4, Field::Destination6].into_iter().zip(heard(sandbox)?) {
        let peer = [Field::OutInterface, address, Field::DestinationPort, Field::SourcePort];
        rules.push(answer().when(Match::protocol(Transport::Udp)).when(Match::in_set(&peer, &set.name)));
    }
    Ok(rules)
}

/// Remembers those who ask from where the service may not send by itself, with the interface by which they are reached.
fn learning(sandbox: &str, ways: &Ways, udp: &[u16]) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    for (address, set) in [Field::Source4, Field::Source6].into_iter().zip(heard(sandbox)?) {
        let fields = vec![Field::InInterface, address, Field::SourcePort, Field::DestinationPort];
        let mut rule = Rule::new(Action::Learn { set: set.name, fields }).comment("who may be answered");
        for beyond in ways.beyond(Field::InInterface)? {
            rule = rule.when(beyond);
        }
        rules.push(
            rule.when(Match::protocol(Transport::Udp))
                .when(Match::is(Field::DestinationPort, udp.iter().copied())?),
        );
    }
    Ok(rules)
}
