//! Talking to the system manager, systemctl(1).

use std::process::Command;

use anyhow::{Context, Result, bail};

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
