//! What an editor can ask of a document. Pure: no protocol, no files; one file a question.

mod action;
mod completion;
mod definition;
mod finding;
mod hover;
mod option;
mod policy;
mod symbol;
mod value;

#[cfg(test)]
mod tests;

use sandboxed_core::diagnostic::Diagnostic;
use sandboxed_core::document::Span;
pub use sandboxed_core::language::Language;
use sandboxed_core::target::Target;

use crate::sandboxes::{self, Document};

pub use action::{Action, Edit};
pub use completion::{Completion, CompletionKind};
pub use hover::Hover;
pub use symbol::Symbol;

/// A document that has been read. Everything else is a question to it.
#[derive(Debug)]
pub struct Analysis {
    text: String,
    language: Language,
    document: Document,
}

impl Analysis {
    /// Reads a document, in whatever state it is.
    pub fn new(language: Language, text: String) -> Self {
        let document = match language {
            Language::Nix => sandboxes::nix(&text),
            Language::Json => sandboxes::json(&text),
        };
        Self { text, language, document }
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What is wrong with the sandboxes, in the order of the text.
    pub fn findings(&self, target: &Target) -> Vec<Diagnostic> {
        finding::findings(self, target)
    }

    /// What could be typed at `offset`.
    pub fn completions(&self, offset: usize) -> Vec<Completion> {
        completion::completions(self, offset)
    }

    /// What stands at `offset`, explained (Markdown).
    pub fn hover(&self, offset: usize, target: &Target) -> Option<Hover> {
        hover::hover(self, offset, target)
    }

    /// Changes that could be made between two places.
    pub fn actions(&self, range: &Span, target: &Target) -> Vec<Action> {
        action::actions(self, range, target)
    }

    /// The preset that is named at `offset`, and where.
    pub fn preset_at(&self, offset: usize) -> Option<(&'static sandboxed_core::preset::Preset, Span)> {
        definition::preset_at(self, offset)
    }

    /// The sandboxes and their areas.
    pub fn symbols(&self) -> Vec<Symbol> {
        symbol::symbols(self)
    }

    /// What it is written in.
    pub fn language(&self) -> Language {
        self.language
    }

    fn slice(&self, span: &Span) -> &str {
        self.text.get(span.clone()).unwrap_or_default()
    }
}
