//! Validation of a policy by the shipped schema: all errors at once, each with its place and the nearest right thing.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use jsonschema::error::{TypeKind, ValidationErrorKind};
use jsonschema::{JsonType, ValidationError};
use serde::Deserialize;
use serde_json::Value;

use crate::diagnostic::{Diagnostic, Instead, Kind, Type, nearest};
use crate::document::{Member, Node, NodeKind, Part, escape};
use crate::instead;
use crate::policy::Policy;
use crate::scalar::{
    Address, CredentialName, Description, Endpoint, EtcPath, HostPath, InterfaceName, Lexical, Memory,
    PortRange, Prefix, Reason, SandboxName, Size, SocketName, SystemCall, UnitName,
};
use crate::schema::{self, Schema};

/// What the schema has to say about a document. Values that are computed are not judged.
///
/// The schema is generated from the types, and accepts what they accept: `tests/agreement.rs` shows it, and every build with
/// assertions checks it here once more. To read a schema takes several times as long as all else that is done to a policy, so it
/// is read when something has to be explained.
pub fn by_schema(document: &Node) -> Vec<Diagnostic> {
    let mut computed = Vec::new();
    let value = document.to_value(&mut computed);
    if computed.is_empty() && Policy::deserialize(&value).is_ok() {
        debug_assert!(schema::policy().validator().is_ok_and(|schema| schema.is_valid(&value)), "{value:#}");
        return Vec::new();
    }
    found(schema::policy(), document, &value, &computed)
}

/// What a schema has to say about a document, whose value this is.
pub(crate) fn found(schema: &Schema, document: &Node, value: &Value, computed: &[String]) -> Vec<Diagnostic> {
    let validator = match schema.validator() {
        Ok(validator) => validator,
        Err(reason) => {
            let kind = Kind::Syntax { reason: reason.to_owned(), help: None };
            return vec![Diagnostic::new(kind, document.span.clone())];
        }
    };
    let mut found: Vec<Diagnostic> = validator
        .iter_errors(value)
        .filter(|error| {
            let place = error.instance_path().as_str();
            !computed.iter().any(|pointer| {
                place == pointer
                    || place.strip_prefix(pointer.as_str()).is_some_and(|rest| rest.starts_with('/'))
                    || matches!(error.kind(), ValidationErrorKind::Required { property }
                        if property.as_str().is_some_and(|name| *pointer == format!("{place}/{name}")))
            })
        })
        .flat_map(|error| explain(schema, document, &error))
        .collect();
    found.sort_by_key(|diagnostic| (diagnostic.span.start, diagnostic.span.end));
    found.dedup();
    // A value of the wrong type is no right value either; once is enough.
    let mistyped: BTreeSet<(usize, usize)> = found
        .iter()
        .filter(|one| matches!(one.kind, Kind::WrongType { .. }))
        .map(|one| (one.span.start, one.span.end))
        .collect();
    found.retain(|one| {
        !matches!(one.kind, Kind::WrongValue { .. }) || !mistyped.contains(&(one.span.start, one.span.end))
    });
    found
}

fn explain(schema: &Schema, document: &Node, error: &ValidationError<'_>) -> Vec<Diagnostic> {
    let place = error.instance_path().as_str();
    let at = |part| document.span_at(place, part);
    let written = error.instance().as_ref();
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let node = document.at(place);
            let members: BTreeMap<&str, &Member> = node
                .into_iter()
                .flat_map(Node::members)
                .map(|member| (member.key.as_str(), member))
                .collect();
            let span = |name: &str| members.get(name).map(|member| member.key_span.clone());
            let field = |name: &String| {
                let span = span(name).unwrap_or_else(|| at(Part::Key));
                Diagnostic::new(unexpected_field(schema, place, written, name), span)
            };
            unexpected.iter().map(field).collect()
        }
        ValidationErrorKind::Required { property } => {
            let name = property.as_str().unwrap_or_default().to_owned();
            let field = schema.at(&format!("{place}/{}", escape(&name)));
            let example = field.and_then(|field| instead::example(schema, field));
            let inside = document.at(place).map_or(0, |node| node.span.start);
            // Underlining all of the object would say less than its beginning, where the field can be added.
            vec![Diagnostic::new(Kind::MissingField { name, example }, inside..inside + 1)]
        }
        ValidationErrorKind::Type { kind } => {
            let expected = match kind {
                TypeKind::Single(one) => vec![type_of(*one)],
                TypeKind::Multiple(several) => several.iter().map(type_of).collect(),
            };
            let found = document.at(place).map_or(Type::Null, |node| node.kind.type_of());
            // `1.0` is whole, for the schema as well.
            let found = if found == Type::Number && expected.contains(&Type::Integer) {
                Type::Fraction
            } else {
                found
            };
            let instead = instead::of(schema, place, written);
            vec![Diagnostic::new(Kind::WrongType { expected, found, instead }, at(Part::Value))]
        }
        ValidationErrorKind::UniqueItems => duplicates(document.at(place).map_or(&[], Node::items)),
        _ => vec![Diagnostic::new(wrong_value(schema, place, error), at(Part::Value))],
    }
}

