//! Values and keys as text, in the document's language.

use serde_json::Value;

use super::Language;

/// The value on one line.
pub(super) fn value(language: Language, value: &Value) -> String {
    match language {
        Language::Json => value.to_string(),
        Language::Nix => nix(value),
    }
}

fn nix(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(Language::Nix, text),
        Value::Array(items) if items.is_empty() => "[ ]".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items
                .iter()
                .map(|item| match item {
                    Value::Number(number) if number.to_string().starts_with('-') => format!("({number})"),
                    other => nix(other),
                })
                .collect();
            format!("[ {} ]", items.join(" "))
        }
        Value::Object(members) if members.is_empty() => "{ }".to_owned(),
        Value::Object(members) => {
            let members: Vec<String> = members
                .iter()
                .map(|(key, value)| format!("{} = {};", self::key(Language::Nix, key), nix(value)))
                .collect();
            format!("{{ {} }}", members.join(" "))
        }
        scalar => scalar.to_string(),
    }
}

/// A string with its quotes.
pub(super) fn quoted(language: Language, text: &str) -> String {
    match language {
        Language::Json => Value::from(text).to_string(),
        Language::Nix => {
            let mut quoted = String::from("\"");
            for c in text.chars() {
                match c {
                    '"' | '\\' => quoted.extend(['\\', c]),
                    '\n' => quoted.push_str("\\n"),
                    '\r' => quoted.push_str("\\r"),
                    '\t' => quoted.push_str("\\t"),
                    c => quoted.push(c),
                }
            }
            quoted.push('"');
            // `${` would interpolate.
            quoted.replace("${", "\\${")
        }
    }
}

/// A key, with quotes if it needs them.
pub(super) fn key(language: Language, name: &str) -> String {
    if language == Language::Nix && is_identifier(name) { name.to_owned() } else { quoted(language, name) }
}

/// Nix manual, "Identifiers"; keywords are none.
fn is_identifier(name: &str) -> bool {
    const KEYWORDS: [&str; 9] = ["assert", "else", "if", "in", "inherit", "let", "rec", "then", "with"];
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '\'' | '-'))
        && !KEYWORDS.contains(&name)
}
