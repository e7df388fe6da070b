//! `sandboxed schema`: the JSON Schema of policies, or the reference of all options.

use std::process::ExitCode;

use crate::show;

pub(crate) fn run(markdown: bool) -> ExitCode {
    show::print(&if markdown {
        sandboxed_core::reference::markdown()
    } else {
        sandboxed_core::schema::text()
    });
    ExitCode::SUCCESS
}
