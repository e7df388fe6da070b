//! `sandboxed build`: from policies to artifacts.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use sandboxed_core::emit;
use sandboxed_core::plan::Plan;

use crate::cli::{Policies, Surroundings};
use crate::{input, output, show};

/// Compute the drop-ins, slices, helper units and rules for policies.
///
/// The files are laid out as they go under /etc: `systemd/system/…`, `nftables/…`, `tmpfiles.d/…`; `plan.json` says what is
/// guaranteed by what, and lists the files. Nothing is written unless all policies can be kept on the target.
///
/// In a folder that an earlier build has written to, the files that its `plan.json` lists and the new one does not are taken away,
/// and nothing else: links are not followed, and a folder with units of ours that no `plan.json` lists is refused.
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
    // Each plan becomes text where it was made, so that thousands of them are never in memory at once.
    let emitted = |plan: Plan| {
        (emit::Part::new(&plan), if options.quiet { String::new() } else { show::summary(&plan) })
    };
    let parts = match input::planned(&options.policies, &options.surroundings, emitted)? {
        Ok(parts) => parts,
        Err(code) => return Ok(code),
    };
    let (parts, summaries): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
    let parts: Vec<emit::Part> = parts.into_iter().collect::<Result<_, _>>()?;
    let shared = if options.quiet { Vec::new() } else { emit::Together::of(parts.iter()).shared };
    let files = emit::join(parts)?;
    let gone = output::write_all(&options.out, &files)?;
    if !options.quiet {
        show::print(&summaries.concat());
        show::notes(&shared);
        show::listed("wrote", &options.out, files.keys());
        show::listed("took away", &options.out, gone.iter());
    }
    // The program ends here. To take a hundred thousand texts apart before would be time lost.
    std::mem::forget(files);
    Ok(ExitCode::SUCCESS)
}
