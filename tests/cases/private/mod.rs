//! A service with a network of its own: what it reaches and who reaches it, and that the two live and die together.

pub(crate) mod senders;
pub(crate) mod world;

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite};
use world::{ask, attempts, prepared, until};

pub(crate) const CASES: &[Case] = &[
    Case::new("private::reaches_others_and_not_the_machine", reaches_others_and_not_the_machine),
    Case::new("private::is_reached_where_it_offers", is_reached_where_it_offers),
    Case::new("private::keeps_to_its_policy", keeps_to_its_policy),
    Case::new("private::leaves_connections_to_others", leaves_connections_to_others),
    Case::new("private::answers_only_where_it_was_asked_from", |suite| {
        senders::answers_only_where_it_was_asked_from(suite, "private")
    }),
    Case::new("private::gives_the_machine_no_address", senders::gives_the_machine_no_address),
    Case::new("private::refuses_nobody_in_its_place", senders::refuses_nobody_in_its_place),
    Case::new("private::limits_and_name_servers", limits_and_name_servers),
    Case::new("private::doors_hold_what_they_may", doors_hold_what_they_may),
    Case::new("private::a_thousand_leave_nothing", a_thousand_leave_nothing),
    Case::new("private::makes_no_router", makes_no_router),
    Case::new("private::lives_and_dies_with_its_network", lives_and_dies_with_its_network),
    Case::new("private::holds_against_firewalls", holds_against_firewalls),
    Case::new("private::remove_leaves_no_trace", remove_leaves_no_trace),
    Case::new("joined::is_where_it_is_told", joined),
];

/// What a separate machine could not do. Each succeeds without the sandbox.
const HOSTILE: &str = "tcp 127.0.0.1 5555,tcp ::1 5555,tcp 0.0.0.0 5555,tcp 198.51.100.1 5555,tcp 2001:db8:100::1 5555,\
    udp 127.0.0.1 5555,udp 198.51.100.1 5555,udp 2001:db8:100::1 5555,tcp 172.30.0.1 5555,tcp 172.30.0.2 5555,\
    udp 172.30.0.2 5555,tcp 2001:db8:30::2 5555,tcp ::ffff:127.0.0.1 5555,abstract victim-5555,tcp 127.0.0.1 5556";

/// What it must be able to do all the same: other machines on the network and behind it, and a port that the policy allows.
const NEEDED: &str = "tcp 198.51.100.2 5555,udp 198.51.100.2 5555,tcp 203.0.113.7 5555,udp 203.0.113.7 5555,\
    tcp 2001:db8:100::2 5555,tcp 2001:db8:113::7 5555,udp 2001:db8:113::7 5555,tcp 127.0.0.1 5432";

fn reaches_others_and_not_the_machine(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    for wanted in [HOSTILE, NEEDED] {
        let failed: Vec<_> = attempts(&machine, "127.0.0.1 8008", wanted)?
            .into_iter()
            .filter(|(_, error)| error.is_some())
            .collect();
        ensure!(failed.is_empty(), "without a sandbox these fail too, so they show nothing: {failed:#?}");
    }
    world::apply(&machine)?;
    let needed = attempts(&machine, "127.0.0.1 8008", NEEDED)?;
    let failed: Vec<_> = needed.iter().filter(|(_, error)| error.is_some()).collect();
    ensure!(failed.is_empty(), "the service needs these: {failed:#?}\n{}", world::state(&machine)?);
    // The ends of its own cable, and another sandbox's, are there only now.
    let ends = world::addresses(&machine, "sb-served")?.join(" 5555,tcp ");
    let other = world::addresses_inside(&machine, "other")?.join(" 8009,tcp ");
    let hostile = format!("{HOSTILE},tcp {ends} 5555,tcp {other} 8009,bound eth0 198.51.100.1 5555");
    let tried = attempts(&machine, "127.0.0.1 8008", &hostile)?;
    let succeeded = world::open(&tried);
    ensure!(
        succeeded.is_empty(),
        "from the sandbox these succeed: {succeeded:#?}\n{}",
        world::state(&machine)?
    );
    Ok(())
}

