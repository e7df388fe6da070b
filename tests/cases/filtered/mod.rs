//! A service behind the filter: by which interfaces it sends, to whom, and who reaches it; peers are network namespaces, as in
//! the cases of the mode `private`. Whatever must fail inside succeeds without the sandbox.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite};

use crate::private::senders;
use crate::private::world::{self, ask, attempts, prepared, state, until};

pub(crate) const CASES: &[Case] = &[
    Case::new("filtered::sends_by_the_uplinks_alone", sends_by_the_uplinks_alone),
    Case::new("filtered::reaches_whom_it_may", reaches_whom_it_may),
    Case::new("filtered::is_reached_by_whom_it_says", is_reached_by_whom_it_says),
    Case::new("filtered::answers_only_where_it_was_asked_from", |suite| {
        senders::answers_only_where_it_was_asked_from(suite, "filtered")
    }),
    Case::new("filtered::by_iptables", by_iptables),
    Case::new("filtered::takes_its_ports_alone", takes_its_ports_alone),
    Case::new("filtered::leaves_ports_to_others", leaves_ports_to_others),
    Case::new("filtered::two_sandboxes_meet_if_both_say_so", two_sandboxes_meet_if_both_say_so),
];

/// Where the service under test is asked.
const SERVED: &str = "127.0.0.1 8008";

/// What a separate machine could not do.
const HOSTILE: &str = "tcp 127.0.0.1 5555,tcp ::1 5555,tcp 0.0.0.0 5555,tcp 198.51.100.1 5555,tcp 2001:db8:100::1 5555,\
    udp 127.0.0.1 5555,udp 198.51.100.1 5555,tcp 172.30.0.1 5555,tcp ::ffff:127.0.0.1 5555,tcp 172.30.0.2 5555,\
    udp 172.30.0.2 5555,tcp 2001:db8:30::2 5555,bound bridge0 172.30.0.2 5555,tcp 203.0.113.7 5557,tcp 10.55.0.2 5555";

/// What it must be able to do all the same.
const NEEDED: &str = "tcp 198.51.100.2 5555,udp 198.51.100.2 5555,tcp 203.0.113.7 5555,udp 203.0.113.7 5555,\
    tcp 2001:db8:100::2 5555,tcp 2001:db8:113::7 5555,udp 2001:db8:113::7 5555";

/// The machine's firewall turns one port of the internet round to a port of its own.
const REDIRECTION: &str =
    "nft 'add table ip turned; add chain ip turned output { type nat hook output priority -100; };
    add rule ip turned output ip daddr 203.0.113.7 tcp dport 5557 redirect to :5555'";

/// A further network that only this machine reaches.
pub(crate) const LATE: &str = "ip netns add late; ip -n late link set lo up
    ip link add late0 type veth peer name late0 netns late
    ip address add 10.55.0.1/24 dev late0; ip link set late0 up
    ip -n late address add 10.55.0.2/24 dev late0; ip -n late link set late0 up
    systemctl is-active --quiet victim-late || systemd-run --quiet --unit=victim-late --property=NetworkNamespacePath=/run/netns/late \
        python3 /usr/local/lib/victim.py 5555";

/// Addresses behind the neighbour that are private, link-local as metadata services have them, and a name server's.
pub(crate) const BEHIND: &str = "ip -n lan address add 10.66.0.1/32 dev lo; ip -n lan address add 169.254.169.254/32 dev lo
    ip -n lan address add fd66::1/128 dev lo
    systemd-run --quiet --unit=dns-lan --property=NetworkNamespacePath=/run/netns/lan python3 /usr/local/lib/victim.py 53
    systemd-run --quiet --unit=dns-internet --property=NetworkNamespacePath=/run/netns/internet python3 /usr/local/lib/victim.py 53";

fn policy(machine: &Machine, name: &str, network: &str) -> Result<()> {
    let text = format!(
        r#"{{ "version": 1, "name": "{name}", "units": ["{name}.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
            "network": {{ "resolver": "servers", "nameServers": ["198.51.100.2"], {network} }} }}"#
    );
    let path = format!("/root/{name}.json");
    machine.write(&path, 0o644, text.as_bytes())?;
    sandbox::apply(machine, &["--restart", &path])
        .or_else(|error| anyhow::bail!("{error:#}\n{}", machine.script("journalctl --no-pager -n 40")?))?;
    until("the services answer", || Ok(ask(machine, "", SERVED, "")?.is_some()))
}

