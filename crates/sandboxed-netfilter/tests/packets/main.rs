//! Real packets: the kernel does with them what the model says, under nftables and under iptables.
//!
//! Each test runs itself again as root in namespaces of its own, with the tree of control groups at the place where nft
//! looks for it. Where that can't be had, it says so and passes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that can't be set up fails")]

mod namespace;
mod random;
mod sender;

use std::{
    collections::VecDeque,
    fs,
    io::{ErrorKind, Read, Write},
    net::{IpAddr, Ipv6Addr, TcpListener, TcpStream, UdpSocket},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use namespace::{Group, alone, enter};
use random::random_services;
use sandboxed_netfilter::{
    expression::{Field, Match},
    filter::{self, Filter, Service, names},
    iptables,
    model::Loaded,
    rule::{Action, Rule},
    script::Script,
    table::Ownership,
    value::Protocol,
};
use sender::{Sender, compare, uplink};

fn feed(program: &str, arguments: &[&str], input: &str) {
    let mut child = Command::new(program).args(arguments).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{program} refused:\n{input}");
}

fn nft(script: &Script) {
    feed("nft", &["-f", "-"], &script.to_string());
}

#[test]
fn nftables_does_what_the_model_says() {
    alone("nftables_does_what_the_model_says", || {
        let senders = Sender::all();
        let filter = Filter { uplinks: vec![uplink()], inbound: true, ..Filter::default() };
        let mut model = Loaded::nothing();
        let apply = |script: &Script, model: &mut Loaded| {
            nft(script);
            model.apply(script).unwrap();
        };
        apply(&filter.load(), &mut model);
        compare(&senders, &mut model, "the table alone");
        apply(&Filter::close(&Group::Root.path()), &mut model);
        compare(&senders, &mut model, "the closed table");
        for rules in random_services(60) {
            let service = Service::new("a-b", Group::Service.path(), rules).unwrap();
            apply(&service.add(), &mut model);
            compare(&senders, &mut model, &service.add().to_string());
        }
        let service = Service::new("a-b", Group::Service.path(), Vec::new()).unwrap();
        // A reload of the table in between, and filling the maps anew, leave the service as it is.
        apply(&filter.load(), &mut model);
        compare(&senders, &mut model, "the table loaded again");
        apply(&filter::refill([&service]), &mut model);
        compare(&senders, &mut model, "the maps filled anew");
        apply(&service.remove(), &mut model);
        compare(&senders, &mut model, "the service removed");
        let listing = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
        assert!(!String::from_utf8(listing.stdout).unwrap().contains("a-b"));
    });
}

#[test]
fn iptables_does_what_the_model_says() {
    alone("iptables_does_what_the_model_says", || {
        let restore = |text: &iptables::Restore| {
            feed("iptables-restore", &["--noflush"], &text.v4);
            feed("ip6tables-restore", &["--noflush"], &text.v6);
        };
        let senders = Sender::all();
        let table = Filter::default().table();
        let shared = iptables::Shared::new(Group::Root.path());
        restore(&shared.add().unwrap());
        let mut model = Loaded::table(table.clone());
        model.apply(&Filter::close(&Group::Root.path())).unwrap();
        compare(&senders, &mut model, "no service");
        let mut before: Option<iptables::Service> = None;
        for rules in random_services(40) {
            let Ok(service) = iptables::Service::new("a-b", Group::Service.path(), &rules, &table) else {
                continue;
            };
            if let Some(before) = &before {
                restore(&before.remove());
            }
            restore(&service.add());
            model.apply(&Service::new("a-b", Group::Service.path(), rules).unwrap().add()).unwrap();
            compare(&senders, &mut model, &format!("{}{}", service.add().v4, service.add().v6));
            before = Some(service);
        }
        let service = before.unwrap();
        // The slice goes away and comes back: closed until the chain is pointed at it anew.
        restore(&service.reattach());
        compare(&senders, &mut model, "attached anew");
        restore(&service.remove());
        restore(&shared.remove());
        for family in ["iptables-save", "ip6tables-save"] {
            let listing = Command::new(family).output().unwrap();
            assert!(!String::from_utf8(listing.stdout).unwrap().contains("sandboxed"));
        }
    });
}

/// A service that offers TCP 8008 and UDP 3478, and may reach nothing on this machine.
fn offering() -> Service {
    let own = |prefix| Service::own_set(&prefix, "offering").unwrap();
    let answers = |set, address| Match::in_set(&[address, Field::DestinationPort, Field::SourcePort], &set);
    let udp = || Match::protocol(Protocol::Udp);
    let output = vec![
        Rule::accept()
            .when(Match::protocol(Protocol::Tcp))
            .when(Match::is(Field::SourcePort, [8008u16]).unwrap())
            .when(Match::not_opening()),
        Rule::accept().when(udp()).when(answers(own(names::callers4()), Field::Destination4)),
        Rule::accept().when(udp()).when(answers(own(names::callers6()), Field::Destination6)),
        filter::refuse().when(Match::to_this_machine()),
    ];
    let learn = |set, address| {
        Rule::new(Action::Learn { set, fields: vec![address, Field::SourcePort, Field::DestinationPort] })
            .when(udp())
            .when(Match::is(Field::DestinationPort, [3478u16]).unwrap())
    };
    let input = vec![
        learn(own(names::callers4()), Field::Source4),
        learn(own(names::callers6()), Field::Source6),
        Rule::accept()
            .when(Match::protocol(Protocol::Tcp))
            .when(Match::is(Field::DestinationPort, [8008u16]).unwrap()),
        filter::refuse().when(Match::protocol(Protocol::Tcp)),
    ];
    Service::new("offering", Group::Service.path(), output).unwrap().with_input(input).unwrap()
}

fn connect(address: &str, port: u16) -> Result<TcpStream, ErrorKind> {
    let address: IpAddr = address.parse().unwrap();
    // Far longer than a refusal takes, which must not wait for a retransmission after one second.
    TcpStream::connect_timeout(&(address, port).into(), Duration::from_millis(900))
        .map_err(|error| error.kind())
}

#[test]
fn callers_are_answered_without_connection_tracking() {
    alone("callers_are_answered_without_connection_tracking", || {
        nft(&Filter { inbound: true, ..Filter::default() }.load());
        nft(&Filter::close(&Group::Root.path()));
        nft(&offering().add());
        // Not sandboxed: a host service on every address.
        let host = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 9000)).unwrap();
        let local = ["127.0.0.1", "10.77.0.1", "::1", "fd77::1", "::ffff:127.0.0.1", "0.0.0.0", "::"];
        for address in local {
            connect(address, 9000).unwrap();
        }

        Group::Service.enter();
        let service = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 8008)).unwrap();
        let _other = TcpListener::bind((Ipv6Addr::UNSPECIFIED, 8009)).unwrap();
        let udp = UdpSocket::bind((Ipv6Addr::UNSPECIFIED, 3478)).unwrap();
        for address in local {
            assert_eq!(connect(address, 9000).unwrap_err(), ErrorKind::ConnectionRefused, "{address}");
        }
        // From the port whose answers pass, to a host service by UDP.
        let to_host = udp.send_to(b"x", "[::ffff:127.0.0.1]:9000").unwrap_err();
        assert_eq!(to_host.kind(), ErrorKind::PermissionDenied);
        enter("/sys/fs/cgroup");

        let answer = thread::spawn(move || {
            for _ in 0..4 {
                let (mut caller, _) = service.accept().unwrap();
                caller.write_all(b"hello").unwrap();
            }
        });
        for address in ["127.0.0.1", "10.77.0.1", "::1", "fd77::1"] {
            let mut caller = connect(address, 8008).unwrap();
            let mut text = String::new();
            caller.read_to_string(&mut text).unwrap();
            assert_eq!(text, "hello", "{address}");
            // It listens there as well, but was not asked to.
            assert_eq!(connect(address, 8009).unwrap_err(), ErrorKind::ConnectionRefused, "{address}");
        }
        answer.join().unwrap();
        for address in ["127.0.0.1", "::1"] {
            let caller = UdpSocket::bind((address, 0)).unwrap();
            caller.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
            caller.send_to(b"call", (address, 3478)).unwrap();
            let (_, from) = udp.recv_from(&mut [0; 8]).unwrap();
            udp.send_to(b"answer", from).unwrap();
            assert_eq!(caller.recv(&mut [0; 8]).unwrap(), 6);
        }
        let tracked = fs::read_to_string("/proc/sys/net/netfilter/nf_conntrack_count").unwrap_or("0".into());
        assert_eq!(tracked.trim(), "0", "connections are tracked");
        drop(host);
    });
}

