//! The rules of random policies mean what the policies say: a packet is judged by a model of the kernel under the emitted
//! rules, and by a few lines that read the policy alone. (That the kernel does as the model is shown by
//! sandboxed-netfilter's own tests, with real packets.)

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking what is wrong")]

use std::net::IpAddr;

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use sandboxed_core::json;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;
use sandboxed_netfilter::expression::TcpFlags;
use sandboxed_netfilter::filter::Filter;
use sandboxed_netfilter::model::{Loaded, Outcome, Packet};
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_netfilter::table::Hook;
use sandboxed_netfilter::value::AddressType;
use serde_json::{Value, json};

/// Interfaces by name and number; the second has the default route.
const INTERFACES: [(&str, u32); 4] = [("lo", 1), ("eth0", 2), ("bridge0", 3), ("wg0", 4)];
/// Addresses of this machine and of others.
const ADDRESSES: [&str; 11] = [
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
const PORTS: [u16; 5] = [22, 53, 443, 5432, 8008];
const FIREWALL: [u16; 2] = [22, 443];
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

fn network() -> impl Strategy<Value = Value> {
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
struct Begins {
    interface: usize,
    address: &'static str,
    tcp: bool,
    port: u16,
}

fn begins() -> impl Strategy<Value = Begins> {
    (0..INTERFACES.len(), select(ADDRESSES.to_vec()), any::<bool>(), select(PORTS.to_vec()))
        .prop_map(|(interface, address, tcp, port)| Begins { interface, address, tcp, port })
}

impl Begins {
    fn packet(self, hook: Hook) -> Packet {
        let (name, number) = INTERFACES[self.interface];
        let peer: IpAddr = self.address.parse().unwrap();
        let own: IpAddr = if peer.is_ipv4() { "192.0.2.1" } else { "2001:db8::1" }.parse().unwrap();
        let out = hook == Hook::Output;
        Packet {
            hook,
            cgroup: Some(CgroupPath::new("sandboxed.slice/sandboxed-a.slice/a.service").unwrap()),
            out_interface: out.then(|| name.parse().unwrap()),
            in_interface: (!out).then(|| name.parse().unwrap()),
            interface_numbers: if out { (Some(number), None) } else { (None, Some(number)) },
            source: if out { own } else { peer },
            destination: if out { peer } else { own },
            source_type: AddressType::Local,
            destination_type: AddressType::Unicast,
            protocol: if self.tcp { 6 } else { 17 },
            ports: Some((40_000, self.port)),
            tcp_flags: self.tcp.then_some(TcpFlags::SYN),
            direction: None,
            state: None,
            exceeds_limits: false,
        }
    }

    fn name(self) -> &'static str {
        INTERFACES[self.interface].0
    }

    fn is_in(self, nets: &Value) -> bool {
        let address: IpAddr = self.address.parse().unwrap();
        nets.as_array()
            .unwrap()
            .iter()
            .any(|net| net.as_str().unwrap().parse::<IpNet>().unwrap().contains(&address))
    }

    fn protocol(self) -> &'static str {
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
fn may_send(network: &Value, packet: Begins) -> bool {
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
fn may_reach(network: &Value, packet: Begins) -> bool {
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

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn rules_mean_what_the_policy_says(network in network(), packets in prop::collection::vec(begins(), 40)) {
        let policy = json!({"version": 1, "name": "a", "units": ["a.service"], "network": network});
        let resolved = resolve(&json::parse(&policy.to_string()).unwrap()).unwrap();
        let mut target: Target = "debian-13".parse().unwrap();
        target.firewall.tcp = FIREWALL.iter().map(u16::to_string).collect();
        let (plan, _) = resolved.plan(&target, Surroundings::default()).unwrap();
        let service = plan.filter.unwrap().service;
        let mut loaded = Loaded::nothing();
        loaded.apply(&Filter { uplinks: vec![2], inbound: true, ..Filter::default() }.load()).unwrap();
        loaded.apply(&Filter::close(&CgroupPath::new("sandboxed.slice").unwrap())).unwrap();
        loaded.apply(&service.add()).unwrap();
        for packet in packets {
            for (hook, expected) in [(Hook::Output, may_send(&network, packet)), (Hook::Input, may_reach(&network, packet))] {
                // A clone each: what comes in is remembered, and these packets begin something.
                let found = loaded.clone().judge(&packet.packet(hook)) == Outcome::Accepted;
                prop_assert_eq!(found, expected, "{:?} {:?} under\n{:#}\n{}", hook, packet, &network, service.add());
            }
        }
    }
}
