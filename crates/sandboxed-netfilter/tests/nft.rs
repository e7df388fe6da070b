//! The text for nft: how it looks, that nft takes it, and that no name can break out of it.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use proptest::prelude::*;
use sandboxed_netfilter::{
    expression::{Field, Match, Per},
    filter::{self, Filter, Service, names},
    name::{CgroupPath, Comment, Ident, Interface},
    rule::{Action, Reject, Rule, Verdict},
    script::{Command, Script},
    set::{Elements, Set},
    table::{Chain, Ownership, Table, TableError},
    value::{AddressType, Direction, Family, Ports, Protocol, State, Type, Value},
};

mod common;

fn net(text: &str) -> Value {
    text.parse::<ipnet::IpNet>().unwrap().into()
}

fn interface(name: &str) -> Interface {
    name.parse().unwrap()
}

fn filter() -> Filter {
    Filter { uplinks: vec![2, 3], inbound: true, ownership: Ownership::Shared }
}

/// A service that uses every kind of condition and action.
fn synapse() -> Service {
    let local = |fields: &[Field], keys| Match::all(fields, keys).unwrap();
    let own = |prefix| Service::own_set(&prefix, "synapse").unwrap();
    let callers = |set, address| Match::in_set(&[address, Field::DestinationPort, Field::SourcePort], &set);
    let output = vec![
        Rule::accept()
            .when(Match::protocol(Protocol::Tcp))
            .when(Match::is(Field::SourcePort, [8008u16, 8448]).unwrap())
            .when(Match::not_opening())
            .comment("answers to those who called"),
        Rule::accept()
            .when(Match::protocol(Protocol::Udp))
            .when(callers(own(names::callers4()), Field::Destination4)),
        Rule::accept()
            .when(Match::protocol(Protocol::Udp))
            .when(callers(own(names::callers6()), Field::Destination6)),
        Rule::accept().when(local(
            &[Field::Protocol, Field::Destination4, Field::DestinationPort],
            vec![
                vec![Protocol::Tcp.into(), net("127.0.0.1/32"), 5432.into()],
                vec![Protocol::Udp.into(), net("127.0.0.53/32"), 53.into()],
            ],
        )),
        Rule::accept().when(local(
            &[Field::Protocol, Field::Destination6, Field::DestinationPort],
            vec![vec![Protocol::Tcp.into(), net("::1/128"), Ports::range(5432, 5433).into()]],
        )),
        filter::refuse().when(Match::to_this_machine()),
        Rule::reject().when(Match::not_in_set(&[Field::OutInterfaceNumber], &names::uplinks())).counted(),
        Rule::new(Reject::PortUnreachable)
            .when(Match::is(Field::Destination4, ["10.0.0.0/8", "192.168.0.0/16"].map(net)).unwrap()),
    ];
    let learn = |prefix, address| Action::Learn {
        set: own(prefix),
        fields: vec![address, Field::SourcePort, Field::DestinationPort],
    };
    let input = vec![
        Rule::new(learn(names::callers6(), Field::Source6)).when(Match::protocol(Protocol::Udp)),
        Rule::new(learn(names::callers4(), Field::Source4))
            .when(Match::is(Field::InInterface, [interface("lo")]).unwrap())
            .when(Match::protocol(Protocol::Udp))
            .when(Match::is(Field::DestinationPort, [3478u16]).unwrap()),
        Rule::accept()
            .when(Match::protocol(Protocol::Tcp))
            .when(Match::is(Field::DestinationPort, [8008u16, 8448]).unwrap()),
        Rule::new(Reject::TcpReset).when(Match::protocol(Protocol::Tcp)),
    ];
    let slice = CgroupPath::new("sandboxed.slice/sandboxed-synapse.slice").unwrap();
    Service::new("synapse", slice, output).unwrap().with_input(input).unwrap()
}

fn assert_nft_takes(text: &str) {
    if let Some(output) = common::in_namespace("nft", &["-c", "-f", "-"], text) {
        common::assert_accepted(&output, text);
    }
}

#[test]
fn the_table_as_it_is_shipped() {
    let text = filter().load().to_string();
    insta::assert_snapshot!(text);
    filter().table().check().unwrap();
    assert_nft_takes(&text);
    let smallest = Filter::default().load().to_string();
    assert_nft_takes(&smallest);
}

#[test]
fn a_service_comes_and_goes() {
    let service = synapse();
    insta::assert_snapshot!(format!(
        "{}\n{}\n{}",
        service.add(),
        service.remove(),
        filter::refill([&service])
    ));
    // The paths can't be resolved here; all else must be fine, in one transaction with the table.
    assert_nft_takes(&format!("{}{}", filter().load(), service.chains_script()));
}

