//! Policies in JSON, with comments and trailing commas allowed.

use std::collections::BTreeMap;

use jsonc_parser::ast::{self, ObjectPropName};
use jsonc_parser::common::Ranged;
use jsonc_parser::{CollectOptions, CommentCollectionStrategy, ParseOptions, parse_to_ast};
use serde_json::Number;

mod mistake;

use crate::diagnostic::{Diagnostic, Kind};
use crate::document::{Member, Node, NodeKind, Span};

/// Values nest this deep at the most. The parser and everything after it recurse; a policy needs five.
const DEPTH: usize = 64;

/// Reads a policy.
///
/// # Errors
/// With the place and the reason, if the text is not JSON, has a key twice, or nests too deeply.
pub fn parse(text: &str) -> Result<Node, Vec<Diagnostic>> {
    if let Some(at) = mistake::too_deep(text, DEPTH) {
        let reason = format!("values nest more than {DEPTH} deep");
        return Err(vec![Diagnostic::new(Kind::Syntax { reason, help: None }, at..at + 1)]);
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
    let parsed = parse_to_ast(text, &collect, &options)
        .map_err(|error| vec![mistake::explain(text, error.kind(), error.range())])?;
    let Some(value) = parsed.value else {
        return Err(vec![mistake::empty()]);
    };
    let mut errors = Vec::new();
    let node = convert(text, &value, &mut errors);
    if errors.is_empty() { Ok(node) } else { Err(errors) }
}

fn convert(text: &str, value: &ast::Value<'_>, errors: &mut Vec<Diagnostic>) -> Node {
    let span = value.range().start..value.range().end;
    let kind = match value {
        ast::Value::NullKeyword(_) => NodeKind::Null,
        ast::Value::BooleanLit(literal) => NodeKind::Bool(literal.value),
        ast::Value::NumberLit(literal) => literal.value.parse::<Number>().map_or_else(
            |_| {
                let reason = format!("`{}` is not a number of JSON", literal.value);
                errors.push(Diagnostic::new(Kind::Syntax { reason, help: None }, span.clone()));
                NodeKind::Null
            },
            NodeKind::Number,
        ),
        ast::Value::StringLit(literal) => {
            errors.extend(mistake::control_character(text, &span));
            NodeKind::String(literal.value.to_string())
        }
        ast::Value::Array(array) => {
            NodeKind::Array(array.elements.iter().map(|item| convert(text, item, errors)).collect())
        }
        ast::Value::Object(object) => {
            let mut members: Vec<Member> = Vec::with_capacity(object.properties.len());
            let mut first: BTreeMap<String, Span> = BTreeMap::new();
            for property in &object.properties {
                let key = match &property.name {
                    ObjectPropName::String(literal) => literal.value.to_string(),
                    ObjectPropName::Word(word) => word.value.to_owned(),
                };
                let key_span = property.name.range().start..property.name.range().end;
                errors.extend(mistake::control_character(text, &key_span));
                if let Some(first) = first.get(&key) {
                    errors.push(
                        Diagnostic::new(Kind::DuplicateField { name: key.clone() }, key_span.clone())
                            .related(Span::clone(first), "first given here"),
                    );
                } else {
                    first.insert(key.clone(), key_span.clone());
                }
                members.push(Member { key, key_span, value: convert(text, &property.value, errors) });
            }
            NodeKind::Object(members)
        }
    };
    Node { span, kind }
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
