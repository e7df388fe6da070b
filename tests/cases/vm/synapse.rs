//! Synapse in its sandbox on a kernel of its own: `sandboxed verify` finds every promise kept.

use anyhow::{Context, Result, ensure};
use sandboxed_cases::sandbox;
use sandboxed_testbed::Machine;
use serde_json::Value;

use crate::Case;

pub(crate) const CASES: &[Case] = &[("synapse_is_verified", verified)];

/// Nothing is left out here for want of a controller.
fn verified(machine: &Machine) -> Result<()> {
    sandbox::apply(machine, &["--preset", "synapse"])?;
    machine.check(["systemctl", "start", "matrix-synapse.service"])?;
    let verified = machine.run(["sandboxed", "verify", "--json", "synapse"])?;
    let report: Value = serde_json::from_str(&verified.stdout).with_context(|| verified.stderr.clone())?;
    let list = |name: &str| report.get(name).and_then(Value::as_array).with_context(|| format!("no {name}"));
    let wrong: Vec<_> =
        list("kernel")?.iter().filter(|fact| fact.get("as_planned") != Some(&Value::Bool(true))).collect();
    ensure!(wrong.is_empty(), "the running service is not as planned: {wrong:#?}");
    let tried = list("channels")?;
    ensure!(tried.len() > 300, "only {} channels were tried", tried.len());
    let broken: Vec<_> =
        tried.iter().filter(|channel| channel.get("broken") == Some(&Value::Bool(true))).collect();
    ensure!(broken.is_empty(), "open although the plan says that they are closed: {broken:#?}");
    ensure!(verified.success(), "verify exits with {:?}", verified.status);
    machine.check(["systemctl", "stop", "matrix-synapse.service"]).map(drop)
}
