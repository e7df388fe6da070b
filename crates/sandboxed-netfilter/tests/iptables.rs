//! The text for iptables-restore: how it looks, that both families take it, and that it leaves nothing behind.
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]
#![allow(clippy::format_push_string, clippy::format_collect, reason = "short scripts read better so")]

use proptest::prelude::*;
use sandboxed_netfilter::{
    expression::{Field, Match, Per},
    filter::{self, Filter, names},
    iptables::{IptablesError, Restore, Service, Shared},
    name::{CgroupPath, Comment, Interface},
    rule::{Action, Reject, Rule, Verdict},
    set::{Elements, Set},
    table::Table,
    value::{AddressType, Direction, Family, Ports, Protocol, State, Type, Value},
};

mod common;

fn net(text: &str) -> Value {
    text.parse::<ipnet::IpNet>().unwrap().into()
}

fn interface(name: &str) -> Interface {
    name.parse().unwrap()
}

/// Two uplinks, so that "by no uplink" has to exclude a list.
fn table() -> Table {
    let names = ["eth0", "wlan0"].map(|name| vec![interface(name).into()]);
    let uplinks = Set::of(names::uplinks(), Elements::new(&[Type::Interface], names).unwrap());
    Filter::default().table().with_set(uplinks)
}

fn slice() -> CgroupPath {
    CgroupPath::new("sandboxed.slice").unwrap()
}

fn service(rules: &[Rule]) -> Result<Service, IptablesError> {
    let path = CgroupPath::new(r"sandboxed.slice/sandboxed-my\x2dsynapse.slice").unwrap();
    Service::new("my-synapse", path, rules, &table())
}

fn rules() -> Vec<Rule> {
    vec![
        Rule::accept()
            .when(Match::protocol(Protocol::Tcp))
            .when(
                Match::is(Field::SourcePort, (0..20u16).map(|n| Ports::range(8000 + 3 * n, 8001 + 3 * n)))
                    .unwrap(),
            )
            .when(Match::not_opening())
            .comment("answers to those who 'called' \"it\" \\ $x"),
        Rule::accept().when(
            Match::all(
                &[Field::Protocol, Field::Destination4, Field::DestinationPort],
                [
                    vec![Protocol::Tcp.into(), net("127.0.0.1/32"), 5432.into()],
                    vec![Value::any_protocol(), net("10.0.0.0/8"), Ports::range(5, 9).into()],
                ],
            )
            .unwrap(),
        ),
        Rule::accept()
            .when(Match::protocol(Protocol::Udp))
            .when(Match::is(Field::Destination6, ["fd00::/8", "::1/128"].map(net)).unwrap()),
        filter::refuse().when(Match::to_this_machine()),
        filter::refuse().when(Match::not_in_set(&[Field::OutInterface], &names::uplinks())),
        Rule::drop().when(
            Match::is(Field::DestinationType, [AddressType::Multicast, AddressType::Broadcast]).unwrap(),
        ),
    ]
}

fn everything() -> Vec<Rule> {
    let mut rules = rules();
    rules.extend([
        Rule::accept().when(Match::reply()),
        Rule::accept().when(Match::tracked()),
        Rule::accept().when(Match::is_not(Field::State, [State::Invalid]).unwrap()),
        Rule::accept().when(Match::is_not(Field::Direction, [Direction::Reply]).unwrap()),
        Rule::accept().when(Match::family(Family::V6)),
        Rule::accept()
            .when(Match::opening())
            .when(Match::is_not(Field::OutInterface, [interface("lo")]).unwrap()),
        Rule::drop().when(Match::PacketsOver { rate: 10, per: Per::Minute, burst: 5 }),
        Rule::drop().when(Match::BytesOver { rate: 4096, burst: 8192 }),
        Rule::drop().when(Match::QuotaOver { bytes: 1 << 40 }),
        Rule::drop().when(Match::ConnectionsOver(100)),
        Rule::new(Action::Log(Comment::new("sandboxed, a prefix that is too long: ").unwrap())),
        Rule::new(Reject::PortUnreachable)
            .when(Match::is_not(Field::Destination4, ["10.0.0.0/8", "172.16.0.0/12"].map(net)).unwrap()),
        Rule::new(Verdict::Return)
            .when(Match::is(Field::InInterface, [Value::InterfacePrefix(interface("veth"))]).unwrap()),
        Rule::new(Reject::TcpReset).when(Match::protocol(Protocol::Tcp)),
        Rule::accept().when(
            Match::is(
                Field::Destination4,
                [Value::Addresses4("10.0.0.1".parse().unwrap(), "10.0.0.6".parse().unwrap())],
            )
            .unwrap(),
        ),
    ]);
    rules.extend(Protocol::ALL.map(|protocol| Rule::accept().when(Match::protocol(protocol))));
    rules
}

/// Gives each family's text to its tool. `None` where the tool is missing.
fn restore(arguments: &[&str], text: &Restore) -> Option<()> {
    for (program, text) in [("iptables-restore", &text.v4), ("ip6tables-restore", &text.v6)] {
        common::assert_accepted(&common::in_namespace(program, arguments, text)?, text);
    }
    Some(())
}

