//! `sandboxed presets`: the shipped policies.

use std::process::ExitCode;

use sandboxed_core::preset::PRESETS;

use crate::show;

pub(crate) fn run() -> ExitCode {
    let lines = PRESETS.iter().map(|preset| {
        let description =
            preset.value().get("description").and_then(|text| text.as_str()).unwrap_or_default();
        format!("{:<12} {description}\n", preset.name)
    });
    show::print(&lines.collect::<String>());
    ExitCode::SUCCESS
}
