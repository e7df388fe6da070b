//! `sandboxed build`: from policies to artifacts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use sandboxed_core::emit;

use crate::cli::{Policies, Surroundings};
use crate::{host, input, output, show};

/// Compute the drop-ins, slices, helper units and rules for policies.
///
/// The files are laid out as they go under /etc: `systemd/system/…`, `nftables/…`, `tmpfiles.d/…`; `plan.json` says what is
/// guaranteed by what. Nothing is written unless all policies can be kept on the target.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policies: Policies,
    #[command(flatten)]
    surroundings: Surroundings,
    /// The folder that the files go to.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Say nothing but errors and warnings.
    #[arg(long, short)]
    quiet: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let plans = match input::plans(&options.policies, &options.surroundings)? {
        Ok(plans) => plans,
        Err(code) => return Ok(code),
    };
    let files = emit::artifacts_of_many(&plans, host::processors())?;
    output::write_all(&options.out, &files)
        .with_context(|| format!("nothing usable was written to {}", options.out.display()))?;
    if !options.quiet {
        for plan in &plans {
            show::summary(plan);
        }
        show::wrote(&options.out, files.keys());
    }
    Ok(ExitCode::SUCCESS)
}
