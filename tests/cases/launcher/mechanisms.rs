//! The same tests on each mechanism for a PID namespace: what the launcher does, the others do but for what is named here.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Result, ensure};
use sandboxed_testbed::{Machine, Suite};

use super::{NEEDS, attempts, machine, property};

/// A mechanism, as a policy names it, and what it loses.
struct Mechanism {
    name: &'static str,
    suites: &'static [Suite],
    losses: &'static [&'static str],
}

const MECHANISMS: [Mechanism; 3] = [
    Mechanism { name: "launcher", suites: &[Suite::Bookworm, Suite::Trixie, Suite::Sid], losses: &[] },
    Mechanism { name: "privatePids", suites: &[Suite::Sid], losses: &["end by its own signal"] },
    Mechanism {
        name: "unshare",
        suites: &[Suite::Bookworm, Suite::Trixie, Suite::Sid],
        losses: &["reload", "end by its own signal"],
    },
];

const SERVICE: &str = "/usr/bin/python3 /usr/local/lib/service.py";

/// What the service has told so far, if it has come to that.
fn told(machine: &Machine) -> Result<String> {
    machine.script("cat /run/launched/log || true")
}

fn policy(mechanism: &str) -> String {
    format!(
        r#"{{ "version": 1, "name": "launched", "units": ["launched.service"],
        "filesystem": {{ "writable": ["/run/launched"] }}, "processes": {{ "mechanism": "{mechanism}" }} }}"#
    )
}

/// A new unit with this text, in a sandbox by this mechanism; what was said where that is refused.
pub(super) fn sandboxed(machine: &Machine, mechanism: &str, text: &str) -> Result<Option<String>> {
    machine.script(
        "systemctl stop launched.service || true; sandboxed remove launched || true; rm -f /run/launched/log",
    )?;
    let unit =
        format!("[Service]\nUser=daemon\nRuntimeDirectory=launched\nRuntimeDirectoryPreserve=yes\n{text}\n");
    machine.write("/run/systemd/system/launched.service", 0o644, unit.as_bytes())?;
    machine.write("/etc/launched.json", 0o644, policy(mechanism).as_bytes())?;
    machine.script("systemctl daemon-reload; systemctl reset-failed launched.service || true")?;
    let applied = machine.run(["sandboxed", "apply", "/etc/launched.json"])?;
    Ok((!applied.success()).then_some(applied.stderr))
}

pub(super) fn mechanisms(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    for Mechanism { name, suites, losses } in MECHANISMS {
        let notify = format!("Type=notify\nExecStart={SERVICE}\nExecReload=/bin/kill -HUP $MAINPID");
        if !suites.contains(&suite) {
            let refused = sandboxed(&machine, name, &notify)?;
            let reason = refused.unwrap_or_default();
            ensure!(reason.contains("processes-hidden"), "{name} is not refused on this systemd: {reason}");
            continue;
        }
        let mut lost = Vec::new();
        let mut check = |what: &'static str, holds: bool| {
            if !holds {
                lost.push(what);
            }
        };
        if let Some(reason) = sandboxed(&machine, name, &notify)? {
            anyhow::bail!("{name} is refused: {reason}");
        }
        let started = machine.run(["systemctl", "start", "launched"])?.success();
        check("start", started && property(&machine, "StatusText")? == "up");
        machine.run(["systemctl", "stop", "launched"])?;
        check("stop", told(&machine)?.ends_with("terminated 1\nclean\n"));
        machine.script(
            "rm -f /run/launched/log; systemctl reset-failed launched || true; systemctl start launched || true")?;
        machine.run(["systemctl", "reload", "launched"])?;
        sleep(Duration::from_secs(2));
        check(
            "reload",
            told(&machine)?.contains("reloaded") && property(&machine, "ActiveState")? == "active",
        );
        let notify = notify.replace("Type=notify", "Type=notify\nWatchdogSec=3");
        sandboxed(&machine, name, &notify)?;
        machine.run(["systemctl", "start", "launched"])?;
        sleep(Duration::from_secs(5));
        check("feed its watchdog", property(&machine, "ActiveState")? == "active");
        check("learn that the watchdog is its own", told(&machine)?.starts_with("started True"));
        sandboxed(&machine, name, &format!("{notify}\nEnvironment=FED=1"))?;
        machine.run(["systemctl", "start", "launched"])?;
        sleep(Duration::from_secs(8));
        check("be ended by its watchdog", property(&machine, "Result")? == "watchdog");
        for (what, script, expected) in [
            (
                "have its directory, mask and environment",
                "test $$PWD = /usr && test $$(umask) = 0027 && test $$WORD = hello",
                "0 success",
            ),
            (
                "have its orphans buried",
                "for n in 1 2 3 4 5; do (sleep 0.1 &); done; sleep 2; ! grep -q ^State:.Z /proc/[0-9]*/status",
                "0 success",
            ),
            ("end with a status", "exit 7", "7 exit-code"),
            ("end by its own signal", "kill -KILL $$$$; exit 0", "9 signal"),
        ] {
            let place = "WorkingDirectory=/usr\nUMask=0027\nEnvironment=WORD=hello";
            sandboxed(&machine, name, &format!("Type=oneshot\n{place}\nExecStart=/bin/sh -c '{script}'"))?;
            machine.run(["systemctl", "start", "launched"])?;
            let ended =
                format!("{} {}", property(&machine, "ExecMainStatus")?, property(&machine, "Result")?);
            check(what, ended == expected);
        }
        ensure!(lost == losses, "{name} loses {lost:?}, not {losses:?}:\n{}", machine.journal("launched")?);
        let plan = machine.check(["sandboxed", "explain", "/etc/launched.json"])?;
        ensure!(
            losses.is_empty() || plan.contains("PID 1"),
            "explain does not name what {name} loses:\n{plan}"
        );
        hostile(&machine, name)?;
    }
    Ok(())
}

