//! `sandboxed man`: manual pages.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};

pub(crate) fn run(out: &Path, command: clap::Command) -> Result<ExitCode> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    clap_mangen::generate_to(command, out).with_context(|| format!("cannot write to {}", out.display()))?;
    Ok(ExitCode::SUCCESS)
}
