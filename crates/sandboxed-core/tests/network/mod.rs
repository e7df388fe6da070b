//! Random network policies, and what they mean: a few lines that read the policy alone.

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sandboxed_core::json;
use sandboxed_core::plan::Plan;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;
use serde_json::{Value, json};

/// Interfaces by name and number; the second has the default route.
pub(crate) const INTERFACES: [(&str, u32); 4] = [("lo", 1), ("eth0", 2), ("bridge0", 3), ("wg0", 4)];
/// Addresses of this machine and of others.
pub(crate) const ADDRESSES: [&str; 11] = [
    "127.0.0.1",
    "192.0.2.1",
    "203.0.113.7",
    "10.1.2.3",
    "169.254.169.254",
    "100.64.0.9",
    "::1",
    "2001:db8::1",
    "2a00::7",
    "fd00::9",
    "64:ff9b::a01:203",
];
pub(crate) const PORTS: [u16; 5] = [22, 53, 443, 5432, 8008];
pub(crate) const FIREWALL: [u16; 2] = [22, 443];
const PRIVATE: [&str; 6] =
    ["127.0.0.0/8", "10.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10", "fd00::/8", "64:ff9b::a00:0/104"];

fn nets() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(vec!["10.0.0.0/8", "203.0.113.0/24", "0.0.0.0/0", "2a00::/16", "::/0"], 0..3)
}

fn names() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(vec!["eth0", "bridge0", "wg0"], 0..3)
}

fn ports() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(vec!["22", "50-60", "443-5432"], 0..3)
}

fn rule() -> impl Strategy<Value = Value> {
    (select(vec!["allow", "deny"]), nets(), select(vec!["any", "tcp", "udp"]), ports(), names()).prop_map(
        |(action, to, protocol, ports, interfaces)| {
            json!({"action": action, "to": to, "protocol": protocol, "ports": ports, "interfaces": interfaces})
        },
    )
}

fn listen() -> impl Strategy<Value = Value> {
    let who = prop_oneof![
        Just(json!({"from": "localhost"})),
        Just(json!({"from": "anywhere"})),
        (nets(), names())
            .prop_filter("somebody is named", |(nets, names)| !nets.is_empty() || !names.is_empty())
            .prop_map(|(nets, names)| json!({"from": "named", "networks": nets, "interfaces": names})),
    ];
    (who, select(vec![5432u16, 8008]), select(vec!["tcp", "udp"])).prop_map(|(mut who, port, protocol)| {
        who["port"] = json!(port);
        who["protocol"] = json!(protocol);
        who
    })
}

pub(crate) fn network() -> impl Strategy<Value = Value> {
    let allow = subsequence(vec!["tcp 127.0.0.1:5432", "udp [::1]:53", "tcp 192.0.2.1:443"], 0..3);
    (
        prop::collection::vec(listen(), 0..4),
        allow,
        (names(), names()),
        select(vec!["any", "internet", "none"]),
        prop::collection::vec(rule(), 0..4),
        select(vec!["any", "resolver"]),
        select(vec!["closed", "as-remote"]),
    )
        .prop_map(|(listen, allow, (uplinks, interfaces), egress, rules, dns, host)| {
            json!({
                "listen": listen, "allow": allow, "uplinks": uplinks, "interfaces": interfaces, "egress": egress,
                "egressRules": rules, "dns": dns, "hostAddresses": host, "resolver": "servers", "nameServers": ["10.1.2.3"],
            })
        })
}

/// A packet that begins something: the interface, the peer's address, the protocol and the port.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Begins {
    pub(crate) interface: usize,
    pub(crate) address: &'static str,
    pub(crate) tcp: bool,
    pub(crate) port: u16,
}

impl Begins {
    pub(crate) fn name(self) -> &'static str {
        INTERFACES[self.interface].0
    }

    fn is_in(self, nets: &Value) -> bool {
        let address: IpAddr = self.address.parse().unwrap();
        nets.as_array()
            .unwrap()
            .iter()
            .any(|net| net.as_str().unwrap().parse::<IpNet>().unwrap().contains(&address))
    }

    pub(crate) fn protocol(self) -> &'static str {
        if self.tcp { "tcp" } else { "udp" }
    }
}

