//! What Landlock and the last system call filter forbid: by the launcher's options alone, and as a policy has it.

use anyhow::{Context, Result, ensure};
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite};
use serde_json::{Map, Value};

use super::{LAUNCHER, attempts, machine, unit};

const PROGRAM: &str = "/usr/bin/python3 /usr/local/lib/confined.py";

/// Nothing here is mounted `noexec` or filtered: it is Landlock that forbids it.
const OPTIONS: &str = "--tcp-bind-only=0,8008 --device-ioctl-only= --internet-protocols=tcp,udp --execute-only=/usr \
                       --execute-only=/bin --execute-only=-/lib --execute-only=-/lib64 --execute-only=-/nowhere";

const POLICY: &str = r#"{ "version": 1, "name": "launched", "units": ["launched.service"],
    "filesystem": { "writable": ["/run/launched"] }, "network": { "listen": [{ "port": 8008 }] } }"#;

pub(super) fn confined(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    machine.write("/usr/local/lib/confined.py", 0o644, include_bytes!("confined.py"))?;
    let (forbidden, allowed) = tried(&machine, &format!("ExecStart={PROGRAM}"))?;
    ensure!(failed(&forbidden).is_empty(), "without the launcher these fail too: {forbidden:#?}");
    ensure!(failed(&allowed).is_empty(), "without the launcher these fail: {allowed:#?}");

    for init in ["", "--pid-namespace"] {
        let command = format!("ExecStart={LAUNCHER} {init} {OPTIONS} -- {PROGRAM}");
        judge("by its options", tried(&machine, &command)?)?;
    }

    unit(&machine, &format!("Type=oneshot\nExecStart={PROGRAM}"))?;
    machine.write("/etc/launched.json", 0o644, POLICY.as_bytes())?;
    sandbox::apply(&machine, &["/etc/launched.json"])?;
    machine.check(["systemctl", "start", "launched"])?;
    judge("by a policy", report(&machine)?)?;
    let plan = machine.check(["sandboxed", "explain", "/etc/launched.json"])?;
    for told in ["ports-not-taken", "a Landlock domain", "a last system call filter"] {
        ensure!(plan.contains(told), "explain does not tell of {told:?}:\n{plan}");
    }
    Ok(())
}

fn judge(how: &str, (forbidden, allowed): (Map<String, Value>, Map<String, Value>)) -> Result<()> {
    ensure!(failed(&forbidden).len() == forbidden.len(), "{how} some succeed: {forbidden:#?}");
    ensure!(failed(&allowed).is_empty(), "{how} some fail: {allowed:#?}");
    Ok(())
}

fn failed(attempts: &Map<String, Value>) -> Vec<&str> {
    let failed = attempts.iter().filter(|(_, obstacle)| !obstacle.is_null());
    failed.map(|(name, _)| name.as_str()).collect()
}

fn tried(machine: &Machine, text: &str) -> Result<(Map<String, Value>, Map<String, Value>)> {
    attempts(machine, text)?;
    report(machine)
}

fn report(machine: &Machine) -> Result<(Map<String, Value>, Map<String, Value>)> {
    let journal = machine.journal("launched.service")?;
    let line = journal.lines().rfind(|line| line.starts_with('{')).context("no report in the journal")?;
    let report: Value = serde_json::from_str(line)?;
    let part = |name: &str| report.get(name).and_then(Value::as_object).cloned().context("no such part");
    Ok((part("forbidden")?, part("allowed")?))
}