#[test]
fn every_condition_and_action_is_taken() {
    let ident = |name| Ident::new(name).unwrap();
    let chain = ident("everything");
    let udp = || Match::protocol(Protocol::Udp);
    let interfaces = Elements::new(
        &[Type::Interface],
        [vec![Value::InterfacePrefix(interface("veth"))], vec![interface("eth0").into()]],
    );
    let mut rules = vec![
        Rule::accept().when(Match::reply()),
        Rule::accept().when(Match::tracked()),
        Rule::accept().when(Match::family(Family::V6)),
        Rule::accept().when(Match::is(Field::State, [State::New, State::Invalid, State::Untracked]).unwrap()),
        Rule::accept().when(Match::is(Field::Direction, [Direction::Original]).unwrap()),
        Rule::accept().when(Match::is(Field::SourceType, [AddressType::Anycast]).unwrap()),
        Rule::accept().when(
            Match::is(
                Field::DestinationType,
                [AddressType::Unicast, AddressType::Broadcast, AddressType::Multicast],
            )
            .unwrap(),
        ),
        Rule::accept().when(Match::opening()),
        Rule::drop().when(Match::PacketsOver { rate: 10, per: Per::Minute, burst: 5 }),
        Rule::drop().when(Match::BytesOver { rate: 4096, burst: 8192 }),
        Rule::drop().when(Match::QuotaOver { bytes: 1 << 40 }),
        Rule::drop().when(Match::ConnectionsOver(100)),
        Rule::new(Action::Log(Comment::new("sandboxed: ").unwrap())).counted(),
        Rule::new(Verdict::Return).when(Match::is_not(Field::Source6, ["fd00::/8"].map(net)).unwrap()),
        Rule::new(Verdict::Jump(ident("other"))),
        Rule::new(Verdict::Goto(ident("other"))).when(Match::in_set(&[Field::OutInterface], &ident("some"))),
        Rule::accept().when(udp()).when(Match::is(Field::DestinationPort, [Ports::ANY]).unwrap()),
        Rule::accept().when(Match::is(Field::Destination6, ["::/0"].map(net)).unwrap()),
        Rule::accept().when(Match::is(Field::Destination4, ["0.0.0.0/0"].map(net)).unwrap()),
        Rule::accept().when(Match::is(Field::Destination4, ["10.0.0.0/8"].map(net)).unwrap()),
        Rule::accept().when(Match::is(Field::Protocol, [Value::any_protocol()]).unwrap()),
        Rule::accept()
            .when(Match::is(Field::InInterface, [Value::InterfacePrefix(interface("veth"))]).unwrap()),
    ];
    rules.extend(Protocol::ALL.map(|protocol| Rule::accept().when(Match::protocol(protocol))));
    rules.push(Rule::accept().when(Match::is(Field::Protocol, Protocol::ALL).unwrap()));
    let table = Table::new(ident("test"))
        .with_set(Set::of(ident("some"), interfaces.unwrap()))
        .with_chain(Chain::new(ident("other"), vec![]))
        .with_chain(Chain::new(chain, rules));
    table.check().unwrap();
    let text = table.to_string();
    insta::assert_snapshot!(text);
    assert_nft_takes(&text);
    assert_nft_takes(&Script::ensure(&table).to_string());
}

#[test]
fn overlapping_elements_are_no_problem_for_the_kernel() {
    let keys = [
        ("tcp", "127.0.0.0/8", Ports::range(1, 1000)),
        ("tcp", "127.0.0.1/32", Ports::range(500, 2000)),
        ("any", "127.0.0.0/16", Ports::from(53)),
        ("udp", "0.0.0.0/0", Ports::range(50, 60)),
    ]
    .map(|(protocol, address, ports)| {
        let protocol = match protocol {
            "tcp" => Protocol::Tcp.into(),
            "udp" => Protocol::Udp.into(),
            _ => Value::any_protocol(),
        };
        vec![protocol, net(address), ports.into()]
    });
    let fields = [Field::Protocol, Field::Destination4, Field::DestinationPort];
    let rule = Rule::accept().when(Match::all(&fields, keys).unwrap());
    let table =
        Table::new(names::table()).with_chain(Chain::new(Ident::new("overlaps").unwrap(), vec![rule]));
    let Some(output) = common::in_namespace("nft", &["-f", "-"], &table.to_string()) else { return };
    common::assert_accepted(&output, &table.to_string());
}

