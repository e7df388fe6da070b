//! `sandboxed schema`: the JSON Schema of policies.

use std::process::ExitCode;

use crate::show;

pub(crate) fn run() -> ExitCode {
    show::print(&sandboxed_core::schema::text());
    ExitCode::SUCCESS
}
