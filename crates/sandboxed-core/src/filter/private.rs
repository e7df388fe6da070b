//! The rules of a service with a network of its own: what it may send to others, and what they may send to it. What is for the
//! machine itself is refused before, for all such services at once ([`sandboxed_netfilter::private`]).

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::refuse;
use sandboxed_netfilter::private::{Chains, names};
use sandboxed_netfilter::rule::Rule;
use sandboxed_netfilter::value::Protocol as Transport;

use super::incoming::to_others;
use super::{Asked, FilterError, egress, names_of};
use crate::areas::network::Protocol;

/// The chains of a service.
///
/// # Errors
/// If netfilter takes no such name or set.
pub(crate) fn private(sandbox: &str, asked: &Asked<'_>) -> Result<Chains, FilterError> {
    let network = asked.network;
    let mut leaving = vec![by(asked)?];
    leaving.extend(egress::tracked_connections(network)?);
    leaving.extend(egress::elsewhere(asked)?);
    Ok(Chains::new(sandbox, egress::rates(&network.limits), leaving, arriving(asked)?)?)
}

/// It leaves by the uplinks, and by what the policy names further.
fn by(asked: &Asked<'_>) -> Result<Rule, FilterError> {
    let network = asked.network;
    let mut interfaces = names_of(&network.uplinks)?;
    interfaces.extend(names_of(&network.interfaces)?);
    let mut refused = refuse().comment("networks of this machine alone");
    if network.uplinks.is_empty() {
        refused = refused.when(Match::not_in_set(&[Field::OutInterface], &names::uplinks()));
    }
    if !interfaces.is_empty() {
        refused = refused.when(Match::is_not(Field::OutInterface, interfaces)?);
    }
    Ok(refused)
}

fn arriving(asked: &Asked<'_>) -> Result<Vec<Rule>, FilterError> {
    let mut rules = Vec::new();
    for (protocol, transport) in [(Protocol::Tcp, Transport::Tcp), (Protocol::Udp, Transport::Udp)] {
        rules.extend(to_others(asked.network, protocol, transport)?);
    }
    Ok(rules)
}
