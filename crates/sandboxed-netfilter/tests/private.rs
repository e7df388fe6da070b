//! The table for services with a network of their own: how it looks, and that nft takes it and its changes.

#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use sandboxed_netfilter::{
    expression::{Field, Match},
    filter::refuse,
    name::Interface,
    private::{self, Chains, Interfaces, Member},
    rule::Rule,
    script::Script,
    table::Ownership,
    value::Protocol,
};

mod common;

fn interface(name: &str) -> Interface {
    name.parse().unwrap()
}

fn chains() -> Chains {
    let offered = Rule::accept()
        .when(Match::protocol(Protocol::Tcp))
        .when(Match::is(Field::DestinationPort, [8448u16]).unwrap());
    let uplinks = private::names::uplinks();
    let answers = Rule::accept().when(Match::reply());
    let leaving = refuse().when(Match::not_in_set(&[Field::OutInterface], &uplinks));
    Chains::new("synapse", [], [answers], [leaving], [offered]).unwrap()
}

fn member() -> Member {
    Member {
        name: "synapse".to_owned(),
        interface: interface("sb-synapse"),
        address4: "198.18.7.2".parse().unwrap(),
        address6: "fd00:1:2::2".parse().unwrap(),
        published: vec![(Protocol::Tcp, 8448), (Protocol::Udp, 3478)],
    }
}

#[test]
fn the_table_and_a_service_that_comes_and_goes() {
    let table = private::table(Ownership::Shared);
    table.check().unwrap();
    assert!(table.needs_conntrack());
    let changes = [
        chains().script().to_string(),
        member().add().unwrap().to_string(),
        Interfaces {
            uplinks: vec![interface("eth0"), interface("wlan0")],
            opened4: vec![interface("eth0")],
            opened6: Vec::new(),
        }
        .script()
        .to_string(),
        member().remove().unwrap().to_string(),
    ];
    let changes = changes.join("\n");
    let text = format!("{}\n{changes}", Script::ensure(&table));
    insta::assert_snapshot!(text);
    if let Some(output) = common::in_namespace("nft", &["-c", "-f", "-"], &text) {
        common::assert_accepted(&output, &text);
    }
}

#[test]
fn the_table_inside_is_taken() {
    let table = private::inside().unwrap();
    table.check().unwrap();
    let text = Script::ensure(&table).to_string();
    assert!(
        text.contains("udp dport { 68, 546 } drop") || text.contains("th dport { 68, 546 } drop"),
        "{text}"
    );
    if let Some(output) = common::in_namespace("nft", &["-f", "-"], &text) {
        common::assert_accepted(&output, &text);
    }
}

/// What was put in is taken out again, to the last element.
#[test]
fn nothing_stays_behind() {
    let table = Script::ensure(&private::table(Ownership::Shared));
    let script = format!(
        "set -eu\n\
         nft -f - <<'A'\n{table}A\nnft list ruleset > /dev/shm/$$.before\n\
         nft -f - <<'B'\n{}{}B\n\
         nft list ruleset | cmp -s - /dev/shm/$$.before && exit 3\n\
         nft -f - <<'C'\n{}C\n\
         nft list ruleset | cmp - /dev/shm/$$.before; rm /dev/shm/$$.before\n",
        chains().script(),
        member().add().unwrap(),
        member().remove().unwrap()
    );
    if let Some(output) = common::in_namespace("sh", &["-c", &script], "") {
        common::assert_accepted(&output, &script);
    }
}
