//! What the service may send.

use sandboxed_netfilter::expression::{Field, Match};
use sandboxed_netfilter::filter::{names, refuse};
use sandboxed_netfilter::rule::Rule;
use sandboxed_netfilter::value::Protocol as Transport;

use super::{FilterError, exceptions, loopback, ports};
use crate::areas::network::{LocalEndpoint, Network, Protocol};

/// What the service may send.
pub(super) fn rules(network: &Network, allowed: &[LocalEndpoint]) -> Result<Vec<Rule>, FilterError> {
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
