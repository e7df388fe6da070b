//! What a packet costs, sandboxed and not, by how many sandboxes there are.

mod starts;
mod world;

use std::{fmt::Write, net::UdpSocket, process::Command};

use anyhow::{Context, Result, ensure};
use ipnet::IpNet;
use sandboxed_netfilter::{
    expression::{Field, Match},
    filter::{Filter, Service, names, refuse},
    name::{CgroupPath, Interface},
    private::{self, Chains, Interfaces, Member},
    rule::Rule,
    script::Script,
    table::Ownership,
    value::Protocol,
};

use super::measure::{Contender, compare};
use world::{Group, Groups, Pair, World, has_unified_tree, send};

/// The slice that the services are below. Its name is this process's, so that nothing of the host's is met.
const SLICE: &str = "sandboxed.bench.slice";
/// A group beside it, for a process that is not sandboxed.
const OUTSIDE: &str = "outside.bench.slice";
/// The largest number of sandboxes.
const MOST: usize = 10_000;
/// Datagrams in one turn: enough to be measured, few enough that turns alternate often.
const DATAGRAMS: usize = 1_000;
/// Connections in one turn.
const CONNECTIONS: usize = 100;
/// Bytes that one connection sends in one turn.
const BULK: usize = 64 << 20;
/// What containers have in the place of a filter.
const CONTAINER: &str = "a container's bridge and masquerade";
/// The mode `private`.
const PRIVATE: &str = "a network of its own";
/// Turns.
const ROUNDS: usize = 150;

pub(super) fn run() -> Result<()> {
    if !has_unified_tree() {
        with_unified_tree()?;
        return starts::run();
    }
    let mut groups = Groups::default();
    groups.add(SLICE)?;
    groups.add(OUTSIDE)?;
    for number in 1..=MOST {
        groups.add(&path(number))?;
    }
    let mut contenders = vec![("no filter".to_owned(), World::new()?)];
    for many in [1, 100, 1_000, MOST] {
        contenders.push((format!("{many} sandboxes"), filtered(many)?));
    }
    for many in [1, 100, 1_000] {
        contenders.push((format!("the article's rules for {many}"), article(many)?));
    }
    contenders.push((PRIVATE.to_owned(), network_of_its_own()?));
    contenders.push((CONTAINER.to_owned(), container()?));
    // The service that the article's rules come to last.
    for (who, group) in [("of a sandbox", path(1)), ("of others", OUTSIDE.to_owned())] {
        let group = Group::at(&group);
        let sockets: Vec<(&str, UdpSocket)> = contenders
            .iter()
            .filter(|(name, _)| who == "of a sandbox" || ![PRIVATE, CONTAINER].contains(&name.as_str()))
            .map(|(name, world)| Ok((name.as_str(), world.socket(&group)?)))
            .collect::<Result<_>>()?;
        let mut contenders: Vec<Contender<'_>> = sockets
            .iter()
            .map(|(name, socket)| Contender::new(name, move || send(socket, DATAGRAMS)))
            .collect();
        let title = format!("processor time of {DATAGRAMS} datagrams {who} to another machine");
        compare(&title, ROUNDS, &mut contenders)?;
    }
    connections(&contenders)
}

/// What connections of a sandbox cost, and how fast much data leaves by one.
fn connections(contenders: &[(String, World)]) -> Result<()> {
    let group = Group::at(&path(1));
    let few = |name: &str| {
        ["no filter", "1 sandboxes", "1000 sandboxes", "the article's rules for 1000", PRIVATE, CONTAINER]
            .contains(&name)
    };
    let pairs: Vec<(&str, Pair)> = contenders
        .iter()
        .filter(|(name, _)| few(name))
        .map(|(name, world)| Ok((name.as_str(), Pair::new(world, &group)?)))
        .collect::<Result<_>>()?;
    let mut opened: Vec<_> =
        pairs.iter().map(|(name, pair)| Contender::new(name, || pair.connect(CONNECTIONS))).collect();
    compare(
        &format!("processor time of {CONNECTIONS} connections of a sandbox, opened and closed"),
        60,
        &mut opened,
    )?;
    let mut opened: Vec<_> =
        pairs.iter().map(|(name, pair)| Contender::new(name, || pair.connect_time(CONNECTIONS))).collect();
    compare(&format!("time of {CONNECTIONS} connections of a sandbox, opened and closed"), 60, &mut opened)?;
    let mut sent: Vec<_> =
        pairs.iter().map(|(name, pair)| Contender::new(name, || pair.bulk(BULK))).collect();
    compare(&format!("time in which {} MB of a sandbox reach another machine", BULK >> 20), 40, &mut sent)
}

