//! `sandboxed schema`: the JSON Schema of policies.

use std::process::ExitCode;

use anyhow::Result;

use crate::show;

pub fn run() -> Result<ExitCode> {
    show::print(&sandboxed_core::schema::text());
    Ok(ExitCode::SUCCESS)
}
