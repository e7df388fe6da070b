//! `cargo xtask bench`: what things cost, as ratios of medians taken in turn in one run.
//!
//! Nothing here fails because something is slow: machines differ, and are busy. The limits that the project sets
//! itself are printed beside the numbers.

mod build;
mod lsp;
mod measure;
mod network;
mod nix;
mod start;

use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Args;

/// Measure what things cost, as ratios in one run.
#[derive(Args)]
pub(crate) struct Arguments {
    /// What to measure; all of it if nothing is named.
    what: Vec<What>,
}

/// What can be measured, each in a file of its own.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum What {
    /// `sandboxed build` as a whole process, beside `systemd-analyze security`; many policies in one call.
    Build,
    /// The language server: keystroke to diagnostics, completion, memory, start to first answer.
    Lsp,
    /// What a packet costs, sandboxed and not, by how many sandboxes there are; in network namespaces.
    Network,
    /// What the NixOS module adds to an evaluation, in thunks; by Nix' own counters.
    Nix,
    /// The start of a sandboxed unit, beside a plain one, on the testbed.
    Start,
}

/// Measure.
///
/// # Errors
/// What is to be measured can't be built or run.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let all = [What::Build, What::Lsp, What::Network, What::Nix, What::Start];
    for what in all.into_iter().filter(|what| arguments.what.is_empty() || arguments.what.contains(what)) {
        match what {
            What::Build => build::run()?,
            What::Lsp => lsp::run()?,
            What::Network => network::run()?,
            What::Nix => nix::run()?,
            What::Start => start::run()?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Build the programs that are shipped as they are released: the directory they are in.
fn released_programs() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--release"]);
    for package in ["sandboxed", "sandboxed-launch", "sandboxed-probe"] {
        build.args(["--package", package]);
    }
    let status = build.status()?;
    ensure!(status.success(), "the programs do not build");
    // target/debug/xtask is what runs.
    let here = std::env::current_exe()?;
    let target = here.ancestors().nth(2).context("xtask is in no target directory")?;
    Ok(target.join("release"))
}
