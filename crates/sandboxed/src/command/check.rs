//! `sandboxed check`: what is wrong with policies, in files of their own and in NixOS configurations.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use sandboxed_core::diagnostic::{Diagnostic, Severity};
use sandboxed_core::language::Language;
use sandboxed_core::target::Target;

use super::{BAD_INPUT, REFUSED};
use crate::cli::{Policies, Surroundings};
use crate::input::{self, Source, Wrong};
use crate::{host, report, show};

/// Say what is wrong with policies, all at once.
///
/// A file of a NixOS configuration (`*.nix`) is searched for `services.sandboxed`; what is computed there is not judged.
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(flatten)]
    policies: Policies,
    #[command(flatten)]
    surroundings: Surroundings,
    /// How to say it.
    #[arg(long, value_enum, default_value_t = Format::Text, value_name = "FORMAT")]
    format: Format,
}

/// How diagnostics are shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people, with the text underlined, on standard error.
    Text,
    /// A list of objects, on standard output.
    Json,
    /// SARIF 2.1.0, which code review shows beside the lines, on standard output.
    Sarif,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let mut checked = Vec::new();
    let files = input::files(&options.policies)?;
    let is_policy = |name: &str| Language::of_file(name) != Language::Nix;
    let policies = files.iter().filter(|file| match file {
        Ok(source) | Err(Wrong { source, .. }) => is_policy(&source.name),
    });
    options.surroundings.are_for(policies.count())?;
    for file in files {
        checked.push(match file {
            Ok(source) => match check(&source, &options.surroundings) {
                Ok(diagnostics) => (source, diagnostics),
                // A target that is wrong is wrong for each file: once is enough.
                Err(error) => {
                    let Wrong { source, diagnostics } = error.downcast::<Wrong>()?;
                    checked.push((source, diagnostics));
                    break;
                }
            },
            Err(Wrong { source, diagnostics }) => (source, diagnostics),
        });
    }
    match options.format {
        Format::Text => {
            for (source, diagnostics) in &checked {
                show::diagnostics(source, diagnostics);
            }
        }
        Format::Json => show::print(&report::json(&checked)),
        Format::Sarif => show::print(&report::sarif(&checked)),
    }
    let errors =
        || checked.iter().flat_map(|(_, found)| found).filter(|one| one.kind.severity() == Severity::Error);
    Ok(if errors().any(|one| one.kind.is_bad_input()) {
        ExitCode::from(BAD_INPUT)
    } else if errors().next().is_some() {
        ExitCode::from(REFUSED)
    } else {
        ExitCode::SUCCESS
    })
}

fn check(source: &Source, surroundings: &Surroundings) -> Result<Vec<Diagnostic>> {
    if source.language() == Language::Nix {
        return Ok(sandboxed_lsp::analyse_nix(&source.text, &nix_target(&surroundings.target)?));
    }
    let target = input::target(&surroundings.target)?;
    Ok(match input::judged(source, &target, surroundings) {
        Ok((_, warnings)) => warnings,
        Err(diagnostics) => diagnostics,
    })
}

/// A configuration is often checked on a machine that it is not for.
fn nix_target(named: &str) -> Result<Target> {
    match named {
        "host" => Ok(host::target().or_else(|_| super::lsp::ELSEWHERE.parse::<Target>())?),
        named => input::target(named),
    }
}
