//! `sandboxed presets`: the shipped policies.

use std::process::ExitCode;

use anyhow::Result;
use sandboxed_core::preset::PRESETS;

use crate::show;

pub fn run() -> Result<ExitCode> {
    let lines = PRESETS.iter().map(|preset| {
        let description = preset.value().get("description").and_then(|text| text.as_str()).unwrap_or_default();
        format!("{:<12} {description}\n", preset.name)
    });
    show::print(&lines.collect::<String>());
    Ok(ExitCode::SUCCESS)
}
