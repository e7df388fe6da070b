//! Policies in JSON, with comments and trailing commas allowed.

use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use serde_json::Number;

use crate::diagnostic::{Diagnostic, Kind};
use crate::document::{Member, Node, NodeKind};

/// Values nest this deep at the most. The parser and everything after it recurse; a policy needs five.
const DEPTH: usize = 64;

/// Reads a policy.
///
/// # Errors
/// With the place and the reason, if the text is not JSON, has a key twice, or nests too deeply.
pub fn parse(text: &str) -> Result<Node, Vec<Diagnostic>> {
    if let Some(at) = too_deep(text) {
        return Err(vec![Diagnostic::new(
            Kind::Syntax { reason: format!("values nest more than {DEPTH} deep") },
            at..at + 1,
        )]);
    }
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let collect = CollectOptions { comments: CommentCollectionStrategy::Off, tokens: false };
    let parsed = parse_to_ast(text, &collect, &options).map_err(|error| {
        let range = error.range();
        let kind = Kind::Syntax { reason: error.kind().to_string() };
        vec![Diagnostic::new(kind, visible(text, range.start, range.end))]
    })?;
    let Some(value) = parsed.value else {
        return Err(vec![Diagnostic::new(Kind::Syntax { reason: "the file is empty".to_owned() }, 0..0)]);
    };
    let mut errors = Vec::new();
    let node = convert(&value, &mut errors);
    if errors.is_empty() { Ok(node) } else { Err(errors) }
}

fn convert(value: &ast::Value<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    let span = value.range().start..value.range().end;
    let kind = match value {
        ast::Value::NullKeyword(_) => NodeKind::Null,
        ast::Value::BooleanLit(literal) => NodeKind::Bool(literal.value),
        ast::Value::NumberLit(literal) => literal.value.parse::<Number>().map_or_else(
            |_| {
                let reason = format!("`{}` is not a number of JSON", literal.value);
                errors.push(Diagnostic::new(Kind::Syntax { reason }, span.clone()));
                NodeKind::Null
            },
            NodeKind::Number,
        ),
        ast::Value::StringLit(literal) => NodeKind::String(literal.value.to_string()),
        ast::Value::Array(array) => {
            NodeKind::Array(array.elements.iter().map(|item| convert(item, errors)).collect())
        }
        ast::Value::Object(object) => {
            let mut members: Vec<Member> = Vec::with_capacity(object.properties.len());
            for property in &object.properties {
                let key = match &property.name {
                    ObjectPropName::String(literal) => literal.value.to_string(),
                    ObjectPropName::Word(word) => word.value.to_owned(),
                };
                let key_span = property.name.range().start..property.name.range().end;
                if let Some(first) = members.iter().find(|member| member.key == key) {
                    errors.push(
                        Diagnostic::new(Kind::DuplicateField { name: key.clone() }, key_span.clone())
                            .related(first.key_span.clone(), "first given here"),
                    );
                }
                members.push(Member { key, key_span, value: convert(&property.value, errors) });
            }
            NodeKind::Object(members)
        }
    };
    Node { span, kind }
}

/// A range that shows something: not empty, not past the end, on character boundaries.
fn visible(text: &str, start: usize, end: usize) -> std::ops::Range<usize> {
    let mut start = start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    start..end
}

/// The offset of the bracket that nests too deeply, if one does. Strings and comments are skipped.
fn too_deep(text: &str) -> Option<usize> {
    let mut depth = 0usize;
    let mut bytes = text.bytes().enumerate().peekable();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => {
                while let Some((_, inner)) = bytes.next() {
                    match inner {
                        b'\\' => drop(bytes.next()),
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'/') => {
                while bytes.next_if(|(_, inner)| *inner != b'\n').is_some() {}
            }
            b'/' if bytes.peek().is_some_and(|(_, next)| *next == b'*') => {
                bytes.next();
                let mut last = 0;
                for (_, inner) in bytes.by_ref() {
                    if last == b'*' && inner == b'/' {
                        break;
                    }
                    last = inner;
                }
            }
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH {
                    return Some(at);
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn places_and_values() {
        let text = "{ // note\n  \"a\": [1, \"x\"],\n}";
        let node = parse(text).unwrap();
        assert_eq!(&text[node.at("/a/1").unwrap().span.clone()], "\"x\"");
        assert_eq!(&text[node.span_at("/a", crate::document::Part::Key)], "\"a\"");
        assert_eq!(node.to_value(&mut Vec::new()), serde_json::json!({"a": [1, "x"]}));
    }

    #[test]
    fn bad_text_is_refused_with_a_place() {
        for (text, place) in [("", ""), ("{\"a\": }", "}"), ("{\"a\":1,\"a\":2}", "\"a\""), ("{'a': 1}", "'")]
        {
            let errors = parse(text).unwrap_err();
            assert!(text[errors[0].span.clone()].starts_with(place), "{text}: {errors:?}");
        }
        assert!(parse(&"[".repeat(100_000)).is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<String>()) {
            if let Err(errors) = parse(&text) {
                for error in errors {
                    prop_assert!(text.get(error.span).is_some());
                }
            }
        }

        #[test]
        fn nothing_like_json_panics(text in "[\\[\\]{}\",:/*0-9a-z\\\\ \n-]{0,64}") {
            if let Err(errors) = parse(&text) {
                for error in errors {
                    prop_assert!(text.get(error.span).is_some());
                }
            }
        }
    }
}
