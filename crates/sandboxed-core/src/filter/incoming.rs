//! What may reach the service.

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::{names, refuse};
use sandboxed_netfilter::rule::{Action, Rule};
use sandboxed_netfilter::value::Protocol as Transport;

use super::{FilterError, Scope, exceptions, loopback, ports};
use crate::areas::network::{LocalEndpoint, Network, Peers, Protocol};

/// What may reach the service. TCP segments that open no connection have been accepted before.
pub(super) fn rules(
    network: &Network,
    allowed: &[LocalEndpoint],
    scope: Scope,
) -> Result<Vec<Rule>, FilterError> {
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
