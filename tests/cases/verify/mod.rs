//! systemd itself has nothing to say against the artifacts, and judges the sandbox as tight.

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] =
    &[Case::new("verify::clean", clean), Case::new("verify::tight", tight).on(&[Suite::Trixie])];

const SYNAPSE: &str = "matrix-synapse.service";

/// `systemd-analyze verify` prints nothing for any unit that was written; for a unit with a mistake it does.
fn clean(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::synapse(suite)?)?;
    sandbox::install(&machine)?;
    let plain = exposure(&machine)?;
    ensure!(plain > 8.0, "the plain unit counts as exposed by {plain} only");
    sandbox::apply(&machine, &["--preset", "synapse"])?;
    let units = machine.script("cd /etc/systemd/system && ls -d sandboxed-* matrix-synapse.service")?;
    let units: Vec<&str> = units.lines().collect();
    ensure!(units.len() >= 3, "too few units: {units:?}");
    let printed = verify(&machine, &units)?;
    ensure!(printed.is_empty(), "systemd-analyze verify prints:\n{printed}");

    machine.write(
        "/etc/systemd/system/wrong.service",
        0o644,
        b"[Service]\nExecStart=/bin/true\nProtectEverything=yes\n",
    )?;
    ensure!(
        verify(&machine, &["wrong.service"])?.contains("ProtectEverything"),
        "it says nothing about a mistake either"
    );
    Ok(())
}

/// What is left open by systemd's own reckoning: 9 for the plain unit, 1.4 for a careful one written by hand. What the
/// launcher closes is not in the unit, so systemd cannot reckon with it: it is told not to use it.
fn tight(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::synapse(suite)?)?;
    sandbox::install(&machine)?;
    let policy = br#"{ "version": 1, "preset": "synapse", "processes": { "namespace": false } }"#;
    machine.write("/etc/sandboxed/synapse.json", 0o644, policy)?;
    sandbox::apply(&machine, &["/etc/sandboxed/synapse.json"])?;
    let sandboxed = exposure(&machine)?;
    ensure!(sandboxed <= 1.4, "systemd-analyze security finds an exposure of {sandboxed}");
    Ok(())
}

fn verify(machine: &Machine, units: &[&str]) -> Result<String> {
    let outcome = machine.run(["systemd-analyze", "verify", "--man=no"].iter().chain(units))?;
    Ok(outcome.stdout + &outcome.stderr)
}

fn exposure(machine: &Machine) -> Result<f64> {
    let report = machine.run(["systemd-analyze", "security", "--no-pager", SYNAPSE])?.stdout;
    let last = report.lines().last().and_then(|line| line.split_once(": ")).context("no overall exposure")?;
    last.1
        .split(' ')
        .next()
        .and_then(|level| level.parse().ok())
        .with_context(|| format!("no level in {last:?}"))
}
