//! Talking to the system manager, systemctl(1).

use std::process::Command;

use anyhow::{Context, Result, bail};
use sandboxed_core::emit::DROP_IN;
use sandboxed_core::plan::Plan;

/// Runs systemctl.
///
/// # Errors
/// With what it says, if it fails.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let output = Command::new("systemctl").args(arguments).output().context("cannot run systemctl")?;
    if !output.status.success() {
        bail!("systemctl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Properties of a unit, in the order in which they are asked for.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn property(unit: &str, name: &str) -> Result<String> {
    let output = Command::new("systemctl")
        .args(["show", "--value", "--property", name, "--", unit])
        .output()
        .context("cannot run systemctl")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a unit is active, or on its way.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn is_active(unit: &str) -> Result<bool> {
    Ok(matches!(property(unit, "ActiveState")?.as_str(), "active" | "reloading" | "activating"))
}

/// Stops the timer that verifies a sandbox, if there is one: it would outlive its file.
///
/// # Errors
/// If it does not stop.
pub(crate) fn stop_verification(sandbox: &str) -> Result<()> {
    let timer = format!("sandboxed-{sandbox}-verify.timer");
    if is_active(&timer)? { run(&["stop", &timer]) } else { Ok(()) }
}

/// What may undo what a sandbox says: drop-ins of its units and sockets that systemd reads after ours (it sorts them by file
/// name), and all of its slice, which is ours as a whole (`systemctl set-property` makes such). Each is said in words.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn undone(plan: &Plan) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for unit in plan.units.iter().map(|unit| &unit.name).chain(&plan.sockets) {
        let paths = property(unit.as_str(), "DropInPaths")?;
        let ours = |path: &&str| path.rsplit('/').next().is_some_and(|name| name == DROP_IN);
        let later = paths.split_whitespace().skip_while(|path| !ours(path)).skip(1);
        said.extend(
            later.filter(|path| !path.ends_with(REFUSED_DROP_IN)).map(|path| {
                format!("{path} is read after the sandbox's own drop-in and may undo what it says")
            }),
        );
    }
    let slice = plan.slice.as_str();
    let paths = property(slice, "DropInPaths")?;
    let changes = |path| format!("{path} changes {slice}, which is the sandbox's own");
    said.extend(paths.split_whitespace().map(changes));
    Ok(said)
}

/// The drop-in that keeps a unit from starting once its sandbox is refused.
pub(crate) const REFUSED_DROP_IN: &str = "zzz-sandboxed-refused.conf";
