//! The model: that it decides as design says, and that services come and go in it without a trace.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that can't be set up fails")]

use std::net::IpAddr;

use proptest::prelude::*;
use sandboxed_netfilter::{
    expression::{Field, Match, TcpFlags},
    filter::{self, Filter, Service, names},
    model::{ApplyError, Loaded, Outcome, Packet},
    name::CgroupPath,
    rule::{Action, Reject, Rule},
    table::Hook,
    value::{AddressType, Protocol},
};

fn path(text: &str) -> CgroupPath {
    text.parse().unwrap()
}

fn slice(name: &str) -> CgroupPath {
    path(&format!("sandboxed.slice/sandboxed-{name}.slice"))
}

/// A packet of the service `name` to a local port.
fn to_local(name: &str, protocol: Protocol, ports: (u16, u16), flags: TcpFlags) -> Packet {
    let loopback: IpAddr = "127.0.0.1".parse().unwrap();
    Packet {
        hook: Hook::Output,
        cgroup: Some(path(&format!("{}/x.service", slice(name).as_str()))),
        out_interface: Some("lo".parse().unwrap()),
        in_interface: None,
        interface_numbers: (None, None),
        source: loopback,
        destination: loopback,
        source_type: AddressType::Local,
        destination_type: AddressType::Local,
        protocol: protocol.number(),
        ports: Some(ports),
        tcp_flags: (protocol == Protocol::Tcp).then_some(flags),
        direction: None,
        state: None,
        exceeds_limits: false,
    }
}

/// A service that answers TCP callers on 8008 and UDP callers on 3478, and nothing else on this machine.
fn synapse(name: &str) -> Service {
    let seen = Service::own_set(&names::callers4(), name).unwrap();
    let callers = [Field::Destination4, Field::DestinationPort, Field::SourcePort];
    let caller = [Field::Source4, Field::SourcePort, Field::DestinationPort];
    let output = vec![
        Rule::accept()
            .when(Match::protocol(Protocol::Tcp))
            .when(Match::is(Field::SourcePort, [8008u16]).unwrap())
            .when(Match::not_opening()),
        Rule::accept().when(Match::protocol(Protocol::Udp)).when(Match::in_set(&callers, &seen)),
        filter::refuse().when(Match::to_this_machine()),
    ];
    let input = vec![
        Rule::new(Action::Learn { set: seen, fields: caller.to_vec() })
            .when(Match::protocol(Protocol::Udp))
            .when(Match::is(Field::DestinationPort, [3478u16]).unwrap()),
    ];
    Service::new(name, slice(name), output).unwrap().with_input(input).unwrap()
}

fn loaded(services: &[&Service]) -> Loaded {
    let mut loaded = Loaded::nothing();
    loaded.apply(&Filter { inbound: true, ..Filter::default() }.load()).unwrap();
    loaded.apply(&Filter::close(&path("sandboxed.slice"))).unwrap();
    for service in services {
        loaded.apply(&service.add()).unwrap();
    }
    loaded
}

#[test]
fn answers_pass_and_calls_do_not() {
    let mut loaded = loaded(&[&synapse("a")]);
    let (syn, ack) = (TcpFlags::SYN, TcpFlags::ACK);
    let refused = Outcome::Rejected(Reject::TcpReset);
    let mut tcp = |ports, flags| loaded.judge(&to_local("a", Protocol::Tcp, ports, flags));
    assert_eq!(tcp((8008, 40000), ack), Outcome::Accepted);
    assert_eq!(tcp((8008, 40000), syn.with(ack)), Outcome::Accepted);
    assert_eq!(tcp((8008, 5432), syn), refused, "calling from an offered port");
    assert_eq!(tcp((8009, 40000), ack), refused, "answering from a port that is not offered");
    assert_eq!(tcp((40000, 5432), syn), refused);
}

#[test]
fn udp_callers_are_answered_and_nobody_else() {
    let mut loaded = loaded(&[&synapse("a")]);
    let answer = to_local("a", Protocol::Udp, (3478, 40000), TcpFlags(0));
    assert_eq!(loaded.judge(&answer), Outcome::Rejected(Reject::AdminProhibited));
    let call = Packet {
        hook: Hook::Input,
        ports: Some((40000, 3478)),
        in_interface: Some("lo".parse().unwrap()),
        ..answer.clone()
    };
    assert_eq!(loaded.judge(&call), Outcome::Accepted);
    assert_eq!(loaded.judge(&answer), Outcome::Accepted);
    let other = Packet { ports: Some((3478, 40001)), ..answer };
    assert_eq!(loaded.judge(&other), Outcome::Rejected(Reject::AdminProhibited));
}