/// Checks that all of these attempts of the service succeed, or that none does.
fn expect(machine: &Machine, what: &str, words: &str, succeed: bool) -> Result<()> {
    let wrong: Vec<_> = attempts(machine, SERVED, words)?
        .into_iter()
        .filter(|(_, error)| error.is_none() != succeed)
        .collect();
    let wanted = if succeed { "fail" } else { "succeed" };
    if wrong.is_empty() {
        Ok(())
    } else {
        anyhow::bail!("{what}: these {wanted}: {wrong:#?}\n{}", state(machine)?)
    }
}

/// Ports that others have or could have: one that a process of the same user shares with whoever asks, and free ones.
const OTHERS: &str = "claim udp 127.0.0.1 4444,claim tcp 127.0.0.1 4444,claim udp 0.0.0.0 5353,claim udp :: 5353,\
    claim udp ::ffff:127.0.0.1 5353,claim tcp 127.0.0.1 8080,claim tcp :: 8080,claim tcp ::ffff:127.0.0.1 8080,\
    claim udp 127.0.0.1 65535,claim udp 198.51.100.1 40000,claim udp 0.0.0.0 8008,chosen bind 127.0.0.1 44444,\
    chosen connect 127.0.0.1 44444,chosen send 127.0.0.1 44444,chosen bind ::ffff:127.0.0.1 44444,chosen bind 0.0.0.0 44445,\
    chosen connect 198.51.100.1 44445,chosen send :: 44445";
/// Ports that it offers, those that the kernel chooses, and what leaves without any.
const OWN: &str = "claim udp 0.0.0.0 3478,claim udp :: 3478,claim tcp 127.0.0.1 9448,claim udp 0.0.0.0 0,claim udp :: 0,\
    claim tcp 127.0.0.1 0,udp 198.51.100.2 5555,tcp 198.51.100.2 5555";

