//! Answers in the protocol's types.

use std::fmt::Write as _;

use std::collections::HashMap;
use std::path::Path;

use lsp_types::{
    CodeAction, CodeActionKind, CodeActionOptions, CodeActionOrCommand, CodeActionProviderCapability,
    CompletionItem, CompletionItemKind, CompletionOptions, CompletionTextEdit, Diagnostic,
    DiagnosticRelatedInformation, DiagnosticSeverity, DocumentSymbol, Documentation, HoverContents,
    HoverProviderCapability, InitializeParams, InsertTextFormat, InsertTextMode, Location, MarkupContent,
    MarkupKind, NumberOrString, OneOf, ServerCapabilities, SymbolKind, TextDocumentSyncCapability,
    TextDocumentSyncKind, TextDocumentSyncOptions, TextEdit, Uri, WorkspaceEdit,
};
use sandboxed_core::diagnostic::Severity;

use super::open::Open;
use crate::ide::{Action, Completion, CompletionKind, Hover, Symbol};

/// What the editor can show.
#[derive(Debug, Clone, Copy)]
pub(super) struct Client {
    snippets: bool,
}

impl Client {
    pub(super) fn new(params: &InitializeParams) -> Self {
        let item = params
            .capabilities
            .text_document
            .as_ref()
            .and_then(|document| document.completion.as_ref())
            .and_then(|completion| completion.completion_item.as_ref());
        Self { snippets: item.and_then(|item| item.snippet_support).unwrap_or_default() }
    }
}

pub(super) fn capabilities() -> ServerCapabilities {
    ServerCapabilities {
        text_document_sync: Some(TextDocumentSyncCapability::Options(TextDocumentSyncOptions {
            open_close: Some(true),
            change: Some(TextDocumentSyncKind::INCREMENTAL),
            ..Default::default()
        })),
        completion_provider: Some(CompletionOptions {
            trigger_characters: Some([".", "\"", "@"].map(str::to_owned).to_vec()),
            ..Default::default()
        }),
        hover_provider: Some(HoverProviderCapability::Simple(true)),
        definition_provider: Some(OneOf::Left(true)),
        document_symbol_provider: Some(OneOf::Left(true)),
        code_action_provider: Some(CodeActionProviderCapability::Options(CodeActionOptions {
            code_action_kinds: Some(vec![CodeActionKind::QUICKFIX, CodeActionKind::REFACTOR_REWRITE]),
            ..Default::default()
        })),
        ..Default::default()
    }
}

pub(super) fn diagnostic(
    open: &Open,
    uri: &Uri,
    finding: &sandboxed_core::diagnostic::Diagnostic,
) -> Diagnostic {
    let text = open.analysis.text();
    let related = finding.related.iter().map(|(span, message)| DiagnosticRelatedInformation {
        location: Location { uri: uri.clone(), range: open.lines.range(text, span) },
        message: message.clone(),
    });
    let related: Vec<_> = related.collect();
    let language = open.analysis.language();
    let message = finding.kind.message(language);
    let message = match finding.kind.help(language) {
        Some(help) => format!("{message}\n{help}"),
        None => message,
    };
    Diagnostic {
        range: open.lines.range(text, &finding.span),
        severity: Some(match finding.kind.severity() {
            Severity::Error => DiagnosticSeverity::ERROR,
            Severity::Warning => DiagnosticSeverity::WARNING,
        }),
        code: Some(NumberOrString::String(finding.kind.code().to_owned())),
        source: Some("sandboxed".to_owned()),
        message,
        related_information: (!related.is_empty()).then_some(related),
        ..Default::default()
    }
}

pub(super) fn completion(open: &Open, client: Client, rank: usize, item: &Completion) -> CompletionItem {
    let text = open.analysis.text();
    let snippet = item.snippet.as_ref().filter(|_| client.snippets);
    CompletionItem {
        label: item.label.clone(),
        kind: Some(match item.kind {
            CompletionKind::Sandbox => CompletionItemKind::MODULE,
            CompletionKind::Option => CompletionItemKind::PROPERTY,
            CompletionKind::Object => CompletionItemKind::STRUCT,
            CompletionKind::Guarantee => CompletionItemKind::EVENT,
            CompletionKind::Value => CompletionItemKind::ENUM_MEMBER,
        }),
        detail: (!item.detail.is_empty()).then(|| item.detail.clone()),
        documentation: (!item.documentation.is_empty())
            .then(|| Documentation::MarkupContent(markdown(&item.documentation))),
        sort_text: Some(format!("{rank:04}")),
        filter_text: (!item.insert.starts_with(&item.label)).then(|| item.label.clone()),
        insert_text_format: Some(match snippet {
            Some(_) => InsertTextFormat::SNIPPET,
            None => InsertTextFormat::PLAIN_TEXT,
        }),
        insert_text_mode: Some(InsertTextMode::ADJUST_INDENTATION),
        text_edit: Some(CompletionTextEdit::Edit(TextEdit {
            range: open.lines.range(text, &item.replaces),
            new_text: snippet.unwrap_or(&item.insert).clone(),
        })),
        ..Default::default()
    }
}

pub(super) fn hover(open: &Open, hover: &Hover) -> lsp_types::Hover {
    let range = open.lines.range(open.analysis.text(), &hover.span);
    lsp_types::Hover { contents: HoverContents::Markup(markdown(&hover.text)), range: Some(range) }
}

fn markdown(text: &str) -> MarkupContent {
    MarkupContent { kind: MarkupKind::Markdown, value: text.to_owned() }
}

// The protocol's type has addresses as keys; they are compared as text.
#[allow(clippy::mutable_key_type)]
pub(super) fn action(open: &Open, uri: &Uri, action: Action) -> CodeActionOrCommand {
    let text = open.analysis.text();
    let edits = action
        .edits
        .iter()
        .map(|edit| TextEdit { range: open.lines.range(text, &edit.span), new_text: edit.text.clone() })
        .collect();
    let kind =
        if action.corrects.is_some() { CodeActionKind::QUICKFIX } else { CodeActionKind::REFACTOR_REWRITE };
    CodeActionOrCommand::CodeAction(CodeAction {
        title: action.title,
        kind: Some(kind),
        diagnostics: action.corrects.map(|finding| vec![diagnostic(open, uri, &finding)]),
        edit: Some(WorkspaceEdit {
            changes: Some(HashMap::from([(uri.clone(), edits)])),
            ..Default::default()
        }),
        is_preferred: None,
        ..Default::default()
    })
}

pub(super) fn symbol(open: &Open, symbol: &Symbol) -> DocumentSymbol {
    let text = open.analysis.text();
    let children: Vec<_> = symbol.children.iter().map(|child| self::symbol(open, child)).collect();
    #[allow(deprecated, reason = "the field must be given")]
    DocumentSymbol {
        name: symbol.name.clone(),
        detail: (!symbol.detail.is_empty()).then(|| symbol.detail.clone()),
        kind: if symbol.children.is_empty() { SymbolKind::PROPERTY } else { SymbolKind::MODULE },
        tags: None,
        deprecated: None,
        range: open.lines.range(text, &symbol.span),
        selection_range: open.lines.range(text, &symbol.name_span),
        children: (!children.is_empty()).then_some(children),
    }
}

/// The address of a file, RFC 8089; bytes that are not plain are percent-encoded.
pub(super) fn file_uri(path: &Path) -> Option<Uri> {
    let mut uri = String::from("file://");
    for byte in path.to_str()?.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            _ = write!(uri, "%{byte:02X}");
        }
    }
    uri.parse().ok()
}
