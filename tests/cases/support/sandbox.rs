//! The project's programs on a machine, and sandboxes made with them.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sandboxed_testbed::Machine;

/// What the command line installs and the artifacts name.
const PROGRAMS: [&str; 3] = ["sandboxed", "sandboxed-launch", "sandboxed-probe"];

/// Where cargo built the programs: beside the tests, or where `SANDBOXED_PROGRAMS` says.
///
/// # Errors
/// This is not run by cargo.
pub fn programs() -> Result<PathBuf> {
    if let Some(directory) = std::env::var_os("SANDBOXED_PROGRAMS") {
        return Ok(directory.into());
    }
    // target/debug/deps/cases-0123456789abcdef is what runs, or target/debug/xtask.
    let own = std::env::current_exe()?;
    let found = own.ancestors().skip(1).find(|directory| directory.join(PROGRAMS[0]).is_file());
    found.map(PathBuf::from).context("the programs are not beside this one: cargo build --workspace --bins")
}

/// Install the project's programs.
///
/// # Errors
/// They are not built: `cargo build --workspace --bins` does it.
pub fn install(machine: &Machine) -> Result<()> {
    let directory = programs()?;
    for program in PROGRAMS {
        machine.copy(&directory.join(program), &format!("/usr/local/bin/{program}"))?;
    }
    pretend_controllers(machine).map(drop)
}

/// What a target is read from.
const CONTROLLERS: &str = "/sys/fs/cgroup/cgroup.controllers";

/// Let plans be made for a machine of the testbed, which has no controllers of control groups since the outer machine keeps them
/// for itself. What is tried there rests on none; limits are tried in a virtual machine. Says whether it was needed.
///
/// # Errors
/// Nothing can be mounted there.
pub fn pretend_controllers(machine: &Machine) -> Result<bool> {
    if machine.run(["grep", "--quiet", "--word-regexp", "memory", CONTROLLERS])?.success() {
        return Ok(false);
    }
    machine.script(&format!(
        "echo cpu io memory pids >/run/controllers; mount --bind /run/controllers {CONTROLLERS}"
    ))?;
    Ok(true)
}

/// Take that back.
///
/// # Errors
/// It was not pretended.
pub fn own_controllers(machine: &Machine) -> Result<()> {
    machine.check(["umount", CONTROLLERS]).map(drop)
}

/// The same where the way into the machine is narrow: without what only debuggers need, which strip(1) takes out.
///
/// # Errors
/// As [`install`], or there is no strip.
pub fn install_stripped(machine: &Machine) -> Result<()> {
    let directory = programs()?;
    let stripped = tempfile::NamedTempFile::new().context("cannot make a temporary file")?.into_temp_path();
    for program in PROGRAMS {
        let mut strip = Command::new("strip");
        let status = strip.arg("-o").arg(&stripped).arg(directory.join(program)).status();
        ensure!(status.context("cannot run strip")?.success(), "strip fails for {program}");
        machine.copy(&stripped, &format!("/usr/local/bin/{program}"))?;
    }
    Ok(())
}

/// Put a sandbox around services of the machine: `policy` is what `sandboxed apply` is told.
///
/// # Errors
/// The policy is refused, or systemd does not take the artifacts.
pub fn apply(machine: &Machine, policy: &[&str]) -> Result<()> {
    machine.check(["sandboxed", "apply"].iter().chain(policy)).map(drop)
}
