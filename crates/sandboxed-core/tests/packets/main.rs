//! The kernel does with real packets what random policies say: their rules are loaded into a network of the test's own, and a
//! service in its slice sends to each address and is called from each.
//!
//! It runs itself again as root in namespaces of its own; where they cannot be had, it says so and passes.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says by panicking what is wrong"
)]

#[path = "../network/mod.rs"]
mod network;
mod world;

use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::TestRunner;
use sandboxed_netfilter::filter::Filter;
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_systemd::name;

use network::{ADDRESSES, Begins, PORTS, may_reach, may_send, plan};
use world::{World, alone, interface_of, load, uplink};

/// How many policies are tried, always the same ones.
const POLICIES: usize = 40;

/// All that can be begun: to or from each address, by either protocol, at each port.
fn everything() -> impl Iterator<Item = Begins> {
    ADDRESSES.into_iter().flat_map(|address| {
        let interface = interface_of(address);
        [true, false]
            .into_iter()
            .flat_map(move |tcp| PORTS.map(|port| Begins { interface, address, tcp, port }))
    })
}

#[test]
fn packets_go_where_the_policy_says() {
    alone("packets_go_where_the_policy_says", || {
        let sandbox = format!("packets{}", std::process::id());
        let group = name::cgroup_path(&name::slice_for(&sandbox).unwrap());
        let world = World::new(&group);
        // Without any rule everything arrives: what is closed below is closed by rules.
        for begins in everything() {
            assert!(world.sends(begins), "{begins:?} does not leave without a filter");
            assert!(world.reaches(begins), "{begins:?} does not arrive without a filter");
        }
        let filter = Filter { uplinks: vec![uplink()], inbound: true, ..Filter::default() };
        load(&filter.load());
        load(&Filter::close(&CgroupPath::new(&group).unwrap().ancestor(1).unwrap()));
        let mut runner = TestRunner::deterministic();
        let (mut open, mut closed) = (0, 0);
        for _ in 0..POLICIES {
            let network = network::network().new_tree(&mut runner).unwrap().current();
            let service = plan(&sandbox, &network).filter.unwrap().service;
            load(&service.add());
            for begins in everything() {
                for (found, expected, what) in [
                    (world.sends(begins), may_send(&network, begins), "sends"),
                    (world.reaches(begins), may_reach(&network, begins), "is reached"),
                ] {
                    assert_eq!(found, expected, "{what} {begins:?} under\n{network:#}\n{}", service.add());
                    *if found { &mut open } else { &mut closed } += 1;
                }
            }
            load(&service.remove());
        }
        println!("{POLICIES} policies: {open} got through, {closed} did not, as they say");
        assert!(open > 100 && closed > 100, "the policies try nothing: {open} and {closed}");
    });
}