fn has(list: &Value, text: &str) -> bool {
    list.as_array().unwrap().iter().any(|item| item == text)
}

fn is_loopback(packet: Begins) -> bool {
    packet.address.parse::<IpAddr>().unwrap().is_loopback()
}

/// Whether the policy lets the service send this.
pub(crate) fn may_send(network: &Value, packet: Begins) -> bool {
    let named = network["uplinks"].as_array().unwrap();
    let uplink =
        if named.is_empty() { packet.name() == "eth0" } else { has(&network["uplinks"], packet.name()) };
    if (uplink || has(&network["interfaces"], packet.name())) && !is_loopback(packet) {
        return leaves(network, packet);
    }
    let at = if packet.address.contains(':') {
        format!("[{}]", packet.address)
    } else {
        packet.address.to_owned()
    };
    let allowed = has(&network["allow"], &format!("{} {at}:{}", packet.protocol(), packet.port));
    let as_remote = network["hostAddresses"] == "as-remote"
        && packet.name() == "lo"
        && !is_loopback(packet)
        && packet.tcp
        && FIREWALL.contains(&packet.port);
    allowed || as_remote
}

/// Whether it may go to that other machine.
fn leaves(network: &Value, packet: Begins) -> bool {
    let any = network["egress"] == "any";
    if any && network["egressRules"] == json!([]) && network["dns"] == "any" {
        return true;
    }
    if packet.port == 53 && (packet.address == "10.1.2.3" || network["dns"] == "resolver") {
        return packet.address == "10.1.2.3";
    }
    for rule in network["egressRules"].as_array().unwrap() {
        let nothing = json!([]);
        let within = |range: &Value| {
            let text = range.as_str().unwrap();
            let (first, last) = text.split_once('-').unwrap_or((text, text));
            (first.parse().unwrap()..=last.parse().unwrap()).contains(&packet.port)
        };
        let fits = (rule["to"] == nothing || packet.is_in(&rule["to"]))
            && (rule["protocol"] == "any" || rule["protocol"] == packet.protocol())
            && (rule["ports"] == nothing || rule["ports"].as_array().unwrap().iter().any(within))
            && (rule["interfaces"] == nothing || has(&rule["interfaces"], packet.name()));
        if fits {
            return rule["action"] == "allow";
        }
    }
    any || network["egress"] == "internet" && !packet.is_in(&json!(PRIVATE))
}

/// Whether the policy lets this reach the service; what is not known of UDP without tracking counts as reaching it.
pub(crate) fn may_reach(network: &Value, packet: Begins) -> bool {
    let local = packet.name() == "lo";
    let mut partly = false;
    for listen in network["listen"].as_array().unwrap() {
        if listen["port"] != packet.port || listen["protocol"] != packet.protocol() {
            continue;
        }
        partly = true;
        let nothing = json!([]);
        let reached = match listen["from"].as_str().unwrap() {
            "localhost" => local,
            "anywhere" => true,
            _ => {
                !local
                    && (listen["interfaces"] == nothing || has(&listen["interfaces"], packet.name()))
                    && (listen["networks"] == nothing || packet.is_in(&listen["networks"]))
            }
        };
        if reached {
            return true;
        }
    }
    !packet.tcp && !local && !partly
}

/// The plan of a sandbox of this name with that network.
pub(crate) fn plan(name: &str, network: &Value) -> Plan {
    let policy = json!({"version": 1, "name": name, "units": ["a.service"], "network": network});
    let resolved = resolve(&json::parse(&policy.to_string()).unwrap()).unwrap();
    let mut target: Target = "debian-13".parse().unwrap();
    target.firewall.tcp = FIREWALL.iter().map(u16::to_string).collect();
    resolved.plan(&target, Surroundings::default()).unwrap().0
}
