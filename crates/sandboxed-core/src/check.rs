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
mod tests {
    use super::*;
    use crate::language::Language;
    use expect_test::{Expect, expect};

    fn check(text: &str, expected: &Expect) {
        expected.assert_eq(&shown(text));
    }

    fn shown(text: &str) -> String {
        let document = crate::json::parse(text).unwrap();
        let shown: Vec<String> = by_schema(&document)
            .iter()
            .map(|d| {
                let help = d.kind.help(Language::Json).unwrap_or_default();
                let message = d.kind.message(Language::Json);
                format!("{:?} {}: {message} [{help}]\n", &text[d.span.clone()], d.kind.code())
            })
            .collect();
        shown.concat()
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
                "7" wrong-value: `7` is not `tcp` or `udp` [`tcp`: TCP, tcp(7).
                `udp`: UDP, udp(7).]
                "\"/var\"" wrong-type: expected a list, found a string [did you mean `["/var"]`?]
                "\"/a/../b\"" wrong-value: `/a/../b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"no-write-execut\"" unknown-field: unknown field `no-write-execut` [did you mean `no-write-execute`?]
                "\" \"" wrong-value: ` ` is not a reason in one line [for example: `"why the service cannot do with it"`]
            "#]],
        );
    }

    #[test]
    fn a_policy_for_a_later_release_is_not_taken_for_this_one() {
        check(
            r#"{"version": 2, "units": ["a.service"]}"#,
            &expect![[r#"
                "2" wrong-value: `2` is not version 1, the only one that this release of sandboxed reads []
            "#]],
        );
    }

    /// The errors of a policy with this in it.
    fn within(fields: &[&str], expected: &Expect) {
        let texts = fields.iter().map(|fields| format!("{{\"version\": 1, {fields}}}"));
        let shown: Vec<String> = texts.map(|text| shown(&text)).collect();
        expected.assert_eq(&shown.concat());
    }

    #[test]
    fn what_was_meant_is_offered_in_the_right_form() {
        within(
            &[
                r#""unit": "x.service""#,
                r#""units": "x.service""#,
                r#""units": ["x"]"#,
                r#""sockets": "a.socket, b.socket""#,
                r#""network": "none""#,
                r#""network": {"listen": 80}"#,
                r#""network": {"listen": ["tcp 80", "443/udp", "anywhere 8008", {"port": "80"}, {"prt": "80"}]}"#,
                r#""network": {"listen": ["port: 80 from: anywhere", {"udp": 53}]}"#,
                r#""network": {"egressRules": ["deny 10.0.0.0/8", {"deny": ["10.0.0.0/8"]}, "allow tcp 443"]}"#,
                r#""network": {"allow": ["127.0.0.1:5432", "tcp localhost:1", "tcp:127.0.0.1:1", "udp://[::1]:53"]}"#,
                r#""network": {"mode": ["none"], "egress": "NONE"}"#,
                r#""filesystem": {"state": "/var/lib/x", "readable": ["srv//x/", "/etc/./x"], "etc": ["/etc/ssl"]}"#,
                r#""resources": {"memory": "2 GiB", "tasks": "64", "coreDumps": "no", "disk": 1024}"#,
                r#""secrets": {"credentials": "token:/etc/x/token"}"#,
                r#""privileges": {"capabilities": "cap_net_raw"}"#,
            ],
            &expect![[r#"
                "\"unit\"" unknown-field: unknown field `unit` [did you mean `"units": ["x.service"]`?]
                "\"x.service\"" wrong-type: expected a list, found a string [did you mean `["x.service"]`?]
                "\"x\"" wrong-value: `x` is not the name of a service unit, ending in `.service` [did you mean `x.service`?]
                "\"a.socket, b.socket\"" wrong-type: expected a list, found a string [did you mean `["a.socket", "b.socket"]`?]
                "\"none\"" wrong-type: expected an object, found a string [did you mean `{ "mode": "none" }`?]
                "80" wrong-type: expected a list, found a number [did you mean `[{ "port": 80 }]`?]
                "\"tcp 80\"" wrong-type: expected an object, found a string [did you mean `{ "port": 80, "protocol": "tcp" }`?]
                "\"443/udp\"" wrong-type: expected an object, found a string [did you mean `{ "port": 443, "protocol": "udp" }`?]
                "\"anywhere 8008\"" wrong-type: expected an object, found a string [did you mean `{ "port": 8008, "from": "anywhere" }`?]
                "\"80\"" wrong-type: expected a whole number, found a string [did you mean `80`?]
                "{" missing-field: the field `port` is missing [write `"port": 8008,` after this `{`]
                "\"prt\"" unknown-field: unknown field `prt` [did you mean `"port": 80`?]
                "\"port: 80 from: anywhere\"" wrong-type: expected an object, found a string [did you mean `{ "port": 80, "from": "anywhere" }`?]
                "{" missing-field: the field `port` is missing [write `"port": 8008,` after this `{`]
                "\"udp\"" unknown-field: unknown field `udp` [did you mean `{ "port": 53, "protocol": "udp" }`?]
                "\"deny 10.0.0.0/8\"" wrong-type: expected an object, found a string [did you mean `{ "action": "deny", "to": ["10.0.0.0/8"] }`?]
                "\"deny\"" unknown-field: unknown field `deny` [did you mean `{ "action": "deny", "to": ["10.0.0.0/8"] }`?]
                "\"allow tcp 443\"" wrong-type: expected an object, found a string [did you mean `{ "action": "allow", "protocol": "tcp", "ports": ["443"] }`?]
                "\"127.0.0.1:5432\"" wrong-value: `127.0.0.1:5432` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `tcp 127.0.0.1:5432`?]
                "\"tcp localhost:1\"" wrong-value: `tcp localhost:1` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `tcp 127.0.0.1:1`?]
                "\"tcp:127.0.0.1:1\"" wrong-value: `tcp:127.0.0.1:1` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `tcp 127.0.0.1:1`?]
                "\"udp://[::1]:53\"" wrong-value: `udp://[::1]:53` is not a protocol, an address and a port: `tcp 127.0.0.1:5432`, `udp [::1]:53` [did you mean `udp [::1]:53`?]
                "[\"none\"]" wrong-value: `["none"]` is not `filtered`, `private`, `joined` or `none` [did you mean `none`?]
                "\"NONE\"" wrong-value: `NONE` is not `any`, `internet` or `none` [did you mean `none`?]
                "\"/var/lib/x\"" wrong-type: expected a list, found a string [did you mean `["/var/lib/x"]`?]
                "\"srv//x/\"" wrong-value: `srv//x/` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [did you mean `/srv/x`?]
                "\"/etc/./x\"" wrong-value: `/etc/./x` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [did you mean `/etc/x`?]
                "\"/etc/ssl\"" wrong-value: `/etc/ssl` is not a path below /etc, without `/etc/` in front [did you mean `ssl`?]
                "\"2 GiB\"" wrong-value: `2 GiB` is not bytes with K, M, G or T (`2G`), a percentage of the machine's memory (`50%`), or `infinity` [did you mean `2G`?]
                "\"64\"" wrong-type: expected a whole number, found a string [did you mean `64`?]
                "\"no\"" wrong-type: expected a boolean (true or false), found a string [did you mean `false`?]
                "1024" wrong-type: expected a string, found a number [did you mean `"1024"`?]
                "\"token:/etc/x/token\"" wrong-type: expected an object, found a string [did you mean `{ "token": "/etc/x/token" }`?]
                "\"cap_net_raw\"" wrong-type: expected a list, found a string [did you mean `["CAP_NET_RAW"]`?]
            "#]],
        );
    }

    /// Who follows what is offered must not get a sandbox that is more open than what was written.
    #[test]
    fn what_could_be_anything_is_taken_for_nothing() {
        within(
            &[
                r#""$shema": "x", "x": 1"#,
                r#""network": true, "ipc": true, "privileges": "yes", "processes": 1"#,
                r#""network": "eth0", "filesystem": "/var/lib/x", "syscalls": "mlock", "resources": "2G""#,
                r#""network": {"x": true}, "filesystem": {"etc": ["../shadow", "/etc/"], "readable": ["./", "~/x", "-/a//b", "x"]}"#,
                r#""name": "a\tb", "description": 1"#,
                r#""privileges": {"capabilities": ["CAP_NET_BIND", "NET_RAW", "sys_admin", "CAP_SYS", "CAP_NET_XYZ", "CAP_KILLL"]}"#,
                r#""units": ["a.service", "b.service", "a.service"], "sockets": ["a.socket", "a.socket"]"#,
                r#""memory": "2G", "interfaces": ["a"], "network": {"units": [], "state": []}"#,
            ],
            &expect![[r#"
                "\"$shema\"" unknown-field: unknown field `$shema` [did you mean `$schema`?]
                "\"x\"" unknown-field: unknown field `x` [known here: `version`, `preset`, `name`, `description`, `units`, `sockets`, `filesystem`, `network`, `processes`, `ipc`, `privileges`, `syscalls`, `resources`, `secrets`, `verify` or `accept`]
                "true" wrong-type: expected an object, found a boolean (true or false) [for example: `{ "mode": "filtered" }`]
                "true" wrong-type: expected an object, found a boolean (true or false) [for example: `{ "sockets": ["/run/postgresql/.s.PGSQL.5432"] }`]
                "\"yes\"" wrong-type: expected an object, found a string [for example: `{ "capabilities": ["CAP_NET_BIND_SERVICE"] }`]
                "1" wrong-type: expected an object, found a number [for example: `{ "namespace": false }`]
                "\"eth0\"" wrong-type: expected an object, found a string [for example: `{ "mode": "filtered" }`]
                "\"/var/lib/x\"" wrong-type: expected an object, found a string [for example: `{ "root": "own" }`]
                "\"mlock\"" wrong-type: expected an object, found a string [for example: `{ "allow": ["@system-service"] }`]
                "\"2G\"" wrong-type: expected an object, found a string [for example: `{ "memory": "2G" }`]
                "\"x\"" unknown-field: unknown field `x` [known here: `mode`, `listen`, `otherUdpPorts`, `openSockets`, `allow`, `hostAddresses`, `uplinks`, `interfaces`, `egress`, `egressRules`, `dns`, `limits`, `resolver`, `nameServers`, `prefixes`, `namespace`, `namespaceUnit`, `addressFamilies` or `protocols`]
                "\"../shadow\"" wrong-value: `../shadow` is not a path below /etc, without `/etc/` in front [for example: `"ssl/certs"`]
                "\"/etc/\"" wrong-value: `/etc/` is not a path below /etc, without `/etc/` in front [for example: `"ssl/certs"`]
                "\"./\"" wrong-value: `./` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"~/x\"" wrong-value: `~/x` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"-/a//b\"" wrong-value: `-/a//b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [did you mean `-/a/b`?]
                "\"x\"" wrong-value: `x` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "\"a\\tb\"" wrong-value: `a\tb` is not letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit [did you mean `a-b`?]
                "1" wrong-type: expected a string, found a number [did you mean `"1"`?]
                "\"CAP_NET_BIND\"" wrong-value: `CAP_NET_BIND` is not known here [did you mean `CAP_NET_BIND_SERVICE`?]
                "\"NET_RAW\"" wrong-value: `NET_RAW` is not known here [did you mean `CAP_NET_RAW`?]
                "\"sys_admin\"" wrong-value: `sys_admin` is not known here [did you mean `CAP_SYS_ADMIN`?]
                "\"CAP_SYS\"" wrong-value: `CAP_SYS` is not known here []
                "\"CAP_NET_XYZ\"" wrong-value: `CAP_NET_XYZ` is not known here []
                "\"CAP_KILLL\"" wrong-value: `CAP_KILLL` is not known here [did you mean `CAP_KILL`?]
                "\"a.service\"" duplicate: `a.service` is named twice [keep one of them]
                "\"a.socket\"" duplicate: `a.socket` is named twice [keep one of them]
                "\"memory\"" unknown-field: unknown field `memory` [it belongs elsewhere: `resources.memory`]
                "\"interfaces\"" unknown-field: unknown field `interfaces` [it belongs elsewhere: `network.interfaces`, `network.listen[].interfaces` or `network.egressRules[].interfaces`]
                "\"units\"" unknown-field: unknown field `units` [it belongs at the top of the policy: `units`]
                "\"state\"" unknown-field: unknown field `state` [it belongs elsewhere: `filesystem.state`]
            "#]],
        );
    }

    #[test]
    fn where_it_cannot_be_told_an_example_shows_the_form() {
        within(
            &[
                r#""accept": ["no-such"]"#,
                r#""accept": ["no-realtime", "no-write-execut"]"#,
                r#""accept": "no-realtime""#,
                r#""accept": {"no-such": "x", "no-realtime": true}"#,
                r#""network": {"listen": [{}, "http", true], "mode": "host", "egress": ["lan"]}"#,
                r#""network": {"listen": [{"port": 80, "from": "lan"}], "limits": 5}"#,
                r#""verify": "monthly", "preset": "synaps", "name": "-""#,
                r#""network": null, "filesystem": {"state": {}, "readable": ["/a/../b", 3]}"#,
                r#""secrets": {"credentials": ["a"]}"#,
                r#""privileges": {"capabilities": ["CAP_EVERYTHING"]}"#,
            ],
            &expect![[r#"
                "[\"no-such\"]" wrong-type: expected an object, found a list [for example: `{ "no-write-execute": "pyOpenSSL's callbacks need memory that is writable and executable" }`]
                "[\"no-realtime\", \"no-write-execut\"]" wrong-type: expected an object, found a list [for example: `{ "no-realtime": "why the service cannot do with it", "no-write-execute": "why the service cannot do with it" }`]
                "\"no-realtime\"" wrong-type: expected an object, found a string [for example: `{ "no-realtime": "why the service cannot do with it" }`]
                "\"no-such\"" unknown-field: unknown field `no-such` [known here are `mounts-enforced`, `host-files-unwritable`, `host-files-unreadable` and 50 others: `sandboxed schema --markdown` has all]
                "true" wrong-type: expected a string, found a boolean (true or false) [for example: `"why the service cannot do with it"`]
                "{" missing-field: the field `port` is missing [write `"port": 8008,` after this `{`]
                "\"http\"" wrong-type: expected an object, found a string [for example: `{ "port": 8008 }`]
                "true" wrong-type: expected an object, found a boolean (true or false) [for example: `{ "port": 8008 }`]
                "\"host\"" wrong-value: `host` is not `filtered`, `private`, `joined` or `none` [`filtered`: It uses the machine's network, and a filter closes whatever a separate machine could not reach.
                `private`: It has a network of its own, with a virtual cable to the machine. Other machines are reached with the machine's address, and the machine itself is not. Connections are tracked for it, and the machine passes its packets on.
                `joined`: It is in a network that something else has made, such as a VPN, and is as open as that is.
                `none`: It has no network. Sockets reach it by activation only.]
                "[\"lan\"]" wrong-value: `["lan"]` is not `any`, `internet` or `none` [`any`: To every other machine.
                `internet`: To the internet: to no address that is private (RFC 1918, RFC 4193), of a carrier (RFC 6598), link-local, a group's, or of a cloud's metadata service.
                `none`: To no other machine, but in answer to those who called it.]
                "\"lan\"" wrong-value: `lan` is not `localhost`, `anywhere` or `named` [`localhost`: Processes of this machine only, such as a reverse proxy.
                `anywhere`: Everybody whom the machine's own firewall lets through.
                `named`: Other machines that come by one of `interfaces` and from one of `networks`, and that the machine's own firewall lets through.]
                "5" wrong-type: expected an object, found a number [for example: `{ "connectionsPerSecond": 50 }`]
                "\"monthly\"" wrong-value: `monthly` is not `hourly`, `daily` or `weekly` [`hourly`: Every hour.
                `daily`: Every day.
                `weekly`: Every week.]
                "\"-\"" wrong-value: `-` is not letters, digits, `_`, `.` and `-`, at most 64, the first a letter or digit [for example: `"synapse"`]
                "null" wrong-type: expected an object, found null [for example: `{ "mode": "filtered" }`]
                "{}" wrong-type: expected a list, found an object [for example: `["/var/lib/matrix-synapse"]`]
                "\"/a/../b\"" wrong-value: `/a/../b` is not an absolute, normalised path (no `.`, `..`, doubled or trailing slash), with a `-` in front if it may be absent [for example: `"/var/lib/matrix-synapse"`]
                "3" wrong-type: expected a string, found a number [for example: `"/var/lib/matrix-synapse"`]
                "[\"a\"]" wrong-type: expected an object, found a list [for example: `{ "registration.yaml": "/etc/matrix-synapse/registration.yaml" }`]
                "\"CAP_EVERYTHING\"" wrong-value: `CAP_EVERYTHING` is not known here []
            "#]],
        );
        check(
            "[1]",
            &expect![[r#"
            "[" wrong-type: expected an object, found a list [for example: `{ "version": 1, "units": ["example.service"] }`]
        "#]],
        );
        check(
            r#"{"version": "1"}"#,
            &expect![[r#"
            "\"1\"" wrong-type: expected a whole number, found a string [did you mean `1`?]
        "#]],
        );
        check(
            "{}",
            &expect![[r#"
            "{" missing-field: the field `version` is missing [write `"version": 1,` after this `{`]
        "#]],
        );
    }

    /// An example that is no example would be worse than none.
    #[test]
    fn every_place_has_an_example_that_is_right_there() {
        fn walk(schema: &Schema, part: &Value, place: &str, seen: &mut usize) {
            let meant = schema.follow(part);
            if place != "/$schema" {
                let example =
                    instead::example(schema, part).unwrap_or_else(|| panic!("{place} has no example"));
                assert!(schema.part_accepts(part, &example), "{place}: {example}");
                *seen += 1;
            }
            for (name, field) in meant.get("properties").and_then(Value::as_object).into_iter().flatten() {
                walk(schema, field, &format!("{place}/{name}"), seen);
            }
            if let Some(item) = meant.get("items") {
                walk(schema, item, &format!("{place}/0"), seen);
            }
        }
        let mut seen = 0;
        walk(schema::policy(), schema::policy().root(), "", &mut seen);
        assert!(seen > 100, "{seen}");
    }

    /// What is written for what nobody could mean must not take long: policies come from anywhere.
    #[test]
    fn many_mistakes_are_all_explained() {
        let items = vec![r#""tcp 80""#; 20_000].join(",");
        let text = format!(r#"{{"version": 1, "network": {{"listen": [{items}]}}}}"#);
        // In time that grows with their number: else this would not end.
        assert_eq!(by_schema(&crate::json::parse(&text).unwrap()).len(), 20_000);
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
