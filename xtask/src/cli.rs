//! The command line: one variant a chore, each in a file of its own.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{bench, test, testbed};

/// The project's own chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    Bench(bench::Arguments),
    Test(test::Arguments),
    Testbed(testbed::Arguments),
}

/// Parse the command line and do the chore.
///
/// # Errors
/// The chore's own.
pub(crate) fn run() -> Result<ExitCode> {
    match Cli::parse().chore {
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Testbed(arguments) => testbed::run(arguments),
    }
}
