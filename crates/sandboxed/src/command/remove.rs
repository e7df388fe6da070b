//! `sandboxed remove`: take sandboxes away.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::{installed, systemctl};

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

/// The unit that owns the table.
const HOLDER: &str = "sandboxed-filter.service";

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    for name in &options.names {
        let units = installed::units(name)?;
        let mut running = Vec::new();
        for unit in &units {
            if systemctl::is_active(unit)? {
                running.push(unit.as_str());
            }
        }
        let helper = format!("sandboxed-{name}-filter.service");
        if !options.no_restart {
            for unit in &running {
                systemctl::run(&["stop", unit])?;
            }
            if systemctl::is_active(&helper)? {
                systemctl::run(&["stop", &helper])?;
            }
            if installed::names()?.len() == 1 {
                systemctl::run(&["disable", "--quiet", "--now", "sandboxed-replan.path"])?;
            }
        }
        let slice = sandboxed_systemd::name::slice_for(name)?;
        installed::uninstall(name)?;
        systemctl::run(&["daemon-reload"])?;
        if !options.no_restart {
            // Not under a running service: its mounts would go with the directory.
            let _ = std::fs::remove_dir_all(format!("/run/sandboxed/root/{name}"));
            // An empty slice would stay, under a name that nothing explains any more.
            systemctl::run(&["stop", slice.as_str()])?;
            for unit in &running {
                systemctl::run(&["start", unit])?;
            }
        }
    }
    if !options.no_restart && installed::names()?.is_empty() {
        // Our table has nothing in it any more. Where it has an owner it goes with that; where nft is gone, so is the table.
        if systemctl::is_active(HOLDER)? {
            systemctl::run(&["stop", HOLDER])?;
        }
        let _ = std::process::Command::new("nft")
            .args(["delete", "table", "inet", "sandboxed"])
            .stderr(std::process::Stdio::null())
            .status();
        let _ = std::fs::remove_dir("/run/sandboxed/root");
        let _ = std::fs::remove_dir("/run/sandboxed");
        systemctl::run(&["stop", "sandboxed.slice"])?;
    }
    Ok(ExitCode::SUCCESS)
}