#[test]
fn tables_that_the_kernel_would_refuse_are_noticed_without_it() {
    let ident = |name| Ident::new(name).unwrap();
    let table = |rules| Table::new(ident("t")).with_chain(Chain::new(ident("a"), rules));
    let port = Match::is(Field::DestinationPort, [53u16]).unwrap();
    let cases = [
        (Rule::new(Verdict::Jump(ident("b"))), TableError::NoChain(ident("b"))),
        (Rule::new(Verdict::Goto(ident("a"))), TableError::Loop(ident("a"))),
        (Rule::accept().when(port), TableError::Port(ident("a"))),
        (
            Rule::accept().when(Match::in_set(&[Field::OutInterface], &ident("s"))),
            TableError::NoSet(ident("s")),
        ),
    ];
    for (rule, error) in cases {
        assert_eq!(table(vec![rule]).check(), Err(error));
    }
    let confused = table(vec![Rule::accept().when(Match::in_set(&[Field::OutInterface], &ident("s")))])
        .with_set(Set::empty(ident("s"), &[Type::Port]));
    assert!(matches!(confused.check(), Err(TableError::Type { .. })));
}

/// Text that would do harm if it were pasted into a rule.
fn hostile() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "\"",
        "\\",
        "{",
        "}",
        ";",
        "\n",
        "#",
        "$",
        "@",
        "%",
        " ",
        "\t",
        "'",
        "`",
        "\0",
        "/",
        "..",
        "-",
        "accept",
        "flush ruleset",
        "ä",
        "\u{202e}",
        "*",
        "+",
        ",",
        "a",
        "x2d",
        "_",
        ".",
        ":",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn different_services_have_different_chains(a in hostile(), b in hostile()) {
        let encode = |text: &str| Ident::encoded(&names::service(), text);
        if let (Ok(first), Ok(second)) = (encode(&a), encode(&b)) {
            prop_assert_eq!(first == second, a == b);
            // What was encoded is itself a legal name.
            prop_assert_eq!(Ident::new(first.as_str()).unwrap(), first);
        }
    }

    #[test]
    fn names_hold_nothing_that_ends_them(text in hostile()) {
        if let Ok(name) = Interface::new(&text) {
            prop_assert_eq!(name.to_string(), format!("\"{text}\""));
            prop_assert!(!text.contains(['"', '\\', '\n', '*']));
        }
        if let Ok(path) = CgroupPath::new(&text) {
            let breaks_out = path.as_str().contains(['"', '\n', ';', '{', '$']);
            prop_assert!(!breaks_out);
            prop_assert_eq!(usize::from(path.level()), text.split('/').count());
        }
        if let Some(comment) = Comment::lossy(&text) {
            prop_assert_eq!(Comment::new(comment.as_str()).unwrap(), comment);
        }
    }
}

proptest! {
    // Each case runs nft.
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn nft_reads_hostile_names_as_names(texts in prop::collection::btree_set(hostile(), 1..40)) {
        let mut script = Script::new(names::table());
        script.push(Command::AddTable);
        let mut chains = 0;
        for text in &texts {
            let Ok(chain) = Ident::encoded(&names::service(), text) else { continue };
            let mut rule = Rule::accept().comment(text);
            if let Ok(interface) = Interface::new(text) {
                rule = rule.when(Match::is(Field::OutInterface, [interface]).unwrap());
            }
            script.replace_chain(&Chain::new(chain, vec![rule]));
            chains += 1;
        }
        let text = script.to_string();
        if let Some(output) = common::in_namespace("sh", &["-c", "nft -f - && nft list ruleset"], &text) {
            common::assert_accepted(&output, &text);
            let listing = String::from_utf8(output.stdout).unwrap();
            prop_assert_eq!(listing.matches("chain service-").count(), chains);
            prop_assert!(listing.matches("accept").count() >= chains);
        }
    }
}

#[test]
fn a_name_of_a_megabyte_is_refused_with_a_short_message() {
    let name = "n".repeat(1 << 20);
    let errors = [
        Ident::encoded(&names::service(), &name).unwrap_err(),
        Ident::new(&name).unwrap_err(),
        Interface::new(&name).unwrap_err(),
        CgroupPath::new(&name).unwrap_err(),
        Comment::new(&name).unwrap_err(),
    ];
    for error in errors {
        assert!(error.to_string().len() < 200, "{error}");
    }
}

#[test]
fn words_of_the_language_are_no_names() {
    for word in ["tcp", "accept", "", "1a", "-a", "a b", "a;b", "a\"", "_x"] {
        assert!(Ident::new(word).is_err(), "{word:?}");
    }
    for word in [
        "",
        ".",
        "..",
        "a/b",
        "a b",
        "eth*",
        "eth+",
        "a\"b",
        "sixteen-bytes-xx",
        "-o",
        "!x",
        "all",
        "default",
    ] {
        assert!(Interface::new(word).is_err(), "{word:?}");
    }
    for path in ["", "/a", "a/", "a//b", "a/../b", "a/./b", "a b", "a\"b", "a\nb"] {
        assert!(CgroupPath::new(path).is_err(), "{path:?}");
    }
}
