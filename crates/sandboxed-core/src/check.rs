//! Validation of a policy by the shipped schema: all errors at once, each with its place and the nearest right thing.

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Kind, nearest};
use crate::document::{Node, NodeKind, Part};
use crate::policy::Policy;
use crate::scalar::{
    Address, CredentialName, Endpoint, EtcPath, HostPath, Lexical, Memory, Reason, SandboxName, Size,
    SocketName, SystemCall, UnitName,
};
use crate::schema;

/// What the schema has to say about a document. Values that are computed are not judged.
///
/// The schema is generated from the types, and accepts what they accept: `tests/agreement.rs` shows it, and every build with
/// assertions checks it here once more. To read a schema takes several times as long as all else that is done to a policy, so it
/// is read when something has to be explained.
pub fn by_schema(document: &Node) -> Vec<Diagnostic> {
    let mut computed = Vec::new();
    let value = document.to_value(&mut computed);
    if computed.is_empty() && Policy::deserialize(&value).is_ok() {
        debug_assert!(schema::validator().is_ok_and(|schema| schema.is_valid(&value)), "{value:#}");
        return Vec::new();
    }
    let validator = match schema::validator() {
        Ok(validator) => validator,
        Err(reason) => {
            return vec![Diagnostic::new(Kind::Syntax { reason: reason.to_owned() }, document.span.clone())];
        }
    };
    let mut found: Vec<Diagnostic> = validator
        .iter_errors(&value)
        .filter(|error| {
            let place = error.instance_path().as_str();
            !computed.iter().any(|pointer| {
                place == pointer
                    || place.strip_prefix(pointer.as_str()).is_some_and(|rest| rest.starts_with('/'))
                    || matches!(error.kind(), ValidationErrorKind::Required { property }
                        if property.as_str().is_some_and(|name| *pointer == format!("{place}/{name}")))
            })
        })
        .flat_map(|error| explain(document, &error))
        .collect();
    found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    found.dedup();
    found
}

fn explain(document: &Node, error: &ValidationError<'_>) -> Vec<Diagnostic> {
    let place = error.instance_path().as_str();
    let at = |part| document.span_at(place, part);
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known: Vec<String> =
                schema::fields(place).into_iter().filter(|name| name != "$schema").collect();
            let node = document.at(place);
            unexpected
                .iter()
                .map(|name| {
                    let span = node
                        .and_then(|node| node.get(name))
                        .map_or_else(|| at(Part::Key), |m| m.key_span.clone());
                    let kind = if schema::is_map(place) {
                        let expected = CredentialName::EXPECTED.to_owned();
                        Kind::WrongValue {
                            value: name.clone(),
                            expected: format!("a name here: {expected}"),
                            suggestion: None,
                        }
                    } else {
                        let suggestion = nearest(name, known.iter().map(String::as_str));
                        Kind::UnknownField { name: name.clone(), suggestion, known: known.clone() }
                    };
                    Diagnostic::new(kind, span)
                })
                .collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default().to_owned();
            vec![Diagnostic::new(Kind::MissingField { name }, at(Part::Key))]
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(one) => type_name(*one).to_owned(),
                TypeKind::Multiple(several) => several.iter().map(type_name).collect::<Vec<_>>().join(" or "),
            };
            let found = document.at(place).map_or("nothing", |node| node.kind.name());
            vec![Diagnostic::new(Kind::WrongType { expected, found }, at(Part::Value))]
        }
        _ => vec![Diagnostic::new(wrong_value(place, error), at(Part::Value))],
    }
}