fn is_reached_where_it_offers(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    world::apply(&machine)?;
    // From this machine, by either family, and from others where the policy says so, who are known by their own address.
    for (from, to, caller) in [
        ("", "127.0.0.1 8008", "127.0.0.1"),
        ("", "::1 8008", "127.0.0.1"),
        ("", "198.51.100.1 8448", "127.0.0.1"),
        ("lan", "198.51.100.1 8448", "198.51.100.2"),
        ("lan", "2001:db8:100::1 8448", "2001:db8:100::2"),
        ("internet", "198.51.100.1 8448", "203.0.113.7"),
        ("box", "172.30.0.1 8448", "172.30.0.2"),
    ] {
        let answer = ask(&machine, from, to, "")?;
        let answer = answer.with_context(|| format!("no answer to {from:?} at {to}"))?;
        let known = answer.caller.trim_start_matches("::ffff:");
        ensure!(known == caller, "{from:?} at {to} is known as {known}");
    }
    // Not on ports that it does not offer, nor at its own address, which others know the way to.
    let inside = world::addresses_inside(&machine, "served")?;
    machine.script("ip -n lan route add 198.18.0.0/15 via 198.51.100.1; ip -n lan route add fd00::/8 via 2001:db8:100::1")?;
    for (from, to) in [("lan", "198.51.100.1 8008".to_owned()), ("", "198.51.100.1 8008".to_owned())]
        .into_iter()
        .chain(inside.iter().map(|address| ("lan", format!("{address} 8008"))))
        .chain(inside.iter().map(|address| ("", format!("{address} 8008"))))
    {
        ensure!(ask(&machine, from, &to, "")?.is_none(), "{from:?} is answered at {to}");
    }
    // What it takes inside is taken from nobody.
    let taken = attempts(&machine, "127.0.0.1 8008", "take 6000,squat unclaimed")?;
    ensure!(taken.iter().all(|(_, error)| error.is_none()), "its own network is not its own: {taken:#?}");
    machine.script(
        "if python3 -c 'import socket; socket.create_connection((\"127.0.0.1\", 6000), 2)' 2>/dev/null; then exit 1; fi
         python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"\\0unclaimed\")'",
    )?;
    Ok(())
}

/// Where it may send and who may call it, as the policy says: a network that is denied, a bridge that is opened, a port for some.
fn keeps_to_its_policy(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let policy = r#"{ "version": 1, "name": "served", "units": ["served.service"], "filesystem": { "readable": ["/usr/local/lib"] },
        "network": { "mode": "private", "resolver": "none", "interfaces": ["bridge0"],
            "egressRules": [{ "action": "deny", "to": ["203.0.113.0/24"] }, { "action": "deny", "protocol": "udp" }],
            "listen": [{ "port": 8008 }, { "port": 8448, "from": "named", "networks": ["198.51.100.0/24"] }] } }"#;
    machine.write("/root/served.json", 0o644, policy.as_bytes())?;
    world::apply(&machine)?;
    let tried = attempts(
        &machine,
        "127.0.0.1 8008",
        "tcp 198.51.100.2 5555,tcp 2001:db8:113::7 5555,tcp 172.30.0.2 5555,tcp 203.0.113.7 5555,udp 198.51.100.2 5555,tcp 172.30.0.1 5555",
    )?;
    let open = world::open(&tried);
    ensure!(
        open == ["tcp 198.51.100.2 5555", "tcp 2001:db8:113::7 5555", "tcp 172.30.0.2 5555"],
        "{tried:#?}\n{}",
        world::state(&machine)?
    );
    for (from, answered) in [("lan", true), ("internet", false), ("", false)] {
        ensure!(
            ask(&machine, from, "198.51.100.1 8448", "")?.is_some() == answered,
            "{from:?} is answered: {}",
            !answered
        );
    }
    Ok(())
}

