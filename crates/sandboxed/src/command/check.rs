//! `sandboxed check`: what is wrong with policies.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use crate::cli::{Policies, Surroundings};
use crate::input;

/// Say what is wrong with policies, all at once.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policies: Policies,
    #[command(flatten)]
    surroundings: Surroundings,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    Ok(match input::plans(&options.policies, &options.surroundings)? {
        Ok(_) => ExitCode::SUCCESS,
        Err(code) => code,
    })
}
