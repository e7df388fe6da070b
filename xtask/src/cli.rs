//! The command line: one variant a chore, each in a file of its own.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::{bench, compare, dist, schema, test, testbed};

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
    Compare(compare::Arguments),
    Dist(dist::Arguments),
    /// Write anew what is generated and checked in: the JSON Schemas, and the references in docs/.
    Schema,
    Test(test::Arguments),
    Testbed(testbed::Arguments),
    /// Run what takes a virtual machine with a kernel of its own: `cargo xtask test vm`.
    Vm,
}

/// Parse the command line and do the chore.
///
/// # Errors
/// The chore's own.
pub(crate) fn run() -> Result<ExitCode> {
    let chore = Cli::parse().chore;
    // The files that a chore names are the workspace's, wherever it is called from; those that people name are theirs.
    if !matches!(chore, Chore::Testbed(_)) {
        std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))?;
    }
    match chore {
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::Compare(arguments) => compare::run(&arguments),
        Chore::Dist(arguments) => dist::run(&arguments),
        Chore::Schema => schema::run(),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Testbed(arguments) => testbed::run(arguments),
        Chore::Vm => test::run(&test::Arguments::vm()),
    }
}
