//! `sandboxed presets`: the shipped policies.

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use sandboxed_core::preset::PRESETS;
use sandboxed_core::reference;

use crate::{input, show};

/// List the presets: shipped policies for known services. Or print one.
///
/// A preset is printed as it is checked in, with the reasons beside it: a policy that may be changed and used as a file.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The preset to print.
    #[arg(value_name = "NAME")]
    preset: Option<String>,
    /// What all of them say, in Markdown.
    #[arg(long, conflicts_with = "preset")]
    markdown: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    show::print(&match &options.preset {
        Some(name) => input::preset(name)?.text.to_owned(),
        None if options.markdown => reference::presets(),
        None => list(),
    });
    Ok(ExitCode::SUCCESS)
}

fn list() -> String {
    let line = |preset: &sandboxed_core::preset::Preset| {
        let description =
            preset.value().get("description").and_then(|text| text.as_str()).unwrap_or_default();
        format!("{:<12} {description}\n", preset.name)
    };
    PRESETS.iter().map(line).collect()
}
