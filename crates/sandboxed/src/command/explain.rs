//! `sandboxed explain`: each guarantee, how it is kept, and what stays open.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use sandboxed_core::emit;

use crate::cli::{Policies, Surroundings};
use crate::{input, show};

/// Explain each guarantee: how it is kept, by which directives, what stays open and why.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policies: Policies,
    #[command(flatten)]
    surroundings: Surroundings,
    /// Print JSON, as in `plan.json`.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let plans = match input::plans(&options.policies, &options.surroundings)? {
        Ok(plans) => plans,
        Err(code) => return Ok(code),
    };
    if options.json {
        show::print(&emit::report(&plans)?);
    } else {
        for plan in &plans {
            show::explanation(plan);
        }
    }
    Ok(ExitCode::SUCCESS)
}
