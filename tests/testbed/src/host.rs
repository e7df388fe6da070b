//! What the outer machine must offer, and how to get it.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{process, vm};

/// The programs that the testbed runs on the outer machine, with the Debian package of each.
const PROGRAMS: [(&str, &str); 5] = [
    ("debootstrap", "debootstrap"),
    ("systemd-nspawn", "systemd-container"),
    ("nsenter", "util-linux"),
    ("unshare", "util-linux"),
    ("timeout", "coreutils"),
];

/// Why the testbed can't run here, if it can't: one line for people.
pub fn why_not() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("the testbed boots containers and must be run as root".to_owned());
    }
    let missing: Vec<&str> = missing().map(|(program, _)| program).collect();
    (!missing.is_empty()).then(|| format!("not installed here: {}", missing.join(", ")))
}

/// Why no virtual machine can run here, if none can: one line for people.
pub fn why_no_vm() -> Option<String> {
    why_not().or_else(|| {
        let missing: Vec<&str> =
            [vm::PROGRAM, "mke2fs"].into_iter().filter(|program| find(program).is_none()).collect();
        (!missing.is_empty()).then(|| format!("not installed here: {}", missing.join(", ")))
    })
}

/// Whether the processor's own virtualisation runs guests here. A device that opens is not enough: under some
/// hypervisors it refuses what an ordinary processor needs, and qemu then aborts as soon as it has made one.
pub(crate) fn virtualises() -> bool {
    // The processors are made before the monitor reads its first command.
    let trial = "(sleep 1; echo quit) | timeout --kill-after=5 20 \"$@\"";
    Path::new("/dev/kvm").exists()
        && Command::new("bash")
            .args(["-c", trial, "trial", vm::PROGRAM, "-accel", "kvm", "-cpu", "host", "-m", "64"])
            .args(["-nodefaults", "-display", "none", "-S", "-monitor", "stdio"])
            .output()
            .is_ok_and(|trial| trial.status.success())
}

/// Install what [`why_not`] misses, where this machine has apt-get(8).
///
/// # Errors
/// The caller is not root, there is no apt-get, or it fails.
pub fn install_missing() -> Result<()> {
    let mut packages: Vec<&str> = missing().map(|(_, package)| package).collect();
    if packages.is_empty() {
        return Ok(());
    }
    packages.dedup();
    if find("apt-get").is_none() || !rustix::process::geteuid().is_root() {
        bail!("please install {} (the names are those of Debian's packages)", packages.join(", "));
    }
    eprintln!("installing {}", packages.join(", "));
    process::run(Command::new("apt-get").args(["-q", "update"]))?;
    let mut install = Command::new("apt-get");
    install.args(["-q", "-y", "--no-install-recommends", "install"]).args(packages);
    process::run(install.env("DEBIAN_FRONTEND", "noninteractive"))?;
    Ok(())
}

fn missing() -> impl Iterator<Item = (&'static str, &'static str)> {
    PROGRAMS.into_iter().filter(|(program, _)| find(program).is_none())
}

/// Where a program is: on the PATH, or in the sbin directories, which a user's PATH often lacks.
fn find(program: &str) -> Option<std::path::PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(|directory| Path::new(directory).to_path_buf()))
        .map(|directory| directory.join(program))
        .find(|candidate| candidate.is_file())
}
