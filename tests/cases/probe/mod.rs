//! `sandboxed verify` tries every channel from inside of Synapse's sandbox while Synapse runs, and finds the plan kept.

mod periodic;
mod remaining;

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};
use serde_json::Value;

pub(crate) const CASES: &[Case] = &[
    Case::new("probe::plan_is_kept", plan_is_kept),
    Case::new("probe::breach_fails_a_unit", periodic::breach_fails_a_unit),
    Case::new("probe::remaining_processes_are_looked_at", remaining::are_looked_at),
];

/// What the testbed itself can't give: these take control group controllers that the outer machine keeps for itself.
const NO_CONTROLLERS: [&str; 5] = ["tasks", "memory", "swap-space", "processor-time", "disk-bandwidth"];

fn plan_is_kept(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::synapse(suite)?)?;
    sandbox::install(&machine)?;
    sandbox::apply(&machine, &["--preset", "synapse"])?;
    machine.check(["systemctl", "start", "matrix-synapse.service"])?;
    as_planned(&machine, "synapse")
}

/// Whether `sandboxed verify` finds all of a sandbox as it was planned, but for what the testbed lacks.
pub(crate) fn as_planned(machine: &Machine, sandbox: &str) -> Result<()> {
    // The kernel looks up the group that a rule of iptables names from the root of whoever loads it: ours is not the machine's.
    let verified = machine.run([
        "systemd-run",
        "--quiet",
        "--wait",
        "--pipe",
        "sandboxed",
        "verify",
        "--json",
        sandbox,
    ])?;
    let report: Value = serde_json::from_str(&verified.stdout).with_context(|| verified.stderr.clone())?;

    let facts = report.get("kernel").and_then(Value::as_array).context("no facts in the report")?;
    let wrong: Vec<_> =
        facts.iter().filter(|fact| fact.get("as_planned") != Some(&Value::Bool(true))).collect();
    ensure!(!facts.is_empty() && wrong.is_empty(), "the running service is not as planned: {wrong:#?}");

    let channels = report.get("channels").and_then(Value::as_array).context("no channels in the report")?;
    ensure!(channels.len() > 100, "only {} channels were tried", channels.len());
    let broken = channels.iter().filter(|channel| channel.get("broken") == Some(&Value::Bool(true)));
    let names = broken.filter_map(|channel| channel.get("channel")?.as_str());
    let unexpected: Vec<_> = names.filter(|name| !NO_CONTROLLERS.contains(name)).collect();
    ensure!(unexpected.is_empty(), "open although the plan says that they are closed: {unexpected:#?}");
    Ok(())
}