/// Without the parts that need a control group that exists.
fn without_paths(text: &Restore) -> Restore {
    let strip = |text: &str| {
        text.lines().filter(|line| !line.contains("--path")).map(|line| format!("{line}\n")).collect()
    };
    Restore { v4: strip(&text.v4), v6: strip(&text.v6) }
}

#[test]
fn the_text_for_both_families() {
    let (shared, service) = (Shared::new(slice()), service(&rules()).unwrap());
    let texts = [shared.add().unwrap(), service.add(), service.reattach(), service.remove(), shared.remove()];
    let text: String = texts.iter().map(|text| format!("# v4\n{}# v6\n{}", text.v4, text.v6)).collect();
    insta::assert_snapshot!(text);
}

#[test]
fn both_tools_take_every_rule() {
    let shared = without_paths(&Shared::new(slice()).add().unwrap());
    let _ = restore(&["--test", "--noflush"], &shared);
    let service = service(&everything()).unwrap();
    // The chain for refusals belongs to the shared part.
    let join =
        |shared: &str, service: &str| shared.replace("COMMIT\n", "") + &service.replace("*filter\n", "");
    let update = service.update();
    let both = Restore { v4: join(&shared.v4, &update.v4), v6: join(&shared.v6, &update.v6) };
    let _ = restore(&["--noflush"], &both);
}

/// Loads, replaces and removes a service in a host's ruleset, and compares that before and after.
fn comes_and_goes(prefix: &str, texts: [&str; 5]) {
    let host = "*filter\n:host - [0:0]\n-A OUTPUT -j host\nCOMMIT\n";
    let mut script = format!("set -e\nsave() {{ {prefix}-save | grep -v '^#'; }}\n");
    script += &format!("{prefix}-restore <<'END'\n{host}END\nbefore=$(save)\n");
    for (position, text) in texts.into_iter().enumerate() {
        script += &format!("{prefix}-restore --noflush <<'END'\n{text}END\n");
        if position == 2 {
            script += "save | grep -q 'A sandboxed-my-synapse'\n";
        }
    }
    script += "after=$(save)\ndiff <(echo \"$before\") <(echo \"$after\") >&2\n";
    let restore = format!("{prefix}-restore");
    if common::in_namespace(&restore, &["--test"], host).is_none() {
        return;
    }
    let output = std::process::Command::new("unshare").args(["-rn", "bash", "-c", &script]).output().unwrap();
    common::assert_accepted(&output, &script);
}

#[test]
fn nothing_is_left_behind() {
    let shared = Shared::new(slice());
    let service = service(&rules()).unwrap();
    let [add_shared, add] = [shared.add().unwrap(), service.add()].map(|text| without_paths(&text));
    let [remove, remove_shared] = [service.remove(), shared.remove()].map(|text| without_paths(&text));
    for flavour in ["", "-legacy"] {
        let v4 = [&add_shared.v4, &add.v4, &add.v4, &remove.v4, &remove_shared.v4];
        comes_and_goes(&format!("iptables{flavour}"), v4.map(String::as_str));
        let v6 = [&add_shared.v6, &add.v6, &add.v6, &remove.v6, &remove_shared.v6];
        comes_and_goes(&format!("ip6tables{flavour}"), v6.map(String::as_str));
    }
}

#[test]
fn what_iptables_can_not_do_is_an_error() {
    let callers = [Field::Destination4, Field::DestinationPort, Field::SourcePort];
    let learn = Action::Learn { set: names::callers4(), fields: callers.to_vec() };
    let cases = [
        Rule::new(learn),
        Rule::new(Action::Map { fields: vec![Field::CgroupAtLevel(2)], map: names::services() }),
        Rule::new(Verdict::Goto(names::services())),
        Rule::accept().when(Match::is(Field::CgroupAtLevel(1), [slice()]).unwrap()),
        Rule::accept()
            .when(Match::is(Field::OutInterface, [interface("a")]).unwrap())
            .when(Match::is(Field::OutInterface, [interface("b")]).unwrap()),
    ];
    for rule in cases {
        assert!(matches!(service(&[rule]), Err(IptablesError::Inexpressible(_))));
    }
    for unknown in [
        Match::in_set(&[Field::OutInterface], &names::services()),
        Match::in_set(&callers, &names::callers4()),
    ] {
        assert!(matches!(service(&[Rule::accept().when(unknown)]), Err(IptablesError::NoSet(_))));
    }
}

#[test]
fn impossible_rules_vanish() {
    let icmp_port = Rule::accept()
        .when(Match::protocol(Protocol::Icmp))
        .when(Match::is(Field::DestinationPort, [53u16]).unwrap());
    let two_protocols = Rule::accept().when(Match::protocol(Protocol::Udp)).when(Match::opening());
    let both = service(&[icmp_port, two_protocols]).unwrap().update();
    assert!(!both.v4.contains("-A") && !both.v6.contains("-A"), "{both:?}");
}

proptest! {
    #[test]
    fn chains_are_short_and_different(a in "[-a-z+/ä\"]{1,40}", b in "[-a-z+/ä\"]{1,40}") {
        let chain = |name: &str| {
            let text = Service::new(name, slice(), &[], &table()).unwrap().update().v4;
            text.lines().nth(1).unwrap().split(' ').next().unwrap()[1..].to_owned()
        };
        prop_assert!(chain(&a).len() <= 28);
        prop_assert!(chain(&a).bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(chain(&a) == chain(&b), a == b);
    }
}
