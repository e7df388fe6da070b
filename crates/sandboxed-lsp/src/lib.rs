//! Editor support for sandboxed policies, in NixOS configurations and in JSON.
//!
//! Three layers: the syntax of what is being typed, the sandboxes that it defines, and the questions an editor asks
//! ([`ide`]); [`server`] puts them into the Language Server Protocol. The command line asks the same questions.

pub mod ide;
mod sandboxes;
pub mod server;
mod syntax;

use sandboxed_core::diagnostic::{Diagnostic, Kind};
use sandboxed_core::language::Language;
use sandboxed_core::target::Target;

use ide::Analysis;

/// What is wrong with a file of a NixOS configuration: its syntax if that is wrong, else what its sandboxes are.
pub fn analyse_nix(text: &str, target: &Target) -> Vec<Diagnostic> {
    let errors = syntax::nix::errors(text);
    if !errors.is_empty() {
        let finding = |(span, reason)| Diagnostic::new(Kind::Syntax { reason, help: None }, span);
        return errors.into_iter().map(finding).collect();
    }
    Analysis::new(Language::Nix, text.to_owned()).findings(target)
}

/// The names of the sandboxes that a file of a NixOS configuration defines, in the order of the text.
pub fn sandboxes_in_nix(text: &str) -> Vec<String> {
    sandboxes::nix(text).sandboxes.into_iter().map(|sandbox| sandbox.name).collect()
}
