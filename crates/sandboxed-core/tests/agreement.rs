//! serde and the schema accept the same policies: whatever is done to one, both say the same of it.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use proptest::prelude::*;
use proptest::sample::Index;
use sandboxed_core::policy::Policy;
use sandboxed_core::schema;
use serde_json::{Value, json};

/// A policy that has every field, with something in every list and map.
fn full() -> Value {
    json!({
        "$schema": "x", "version": 1, "preset": "synapse", "name": "a", "description": "d",
        "units": ["a.service"], "sockets": ["a.socket"],
        "filesystem": {
            "root": "own", "state": ["/a"], "writable": ["-/b"], "readable": ["/c"], "hidden": ["/d"], "executable": ["/e"],
            "etc": ["passwd"], "home": "read-only", "devices": ["/dev/fuse"], "temporarySize": "1M"
        },
        "network": {
            "mode": "none", "allow": ["tcp [::1]:53"], "hostAddresses": "as-remote",
            "listen": [{
                "port": 80, "protocol": "udp", "from": "named", "interfaces": ["a"], "networks": ["192.0.2.0/24"]
            }],
            "uplinks": ["a"], "interfaces": ["b"], "egress": "internet", "dns": "resolver",
            "egressRules": [{
                "action": "deny", "to": ["::/0"], "protocol": "tcp", "ports": ["1-2"], "interfaces": ["c"]
            }],
            "limits": {
                "connectionsPerSecond": 1, "packetsPerSecond": 2, "kilobytesPerSecond": 3, "openConnections": 4
            },
            "resolver": "servers", "nameServers": ["192.0.2.1"], "addressFamilies": ["AF_UNIX"]
        },
        "processes": {"proc": "all"},
        "ipc": {"sockets": ["/run/a"], "messageBus": true, "journal": false},
        "privileges": {
            "capabilities": ["CAP_KILL"], "namespaces": ["user"], "dynamicUser": true, "privilegedCommands": "keep"
        },
        "syscalls": {"allow": ["@system-service"], "deny": ["mlock"], "except": ["@resources"]},
        "resources": {
            "memory": "1G", "swap": "0", "tasks": 9, "cpuWeight": 1, "cpuQuota": 50, "ioWeight": 2, "openFiles": 16,
            "coreDumps": true
        },
        "secrets": {"credentials": {"a": "/a"}, "encrypted": {"b": "/b"}},
        "accept": {"no-write-execute": "because"}
    })
}

/// All places of a value, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    let inner: Vec<(String, &Value)> = match value {
        Value::Object(object) => object.iter().map(|(key, inner)| (key.clone(), inner)).collect(),
        Value::Array(items) => {
            items.iter().enumerate().map(|(index, inner)| (index.to_string(), inner)).collect()
        }
        _ => Vec::new(),
    };
    for (key, inner) in inner {
        places(inner, &format!("{at}/{key}"), found);
    }
}

fn something() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-3i64..20_000_000).prop_map(Value::from),
        prop_oneof![Just(1.0), Just(80.0), Just(0.5), Just(-1.0), Just(1e300), Just(65536.0)]
            .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop_oneof![
            Just(""),
            Just("own"),
            Just("host"),
            Just("/a"),
            Just("/a/.."),
            Just("tcp 127.0.0.1:1"),
            Just("CAP_KILL"),
            Just("AF_VSOCK"),
            Just("a.service"),
            Just("a.socket"),
            Just("none"),
            Just("50%")
        ]
        .prop_map(Value::from),
        Just(json!([])),
        Just(json!({})),
        Just(json!([1, "a"])),
        Just(json!(["a.service", "a.service"])),
        Just(json!(["a.socket", "b.socket", "a.socket"])),
        Just(json!({"port": 1})),
        Just(json!({"a": "/b"})),
    ]
}

#[derive(Debug, Clone)]
enum Change {
    Replace(Index, Value),
    Remove(Index),
    Add(Index, String, Value),
}

fn change() -> impl Strategy<Value = Change> {
    let key =
        prop_oneof![Just("extra".to_owned()), Just("a".to_owned()), Just("..".to_owned()), "[a-z.-]{0,8}"];
    prop_oneof![
        (any::<Index>(), something()).prop_map(|(at, value)| Change::Replace(at, value)),
        any::<Index>().prop_map(Change::Remove),
        (any::<Index>(), key, something()).prop_map(|(at, key, value)| Change::Add(at, key, value)),
    ]
}

fn apply(policy: &mut Value, change: Change) {
    let mut all = Vec::new();
    places(policy, "", &mut all);
    let place = |at: Index| all.get(at.index(all.len())).map_or("", String::as_str);
    match change {
        Change::Replace(at, value) => *policy.pointer_mut(place(at)).unwrap() = value,
        Change::Remove(at) => {
            if let Some((parent, key)) = place(at).rsplit_once('/') {
                match policy.pointer_mut(parent) {
                    Some(Value::Object(object)) => drop(object.remove(key)),
                    Some(Value::Array(items)) => drop(items.remove(key.parse().unwrap())),
                    _ => {}
                }
            }
        }
        Change::Add(at, key, value) => match policy.pointer_mut(place(at)) {
            Some(Value::Object(object)) => drop(object.insert(key, value)),
            Some(Value::Array(items)) => items.push(value),
            _ => {}
        },
    }
}

fn agree(policy: &Value) -> bool {
    let by_schema = schema::policy().validator().unwrap().is_valid(policy);
    let by_serde = serde_json::from_value::<Policy>(policy.clone());
    assert_eq!(by_schema, by_serde.is_ok(), "{policy:#}\n{by_serde:?}");
    by_schema
}

#[test]
fn a_policy_of_every_field_is_accepted_by_both() {
    assert!(agree(&full()));
}

#[test]
fn what_is_named_twice_is_refused_by_both() {
    for (field, name) in [("units", "a.service"), ("sockets", "a.socket")] {
        let mut policy = full();
        *policy.get_mut(field).unwrap() = json!([name, name]);
        assert!(!agree(&policy), "{field}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn both_say_the_same_of_whatever_is_done_to_it(changes in prop::collection::vec(change(), 1..4)) {
        let mut policy = full();
        for change in changes {
            apply(&mut policy, change);
        }
        agree(&policy);
    }
}
