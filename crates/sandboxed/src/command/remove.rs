//! `sandboxed remove`: take sandboxes away.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;

use crate::command::BAD_INPUT;
use crate::{installed, show, systemctl};

/// Take sandboxes away, with all that `apply` installed for them.
///
/// A running service stays in its sandbox until it is restarted, which this does unless told otherwise.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The names of the sandboxes.
    #[arg(value_name = "NAME", required = true)]
    names: Vec<String>,
    /// Leave running services as they are; their filter stays until they stop.
    #[arg(long)]
    no_restart: bool,
}

/// The units that own our tables.
const HOLDERS: [&str; 2] = ["sandboxed-filter.service", "sandboxed-network.service"];

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let _alone = installed::lock()?;
    let mut removed = 0;
    for name in &options.names {
        // What fails for one keeps the others from nothing.
        match remove(name, options.no_restart) {
            Ok(()) => removed += 1,
            Err(error) => show::failure(&error),
        }
    }
    if removed > 0 && !options.no_restart && installed::names()?.is_empty() {
        remove_shared()?;
    }
    Ok(if removed == options.names.len() { ExitCode::SUCCESS } else { ExitCode::from(BAD_INPUT) })
}

/// Takes one sandbox away.
fn remove(name: &str, no_restart: bool) -> Result<()> {
    if !installed::folder(name).exists() {
        bail!("no sandbox `{name}` is installed");
    }
    let network = format!("sandboxed-{name}-network.service");
    // Its units say how it is taken away, and systemd would not know them any more.
    if no_restart && systemctl::is_active(&network)? {
        bail!(
            "the sandbox `{name}` has a network of its own, which cannot outlive it: stop the service before, or leave out --no-restart"
        );
    }
    // Sockets first, so that nobody's call starts the service again in between.
    let units = systemctl::expand(&[installed::sockets(name)?, installed::units(name)?].concat())?;
    let (mut running, mut again) = (Vec::new(), Vec::new());
    for unit in &units {
        if systemctl::is_active(unit)? {
            running.push(unit.as_str());
            if !systemctl::is_for_one_call(unit)? {
                again.push(unit.as_str());
            }
        }
    }
    let helper = format!("sandboxed-{name}-filter.service");
    // Even where the services go on: what it would verify is gone.
    systemctl::stop_verification(name)?;
    if !no_restart {
        for unit in &running {
            systemctl::run(&["stop", unit])?;
        }
        for helper in [helper, network] {
            if systemctl::is_active(&helper)? {
                systemctl::run(&["stop", &helper])?;
            }
        }
        // The holder of all networks ends by itself after the last of them, but not at once; and after this, its unit is
        // no longer there to say what it leaves behind.
        let needed = systemctl::property("sandboxed-network.service", "BoundBy")?;
        let mut others =
            needed.split_whitespace().filter(|unit| !unit.starts_with(&format!("sandboxed-{name}-")));
        if others.try_fold(true, |none, unit| Ok::<_, anyhow::Error>(none && !systemctl::is_active(unit)?))? {
            systemctl::run(&["stop", "sandboxed-network.service"]).ok();
        }
    }
    if installed::names()?.len() == 1 {
        systemctl::run(&["disable", "--quiet", "--now", "sandboxed-replan.path"])?;
        // Rules of iptables are taken away by their unit, which needs its files for that.
        if !no_restart && systemctl::is_active("sandboxed-filter.service")? {
            systemctl::run(&["stop", "sandboxed-filter.service"])?;
        }
    }
    let slice = sandboxed_systemd::name::slice_for(name)?;
    let ours = installed::own_units(name)?;
    installed::uninstall(name)?;
    systemctl::run(&["daemon-reload"])?;
    if !no_restart {
        // What failed is remembered by systemd, under names that nothing explains any more.
        for unit in &ours {
            let _ = systemctl::run(&["reset-failed", unit]);
        }
        // Not under a running service: its mounts would go with the directory.
        let _ = std::fs::remove_dir_all(format!("/run/sandboxed/root/{name}"));
        // An empty slice would stay, under a name that nothing explains any more.
        systemctl::run(&["stop", slice.as_str()])?;
        for unit in &again {
            systemctl::run(&["start", unit])?;
        }
    }
    Ok(())
}

/// Takes away what the last sandbox leaves: our tables have nothing in them any more.
fn remove_shared() -> Result<()> {
    // Where one has an owner it goes with that; where nft is gone, so is it.
    for holder in HOLDERS {
        if systemctl::property(holder, "ActiveState")? != "inactive" {
            systemctl::run(&["stop", holder])?;
        }
    }
    let _ = std::process::Command::new("nft")
        .args(["delete", "table", "inet", "sandboxed"])
        .stderr(std::process::Stdio::null())
        .status();
    let _ = std::fs::remove_dir("/run/sandboxed/root");
    let _ = std::fs::remove_dir("/run/sandboxed");
    systemctl::run(&["stop", "sandboxed.slice"])?;
    Ok(())
}