/// Whoever of the service's user lets others share a port, and who of another user does.
const SHARES: &str = "systemd-run --quiet --unit=shares --property=User=games --property=Type=notify --property=NotifyAccess=all python3 -c '
import os, socket, threading
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
    shared = socket.socket(socket.AF_INET, kind)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind((\"127.0.0.1\", 4444))
    os.dup(shared.fileno())
reused = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
reused.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
reused.bind((\"127.0.0.1\", 44444))
notify = os.environ[\"NOTIFY_SOCKET\"]
socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b\"READY=1\", \"\\0\" + notify[1:] if notify[0] == \"@\" else notify)
threading.Event().wait()'
systemd-run --quiet --unit=reuses --property=User=nobody python3 -c '
import socket, threading
reused = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
reused.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
reused.bind((\"::\", 44445))
threading.Event().wait()'
while ! ss -Huln sport = 44445 | grep -q .; do sleep 0.1; done";

/// Also after systemd has begun anew, and its slice has; ports follow the policy; and it is noticed where it is no longer so.
fn takes_its_ports_alone(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(SHARES)?;
    expect(&machine, "without a sandbox", OTHERS, true)?;
    expect(&machine, "without a sandbox", OWN, true)?;
    let offered = r#""listen": [{ "port": 8008 }, { "port": 9448 }, { "port": 3478, "protocol": "udp", "from": "anywhere" }]"#;
    policy(&machine, "served", offered)?;
    let holds = |when: &str| {
        expect(&machine, when, OWN, true)?;
        expect(&machine, when, OTHERS, false)?;
        machine.check(["sandboxed", "status", "served"]).map(drop)
    };
    holds("in the sandbox")?;
    machine.check(["systemctl", "daemon-reexec"])?;
    machine.check(["systemctl", "daemon-reload"])?;
    holds("after systemd began anew")?;
    machine.check(["systemctl", "stop", "sandboxed-served.slice"])?;
    machine.check(["systemctl", "start", "served.service"])?;
    until("the service answers", || Ok(ask(&machine, "", SERVED, "")?.is_some()))?;
    holds("after its slice began anew")?;
    machine.check(["systemctl", "restart", "sandboxed-served-filter.service"])?;
    machine.check(["systemctl", "start", "served.service"])?;
    until("the service answers", || Ok(ask(&machine, "", SERVED, "")?.is_some()))?;
    holds("after its helper began anew")?;

    let group = "sandboxed.slice/sandboxed-served.slice";
    let other = ["--hold-ports", "--port=tcp/8008", "--port=udp/5353", "--open-sockets=8192"];
    machine.check(["sandboxed", "filter", "sockets", group].into_iter().chain(other))?;
    expect(&machine, "other ports were given to it", "claim udp 0.0.0.0 5353", true)?;
    let status = machine.run(["sandboxed", "status", "served"])?;
    ensure!(
        !status.success() && status.stdout.contains("sockets are not held to what the plan says"),
        "status does not notice that: {status:?}"
    );

    policy(
        &machine,
        "served",
        r#""otherUdpPorts": "replaced", "listen": [{ "port": 8008 }, { "port": 5353, "protocol": "udp" }]"#,
    )?;
    expect(&machine, "with another policy", "claim udp 0.0.0.0 5353,claim tcp 127.0.0.1 0", true)?;
    let now =
        attempts(&machine, SERVED, "claim udp 0.0.0.0 3478,claim udp :: 4444,claim tcp 127.0.0.1 9448")?;
    for (attempt, error) in now {
        let error = error.with_context(|| format!("{attempt} succeeds"))?;
        // A datagram socket gets a port all the same; TCP is refused, by whichever is asked first.
        let replaced = attempt.starts_with("claim udp");
        ensure!(
            error.starts_with(if replaced { "ConnectionError: was given" } else { "PermissionError" }),
            "{error}"
        );
    }
    // Sockets of its own share a port that it offers, and only these do.
    expect(&machine, "its own beside", "chosen bind 127.0.0.1 44444,chosen send :: 44445", false)?;
    machine.check(["sandboxed", "remove", "served"])?;
    until("the service answers", || Ok(ask(&machine, "", SERVED, "")?.is_some()))?;
    expect(&machine, "without a sandbox again", OTHERS, true)
}

/// Whether a program of the machine's still gets ports from the kernel: for datagrams, for some that listen, for connections. It
/// takes more than those that asked the service to use them up.
fn gets_ports(machine: &Machine, kind: &str) -> Result<bool> {
    let program = format!(
        "import errno, socket, sys
kept = []
try:
    for _ in range(5):
        kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM if '{kind}' == 'udp' else socket.SOCK_STREAM))
        kept[-1].connect(('198.51.100.2', 5555)) if '{kind}' == 'connection' else kept[-1].bind(('0.0.0.0', 0))
except OSError as error:
    assert error.errno in (errno.EADDRINUSE, errno.EADDRNOTAVAIL), error
    sys.exit(7)"
    );
    let run = machine.run(["python3", "-c", &program])?;
    ensure!(run.success() || run.status == Some(7), "{run:?}");
    Ok(run.success())
}

/// The machine has few ports to give out, so that it does not take thousands to use them up. What ended connections hold stays
/// for a minute, so each attempt has its own.
fn leaves_ports_to_others(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let kinds = [("udp", "udp"), ("tcp", "tcp"), ("ended", "tcp"), ("ended", "connection")];
    let mut first = 40_000;
    let mut exhaust = |kind: &str, used_up: &str| -> Result<(Option<String>, bool)> {
        let mut others = || {
            first += 400;
            machine.script(&format!("sysctl -qw net.ipv4.ip_local_port_range='{first} {}'", first + 399))
        };
        others()?;
        ensure!(gets_ports(&machine, used_up)?, "{used_up}: there is none before");
        let tried = attempts(&machine, SERVED, &format!("exhaust {kind} 198.51.100.2 5555"))?;
        let left = gets_ports(&machine, used_up)?;
        others()?;
        expect(&machine, "it closes them", "release", true)?;
        Ok((tried.into_iter().find_map(|(_, error)| error), left))
    };
    for (kind, used_up) in kinds {
        let (error, left) = exhaust(kind, used_up)?;
        ensure!(error.is_none() && !left, "without a sandbox {kind} leaves ports for {used_up}: {error:?}");
    }
    policy(&machine, "served", r#""listen": [{ "port": 8008 }], "openSockets": 100"#)?;
    for (kind, used_up) in kinds {
        let (error, left) = exhaust(kind, used_up)?;
        let error = error.unwrap_or_default();
        ensure!(error.starts_with("PermissionError") && left, "{kind} leaves no port for {used_up}: {error}");
    }
    // Another number counts on from where the one before was.
    machine.script("sysctl -qw net.ipv4.ip_local_port_range='50000 50149'")?;
    let exhaust = "exhaust udp 198.51.100.2 5555";
    expect(&machine, "with a hundred", exhaust, false)?;
    let other = "--hold-ports --port=tcp/8008 --open-sockets=101 sandboxed.slice/sandboxed-served.slice";
    machine.script(&format!("sandboxed filter sockets {other}"))?;
    expect(&machine, "with one more", exhaust, false)?;
    ensure!(gets_ports(&machine, "udp")?, "each number is had anew");
    expect(&machine, "it closes them", "release", true)?;
    // Its own connections go on meanwhile, and those that it accepts do not count.
    for _ in 0..150 {
        ensure!(ask(&machine, "", SERVED, "")?.is_some(), "it does not answer any more");
    }
    expect(&machine, "when some time has passed", "tcp 198.51.100.2 5555", true)
}

fn sends_by_the_uplinks_alone(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(REDIRECTION)?;
    machine.script(LATE)?;
    until("all victims answer", || {
        Ok(attempts(&machine, SERVED, HOSTILE)?.iter().all(|(_, error)| error.is_none()))
    })
    .context("without a sandbox these fail too, so they show nothing")?;
    expect(&machine, "without a sandbox", NEEDED, true)?;
    let listen = r#""listen": [{ "port": 8008 }]"#;
    policy(&machine, "served", listen)?;
    expect(&machine, "in the sandbox", NEEDED, true)?;
    expect(&machine, "in the sandbox", HOSTILE, false)?;

    // An interface that goes and comes again while the service runs.
    machine.script(
        "ip netns delete late; ip link delete late0 2>/dev/null || true; systemctl stop victim-late",
    )?;
    machine.script(LATE)?;
    until("the late victim answers", || {
        let connect = "import socket; assert socket.create_connection(('10.55.0.2', 5555), 2).recv(9)";
        Ok(machine.run(["python3", "-c", connect])?.success())
    })?;
    expect(&machine, "an interface that appeared later", "tcp 10.55.0.2 5555", false)?;

    // What is an uplink is up to the routes.
    let uplinks = |wanted: &str| {
        let listing =
            machine.script("nft list set inet sandboxed uplinks | grep -o '\"[^\"]*\"' | tr -d '\"\\n'");
        Ok(listing.unwrap_or_default() == wanted)
    };
    machine.script("ip route del default; ip -6 route del default")?;
    until("no uplink is left", || uplinks(""))?;
    expect(&machine, "without a default route", "tcp 198.51.100.2 5555,udp 198.51.100.2 5555", false)?;
    machine.script("ip route add default via 198.51.100.2")?;
    until("it is an uplink again", || uplinks("lan0"))?;
    expect(&machine, "with a default route again", "tcp 198.51.100.2 5555,tcp 203.0.113.7 5555", true)?;

    policy(&machine, "served", &format!(r#"{listen}, "interfaces": ["bridge0"]"#))?;
    expect(&machine, "with a bridge opened by name", "tcp 172.30.0.2 5555,udp 172.30.0.2 5555", true)?;
    expect(&machine, "the machine's address on it", "tcp 172.30.0.1 5555,tcp 10.55.0.2 5555", false)?;
    policy(&machine, "served", &format!(r#"{listen}, "uplinks": ["bridge0"]"#))?;
    expect(&machine, "with the bridge as its uplink", "tcp 172.30.0.2 5555", true)?;
    expect(&machine, "with the bridge as its uplink", "tcp 198.51.100.2 5555,tcp 203.0.113.7 5555", false)
}

fn reaches_whom_it_may(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(BEHIND)?;
    let private = "tcp 10.66.0.1 5555,tcp 169.254.169.254 5555,tcp fd66::1 5555";
    let internet = "tcp 203.0.113.7 5555,udp 203.0.113.7 5555,tcp 2001:db8:113::7 5555";
    let all = format!(
        "{private},{internet},tcp 198.51.100.2 53,udp 198.51.100.2 53,tcp 203.0.113.7 53,udp 203.0.113.7 53"
    );
    until("all peers answer", || {
        Ok(attempts(&machine, SERVED, &all)?.iter().all(|(_, error)| error.is_none()))
    })?;
    let listen = r#""listen": [{ "port": 8008 }]"#;
    policy(&machine, "served", listen)?;
    expect(&machine, "without restrictions", &all, true)?;

    policy(&machine, "served", &format!(r#"{listen}, "egress": "internet""#))?;
    expect(&machine, "the internet", internet, true)?;
    expect(&machine, "what is private", private, false)?;

    let rules = r#""egress": "internet", "dns": "resolver", "egressRules": [
        { "to": ["10.66.0.1/32"], "protocol": "tcp", "ports": ["5000-5555"] }, { "action": "deny", "to": ["2001:db8:113::/48"] }]"#;
    policy(&machine, "served", &format!("{listen}, {rules}"))?;
    expect(
        &machine,
        "what a rule allows",
        "tcp 10.66.0.1 5555,tcp 203.0.113.7 5555,tcp 198.51.100.2 53,udp 198.51.100.2 53",
        true,
    )?;
    let denied = "tcp 10.66.0.1 53,tcp 2001:db8:113::7 5555,tcp 203.0.113.7 53,udp 203.0.113.7 53";
    expect(&machine, "what no rule allows", denied, false)?;

    policy(&machine, "served", &format!(r#"{listen}, "egress": "none""#))?;
    expect(&machine, "nothing but its name server", "tcp 198.51.100.2 53,udp 198.51.100.2 53", true)?;
    expect(&machine, "nothing else", &format!("{private},{internet},tcp 198.51.100.2 5555"), false)?;
    // Those who call it are answered all the same.
    policy(
        &machine,
        "served",
        r#""listen": [{ "port": 8008 }, { "port": 8448, "from": "anywhere" }], "egress": "none""#,
    )?;
    ensure!(ask(&machine, "internet", "198.51.100.1 8448", "")?.is_some(), "a caller is not answered");

    policy(&machine, "served", &format!(r#"{listen}, "limits": {{ "connectionsPerSecond": 3 }}"#))?;
    let many: Vec<String> =
        (0..20).map(|number| format!("tcp 203.0.113.7 {}5555", "0".repeat(number))).collect();
    let tried = attempts(&machine, SERVED, &many.join(","))?;
    let refused = tried.iter().filter(|(_, error)| error.is_some()).count();
    ensure!((1..many.len()).contains(&refused), "{refused} of {} connections are refused", many.len());
    expect(&machine, "what is not TCP has no such limit", "udp 203.0.113.7 5555", true)
}

fn is_reached_by_whom_it_says(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let everyone =
        [("", "127.0.0.1"), ("lan", "198.51.100.1"), ("internet", "198.51.100.1"), ("box", "172.30.0.1")];
    let reached = |port: &str| -> Result<Vec<&str>> {
        let mut reached = Vec::new();
        for (from, to) in everyone {
            if ask(&machine, from, &format!("{to} {port}"), "")?.is_some() {
                reached.push(from);
            }
        }
        Ok(reached)
    };
    ensure!(reached("8448")?.len() == everyone.len(), "without a sandbox not everyone reaches it");
    for (who, expected) in [
        ("", &[][..]),
        (r#""from": "localhost""#, &[""]),
        (r#""from": "anywhere""#, &["", "lan", "internet", "box"]),
        (r#""from": "named", "networks": ["198.51.100.0/24"]"#, &["lan"]),
        (r#""from": "named", "interfaces": ["lan0"]"#, &["lan", "internet"]),
        (
            r#""from": "named", "interfaces": ["bridge0"], "networks": ["172.30.0.0/16", "2001:db8::/32"]"#,
            &["box"],
        ),
        (r#""from": "named", "interfaces": ["bridge0"], "networks": ["198.51.100.0/24"]"#, &[]),
    ] {
        let offer = if who.is_empty() { String::new() } else { format!(r#", {{ "port": 8448, {who} }}"#) };
        policy(&machine, "served", &format!(r#""listen": [{{ "port": 8008 }}{offer}]"#))?;
        let found = reached("8448")?;
        ensure!(
            found == expected,
            "offered to {who}: reached by {found:?}, not {expected:?}\n{}",
            state(&machine)?
        );
    }
    Ok(())
}

fn two_sandboxes_meet_if_both_say_so(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let call = "tcp 127.0.0.1 8009,tcp 198.51.100.1 8009";
    expect(&machine, "without sandboxes", call, true)?;
    for (allowed, offered, meet) in
        [(false, false, false), (true, false, false), (false, true, false), (true, true, true)]
    {
        let allow =
            if allowed { r#", "allow": ["tcp 127.0.0.1:8009", "tcp 198.51.100.1:8009"]"# } else { "" };
        let listen = if offered { r#""listen": [{ "port": 8009 }]"# } else { r#""listen": []"# };
        policy(&machine, "other", listen)?;
        policy(&machine, "served", &format!(r#""listen": [{{ "port": 8008 }}]{allow}"#))?;
        let what = format!("one allows: {allowed}, the other offers: {offered}");
        expect(&machine, &what, call, meet)?;
    }
    Ok(())
}

/// Without nft: the same by rules of iptables, which anybody may flush; that ends the service within a second or so.
fn by_iptables(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script("mv $(command -v nft) /root/nft")?;
    let hostile: Vec<&str> = HOSTILE
        .split(',')
        .filter(|attempt| !attempt.contains("5557") && !attempt.contains("10.55"))
        .collect();
    let hostile = hostile.join(",");
    expect(&machine, "without a sandbox", &format!("{hostile},take 6000"), true)?;
    let rules = || {
        machine
            .script("iptables-save -t filter | grep -v '^[#:]'; ip6tables-save -t filter | grep -v '^[#:]'")
    };
    let before = rules()?;
    policy(
        &machine,
        "served",
        r#""listen": [{ "port": 8008 }, { "port": 8448, "from": "anywhere" }], "uplinks": ["lan0"]"#,
    )?;
    expect(&machine, "a port that it does not offer", "take 6000", false)?;
    let expect_closed = || {
        expect(&machine, "in the sandbox", NEEDED, true)?;
        expect(&machine, "in the sandbox", &hostile, false)?;
        ensure!(
            world::victim_answers(&machine, "", "198.51.100.1")?,
            "others are kept from the machine's ports"
        );
        Ok(())
    };
    expect_closed()?;
    crate::probe::as_planned(&machine, "served")?;
    let sandboxed = rules()?;
    machine.check(["systemctl", "restart", "served.service"])?;
    until("it answers again", || Ok(ask(&machine, "", SERVED, "")?.is_some()))?;
    ensure!(rules()? == sandboxed, "a restart changed the rules:\n{}\n{sandboxed}", rules()?);

    // Also one that does not mind being asked to end.
    let stubborn = "[Service]\nEnvironment=STUBBORN=1\nTimeoutStopSec=60\n";
    machine.write("/etc/systemd/system/served.service.d/stubborn.conf", 0o644, stubborn.as_bytes())?;
    sandbox::apply(&machine, &["/root/served.json"])?;
    machine.script("systemctl kill --signal=KILL served.service; systemctl reset-failed; systemctl restart served.service")?;
    until("it answers again", || Ok(ask(&machine, "", SERVED, "")?.is_some()))?;
    let ended = || {
        let state = machine.run(["systemctl", "is-active", "served.service"])?.stdout;
        Ok(!matches!(state.trim(), "active" | "deactivating"))
    };
    for (what, change) in [
        ("all rules are flushed", "iptables -F; ip6tables -F"),
        ("one family's are", "ip6tables -F"),
        ("its own are", "iptables -F sandboxed-served"),
        ("the rule that leads to them is deleted", "iptables -D OUTPUT 1"),
        ("a rule comes before them", "iptables -I OUTPUT 1 -o lo -j ACCEPT"),
    ] {
        let start = Instant::now();
        machine.script(change)?;
        until(&format!("the service ends when {what}"), ended)?;
        let gap = start.elapsed();
        ensure!(gap < Duration::from_secs(5), "{what}: the service ended after {gap:?} only");
        println!("{suite}: {what}: the service ended after {} ms", gap.as_millis());
        machine.script("iptables -D OUTPUT -o lo -j ACCEPT 2>/dev/null || true")?;
        machine.check(["systemctl", "start", "served.service"])?;
        until("it answers again", || Ok(ask(&machine, "", SERVED, "")?.is_some()))?;
        ensure!(rules()? == sandboxed, "{what}, and then there are others:\n{}\n{sandboxed}", rules()?);
    }
    expect_closed()?;
    machine.script("systemctl kill --signal=KILL served.service; systemctl stop served.service")?;
    machine.check(["sandboxed", "remove", "served"])?;
    ensure!(rules()? == before, "something is left behind:\n{}", rules()?);
    let chains = machine.script("iptables-save; ip6tables-save")?;
    ensure!(!chains.contains("sandboxed"), "chains are left behind:\n{chains}");
    Ok(())
}
