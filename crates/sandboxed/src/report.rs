//! Diagnostics for other programs: JSON, and SARIF for code review.
//!
//! SARIF 2.1.0 is an OASIS standard; the parts used here are run (3.14), result (3.27), region (3.30) and fix (3.55).

use std::collections::BTreeMap;
use std::ops::Range;

use sandboxed_core::diagnostic::{Diagnostic, Severity};
use serde_json::{Value, json};

use crate::input::Source;
use crate::lines::Lines;

/// Where SARIF's schema is.
const SARIF_SCHEMA: &str =
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";

/// A list of objects, one a diagnostic. Lines and columns (in characters) count from 1.
pub(crate) fn json(checked: &[(Source, Vec<Diagnostic>)]) -> String {
    let all: Vec<Value> = checked
        .iter()
        .flat_map(|(source, diagnostics)| {
            let lines = Lines::new(&source.text);
            diagnostics.iter().map(move |diagnostic| one(source, &lines, diagnostic))
        })
        .collect();
    format!("{:#}\n", Value::from(all))
}

fn one(source: &Source, lines: &Lines<'_>, diagnostic: &Diagnostic) -> Value {
    let place = |span: &Range<usize>| {
        let (start, end) = (lines.position(span.start), lines.position(span.end));
        json!({ "start": { "line": start.0, "column": start.1 }, "end": { "line": end.0, "column": end.1 } })
    };
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|(span, message)| json!({ "message": message, "range": place(span) }))
        .collect();
    json!({
        "file": source.name,
        "code": diagnostic.kind.code(),
        "severity": diagnostic.kind.severity(),
        "message": diagnostic.kind.message(source.language()),
        "help": diagnostic.kind.help(source.language()),
        "range": place(&diagnostic.span),
        "related": related,
    })
}

/// One run with all results.
pub(crate) fn sarif(checked: &[(Source, Vec<Diagnostic>)]) -> String {
    let mut rules = BTreeMap::new();
    let mut results = Vec::new();
    for (source, diagnostics) in checked {
        let lines = Lines::new(&source.text);
        for diagnostic in diagnostics {
            rules.insert(diagnostic.kind.code(), level(diagnostic));
            results.push(result(source, &lines, diagnostic));
        }
    }
    let rules: Vec<Value> = rules
        .into_iter()
        .map(|(id, level)| json!({ "id": id, "defaultConfiguration": { "level": level } }))
        .collect();
    let driver = json!({ "name": "sandboxed", "version": env!("CARGO_PKG_VERSION"), "rules": rules });
    let run = json!({ "tool": { "driver": driver }, "columnKind": "unicodeCodePoints", "results": results });
    format!("{:#}\n", json!({ "$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run] }))
}

fn level(diagnostic: &Diagnostic) -> &'static str {
    match diagnostic.kind.severity() {
        Severity::Error => "error",
        Severity::Warning => "warning",
    }
}

fn result(source: &Source, lines: &Lines<'_>, diagnostic: &Diagnostic) -> Value {
    let message = diagnostic.kind.message(source.language());
    let text = match diagnostic.kind.help(source.language()) {
        Some(help) => format!("{message}; {help}"),
        None => message,
    };
    let mut result = json!({
        "ruleId": diagnostic.kind.code(),
        "level": level(diagnostic),
        "message": { "text": text },
        "locations": [location(source, lines, &diagnostic.span, None)],
    });
    let related: Vec<Value> = diagnostic
        .related
        .iter()
        .map(|(span, message)| location(source, lines, span, Some(message)))
        .collect();
    if let (Value::Object(result), false) = (&mut result, related.is_empty()) {
        result.insert("relatedLocations".to_owned(), Value::from(related));
    }
    result
}

fn location(source: &Source, lines: &Lines<'_>, span: &Range<usize>, message: Option<&String>) -> Value {
    let (start, end) = (lines.position(span.start), lines.position(span.end));
    let region =
        json!({ "startLine": start.0, "startColumn": start.1, "endLine": end.0, "endColumn": end.1 });
    let mut location = json!({
        "physicalLocation": { "artifactLocation": { "uri": uri(&source.name) }, "region": region },
    });
    if let (Value::Object(location), Some(message)) = (&mut location, message) {
        location.insert("message".to_owned(), json!({ "text": message }));
    }
    location
}

/// A path as a URI reference (3.4.3), relative as it was given.
fn uri(path: &str) -> String {
    path.bytes().fold(String::new(), |uri, byte| {
        if byte.is_ascii_alphanumeric() || b"/-_.~".contains(&byte) {
            uri + char::from(byte).encode_utf8(&mut [0; 4])
        } else {
            format!("{uri}%{byte:02X}")
        }
    })
}