/// Items that stand in the list before.
fn duplicates(items: &[Node]) -> Vec<Diagnostic> {
    let mut first: BTreeMap<String, &Node> = BTreeMap::new();
    let mut found = Vec::new();
    for item in items {
        let value = item.to_value(&mut Vec::new());
        match first.entry(value.to_string()) {
            Entry::Vacant(free) => drop(free.insert(item)),
            Entry::Occupied(first) => found.push(
                Diagnostic::new(Kind::Duplicate { value }, item.span.clone())
                    .related(first.get().span.clone(), "first named here"),
            ),
        }
    }
    found
}

/// A field that nothing knows, or in a map, a key that is no name.
fn unexpected_field(schema: &Schema, place: &str, written: &Value, name: &str) -> Kind {
    if schema.is_map(place) {
        let expected = format!("a name here: {}", CredentialName::EXPECTED);
        return Kind::WrongValue { value: name.into(), expected, instead: None };
    }
    let known: Vec<String> = schema.fields(place).into_iter().filter(|name| name != "$schema").collect();
    let mut kind = unknown_field(schema, place, name, known);
    if let Kind::UnknownField { suggestion, elsewhere, meant, .. } = &mut kind {
        *meant = match &suggestion {
            Some(near) => schema.at(&format!("{place}/{}", escape(near))).and_then(|field| {
                let value = written.get(name)?;
                instead::convert(schema, field, value).filter(|meant| meant != value)
            }),
            // What a whole policy was meant to be, nobody can tell.
            None if place.is_empty() => None,
            None => schema.at(place).and_then(|part| instead::convert(schema, part, written)),
        };
        if meant.is_some() {
            elsewhere.clear();
        }
    }
    kind
}

/// A field that nothing knows, where these are known: a typing error, or a field of another place.
pub fn unknown_field(schema: &Schema, place: &str, name: &str, known: Vec<String>) -> Kind {
    let own = place.is_empty().then_some("$schema").filter(|_| name.starts_with('$'));
    let mut suggestion = nearest(name, known.iter().map(String::as_str).chain(own));
    let typed = suggestion.as_deref().is_some_and(|near| strsim::damerau_levenshtein(name, near) == 1);
    let mut elsewhere = if typed { Vec::new() } else { schema.places_of(name) };
    // A module has fewer fields than a policy.
    elsewhere.retain(|field| !place.is_empty() || field != name);
    if !elsewhere.is_empty() {
        suggestion = None;
    }
    Kind::UnknownField { name: name.to_owned(), suggestion, elsewhere, known, meant: None }
}

fn wrong_value(schema: &Schema, place: &str, error: &ValidationError<'_>) -> Kind {
    let written = error.instance().as_ref();
    let instead = || instead::of(schema, place, written);
    let (expected, instead) = match error.kind() {
        // A policy for a later release: with the number changed it would be another policy.
        ValidationErrorKind::Enum { .. } | ValidationErrorKind::Constant { .. }
            if place == "/version" && written.is_u64() =>
        {
            ("version 1, the only one that this release of sandboxed reads".to_owned(), None)
        }
        ValidationErrorKind::MaxLength { limit } => (format!("at most {limit} characters"), None),
        // What somebody says in his own words is not guessed.
        ValidationErrorKind::Pattern { pattern } if pattern == Description::PATTERN => {
            (Description::EXPECTED.to_owned(), None)
        }
        ValidationErrorKind::Pattern { pattern } => (expected_by(schema, place, pattern), instead()),
        ValidationErrorKind::OneOfNotValid { .. }
        | ValidationErrorKind::Enum { .. }
        | ValidationErrorKind::Constant { .. } => one_of(schema, place, written, instead()),
        ValidationErrorKind::Minimum { .. } | ValidationErrorKind::Maximum { .. } => {
            let limits = schema.meant_at(place);
            let limit = |name| limits.and_then(|s| s.get(name)).map(ToString::to_string).unwrap_or_default();
            (format!("from {} to {}", limit("minimum"), limit("maximum")), None)
        }
        ValidationErrorKind::MinItems { limit } => (format!("a list of at least {limit}"), None),
        _ => (format!("valid here ({error})"), None),
    };
    Kind::WrongValue { value: written.clone(), expected, instead }
}

