//! `sandboxed schema`: the JSON Schema of policies or of targets, or the reference of all that they may say.

use std::process::ExitCode;

use clap::{Args, ValueEnum};
use sandboxed_core::{reference, schema};

use crate::show;

/// Print the JSON Schema of policies, or of targets.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Of what.
    #[arg(value_enum, default_value_t)]
    of: Of,
    /// The reference of all options in Markdown instead.
    #[arg(long)]
    markdown: bool,
}

/// What has a schema.
#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Of {
    /// Policies.
    #[default]
    Policy,
    /// Targets, as files.
    Target,
}

pub(crate) fn run(options: &Options) -> ExitCode {
    show::print(&match (options.of, options.markdown) {
        (Of::Policy, false) => schema::policy().text(),
        (Of::Target, false) => schema::target().text(),
        (Of::Policy, true) => reference::options(),
        (Of::Target, true) => reference::targets(),
    });
    ExitCode::SUCCESS
}