fn wrong_value(place: &str, error: &ValidationError<'_>) -> Kind {
    let value = match error.instance().as_ref() {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let choices = schema::choices(place);
    let (expected, suggestion) = match error.kind() {
        ValidationErrorKind::MaxLength { limit } => (format!("at most {limit} characters"), None),
        ValidationErrorKind::Pattern { pattern } => (expected_by(pattern), None),
        ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::Enum { .. }
        | ValidationErrorKind::Constant { .. } => {
            let suggestion = nearest(&value, choices.iter().map(String::as_str));
            let shown =
                if choices.len() > 12 { "known here".to_owned() } else { crate::diagnostic::list(&choices) };
            (shown, suggestion)
        }
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
            let limits = schema::at(place).map(schema::follow);
            let limit = |name| limits.and_then(|s| s.get(name)).map(ToString::to_string).unwrap_or_default();
            (format!("from {} to {}", limit("minimum"), limit("maximum")), None)
        }
        ValidationErrorKind::MinItems { limit } => (format!("a list of at least {limit}"), None),
        _ => (format!("valid here ({error})"), None),
    };
    // A value of quite another type is better told so than compared with the allowed strings.
    if !choices.is_empty() && !error.instance().is_string() && !error.instance().is_number() {
        return Kind::WrongType { expected, found: value_name(error.instance()) };
    }
    Kind::WrongValue { value, expected, suggestion }
}

/// What the type with this pattern expects.
fn expected_by(pattern: &str) -> String {
    macro_rules! find {
        ($($type:ty),+) => {
            $(if pattern == <$type as Lexical>::PATTERN { return <$type as Lexical>::EXPECTED.to_owned(); })+
        };
    }
    find!(
        HostPath,
        EtcPath,
        SandboxName,
        UnitName,
        SocketName,
        Endpoint,
        Address,
        Memory,
        Size,
        SystemCall,
        CredentialName,
        Reason
    );
    format!("a string that matches {pattern}")
}

impl NodeKind {
    /// The name of the type, with its article.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Bool(_) => "a boolean",
            Self::Number(_) => "a number",
            Self::String(_) => "a string",
            Self::Array(_) => "a list",
            Self::Object(_) => "an object",
            Self::Computed => "a computed value",
        }
    }
}

fn value_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

fn type_name(kind: JsonType) -> &'static str {
    match kind {
        JsonType::Null => "null",
        JsonType::Boolean => "a boolean (true or false)",
        JsonType::Integer => "a whole number",
        JsonType::Number => "a number",
        JsonType::String => "a string",
        JsonType::Array => "a list",
        JsonType::Object => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        let document = crate::json::parse(text).unwrap();
        let shown: Vec<String> = by_schema(&document)
            .iter()
            .map(|d| {
                let help = d.kind.help().unwrap_or_default();
                format!("{:?} {}: {} [{help}]\n", &text[d.span.clone()], d.kind.code(), d.kind)
            })
            .collect();
        expected.assert_eq(&shown.concat());
    }

    #[test]
    fn all_errors_at_once_with_place_and_suggestion() {
        check(
            r#"{"version": 1, "filesytem": {}, "network": {"mode": "filterd", "listen": [{"port": 0, "protocol": 7}]},
               "filesystem": {"state": "/var", "readable": ["/a/../b"]}, "accept": {"no-write-execut": "x", "no-realtime": " "}}"#,
            &expect![[r#"
                "\"filesytem\"" unknown-field: unknown field `filesytem` [did you mean `filesystem`?]
                "\"filterd\"" wrong-value: `filterd` is not `filtered`, `private`, `joined` or `none` [did you mean `filtered`?]
                "0" wrong-value: `0` is not from 1 to 65535 []
                "7" wrong-value: `7` is not `tcp` or `udp` []
                "\"/var\"" wrong-type: expected a list, found a string []
                "\"/a/../b\"" wrong-value: `/a/../b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent []
                "\"no-write-execut\"" unknown-field: unknown field `no-write-execut` [did you mean `no-write-execute`?]
                "\" \"" wrong-value: ` ` is not a reason in one line []
            "#]],
        );
    }

    #[test]
    fn what_is_computed_is_not_judged() {
        let mut document =
            crate::json::parse(r#"{"version": 1, "units": ["a.service", 1], "network": 1}"#).unwrap();
        if let NodeKind::Object(members) = &mut document.kind {
            members[0].value.kind = NodeKind::Computed;
            members[2].value.kind = NodeKind::Computed;
            if let NodeKind::Array(items) = &mut members[1].value.kind {
                items[1].kind = NodeKind::Computed;
            }
        }
        assert_eq!(by_schema(&document), []);
    }
}
