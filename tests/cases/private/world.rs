//! A machine between others: a neighbour that is the way to the internet, and a container that only this machine reaches.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};
use serde::Deserialize;

/// Addresses of the ranges for documentation (RFC 5737, RFC 3849), and a private network as container engines have it.
const LAY_OUT: &str = "
sysctl -qw net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0
for peer in lan internet box; do
    ip netns add $peer
    ip -n $peer link set lo up
done
ip link add lan0 type veth peer name lan0 netns lan
ip address add 198.51.100.1/24 dev lan0
ip address add 2001:db8:100::1/64 dev lan0 nodad
ip link set lan0 up
ip -n lan address add 198.51.100.2/24 dev lan0
ip -n lan address add 2001:db8:100::2/64 dev lan0 nodad
ip -n lan link set lan0 up
ip -n lan link add inet0 type veth peer name inet0 netns internet
ip -n lan address add 203.0.113.1/24 dev inet0
ip -n lan address add 2001:db8:113::1/64 dev inet0 nodad
ip -n lan link set inet0 up
ip -n internet address add 203.0.113.7/24 dev inet0
ip -n internet address add 2001:db8:113::7/64 dev inet0 nodad
ip -n internet link set inet0 up
ip -n internet route add default via 203.0.113.1
ip -n internet route add default via 2001:db8:113::1
ip netns exec lan sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip route add default via 198.51.100.2
ip route add default via 2001:db8:100::2
ip link add bridge0 type bridge
ip address add 172.30.0.1/24 dev bridge0
ip address add 2001:db8:30::1/64 dev bridge0 nodad
ip link set bridge0 up
ip link add box0 type veth peer name eth0 netns box
ip link set box0 master bridge0 up
ip -n box address add 172.30.0.2/24 dev eth0
ip -n box address add 2001:db8:30::2/64 dev eth0 nodad
ip -n box link set eth0 up
ip -n box route add default via 172.30.0.1
ip -n box route add default via 2001:db8:30::1
systemd-run --quiet --unit=victim python3 /usr/local/lib/victim.py 5555
systemd-run --quiet --unit=victim2 python3 /usr/local/lib/victim.py 5556
systemd-run --quiet --unit=database python3 /usr/local/lib/victim.py 5432
for peer in lan internet box; do
    systemd-run --quiet --unit=victim-$peer --property=NetworkNamespacePath=/run/netns/$peer python3 /usr/local/lib/victim.py 5555
done
";

fn policy(name: &str, network: &str) -> String {
    format!(
        r#"{{ "version": 1, "name": "{name}", "units": ["{name}.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
            "network": {{ "mode": "private", "resolver": "servers", "nameServers": ["198.51.100.2"], {network} }} }}"#
    )
}

/// The machine, with the services without sandboxes as yet.
pub(crate) fn prepared(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/usr/local/lib/service.py", 0o644, include_bytes!("service.py"))?;
    machine.write("/usr/local/lib/victim.py", 0o644, include_bytes!("victim.py"))?;
    for (name, ports) in [("served", "8008 8448"), ("other", "8009")] {
        // Cases restart it more often in a short time than systemd lets a service by itself.
        let unit = format!(
            "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=notify\nUser=games\nExecStart=/usr/bin/python3 /usr/local/lib/service.py {ports}\n"
        );
        machine.write(&format!("/etc/systemd/system/{name}.service"), 0o644, unit.as_bytes())?;
    }
    let offered = r#""listen": [{ "port": 8008 }, { "port": 8448, "from": "anywhere" }], "allow": ["tcp 127.0.0.1:5432"]"#;
    machine.write("/root/served.json", 0o644, policy("served", offered).as_bytes())?;
    machine.write(
        "/root/other.json",
        0o644,
        policy("other", r#""listen": [{ "port": 8009 }]"#).as_bytes(),
    )?;
    machine.script(LAY_OUT)?;
    machine.check(["systemctl", "start", "served.service", "other.service"])?;
    until("the victims answer", || {
        Ok(victim_answers(&machine, "", "198.51.100.1")?
            && victim_answers(&machine, "", "203.0.113.7")?
            && victim_answers(&machine, "", "2001:db8:113::7")?
            && victim_answers(&machine, "", "2001:db8:30::2")?)
    })?;
    Ok(machine)
}

/// Both services in their sandboxes, running.
pub(crate) fn apply(machine: &Machine) -> Result<()> {
    sandbox::apply(machine, &["--restart", "/root/served.json", "/root/other.json"])
}

/// What the service says to a caller.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    pub(crate) caller: String,
    attempts: serde_json::Map<String, serde_json::Value>,
}

const ASK: &str = "import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 60) as server:
    server.sendall(sys.argv[3].encode() + b'\\n')
    print(server.makefile().read())
";

