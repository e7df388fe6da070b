//! `sandboxed completions`: what shells complete from.

use std::process::ExitCode;

use anyhow::Result;
use clap_complete::Shell;

use crate::show;

pub(crate) fn run(shell: Shell, command: &mut clap::Command) -> Result<ExitCode> {
    let mut text = Vec::new();
    clap_complete::generate(shell, command, "sandboxed", &mut text);
    show::print(&String::from_utf8(text)?);
    Ok(ExitCode::SUCCESS)
}
