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

/// Stops the timer that verifies a sandbox, if there is one: it would outlive its file.
///
/// # Errors
/// If it does not stop.
pub(crate) fn stop_verification(sandbox: &str) -> Result<()> {
    let timer = format!("sandboxed-{sandbox}-verify.timer");
    if is_active(&timer)? { run(&["stop", &timer]) } else { Ok(()) }
}

/// Drop-ins of a unit that systemd reads after ours (it sorts them by file name): they may undo what ours says.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn later_drop_ins(unit: &str) -> Result<Vec<String>> {
    let paths = property(unit, "DropInPaths")?;
    let name =
        |path: &&str| path.rsplit('/').next().is_some_and(|name| name == sandboxed_core::emit::DROP_IN);
    let later = paths.split_whitespace().skip_while(|path| !name(path)).skip(1);
    Ok(later.filter(|path| !path.ends_with(REFUSED_DROP_IN)).map(ToOwned::to_owned).collect())
}

/// The drop-in that keeps a unit from starting once its sandbox is refused.
pub(crate) const REFUSED_DROP_IN: &str = "zzz-sandboxed-refused.conf";
