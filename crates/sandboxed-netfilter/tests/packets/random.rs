//! Random rules over the few packets that the tests send.

use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};
use sandboxed_netfilter::{
    expression::{Field, Match},
    filter::{self, Filter, names},
    rule::{Reject, Rule, Verdict},
    table::Chain,
    value::{AddressType, Family, Ports, Protocol, Value},
};

fn net(text: &str) -> Value {
    text.parse::<ipnet::IpNet>().unwrap().into()
}

/// Conditions over the few packets there are, so that most of them matter.
fn condition() -> impl Strategy<Value = Match> {
    let port = prop::sample::select(vec![Ports::from(53), Ports::from(54), Ports::range(54, 99)]);
    let ports = prop::collection::vec(port, 1..3);
    let source = prop::collection::vec((5000..5008u16).prop_map(Ports::from), 1..5);
    let nets4 =
        prop::sample::subsequence(vec!["127.0.0.0/8", "10.77.0.0/24", "10.77.0.2/32", "0.0.0.0/1"], 1..4);
    let nets6 = prop::sample::subsequence(vec!["::1/128", "fd00::/8", "fd77::2/128", "::/0"], 1..4);
    let values = |nets: Vec<&'static str>| nets.into_iter().map(net).collect::<Vec<_>>();
    let kinds = prop::sample::subsequence(
        vec![AddressType::Local, AddressType::Unicast, AddressType::Broadcast, AddressType::Multicast],
        1..4,
    );
    let interfaces = prop::sample::subsequence(vec!["lo", "up0", "eth7"], 1..3).prop_map(|names| {
        names.into_iter().map(|name| Value::Interface(name.parse().unwrap())).collect::<Vec<_>>()
    });
    let is = |field, not: bool, values: Vec<Value>| {
        if not { Match::is_not(field, values) } else { Match::is(field, values) }.unwrap()
    };
    let combined = (ports.clone(), nets4.clone().prop_map(values), any::<bool>()).prop_map(
        |(ports, nets, any_protocol)| {
            let protocol = if any_protocol { Value::any_protocol() } else { Protocol::Udp.into() };
            let key = |(net, port): (Value, Ports)| vec![protocol.clone(), net, port.into()];
            let pairs = nets.into_iter().zip(ports.into_iter().cycle());
            Match::all(&[Field::Protocol, Field::Destination4, Field::DestinationPort], pairs.map(key))
                .unwrap()
        },
    );
    prop_oneof![
        prop_oneof![Just(Protocol::Udp), Just(Protocol::Tcp)].prop_map(Match::protocol),
        prop_oneof![Just(Family::V4), Just(Family::V6)].prop_map(Match::family),
        Just(Match::to_this_machine()),
        ports.prop_map(|ports| Match::is(Field::DestinationPort, ports).unwrap()),
        source.prop_map(|ports| Match::is(Field::SourcePort, ports).unwrap()),
        (nets4.prop_map(values), any::<bool>()).prop_map(move |(nets, not)| is(
            Field::Destination4,
            not,
            nets
        )),
        (nets6.prop_map(values), any::<bool>()).prop_map(move |(nets, not)| is(
            Field::Destination6,
            not,
            nets
        )),
        (kinds, any::<bool>()).prop_map(move |(kinds, not)| {
            is(Field::DestinationType, not, kinds.into_iter().map(Value::AddressType).collect())
        }),
        (interfaces, any::<bool>()).prop_map(move |(names, not)| is(Field::OutInterface, not, names)),
        any::<bool>().prop_map(|not| {
            let look = if not { Match::not_in_set } else { Match::in_set };
            look(&[Field::OutInterfaceNumber], &names::uplinks())
        }),
        combined,
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let action = prop_oneof![
        Just(Rule::accept()),
        Just(Rule::drop()),
        Just(filter::refuse()),
        Just(Rule::reject()),
        Just(Rule::new(Reject::PortUnreachable)),
        Just(Rule::new(Verdict::Return)),
    ];
    (action, prop::collection::vec(condition(), 0..3)).prop_map(|(rule, conditions)| {
        // Ports are only asked of a protocol that has them.
        conditions.into_iter().fold(rule.when(Match::protocol(Protocol::Udp)), Rule::when)
    })
}

/// Random rules from a fixed seed, so that what fails here fails everywhere. Those that contradict themselves are left
/// out, as `Table::check` would.
pub(crate) fn random_services(many: usize) -> Vec<Vec<Rule>> {
    let mut runner = TestRunner::deterministic();
    let rules = prop::collection::vec(rule(), 1..6);
    let possible = |rule: &Rule| {
        let chain = Chain::new(names::service(), vec![rule.clone()]);
        Filter::default().table().with_chain(chain).check().is_ok()
    };
    (0..many)
        .map(|_| rules.new_tree(&mut runner).unwrap().current().into_iter().filter(possible).collect())
        .collect()
}
