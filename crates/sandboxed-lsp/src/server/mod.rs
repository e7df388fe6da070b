//! The language server: one thread that reads a message, answers it, and reads the next.
//!
//! Every answer is computed from the text as it is; a document of ten thousand lines takes milliseconds, so nothing is done
//! in the background and nothing is ever out of date.

mod convert;
mod open;
mod position;

use std::path::PathBuf;

use lsp_server::{Connection, ErrorCode, Message, Notification, Request, Response};
use lsp_types::notification::{
    DidChangeTextDocument, DidCloseTextDocument, DidOpenTextDocument, Notification as _, PublishDiagnostics,
};
use lsp_types::request::{
    CodeActionRequest, Completion, DocumentSymbolRequest, GotoDefinition, HoverRequest, Request as _,
};
use lsp_types::{
    CodeActionParams, CompletionParams, DidChangeTextDocumentParams, DidCloseTextDocumentParams,
    DidOpenTextDocumentParams, DocumentSymbolParams, DocumentSymbolResponse, GotoDefinitionParams,
    GotoDefinitionResponse, HoverParams, InitializeParams, PublishDiagnosticsParams, Uri,
};
use sandboxed_core::target::Target;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use convert::Client;
use open::Documents;

/// Why the server ended before the editor asked it to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServerError {
    /// The editor does not speak the protocol, or is gone.
    #[error("the editor broke the protocol: {0}")]
    Protocol(#[from] lsp_server::ProtocolError),
    /// A message cannot be read or written.
    #[error("cannot exchange messages with the editor: {0}")]
    Message(#[from] serde_json::Error),
    /// The editor stopped listening.
    #[error("the editor stopped listening")]
    Gone,
    /// Reading or writing failed.
    #[error("reading from or writing to the editor failed: {0}")]
    Io(#[from] std::io::Error),
}

/// What the server is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What plans are made for.
    pub target: Target,
    /// Where the texts of presets are put for the editor to open.
    pub presets: PathBuf,
}

/// Serves an editor on standard input and output until it says goodbye.
///
/// # Errors
/// If the editor breaks the protocol or goes away without a word.
pub fn serve_stdio(settings: Settings) -> Result<(), ServerError> {
    let (connection, threads) = Connection::stdio();
    serve(&connection, settings)?;
    drop(connection);
    threads.join()?;
    Ok(())
}

/// Serves an editor over a connection.
///
/// # Errors
/// If the editor breaks the protocol or goes away without a word.
pub fn serve(connection: &Connection, settings: Settings) -> Result<(), ServerError> {
    let (id, params) = connection.initialize_start()?;
    let params: InitializeParams = serde_json::from_value(params)?;
    let mut server =
        Server { connection, settings, client: Client::new(&params), documents: Documents::default() };
    server.configure(params.initialization_options.as_ref());
    let about = serde_json::json!({
        "capabilities": convert::capabilities(),
        "serverInfo": { "name": "sandboxed", "version": env!("CARGO_PKG_VERSION") },
    });
    connection.initialize_finish(id, about)?;
    for message in &connection.receiver {
        match message {
            Message::Request(request) => {
                if connection.handle_shutdown(&request)? {
                    return Ok(());
                }
                let response = server.answer(request);
                server.send(Message::Response(response))?;
            }
            Message::Notification(notification) => server.note(notification)?,
            Message::Response(_) => {}
        }
    }
    Ok(())
}

struct Server<'a> {
    connection: &'a Connection,
    settings: Settings,
    client: Client,
    documents: Documents,
}