/// A process that keeps `nft -i` open and so owns the table it loads.
struct Owner(Child);

impl Drop for Owner {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn an_owned_table_is_out_of_reach_until_its_owner_ends() {
    alone("an_owned_table_is_out_of_reach_until_its_owner_ends", || {
        let senders = Sender::all();
        let mut owner =
            Owner(Command::new("nft").arg("-i").stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap());
        let service = Service::new("a-b", Group::Service.path(), vec![filter::refuse()]).unwrap();
        let mut model = Loaded::nothing();
        let directory = tempfile::tempdir().unwrap();
        let filter = Filter { ownership: Ownership::Owned, ..Filter::default() };
        let scripts = [filter.load(), Filter::close(&Group::Root.path()), service.add()];
        for (number, script) in scripts.iter().enumerate() {
            model.apply(script).unwrap();
            // One line, so that it is one transaction.
            let file = directory.path().join(number.to_string());
            fs::write(&file, script.to_string()).unwrap();
            writeln!(owner.0.stdin.as_mut().unwrap(), "include \"{}\"", file.display()).unwrap();
        }
        let loaded = || {
            let listing = Command::new("nft").args(["list", "map", "inet", "sandboxed", "services"]).output();
            String::from_utf8(listing.unwrap().stdout).unwrap().contains("service-a-b")
        };
        let wait_until = |wanted: bool| {
            for _ in 0..1000 {
                if loaded() == wanted {
                    return;
                }
                thread::sleep(Duration::from_millis(10));
            }
            panic!("the table is {}there", if wanted { "not " } else { "still " });
        };
        wait_until(true);
        compare(&senders, &mut model, "the owned table");
        for arguments in [&["flush", "ruleset"][..], &["delete", "table", "inet", "sandboxed"]] {
            let _ = Command::new("nft").args(arguments).stderr(Stdio::null()).status().unwrap();
            compare(&senders, &mut model, &format!("nft {arguments:?} of another process"));
        }
        drop(owner);
        wait_until(false);
        compare(&senders, &mut Loaded::nothing(), "no table");
    });
}

/// A thousand sandboxes, a few at a time, each in a slice that is made for it and goes with it.
#[test]
fn a_thousand_sandboxes_leave_nothing() {
    alone("a_thousand_sandboxes_leave_nothing", || {
        let listing = || {
            let output = Command::new("nft").args(["list", "ruleset"]).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        nft(&Filter { uplinks: vec![uplink()], inbound: true, ..Filter::default() }.load());
        nft(&Filter::close(&Group::Root.path()));
        let before = listing();
        let mut present: VecDeque<(Service, String)> = VecDeque::new();
        let leave = |(service, directory): (Service, String)| {
            nft(&service.remove());
            fs::remove_dir(directory).unwrap();
        };
        for (number, rules) in random_services(1000).into_iter().enumerate() {
            let path = format!("{}/loop{number}.slice", Group::Root.path().as_str());
            let directory = format!("/sys/fs/cgroup/{path}");
            fs::create_dir(&directory).unwrap();
            let service = Service::new(&format!("loop {number}"), path.parse().unwrap(), rules).unwrap();
            let service =
                if number % 2 == 0 { service.with_egress(vec![filter::refuse()]).unwrap() } else { service };
            let service =
                if number % 3 == 0 { service.with_input(vec![Rule::accept()]).unwrap() } else { service };
            nft(&service.add());
            present.push_back((service, directory));
            if present.len() > 5 {
                leave(present.pop_front().unwrap());
            }
        }
        present.into_iter().for_each(leave);
        assert_eq!(listing(), before);
    });
}