/// What is expected where a value has to be one of several words, and what could stand there.
fn one_of(
    schema: &Schema,
    place: &str,
    written: &Value,
    meant: Option<Instead>,
) -> (String, Option<Instead>) {
    let choices = schema.choices(place);
    let words: Vec<&str> = choices.iter().map(|(word, _)| word.as_str()).collect();
    let expected = if words.len() > 12 { "known here".to_owned() } else { crate::diagnostic::list(&words) };
    let value = written.as_str().map_or_else(|| written.to_string(), str::to_owned);
    let near = || nearest_word(&value, &words).map(|word| Instead::Meant(word.into()));
    let explained = || {
        let explained = choices.iter().map(|(word, meaning)| Some((word.clone(), (*meaning)?.to_owned())));
        explained.collect::<Option<Vec<_>>>().filter(|all| all.len() <= 12).map(Instead::OneOf)
    };
    (expected, meant.or_else(near).or_else(explained))
}

/// The word that was meant by one like it, or by its beginning. What words begin with in common (`CAP_`) makes none of them near.
fn nearest_word(value: &str, words: &[&str]) -> Option<String> {
    let first = words.first()?;
    let common = first.char_indices().filter(|(_, c)| *c == '_').map(|(at, _)| first.split_at(at + 1).0);
    let common =
        common.rev().find(|start| words.iter().all(|word| word.starts_with(start))).unwrap_or_default();
    let lowercase = value.to_lowercase();
    let rest = lowercase.strip_prefix(&common.to_lowercase()).unwrap_or(&lowercase);
    let own = |word: &&str| word.strip_prefix(common).unwrap_or(word).to_lowercase();
    let begun: Vec<&str> =
        words.iter().filter(|word| rest.len() > 2 && own(word).starts_with(rest)).copied().collect();
    match begun.as_slice() {
        [] => {
            let rests: Vec<String> = words.iter().map(own).collect();
            let near = nearest(rest, rests.iter().map(String::as_str))?;
            words.iter().find(|word| own(word) == near).map(|word| (*word).to_owned())
        }
        [one] => Some((*one).to_owned()),
        // `SYS` is the beginning of many, of which some open all.
        several => several.iter().find(|word| own(word) == rest).map(|word| (*word).to_owned()),
    }
}

/// What the type with this pattern expects; where no type has it, what the place has as examples.
fn expected_by(schema: &Schema, place: &str, pattern: &str) -> String {
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
        InterfaceName,
        Prefix,
        PortRange,
        Memory,
        Size,
        SystemCall,
        CredentialName,
        Reason,
        Description
    );
    let examples = schema.meant_at(place).and_then(|here| here.get("examples")).and_then(Value::as_array);
    let examples: Vec<&str> = examples.into_iter().flatten().filter_map(Value::as_str).collect();
    if examples.is_empty() {
        return format!("a string that matches {pattern}");
    }
    format!("a value such as {}", crate::diagnostic::list(&examples))
}

impl NodeKind {
    fn type_of(&self) -> Type {
        match self {
            Self::Null => Type::Null,
            Self::Bool(_) => Type::Boolean,
            Self::Number(_) => Type::Number,
            Self::String(_) => Type::String,
            Self::Array(_) => Type::List,
            Self::Object(_) => Type::Object,
            Self::Computed => Type::Computed,
        }
    }
}

fn type_of(kind: JsonType) -> Type {
    match kind {
        JsonType::Null => Type::Null,
        JsonType::Boolean => Type::Boolean,
        JsonType::Integer => Type::Integer,
        JsonType::Number => Type::Number,
        JsonType::String => Type::String,
        JsonType::Array => Type::List,
        JsonType::Object => Type::Object,
    }
}

#[cfg(test)]
mod tests;
