//! The rules of random policies mean what the policies say: a packet is judged by a model of the kernel under the emitted
//! rules, and by a few lines that read the policy alone. (That the kernel does as the model is shown by
//! sandboxed-netfilter's own tests, and that it does as the policy says by `packets`, both with real packets.)

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking what is wrong")]

mod network;

use std::net::IpAddr;

use proptest::prelude::*;
use proptest::sample::select;
use sandboxed_netfilter::expression::TcpFlags;
use sandboxed_netfilter::filter::Filter;
use sandboxed_netfilter::model::{Loaded, Outcome, Packet};
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_netfilter::table::Hook;
use sandboxed_netfilter::value::AddressType;

use network::{ADDRESSES, Begins, INTERFACES, PORTS, may_reach, may_send, network, plan};

/// This packet as it is at a hook.
fn packet(begins: Begins, hook: Hook) -> Packet {
    let (name, number) = INTERFACES[begins.interface];
    let peer: IpAddr = begins.address.parse().unwrap();
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
        protocol: if begins.tcp { 6 } else { 17 },
        ports: Some((40_000, begins.port)),
        tcp_flags: begins.tcp.then_some(TcpFlags::SYN),
        direction: None,
        state: None,
        exceeds_limits: false,
    }
}

fn begins() -> impl Strategy<Value = Begins> {
    (0..INTERFACES.len(), select(ADDRESSES.to_vec()), any::<bool>(), select(PORTS.to_vec()))
        .prop_map(|(interface, address, tcp, port)| Begins { interface, address, tcp, port })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn rules_mean_what_the_policy_says(network in network(), packets in prop::collection::vec(begins(), 40)) {
        let service = plan("a", &network).filter.unwrap().service;
        let mut loaded = Loaded::nothing();
        loaded.apply(&Filter { uplinks: vec![2], inbound: true, ..Filter::default() }.load()).unwrap();
        loaded.apply(&Filter::close(&CgroupPath::new("sandboxed.slice").unwrap())).unwrap();
        loaded.apply(&service.add()).unwrap();
        for begins in packets {
            for (hook, expected) in [(Hook::Output, may_send(&network, begins)), (Hook::Input, may_reach(&network, begins))] {
                // A clone each: what comes in is remembered, and these packets begin something.
                let found = loaded.clone().judge(&packet(begins, hook)) == Outcome::Accepted;
                prop_assert_eq!(found, expected, "{:?} {:?} under\n{:#}\n{}", hook, begins, &network, service.add());
            }
        }
    }
}