/// Words to the service at `to`, an address and a port, from a peer or (where that is empty) the machine itself. `None` where
/// nobody answers.
pub(crate) fn ask(machine: &Machine, from: &str, to: &str, words: &str) -> Result<Option<Answer>> {
    let (address, port) = to.split_once(' ').context("no port")?;
    let patience = if words.is_empty() { "5" } else { "120" };
    let mut command = vec!["timeout", patience, "python3", "-c", ASK, address, port, words];
    if !from.is_empty() {
        command.splice(0..0, ["ip", "netns", "exec", from]);
    }
    let outcome = machine.run(command)?;
    if !outcome.success() || outcome.stdout.trim().is_empty() {
        return Ok(None);
    }
    Ok(Some(serde_json::from_str(&outcome.stdout)?))
}

/// As [`ask`], without waiting for an answer.
pub(crate) fn ask_and_leave(machine: &Machine, to: &str, words: &str) -> Result<()> {
    let (address, port) = to.split_once(' ').context("no port")?;
    machine
        .check(["systemd-run", "--quiet", "--collect", "python3", "-c", ASK, address, port, words])
        .map(drop)
}

/// Attempts of the service at `to`, each with what stood in its way.
pub(crate) fn attempts(machine: &Machine, to: &str, words: &str) -> Result<Vec<(String, Option<String>)>> {
    let answer =
        ask(machine, "", to, words)?.with_context(|| format!("the service does not answer at {to}"))?;
    Ok(answer.attempts.into_iter().map(|(name, error)| (name, error.as_str().map(str::to_owned))).collect())
}

/// The attempts that nothing stood in the way of.
pub(crate) fn open(attempts: &[(String, Option<String>)]) -> Vec<&str> {
    attempts.iter().filter(|(_, error)| error.is_none()).map(|(name, _)| name.as_str()).collect()
}

/// Whether the victim at an address answers a peer.
pub(crate) fn victim_answers(machine: &Machine, from: &str, address: &str) -> Result<bool> {
    let connect = format!("import socket; assert socket.create_connection(('{address}', 5555), 2).recv(9)");
    let mut command = vec!["python3", "-c", &connect];
    if !from.is_empty() {
        command.splice(0..0, ["ip", "netns", "exec", from]);
    }
    Ok(machine.run(command)?.success())
}

/// Addresses of an interface of the machine.
pub(crate) fn addresses(machine: &Machine, interface: &str) -> Result<Vec<String>> {
    scoped(&machine.check(["ip", "-o", "address", "show", "dev", interface, "scope", "global"])?)
}

/// Addresses of a service in its own network.
pub(crate) fn addresses_inside(machine: &Machine, name: &str) -> Result<Vec<String>> {
    let namespace = format!("sandboxed-{name}");
    scoped(
        &machine
            .check(["ip", "-n", &namespace, "-o", "address", "show", "dev", "eth0", "scope", "global"])?,
    )
}

fn scoped(text: &str) -> Result<Vec<String>> {
    let address = |line: &str| Some(line.split_whitespace().nth(3)?.split_once('/')?.0.to_owned());
    let addresses: Vec<String> = text.lines().filter_map(address).collect();
    anyhow::ensure!(addresses.len() == 2, "one address of each family is expected in:\n{text}");
    Ok(addresses)
}

/// Whether nothing is left of any network of ours.
pub(crate) fn gone(machine: &Machine) -> Result<bool> {
    let there = "ls -d /run/netns/sandboxed-* /sys/class/net/sb-* /run/sandboxed-network 2>/dev/null || true
                 nft list tables | grep sandboxed_private || true";
    Ok(machine.script(there)?.is_empty())
}

/// Everything of the machine that such a sandbox touches.
pub(crate) fn traces(machine: &Machine) -> Result<String> {
    machine.script(
        "ls -1 /run /run/netns /sys/class/net
         find /etc /run/systemd/system -not -type d | sort | xargs --delimiter='\\n' md5sum 2>/dev/null || true
         systemctl list-units --all --plain --no-legend 'sandboxed*' | sort
         find /sys/fs/cgroup -name 'sandboxed*' | sort
         grep . /proc/sys/net/ipv4/conf/*/forwarding /proc/sys/net/ipv6/conf/*/forwarding \\
             /proc/sys/net/ipv6/conf/*/force_forwarding || true
         ip rule; ip -6 rule
         nft list ruleset",
    )
}

/// What one wants to know when something fails.
pub(crate) fn state(machine: &Machine) -> Result<String> {
    machine.script(
        "systemctl --no-pager status 'sandboxed*' served.service || true; journalctl --no-pager -n 60
         nft list ruleset || iptables-save; ip route; ip -6 route; ip netns exec sandboxed-served ip -6 route || true",
    )
}

/// Wait until something is so; how long that takes is the machine's business.
pub(crate) fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..150 {
        if is_so()? {
            return Ok(());
        }
        sleep(Duration::from_millis(200));
    }
    bail!("it never came about: {what}")
}
