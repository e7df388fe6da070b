//! `verify: "daily"`: a timer runs beside the service, and a breach makes a unit fail that everybody sees.

use anyhow::{Context, Result, ensure};
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};
use serde_json::Value;

/// Two units of one service. Of the second a drop-in that sorts last takes a part of its sandbox away. What the testbed
/// has no controllers for is waived.
const POLICY: &str = r#"{ "version": 1, "name": "pair", "units": ["one.service", "two.service"], "verify": "daily", "accept": {
    "tasks-limited": "no controller here", "memory-limited": "no controller here",
    "processors-shared": "no controller here", "disks-shared": "no controller here" } }"#;

const UNIT: &str = "[Service]\nUser=daemon\nExecStart=/usr/bin/sleep infinity\n";

pub(super) fn breach_fails_a_unit(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    for unit in ["one", "two"] {
        machine.write(&format!("/etc/systemd/system/{unit}.service"), 0o644, UNIT.as_bytes())?;
    }
    machine.write("/etc/pair.json", 0o644, POLICY.as_bytes())?;
    sandbox::apply(&machine, &["/etc/pair.json"])?;
    machine.check(["systemctl", "start", "one", "two"])?;
    machine.check(["systemctl", "is-active", "sandboxed-pair-verify.timer"])?;
    let kept = machine.run(["systemctl", "start", "sandboxed-pair-verify.service"])?;
    ensure!(kept.success(), "a sandbox that holds fails: {}", machine.journal("sandboxed-pair-verify")?);

    let later = "[Service]\nRestrictAddressFamilies=\nPrivateIPC=no\nProtectHostname=no\n";
    machine.write("/etc/systemd/system/two.service.d/zzz-later.conf", 0o644, later.as_bytes())?;
    machine.script("systemctl daemon-reload; systemctl restart two")?;
    let broken = machine.run(["systemctl", "start", "sandboxed-pair-verify.service"])?;
    ensure!(!broken.success(), "it succeeds although a sandbox is open");
    let failed = machine.run(["systemctl", "is-failed", "sandboxed-pair-verify.service"])?;
    ensure!(failed.stdout.trim() == "failed", "the unit is {}", failed.stdout);
    let journal = machine.journal("sandboxed-pair-verify")?;
    ensure!(
        journal.contains("channels are open that the plan says are closed"),
        "its journal says: {journal}"
    );

    let report = machine.run(["sandboxed", "verify", "--json", "pair"])?.stdout;
    let report: Value = serde_json::from_str(&report)?;
    let channels = report.get("channels").and_then(Value::as_array).context("no channels")?;
    let broken: Vec<_> =
        channels.iter().filter(|channel| channel.get("broken") == Some(&Value::Bool(true))).collect();
    let of =
        |unit: &str| broken.iter().filter(|channel| channel.get("unit").is_some_and(|of| of == unit)).count();
    ensure!(of("two.service") > 0 && of("one.service") == 0, "the wrong unit is open: {broken:#?}");
    machine.check(["sandboxed", "remove", "pair"])?;
    let timer = machine.run(["systemctl", "is-active", "sandboxed-pair-verify.timer"])?;
    ensure!(timer.stdout.trim() != "active", "the timer outlives the sandbox");
    Ok(())
}
