//! What a service may do between the end of the filter's owner and its own: a client inside that ignores SIGTERM and tries all
//! the time gets no packet through.

use std::{thread::sleep, time::Duration};

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite};

use crate::private::world::{self, ask_and_leave, attempts, prepared, until};

pub(crate) const CASES: &[Case] = &[
    Case::new("owner::ends_and_the_filter_stays", ends_and_the_filter_stays),
    Case::new("owner::ends_and_the_network_stays_closed", ends_and_the_network_stays_closed),
    Case::new(
        "owner::takes_over_what_it_can_and_closes_the_rest",
        takes_over_what_it_can_and_closes_the_rest,
    ),
];

/// Addresses of the machine, and of a container that it alone reaches.
const ADDRESSES: [&str; 5] = ["127.0.0.1", "::1", "198.51.100.1", "2001:db8:100::1", "172.30.0.2"];
/// Those who listen there.
const VICTIMS: [&str; 2] = ["victim.service", "victim-box.service"];
/// It takes no notice of being asked to end, and has this long until it is killed.
const STUBBORN: &str = "[Service]\nEnvironment=STUBBORN=1\nTimeoutStopSec=6\n";

fn ends_and_the_filter_stays(suite: Suite) -> Result<()> {
    nothing_gets_through(suite, "filtered", "sandboxed-filter.service", "table inet sandboxed")
}

fn ends_and_the_network_stays_closed(suite: Suite) -> Result<()> {
    nothing_gets_through(suite, "private", "sandboxed-network.service", "table inet sandboxed_private")
}

fn nothing_gets_through(suite: Suite, mode: &str, owner: &str, table: &str) -> Result<()> {
    let machine = prepared(suite)?;
    machine.write("/etc/systemd/system/served.service.d/stubborn.conf", 0o644, STUBBORN.as_bytes())?;
    machine.script("systemctl daemon-reload; systemctl restart served.service")?;
    let since = attack(&machine)?;
    for victim in VICTIMS {
        until("without a sandbox everybody is reached", || Ok(calls(&machine, victim, &since)? > 20))?;
    }

    let policy = format!(
        r#"{{ "version": 1, "name": "served", "units": ["served.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
            "network": {{ "mode": "{mode}", "resolver": "servers", "nameServers": ["198.51.100.2"], "listen": [{{ "port": 8008 }}] }} }}"#
    );
    machine.write("/root/served.json", 0o644, policy.as_bytes())?;
    sandbox::apply(&machine, &["--restart", "/root/served.json"])?;
    let kill = |who: &str| format!("systemctl kill --signal=KILL --kill-who={who} {owner}");
    let flushing = "for turn in $(seq 200); do nft flush ruleset; done >/dev/null 2>&1 &";
    for (what, end) in [
        ("the owner is killed", kill("main")),
        ("all of it is killed", kill("all")),
        ("nft is killed", "kill -KILL $(pgrep -f 'nft -i$')".to_owned()),
        ("rules are flushed meanwhile", format!("{flushing}\n{}", kill("all"))),
        ("the service manager is executed anew", format!("systemctl daemon-reexec\n{}", kill("all"))),
    ] {
        let since = attack(&machine)?;
        machine.script(&end)?;
        sleep(Duration::from_secs(3));
        ensure!(tries(&machine, &since)? > 50, "{what}: it did not try all the time");
        let state = machine.run(["systemctl", "is-active", "served.service"])?;
        ensure!(state.stdout.trim() == "deactivating", "{what}: the service is {}", state.stdout);
        let there =
            || anyhow::Ok(machine.check(["nft", "list", "tables"])?.lines().any(|line| line == table));
        let kept = there()?;
        until("the service has ended", || {
            Ok(machine.run(["systemctl", "is-active", "served.service"])?.stdout.trim() == "failed")
        })?;
        for victim in VICTIMS {
            let calls = calls(&machine, victim, &since)?;
            ensure!(calls == 0, "{what}: {victim} was reached {calls} times\n{}", world::state(&machine)?);
        }
        ensure!(kept, "{what}: no {table}");
        // Then nobody keeps the rules any more, and there are new ones with the next start.
        until("the rules are gone", || Ok(!there()?)).with_context(|| what.to_owned())?;
        machine.script("systemctl reset-failed; systemctl start served.service")?;
        until("it answers again", || Ok(world::ask(&machine, "", "127.0.0.1 8008", "")?.is_some()))?;
        // It tried so often that it has to wait until it may connect again.
        until("it reaches others again", || {
            let needed = attempts(&machine, "127.0.0.1 8008", "tcp 203.0.113.7 5555")?;
            Ok(needed.iter().all(|(_, error)| error.is_none()))
        })?;
    }
    // Whoever begins anew on purpose is not kept from it by what is kept.
    let helper = owner.replace("sandboxed-", "sandboxed-served-");
    for unit in [owner, &helper] {
        machine.check(["systemctl", "restart", unit])?;
        machine.check(["systemctl", "start", "served.service"])?;
        until("it answers again", || Ok(world::ask(&machine, "", "127.0.0.1 8008", "")?.is_some()))?;
    }
    Ok(())
}