impl Server<'_> {
    /// `{ "target": "debian-13" }`; a target that cannot be read leaves what the command line said.
    fn configure(&mut self, options: Option<&Value>) {
        let target = options.and_then(|options| options.get("target")).and_then(Value::as_str);
        if let Some(target) = target.and_then(|text| text.parse().ok()) {
            self.settings.target = target;
        }
    }

    fn send(&self, message: Message) -> Result<(), ServerError> {
        self.connection.sender.send(message).map_err(|_| ServerError::Gone)
    }

    fn answer(&self, request: Request) -> Response {
        let Request { id, method, params } = request;
        let result = match method.as_str() {
            Completion::METHOD => ask(params, |params| self.completion(params)),
            HoverRequest::METHOD => ask(params, |params| self.hover(params)),
            CodeActionRequest::METHOD => ask(params, |params| self.actions(params)),
            GotoDefinition::METHOD => ask(params, |params| self.definition(params)),
            DocumentSymbolRequest::METHOD => ask(params, |params| self.symbols(&params)),
            _ => Err((ErrorCode::MethodNotFound, format!("there is no request `{method}` here"))),
        };
        match result {
            Ok(value) => Response::new_ok(id, value),
            Err((code, message)) => Response::new_err(id, code as i32, message),
        }
    }

    fn note(&mut self, notification: Notification) -> Result<(), ServerError> {
        let Notification { method, params } = notification;
        match method.as_str() {
            DidOpenTextDocument::METHOD => {
                let DidOpenTextDocumentParams { text_document: document } = serde_json::from_value(params)?;
                self.documents.open(&document.uri, &document.language_id, document.version, document.text);
                self.publish(&document.uri)
            }
            DidChangeTextDocument::METHOD => {
                let DidChangeTextDocumentParams { text_document: document, content_changes } =
                    serde_json::from_value(params)?;
                self.documents.change(&document.uri, document.version, content_changes);
                self.publish(&document.uri)
            }
            DidCloseTextDocument::METHOD => {
                let DidCloseTextDocumentParams { text_document } = serde_json::from_value(params)?;
                self.documents.close(&text_document.uri);
                self.publish(&text_document.uri)
            }
            _ => Ok(()),
        }
    }

    /// Sends what is wrong with a document; nothing, once it is closed.
    fn publish(&self, uri: &Uri) -> Result<(), ServerError> {
        let (diagnostics, version) = match self.documents.get(uri) {
            Some(open) => {
                let findings = open.analysis.findings(&self.settings.target);
                let diagnostics = findings.iter().map(|finding| convert::diagnostic(open, uri, finding));
                (diagnostics.collect(), Some(open.version))
            }
            None => (Vec::new(), None),
        };
        let params = PublishDiagnosticsParams { uri: uri.clone(), diagnostics, version };
        let method = PublishDiagnostics::METHOD.to_owned();
        self.send(Message::Notification(Notification { method, params: serde_json::to_value(params)? }))
    }

    fn completion(&self, params: CompletionParams) -> Option<lsp_types::CompletionResponse> {
        let at = params.text_document_position;
        let open = self.documents.get(&at.text_document.uri)?;
        let offset = open.lines.offset(open.analysis.text(), at.position);
        let items = open.analysis.completions(offset);
        let items =
            items.iter().enumerate().map(|(rank, item)| convert::completion(open, self.client, rank, item));
        Some(lsp_types::CompletionResponse::Array(items.collect()))
    }

    fn hover(&self, params: HoverParams) -> Option<lsp_types::Hover> {
        let at = params.text_document_position_params;
        let open = self.documents.get(&at.text_document.uri)?;
        let offset = open.lines.offset(open.analysis.text(), at.position);
        let hover = open.analysis.hover(offset, &self.settings.target)?;
        Some(convert::hover(open, &hover))
    }

    fn actions(&self, params: CodeActionParams) -> Option<Vec<lsp_types::CodeActionOrCommand>> {
        let uri = params.text_document.uri;
        let open = self.documents.get(&uri)?;
        let range = open.lines.span(open.analysis.text(), params.range);
        let actions = open.analysis.actions(&range, &self.settings.target);
        Some(actions.into_iter().map(|action| convert::action(open, &uri, action)).collect())
    }

    /// The preset's text as a file that the editor can open.
    fn definition(&self, params: GotoDefinitionParams) -> Option<GotoDefinitionResponse> {
        let at = params.text_document_position_params;
        let open = self.documents.get(&at.text_document.uri)?;
        let offset = open.lines.offset(open.analysis.text(), at.position);
        let (preset, _) = open.analysis.preset_at(offset)?;
        let file = self.settings.presets.join(format!("{}.json", preset.name));
        if std::fs::read_to_string(&file).ok().as_deref() != Some(preset.text) {
            std::fs::create_dir_all(&self.settings.presets).ok()?;
            std::fs::write(&file, preset.text).ok()?;
        }
        let uri = convert::file_uri(&file)?;
        let range = lsp_types::Range::default();
        Some(GotoDefinitionResponse::Scalar(lsp_types::Location { uri, range }))
    }

    fn symbols(&self, params: &DocumentSymbolParams) -> Option<DocumentSymbolResponse> {
        let open = self.documents.get(&params.text_document.uri)?;
        let symbols = open.analysis.symbols();
        Some(DocumentSymbolResponse::Nested(
            symbols.iter().map(|symbol| convert::symbol(open, symbol)).collect(),
        ))
    }
}

/// Reads the question, and writes the answer.
fn ask<P: DeserializeOwned, R: Serialize>(
    params: Value,
    answer: impl FnOnce(P) -> Option<R>,
) -> Result<Value, (ErrorCode, String)> {
    let params =
        serde_json::from_value(params).map_err(|error| (ErrorCode::InvalidParams, error.to_string()))?;
    serde_json::to_value(answer(params)).map_err(|error| (ErrorCode::InternalError, error.to_string()))
}
