//! `sandboxed verify`: whether the sandbox holds what its plan promises.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::command::REFUSED;
use crate::{show, verify};

/// Try from inside of a sandbox what the service could do to the machine, and compare it with the plan.
///
/// Harmless targets are planted on the machine, and a probe runs under the directives, user, limits and filter rules of the
/// service, in a unit and a slice of its own: the service is not disturbed. What the kernel says of the running service is
/// looked at as well. The exit code is 1 if something is open that the plan says is closed.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The sandbox, as `status` lists it.
    #[arg(value_name = "NAME")]
    name: String,
    /// The probe, a static program; by default it is looked for beside this one and in lib/sandboxed.
    #[arg(long, value_name = "FILE")]
    probe: Option<PathBuf>,
    /// Show closed channels as well.
    #[arg(long)]
    all: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let verification = verify::run(&options.name, options.probe.as_deref())?;
    if options.json {
        show::print(&format!("{}\n", serde_json::to_string_pretty(&verification)?));
    } else {
        show::tell(&verify::table(&verification, options.all));
    }
    Ok(if verification.holds() { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) })
}