/// What it may send in a time, and which name servers it asks.
fn limits_and_name_servers(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(crate::filtered::BEHIND)?;
    let policy = |network: &str| {
        let text = format!(
            r#"{{ "version": 1, "name": "served", "units": ["served.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
                "network": {{ "mode": "private", "resolver": "servers", "nameServers": ["198.51.100.2"],
                    "listen": [{{ "port": 8008 }}], {network} }} }}"#
        );
        machine.write("/root/served.json", 0o644, text.as_bytes())?;
        world::apply(&machine)
    };
    // Ports with zeros before them are the same ones, so that attempts have names of their own.
    let several = |word: &str, many: usize| -> String {
        let ports: Vec<_> =
            (0..many).map(|zeros| format!("{word} 203.0.113.7 {}5555", "0".repeat(zeros))).collect();
        ports.join(",")
    };
    let failed = |words: &str| -> Result<usize> {
        let tried = attempts(&machine, "127.0.0.1 8008", words)?;
        Ok(tried.iter().filter(|(_, error)| error.is_some()).count())
    };
    let own = "tcp 198.51.100.2 53,udp 198.51.100.2 53";
    let foreign = "tcp 203.0.113.7 53,udp 203.0.113.7 53";
    let (connections, held, burst) = (several("tcp", 20), several("hold", 8), "burst 203.0.113.7 5555");
    for words in [own, foreign, &connections, &held, burst] {
        until("its peers answer", || Ok(failed(words)? == 0))
            .with_context(|| format!("without a sandbox `{words}` fails"))?;
    }

    policy(r#""dns": "resolver""#)?;
    ensure!(failed(own)? == 0, "its own name server is closed\n{}", world::state(&machine)?);
    ensure!(failed(foreign)? == 2, "another name server is open");
    ensure!(failed(burst)? == 0 && failed(&connections)? == 0, "there are limits where none were asked for");
    policy(r#""limits": { "connectionsPerSecond": 3 }"#)?;
    let refused = failed(&connections)?;
    ensure!((1..20).contains(&refused), "{refused} of 20 connections are refused");
    ensure!(failed(burst)? == 0, "what opens no connection is limited");
    policy(r#""limits": { "openConnections": 4 }"#)?;
    let refused = failed(&held)?;
    ensure!(refused == 4, "{refused} of 8 connections are refused, with 4 at once");
    for limit in [r#""packetsPerSecond": 20"#, r#""kilobytesPerSecond": 1"#] {
        policy(&format!(r#""limits": {{ {limit} }}"#))?;
        ensure!(failed(burst)? == 1, "{limit} limits nothing");
        std::thread::sleep(std::time::Duration::from_secs(2));
        ensure!(failed("udp 203.0.113.7 5555")? == 0, "{limit} lets nothing through");
    }
    Ok(())
}

/// More connections from this machine than a door holds at once: how many of them stay open, with the files that the program has.
const CROWD: &str = "import resource, select, socket, sys
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
crowd = [socket.create_connection(('127.0.0.1', 8008), 10) for _ in range(400)]
ended = set()
while ready := select.select([one for one in crowd if one not in ended], [], [], 3)[0]:
    ended |= {one for one in ready if not one.recv(1)}
print(len(crowd) - len(ended))
";

/// A hostile caller, or a hostile service, has a door hold no more than its limits, and it leads on afterwards.
fn doors_hold_what_they_may(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let policy = machine.read("/root/served.json")?;
    let policy = policy.replacen('{', r#"{ "resources": { "openFiles": 200, "memory": "64M" },"#, 1);
    machine.write("/root/served.json", 0o644, policy.as_bytes())?;
    world::apply(&machine)?;
    let held: usize = machine.check(["python3", "-c", CROWD])?.trim().parse()?;
    ensure!((1..=200).contains(&held), "{held} connections are held, of 200 at the most");
    until("the door leads on", || Ok(ask(&machine, "", "127.0.0.1 8008", "")?.is_some()))?;
    for door in ["sandboxed-served-listen-8008", "sandboxed-served-allow-127.0.0.1-5432"] {
        let shown = ["LimitNOFILE", "MemoryMax", "TasksMax"].map(|name| format!("--property={name}"));
        let shown = machine.check([
            "systemctl",
            "show",
            &shown[0],
            &shown[1],
            &shown[2],
            &format!("{door}.service"),
        ])?;
        for limit in ["LimitNOFILE=1264", "MemoryMax=67108864", "TasksMax=32"] {
            ensure!(shown.contains(limit), "{door} has {shown}");
        }
    }
    Ok(())
}

/// The table of the connections that the machine tracks is everybody's.
fn leaves_connections_to_others(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let tracked = |network: &str, words: &str| -> Result<u32> {
        let text = format!(
            r#"{{ "version": 1, "name": "served", "units": ["served.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
                "network": {{ "mode": "private", "resolver": "none", "listen": [{{ "port": 8008 }}], {network} }} }}"#
        );
        machine.write("/root/served.json", 0o644, text.as_bytes())?;
        world::apply(&machine)?;
        let count = || -> Result<u32> {
            Ok(machine.read("/proc/sys/net/netfilter/nf_conntrack_count")?.trim().parse()?)
        };
        let before = count()?;
        attempts(&machine, "127.0.0.1 8008", words)?;
        Ok(count()?.saturating_sub(before))
    };
    let few = r#""openSockets": 100"#;
    let (spray, hurry) = ("spray 198.51.100.2 5000", "hurry 198.51.100.2 5555 400");
    // Where others are in the way of the numbers, or some have been forgotten meanwhile, they are far apart all the same.
    let (open, closed) = (tracked(r#""openSockets": 1000000"#, spray)?, tracked(few, spray)?);
    ensure!(open > 4000 && closed < 200, "datagrams: {open} without a limit, {closed} with one");
    let (open, closed) = (tracked(r#""openSockets": 1000000"#, hurry)?, tracked(few, hurry)?);
    ensure!(open > 300 && closed < 150, "connections: {open} without a limit, {closed} with one");
    ensure!(
        ask(&machine, "", "127.0.0.1 8008", "")?.is_some(),
        "it does not answer its own callers any more"
    );
    Ok(())
}

/// A thousand networks, five at a time: rules, links, routes and namespaces are afterwards what they were before.
fn a_thousand_leave_nothing(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    world::apply(&machine)?;
    let there = || {
        machine.script(
            "nft list ruleset; ip -o link; ip -o address; ip route show table all; ip -6 route show table all; ip netns
             ls /run/sandboxed-network/members",
        )
    };
    let stable = |text: String| -> String {
        // The kernel counts down how long addresses and routes are valid, and numbers counters on; nft says by which program a
        // table is owned only if it finds out its name.
        let lasting = |line: &str| {
            [" expires", " # progname"]
                .iter()
                .fold(line.len(), |end, mark| end.min(line.find(mark).unwrap_or(end)))
        };
        text.lines()
            .filter(|line| !line.contains("fe80::") && !line.contains("ff00::"))
            .fold(String::new(), |all, line| all + line.get(..lasting(line)).unwrap_or_default() + "\n")
    };
    let before = stable(there()?);
    let rules = machine.script("ls /etc/sandboxed/nftables/sandboxed-served+private.nft /etc/nftables/sandboxed-served+private.nft 2>/dev/null || true")?;
    let rules = rules.lines().next().context("the rules of the service are nowhere")?;
    let script = THOUSAND.replace("RULES", rules);
    machine.write("/root/thousand.sh", 0o755, script.as_bytes())?;
    // The other release runs on the same kernel, so there it is about its tools.
    let many = if suite == Suite::Trixie { 1000 } else { 100 };
    for first in (1..=many).step_by(50) {
        // Each needs somebody to leave the owner of its rules with.
        let run = "systemd-run --quiet --wait --pipe --property=NotifyAccess=all --property=FileDescriptorStoreMax=1";
        machine.script(&format!("{run} bash /root/thousand.sh {first} {}", first + 49))?;
    }
    let after = stable(there()?);
    ensure!(after == before, "before:\n{before}\nafter:\n{after}");
    let needed = attempts(&machine, "127.0.0.1 8008", NEEDED)?;
    ensure!(needed.iter().all(|(_, error)| error.is_none()), "afterwards: {needed:#?}");
    Ok(())
}

/// Networks come and go by the commands that their units run.
const THOUSAND: &str = "set -eu
for number in $(seq $1 $(($2 + 5))); do
    if [ $number -le $2 ]; then
        sed \"s/served/loop$number/g\" RULES > /run/loop$number.nft
        sandboxed network up --publish=tcp/$((20000 + number)) loop$number /run/loop$number.nft
    fi
    if [ $number = $2 ]; then
        test $(ip -o link | grep -c sb-loop) = 6
        nft list ruleset | grep -q loop$number
    fi
    if [ $number -ge $(($1 + 5)) ]; then
        sandboxed network down loop$((number - 5))
        rm /run/loop$((number - 5)).nft
    fi
done
";

/// Others on the network must not reach through this machine what it alone is connected to.
fn makes_no_router(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(
        "ip -n lan route add 172.30.0.0/24 via 198.51.100.1; ip -n lan route add 2001:db8:30::/64 via 2001:db8:100::1",
    )?;
    let through = |machine: &Machine| -> Result<Vec<bool>> {
        ["172.30.0.2", "2001:db8:30::2"]
            .into_iter()
            .map(|address| world::victim_answers(machine, "lan", address))
            .collect()
    };
    ensure!(through(&machine)? == [false, false], "it is a router before anything was done");
    world::apply(&machine)?;
    let open = "cat /proc/sys/net/ipv4/conf/lan0/forwarding /proc/sys/net/ipv6/conf/lan0/force_forwarding";
    ensure!(machine.script(open)? == "1\n1\n", "nothing is passed on, so this shows nothing");
    ensure!(through(&machine)? == [false, false], "it became a router");
    // Somebody makes it one, and then it is: what was not ours is not ours.
    machine.script("sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1")?;
    until("it passes packets on", || Ok(through(&machine)? == [true, true]))?;
    machine.check(["systemctl", "stop", "served.service", "other.service"])?;
    until("the network is gone", || world::gone(&machine))?;
    ensure!(through(&machine)? == [true, true], "what somebody else switched on was switched off");
    Ok(())
}

fn lives_and_dies_with_its_network(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    world::apply(&machine)?;
    let answers = || Ok(ask(&machine, "", "127.0.0.1 8008", "")?.is_some());
    ensure!(answers()?, "it does not answer");
    machine.check(["systemctl", "restart", "served.service"])?;
    until("it answers after a restart", answers)?;
    machine
        .script("systemctl kill --signal=KILL served.service; sleep 0.2; systemctl start served.service")?;
    until("it answers after a crash", answers)?;
    for (what, end) in [
        ("its namespace is deleted", "ip netns delete sandboxed-served"),
        ("its cable is cut", "ip link delete sb-served"),
        ("the holder of the rules is killed", "systemctl kill --signal=KILL sandboxed-network.service"),
        ("nft is killed", "kill -KILL $(pgrep -f 'nft -i$')"),
        ("its unit is stopped", "systemctl stop sandboxed-served-network.service"),
    ] {
        machine.script(end)?;
        until(what, || {
            Ok(machine.run(["systemctl", "is-active", "served.service"])?.stdout.trim() == "inactive")
        })
        .with_context(|| format!("the service goes on though {what}"))?;
        until("nothing of it is left", || {
            let there = "ls /run/netns/sandboxed-served /sys/class/net/sb-served 2>/dev/null || true";
            Ok(machine.script(there)?.is_empty() && ask(&machine, "", "127.0.0.1 8008", "")?.is_none())
        })
        .with_context(|| format!("after {what}:\n{}", world::state(&machine).unwrap_or_default()))?;
        machine.script("systemctl reset-failed; systemctl start served.service other.service")?;
        until("it answers again", answers)
            .with_context(|| format!("after {what}:\n{}", world::state(&machine).unwrap_or_default()))?;
        let needed = attempts(&machine, "127.0.0.1 8008", NEEDED)?;
        ensure!(needed.iter().all(|(_, error)| error.is_none()), "after {what}: {needed:#?}");
    }
    // A network that is stopped with the last service is gone, and nothing is passed on for it.
    machine.check(["systemctl", "stop", "served.service", "other.service"])?;
    until("the network is gone", || world::gone(&machine))
        .with_context(|| world::state(&machine).unwrap_or_default())?;
    let closed = "cat /proc/sys/net/ipv4/conf/lan0/forwarding /proc/sys/net/ipv6/conf/lan0/force_forwarding";
    ensure!(machine.script(closed)? == "0\n0\n", "packets are still passed on");
    Ok(())
}

fn holds_against_firewalls(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    world::apply(&machine)?;
    for flush in [
        "nft flush ruleset",
        "nft delete table inet sandboxed_private || true",
        "iptables -F; iptables -t nat -F",
    ] {
        machine.script(flush)?;
        let tried = attempts(&machine, "127.0.0.1 8008", "tcp 198.51.100.1 5555,tcp 172.30.0.2 5555")?;
        let succeeded = world::open(&tried);
        ensure!(succeeded.is_empty(), "after `{flush}`: {succeeded:#?}");
        let needed = attempts(&machine, "127.0.0.1 8008", "tcp 203.0.113.7 5555")?;
        ensure!(needed.iter().all(|(_, error)| error.is_none()), "after `{flush}`: {needed:#?}");
    }
    // As docker leaves it: nothing is passed on but what it knows of. That can't be helped, but said.
    machine.script(
        "nft add table ip filter; nft 'add chain ip filter FORWARD { type filter hook forward priority 0; policy drop; }'
         systemctl restart sandboxed-served-network.service",
    )?;
    let journal = machine.journal("sandboxed-served-network.service")?;
    ensure!(
        journal.contains("the chain FORWARD of the table ip filter drops") && journal.contains("sb-served"),
        "the journal does not name it:\n{journal}"
    );
    Ok(())
}

fn remove_leaves_no_trace(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let before = world::traces(&machine)?;
    world::apply(&machine)?;
    let there = world::traces(&machine)?;
    for sign in ["sb-served", "sandboxed-served", "table inet sandboxed_private", "sandboxed-network"] {
        ensure!(there.contains(sign) && !before.contains(sign), "no {sign} in:\n{there}");
    }
    let kept = machine.run(["sandboxed", "remove", "--no-restart", "served"])?;
    ensure!(kept.stderr.contains("cannot outlive it"), "its network would be left behind:\n{}", kept.stderr);
    ensure!(world::traces(&machine)? == there, "what was refused changed the machine");
    machine.check(["sandboxed", "remove", "served", "other"])?;
    machine.check(["systemctl", "is-active", "served.service"])?;
    let after = world::traces(&machine)?;
    ensure!(after == before, "before:\n{before}\nafter:\n{after}");
    Ok(())
}

/// A namespace that something else has made, here the network's neighbour.
fn joined(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let policy = r#"{ "version": 1, "name": "served", "units": ["served.service"],
        "network": { "mode": "joined", "namespace": "/run/netns/lan", "namespaceUnit": "lan.service",
            "listen": [{ "port": 8008 }] },
        "filesystem": { "readable": ["/usr/local/lib"] } }"#;
    machine.write(
        "/etc/systemd/system/lan.service",
        0o644,
        b"[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/true\n",
    )?;
    machine.write("/root/joined.json", 0o644, policy.as_bytes())?;
    machine.check(["systemctl", "daemon-reload"])?;
    sandbox::apply(&machine, &["--restart", "/root/joined.json"])?;
    machine.check(["systemctl", "is-active", "lan.service"])?;
    // Its loopback addresses are closed to it, so it is asked from this machine.
    let reached = attempts(
        &machine,
        "198.51.100.2 8008",
        "tcp 203.0.113.7 5555,tcp 127.0.0.1 5555,abstract victim-5556,claim tcp 0.0.0.0 6000",
    )?;
    let open = world::open(&reached);
    ensure!(open == ["tcp 203.0.113.7 5555"], "{reached:#?}");
    machine.check(["systemctl", "stop", "lan.service"])?;
    ensure!(!machine.run(["systemctl", "is-active", "served.service"])?.success(), "it outlives its network");
    Ok(())
}