/// Runs this again where the unified tree of control groups is at its usual place: nft looks nowhere else.
fn with_unified_tree() -> Result<()> {
    let again = "mount -t cgroup2 none /sys/fs/cgroup && exec \"$0\" bench network";
    let status = Command::new("unshare")
        .args(["--mount", "sh", "-c", again])
        .arg(std::env::current_exe()?)
        .status()
        .context("can't make a mount namespace")?;
    ensure!(status.success(), "the benchmark failed in a mount namespace of its own; it needs root");
    Ok(())
}

fn path(number: usize) -> String {
    format!("{SLICE}/bench{number}.slice")
}

/// A namespace with our table and so many sandboxes in it.
fn filtered(many: usize) -> Result<World> {
    let world = World::new()?;
    // As the core writes them.
    let to_others = |elsewhere| {
        Rule::accept().when(elsewhere).when(Match::in_set(&[Field::OutInterfaceNumber], &names::uplinks()))
    };
    let filter = Filter { uplinks: vec![world.uplink()?], inbound: true, ..Filter::default() };
    let mut text = format!("{}{}", filter.load(), Filter::close(&CgroupPath::new(SLICE)?));
    for number in 1..=many {
        let rules = vec![
            to_others(Match::is_not(Field::Destination4, ["127.0.0.0/8".parse::<IpNet>()?])?),
            to_others(Match::is_not(Field::Destination6, ["::1/128".parse::<IpNet>()?])?),
            Rule::accept()
                .when(Match::protocol(Protocol::Tcp))
                .when(Match::is(Field::SourcePort, [8008u16])?)
                .when(Match::not_opening()),
            refuse(),
        ];
        let script: Script =
            Service::new(&format!("bench{number}"), CgroupPath::new(&path(number))?, rules)?.add();
        let _ = write!(text, "{script}");
    }
    world.feed(&["nft", "-f", "-"], &text)?;
    Ok(world)
}

/// A namespace with the article's rules for so many services: a rule in OUTPUT for each.
fn article(many: usize) -> Result<World> {
    let world = World::new()?;
    let mut text = String::from("*filter\n");
    for number in 1..=many {
        let _ = writeln!(text, ":bench{number} - [0:0]\n-A bench{number} -d 127.0.0.0/8 -j REJECT");
    }
    for number in (1..=many).rev() {
        let _ = writeln!(text, "-A OUTPUT -m cgroup --path {} -j bench{number}", path(number));
    }
    text.push_str("COMMIT\n");
    world.feed(&["iptables-restore"], &text)?;
    Ok(world)
}

/// A namespace with our table for services with networks of their own, and one such service behind it.
fn network_of_its_own() -> Result<World> {
    let world = World::with_inner("sb-bench", None, "198.18.0")?;
    let member = Member {
        name: "bench".to_owned(),
        interface: Interface::new("sb-bench")?,
        address4: "198.18.0.2".parse()?,
        address6: "fd00::2".parse()?,
        published: vec![(Protocol::Tcp, 8448)],
    };
    // As the core writes them.
    let answers = Rule::accept().when(Match::reply());
    let leaving = refuse().when(Match::not_in_set(&[Field::OutInterface], &private::names::uplinks()));
    let interfaces = Interfaces { uplinks: vec![Interface::new("up0")?], ..Interfaces::default() };
    let table = Script::ensure(&private::table(Ownership::Shared));
    let chains = Chains::new("bench", [], [answers], [leaving], [])?.script();
    let text = format!("{table}{}{chains}{}", interfaces.script(), member.add()?);
    world.feed(&["nft", "-f", "-"], &text)?;
    Ok(world)
}

/// A namespace with what container engines set up: a bridge, forwarding, connection tracking and masquerade.
fn container() -> Result<World> {
    let world = World::with_inner("veth0", Some("cni0"), "10.88.0")?;
    let rules = "table ip engine {
        chain forward {
            type filter hook forward priority 0; policy drop;
            ct state established,related accept
            iifname \"cni0\" accept
        }
        chain postrouting {
            type nat hook postrouting priority 100;
            ip saddr 10.88.0.0/16 oifname != \"cni0\" masquerade
        }
    }\n";
    world.feed(&["nft", "-f", "-"], rules)?;
    Ok(world)
}
