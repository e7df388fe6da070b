//! A unit that has done what it does, and of which processes are left all the same.

use anyhow::{Context, Result, ensure};
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};
use serde_json::Value;

const POLICY: &str = r#"{ "version": 1, "name": "left", "units": ["left.service"] }"#;

const UNIT: &str = "[Service]\nType=oneshot\nRemainAfterExit=yes\nUser=daemon\n\
                    ExecStart=/bin/sh -c 'sleep infinity & exit 0'\n";

pub(super) fn are_looked_at(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/etc/systemd/system/left.service", 0o644, UNIT.as_bytes())?;
    machine.write("/etc/left.json", 0o644, POLICY.as_bytes())?;
    sandbox::apply(&machine, &["/etc/left.json"])?;
    machine.check(["systemctl", "start", "left"])?;
    let main = machine.check(["systemctl", "show", "--value", "--property=MainPID", "left"])?;
    ensure!(main.trim() == "0", "it has a main process, so this shows nothing: {main}");
    let facts = facts(&machine)?;
    let wrong = wrong(&facts);
    ensure!(wrong.is_empty(), "the sandbox holds, and this is found: {wrong:#?}");
    let own = facts.iter().find(|fact| fact.get("what").is_some_and(|what| what == "processes of its own"));
    let count = own.and_then(|fact| fact.get("found")?.as_str());
    ensure!(count == Some("1"), "one process is left, and not {count:?}: {facts:#?}");

    let later = "[Service]\nPrivateIPC=no\n";
    machine.write("/etc/systemd/system/left.service.d/zzz-later.conf", 0o644, later.as_bytes())?;
    machine.script("systemctl daemon-reload; systemctl restart left")?;
    let facts = self::facts(&machine)?;
    let wrong = self::wrong(&facts);
    let named = |fact: &&Value| fact.get("what").is_some_and(|what| what == "IPC namespace");
    ensure!(wrong.iter().any(named), "an open sandbox is taken for one that holds: {facts:#?}");
    Ok(())
}

fn facts(machine: &Machine) -> Result<Vec<Value>> {
    let report = machine.run(["sandboxed", "verify", "--json", "left"])?;
    let report: Value = serde_json::from_str(&report.stdout).with_context(|| report.stderr.clone())?;
    Ok(report.get("kernel").and_then(Value::as_array).context("no facts in the report")?.clone())
}

fn wrong(facts: &[Value]) -> Vec<&Value> {
    facts.iter().filter(|fact| fact.get("as_planned") != Some(&Value::Bool(true))).collect()
}
