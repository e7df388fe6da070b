//! `sandboxed channels`: what `verify` tries.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use sandboxed_probe::report;

use crate::show;

/// List the channels of interference that `verify` tries from inside a sandbox.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let channels = report::list();
    if options.json {
        show::print(&format!("{}\n", serde_json::to_string_pretty(&channels)?));
        return Ok(ExitCode::SUCCESS);
    }
    let mut group = None;
    for channel in channels {
        if group != Some(channel.group) {
            show::print(&format!("{}\n", channel.group.name()));
            group = Some(channel.group);
        }
        let line = format!(
            "  {:<28} {}\n  {:<28} breaks {}; {}\n",
            channel.id,
            channel.title,
            "",
            channel.guarantee.id(),
            channel.source
        );
        show::print(&line);
    }
    Ok(ExitCode::SUCCESS)
}