/// An owner that begins while slices are there loads their rules. A file that nft refuses, or that nobody can read, costs its own
/// sandbox everything and no other anything.
fn takes_over_what_it_can_and_closes_the_rest(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    for (name, port) in [("served", 8008), ("other", 8009)] {
        let policy = format!(
            r#"{{ "version": 1, "name": "{name}", "units": ["{name}.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
                "network": {{ "resolver": "none", "listen": [{{ "port": {port} }}] }} }}"#
        );
        machine.write(&format!("/root/{name}.json"), 0o644, policy.as_bytes())?;
    }
    sandbox::apply(&machine, &["--restart", "/root/served.json", "/root/other.json"])?;
    let (local, remote) = ("198.51.100.1 5555", "198.51.100.2 5555");
    // A process in the slice that nothing stops with the rules.
    let reaches = |name: &str, to: &str| -> Result<bool> {
        let (address, port) = to.split_once(' ').context("no port")?;
        let connect = format!("import socket; socket.create_connection(('{address}', {port}), 2).recv(9)");
        let slice = format!("--slice=sandboxed-{name}.slice");
        let run = [
            "systemd-run",
            "--quiet",
            "--wait",
            "--collect",
            &slice,
            "--uid=games",
            "python3",
            "-c",
            &connect,
        ];
        Ok(machine.run(run)?.success())
    };
    let file = |end: &str| -> Result<String> {
        let find = format!(
            "ls /etc/sandboxed/nftables/sandboxed-other{end} /etc/nftables/sandboxed-other{end} 2>/dev/null || true"
        );
        Ok(machine.script(&find)?.trim().to_owned())
    };
    let (chains, elements) = (file(".nft")?, file("+elements.nft")?);
    for (what, broken, mended) in [
        (
            "nft refuses its chains",
            format!("cp {chains} /root/kept; echo 'no rule' >> {chains}"),
            format!("cp /root/kept {chains}"),
        ),
        ("its chains are gone", format!("mv {chains} /root/kept"), format!("mv /root/kept {chains}")),
        (
            "its elements are",
            format!("mv {elements} /root/kept; mkdir {elements}"),
            format!("rmdir {elements}; mv /root/kept {elements}"),
        ),
    ] {
        machine.script(
            "systemctl stop sandboxed-filter.service served.service other.service
             systemctl start sandboxed-served.slice sandboxed-other.slice",
        )?;
        for name in ["served", "other"] {
            ensure!(reaches(name, local)?, "{what}: without rules {name} does not reach the machine");
        }
        machine.script(&broken)?;
        machine.script("systemctl start sandboxed-filter.service")?;
        ensure!(!reaches("served", local)?, "{what}: that opens the machine to another sandbox");
        ensure!(!reaches("other", local)?, "{what}: that opens the machine to it");
        ensure!(reaches("served", remote)?, "{what}: that closes everything to another sandbox");
        ensure!(!reaches("other", remote)?, "{what}: a sandbox without rules reaches others");
        machine.script(&mended)?;
        machine.script("systemctl restart served.service other.service")?;
        until("they answer again", || Ok(world::ask(&machine, "", "127.0.0.1 8009", "")?.is_some()))?;
        ensure!(reaches("other", remote)? && !reaches("other", local)?, "{what}: mended it is not as before");
    }
    Ok(())
}

/// The service tries to reach them all without an end, from before this returns; the time at which it is so.
fn attack(machine: &Machine) -> Result<String> {
    for address in ADDRESSES {
        ask_and_leave(machine, "127.0.0.1 8008", &format!("persist {address} 5555"))?;
    }
    let start = now(machine)?;
    until("it tries", || Ok(tries(machine, &start)? > 2 * ADDRESSES.len()))?;
    now(machine)
}

fn now(machine: &Machine) -> Result<String> {
    Ok(machine.check(["date", "+%Y-%m-%d %H:%M:%S.%6N"])?.trim().to_owned())
}

fn journal(machine: &Machine, unit: &str, since: &str, word: &str) -> Result<usize> {
    let unit = format!("--unit={unit}");
    let lines = machine.check(["journalctl", "--no-pager", "--output=cat", &unit, "--since", since])?;
    Ok(lines.matches(word).count())
}

/// How often it said, since then, that it has tried ten times more.
fn tries(machine: &Machine, since: &str) -> Result<usize> {
    journal(machine, "served.service", since, "still trying")
}

fn calls(machine: &Machine, victim: &str, since: &str) -> Result<usize> {
    journal(machine, victim, since, "called by")
}
