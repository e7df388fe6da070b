//! Whom a service sends to, that did not ask it.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use sandboxed_testbed::{Machine, Suite};

use super::world::{self, attempts, prepared, until};

const SERVED: &str = "127.0.0.1 8008";

/// Asks by UDP, and prints what it is answered.
const QUESTION: &str = "import socket, sys
with socket.socket(socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET, socket.SOCK_DGRAM) as client:
    client.settimeout(2)
    client.sendto(b'question\\n', (sys.argv[1], 3478))
    print(client.recv(100))
";

/// Somebody on the network, or in another container, writes the address of a container into a question. The answer, and whatever
/// the service sends after it, would go there.
pub(crate) fn answers_only_where_it_was_asked_from(suite: Suite, mode: &str) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(crate::filtered::LATE)?;
    machine.write("/usr/local/lib/forged.py", 0o644, include_bytes!("forged.py"))?;
    let answering = || -> Result<()> {
        let tried = attempts(&machine, SERVED, "answer 3478")?;
        ensure!(tried.iter().all(|(_, error)| error.is_none()), "it does not answer: {tried:#?}");
        Ok(())
    };
    let forge = |by: &str, from: &str, to: &str| -> Result<usize> {
        let before = called(&machine)?;
        for _ in 0..3 {
            machine.check([
                "ip",
                "netns",
                "exec",
                by,
                "python3",
                "/usr/local/lib/forged.py",
                from,
                "5555",
                to,
                "3478",
            ])?;
        }
        sleep(Duration::from_secs(1));
        Ok(called(&machine)? - before)
    };
    let forged = [
        ("lan", "172.30.0.2", "198.51.100.1"),
        ("lan", "2001:db8:30::2", "2001:db8:100::1"),
        ("late", "172.30.0.2", "10.55.0.1"),
    ];
    answering()?;
    for (by, from, to) in forged {
        ensure!(
            forge(by, from, to)? > 0,
            "without a sandbox {from} is sent nothing by {by}, so this shows nothing"
        );
    }

    let policy = format!(
        r#"{{ "version": 1, "name": "served", "units": ["served.service"], "filesystem": {{ "readable": ["/usr/local/lib"] }},
            "network": {{ "mode": "{mode}", "resolver": "none",
                "listen": [{{ "port": 8008 }}, {{ "port": 3478, "protocol": "udp", "from": "anywhere" }}] }} }}"#
    );
    machine.write("/root/served.json", 0o644, policy.as_bytes())?;
    world::apply(&machine)?;
    answering()?;
    for (by, from, to) in forged {
        let calls = forge(by, from, to)?;
        ensure!(
            calls == 0,
            "{from} in whose name {by} asked was sent {calls} answers\n{}",
            world::state(&machine)?
        );
    }
    // Who does ask is answered, from either side.
    for (from, to) in [
        ("lan", "198.51.100.1"),
        ("internet", "198.51.100.1"),
        ("box", "172.30.0.1"),
        ("lan", "2001:db8:100::1"),
        ("box", "2001:db8:30::1"),
    ] {
        let asked = machine.run(["ip", "netns", "exec", from, "python3", "-c", QUESTION, to])?;
        ensure!(
            asked.stdout.contains("answer"),
            "{from} at {to} gets no answer\n{}",
            world::state(&machine)?
        );
    }
    // That opens the way for the answer alone.
    for (by, from, to) in forged {
        let calls = forge(by, from, to)?;
        ensure!(
            calls == 0,
            "{from} in whose name {by} asked was sent {calls} answers after it had asked from another port"
        );
    }
    machine.check(["systemctl", "stop", "served.service", "other.service"])?;
    until("nothing of it is left", || world::gone(&machine))
}

/// How often the container was called.
fn called(machine: &Machine) -> Result<usize> {
    let lines = machine.check(["journalctl", "--no-pager", "--output=cat", "--unit=victim-box.service"])?;
    Ok(lines.matches("called by").count())
}

/// A machine that asks on every interface for an address would get one from the service, and a way to everybody.
pub(crate) fn gives_the_machine_no_address(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    world::apply(&machine)?;
    machine.write("/usr/local/lib/heard.py", 0o644, include_bytes!("heard.py"))?;
    machine.check([
        "systemd-run",
        "--quiet",
        "--unit=heard",
        "python3",
        "/usr/local/lib/heard.py",
        "sb-served",
    ])?;
    let heard = |what: &str| -> Result<bool> {
        let said = machine.check(["journalctl", "--no-pager", "--output=cat", "--unit=heard.service"])?;
        Ok(said.lines().any(|line| line == what))
    };
    until("somebody listens", || heard("listening"))?;
    let host = world::addresses(&machine, "sb-served")?;
    let host = host.iter().find(|address| address.contains('.')).map_or("", String::as_str);
    let offers =
        format!("offer {host} 68 67,offer 255.255.255.255 68 67,offer {host} 546 547,offer {host} 69 67");
    attempts(&machine, SERVED, &offers)?;
    until("what is no address is heard", || heard("heard 69"))?;
    ensure!(!heard("heard 68")? && !heard("heard 546")?, "an address is offered to the machine");
    machine.script("ip netns exec sandboxed-served nft flush ruleset")?;
    attempts(&machine, SERVED, &offers)?;
    until("without the rules it is heard", || Ok(heard("heard 68")? && heard("heard 546")?))
}

/// What the service sends in another's name is dropped: a refusal would go to him.
pub(crate) fn refuses_nobody_in_its_place(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let refused = || -> Result<u64> {
        let counted = machine.script("ip netns exec box cat /proc/net/snmp6")?;
        let line = counted.lines().find_map(|line| line.strip_prefix("Icmp6InDestUnreachs"));
        Ok(line.unwrap_or_default().trim().parse()?)
    };
    let posing = |whom: &str| -> Result<u64> {
        let before = refused()?;
        let words = format!("pose 2001:db8:30::2 {whom} 9");
        let tried = attempts(&machine, SERVED, &words)?;
        ensure!(tried.iter().all(|(_, error)| error.is_none()), "it cannot even try: {tried:#?}");
        sleep(Duration::from_millis(300));
        Ok(refused()? - before)
    };
    let whom = ["2001:db8:100::1", "2001:db8:100::2"];
    ensure!(posing(whom[0])? > 0, "without a sandbox nobody is told either, so this shows nothing");
    world::apply(&machine)?;
    for whom in whom {
        ensure!(posing(whom)? == 0, "a refusal for {whom} went to another\n{}", world::state(&machine)?);
    }
    Ok(())
}