#[test]
fn strangers_in_the_common_slice_are_refused_and_others_left_alone() {
    let mut loaded = loaded(&[&synapse("a")]);
    let packet = to_local("b", Protocol::Udp, (1, 2), TcpFlags(0));
    assert_eq!(loaded.judge(&packet), Outcome::Rejected(Reject::AdminProhibited));
    let directly = Packet { cgroup: Some(path("sandboxed.slice/stray.service")), ..packet.clone() };
    assert_eq!(loaded.judge(&directly), Outcome::Rejected(Reject::AdminProhibited));
    for cgroup in [Some(path("system.slice/x.service")), Some(path("system.slice/sandboxed.slice")), None] {
        assert_eq!(loaded.judge(&Packet { cgroup, ..packet.clone() }), Outcome::Accepted);
    }
    let elsewhere = Packet {
        cgroup: Some(slice("a")),
        destination: "203.0.113.1".parse().unwrap(),
        destination_type: AddressType::Unicast,
        ..packet
    };
    assert_eq!(loaded.judge(&elsewhere), Outcome::Accepted);
}

#[test]
fn a_failed_script_changes_nothing() {
    let (a, b) = (synapse("a"), synapse("b"));
    let mut loaded = loaded(&[&a]);
    let before = loaded.clone();
    assert!(matches!(loaded.apply(&b.remove()), Err(ApplyError::NoElement(_))));
    assert_eq!(loaded, before);
    assert_eq!(Loaded::nothing().apply(&a.add()), Err(ApplyError::Missing(names::table())));
}

proptest! {
    /// Whatever order services come, change and go in: the others' rules stay as they are, and in the end all is as
    /// it was.
    #[test]
    fn services_come_and_go_without_a_trace(steps in prop::collection::vec((0..8usize, any::<bool>()), 1..40)) {
        let services: Vec<Service> = (0..8).map(|number| synapse(&format!("s{number}"))).collect();
        let mut loaded = loaded(&[]);
        let before = loaded.clone();
        let mut present = [false; 8];
        for (number, add) in steps {
            if add {
                loaded.apply(&services[number].add()).unwrap();
            } else if present[number] {
                loaded.apply(&services[number].remove()).unwrap();
            }
            present[number] = add;
            let here: Vec<&Service> =
                services.iter().zip(present).filter(|(_, present)| *present).map(|(service, _)| service).collect();
            let table = loaded.state().unwrap();
            for (service, present) in services.iter().zip(present) {
                for chain in service.chains() {
                    prop_assert_eq!(table.chains.get(&chain.name), present.then_some(chain));
                }
            }
            // Filling the maps anew changes nothing while the slices are the same.
            let mut again = loaded.clone();
            again.apply(&filter::refill(here)).unwrap();
            prop_assert_eq!(&again, &loaded);
        }
        for (service, _) in services.iter().zip(present).filter(|(_, present)| *present) {
            loaded.apply(&service.remove()).unwrap();
        }
        prop_assert_eq!(loaded, before);
    }

    /// Loading the table again, as a reload of the firewall makes the helper do, touches no service.
    #[test]
    fn the_table_can_be_loaded_again(uplink: bool, inbound: bool) {
        let mut loaded = loaded(&[&synapse("a")]);
        let uplinks = uplink.then_some(2).into_iter().collect();
        let filter = Filter { uplinks, inbound, ..Filter::default() };
        loaded.apply(&filter.load()).unwrap();
        let once = loaded.clone();
        loaded.apply(&filter.load()).unwrap();
        prop_assert_eq!(&loaded, &once);
        loaded.apply(&Filter::close(&path("sandboxed.slice"))).unwrap();
        let call = to_local("a", Protocol::Tcp, (1, 5432), TcpFlags::SYN);
        prop_assert_eq!(loaded.judge(&call), Outcome::Rejected(Reject::TcpReset));
    }
}