/// What a hostile service does to a process of its own user outside.
fn hostile(machine: &Machine, mechanism: &str) -> Result<()> {
    machine.script(
        "systemctl stop victim || true; systemctl reset-failed victim || true
         systemd-run --quiet --unit=victim --property=User=daemon python3 -c \
             'import signal, time; signal.signal(signal.SIGUSR1, lambda *_: None); time.sleep(600)' \"launcher's victim\"",
    )?;
    let victim = machine.check(["systemctl", "show", "--value", "--property=MainPID", "victim.service"])?;
    let program = format!("/usr/bin/python3 /usr/local/lib/hostile.py {}", victim.trim());
    let tried = ["see", "send", "trace", "make_namespace", "mount_proc", "use_capability"];
    if mechanism == "launcher" {
        machine.script("sandboxed remove launched || true")?;
        let plain = attempts(machine, &format!("NoNewPrivileges=no\nExecStart={program}"))?;
        for name in tried {
            ensure!(
                plain.get(name).is_some_and(serde_json::Value::is_null),
                "{name} fails without a sandbox too"
            );
        }
    }
    sandboxed(machine, mechanism, &format!("Type=oneshot\nExecStart={program}"))?;
    machine.check(["systemctl", "start", "launched"])?;
    let journal = machine.journal("launched.service")?;
    let report = journal.lines().rfind(|line| line.starts_with('{')).unwrap_or_default();
    let report: serde_json::Map<String, serde_json::Value> = serde_json::from_str(report)?;
    let succeeded: Vec<_> =
        tried.iter().filter(|name| report.get(**name).is_none_or(serde_json::Value::is_null)).collect();
    ensure!(succeeded.is_empty(), "by {mechanism} these succeed: {succeeded:?}");
    Ok(())
}

/// What the planner believes of `PrivatePIDs=`: 257 kills services before they have cleaned up, 262 does not. 200 stops.
pub(super) fn private_pids_stops(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    let text =
        format!("[Service]\n{NEEDS}Type=notify\nNotifyAccess=all\nPrivatePIDs=yes\nExecStart={SERVICE}\n");
    let text = text.replace("AmbientCapabilities=CAP_SYS_ADMIN CAP_SETPCAP\n", "");
    machine.write("/run/systemd/system/launched@.service", 0o644, text.as_bytes())?;
    machine.script("rm -f /run/launched/log; systemctl daemon-reload")?;
    for first in (0..200).step_by(20) {
        let names: Vec<String> = (first..first + 20).map(|number| format!("launched@{number}")).collect();
        machine.check(["systemctl", "start"].into_iter().chain(names.iter().map(String::as_str)))?;
        machine.check(["systemctl", "stop"].into_iter().chain(names.iter().map(String::as_str)))?;
    }
    let log = told(&machine)?;
    let count = |line: &str| log.lines().filter(|known| *known == line).count();
    let (began, ended) = (count("terminated 1"), count("clean"));
    println!("{suite}: of 200 stops under PrivatePIDs= {began} handlers began and {ended} ended");
    if suite == Suite::Sid {
        ensure!((began, ended) == (200, 200), "{began} handlers began and {ended} ended");
    } else {
        ensure!(ended < 200, "all ended: the planner need not refuse PrivatePIDs= on this systemd");
    }
    Ok(())
}
