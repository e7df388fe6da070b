//! The documents that are open in the editor.

use std::collections::BTreeMap;

use lsp_types::{TextDocumentContentChangeEvent, Uri};
use sandboxed_core::language::Language;

use super::position::Lines;
use crate::ide::Analysis;

/// An open document.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) analysis: Analysis,
    pub(super) lines: Lines,
    pub(super) version: i32,
    language: Language,
}

/// All of them, by address.
#[derive(Debug, Default)]
pub(super) struct Documents(BTreeMap<String, Open>);

impl Documents {
    pub(super) fn open(&mut self, uri: &Uri, language_id: &str, version: i32, text: String) {
        if let Some(language) = language(uri, language_id) {
            self.0.insert(uri.to_string(), Open::new(language, version, text));
        }
    }

    pub(super) fn change(&mut self, uri: &Uri, version: i32, changes: Vec<TextDocumentContentChangeEvent>) {
        let Some(open) = self.0.get_mut(uri.as_str()) else { return };
        let mut text = open.analysis.text().to_owned();
        let mut lines = None;
        for change in changes {
            match change.range {
                None => text = change.text,
                Some(range) => {
                    let lines = lines.take().unwrap_or_else(|| Lines::new(&text));
                    text.replace_range(lines.span(&text, range), &change.text);
                }
            }
        }
        *open = Open::new(open.language, version, text);
    }

    pub(super) fn close(&mut self, uri: &Uri) {
        self.0.remove(uri.as_str());
    }

    pub(super) fn get(&self, uri: &Uri) -> Option<&Open> {
        self.0.get(uri.as_str())
    }
}

impl Open {
    fn new(language: Language, version: i32, text: String) -> Self {
        Self { lines: Lines::new(&text), analysis: Analysis::new(language, text), version, language }
    }
}

/// The editor's word for the language decides; where it has none, the file's name.
fn language(uri: &Uri, language_id: &str) -> Option<Language> {
    let named = |extension: &str| uri.path().as_str().to_ascii_lowercase().ends_with(extension);
    match language_id {
        "nix" => Some(Language::Nix),
        "json" | "jsonc" => Some(Language::Json),
        _ if named(".nix") => Some(Language::Nix),
        _ if named(".json") || named(".jsonc") => Some(Language::Json),
        _ => None,
    }
}
