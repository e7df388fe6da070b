//! A target as a file: validated by its schema, every mistake with its place.

use std::net::IpAddr;

use serde::Deserialize;
use serde_json::Value;

use super::{NEWEST, OLDEST, Target, TargetError};
use crate::check;
use crate::diagnostic::{Diagnostic, Kind};
use crate::document::{Node, Part};
use crate::schema;

/// The target that a document describes.
///
/// # Errors
/// With everything that is wrong, each with its place.
pub fn read(document: &Node) -> Result<Target, Vec<Diagnostic>> {
    let mut computed = Vec::new();
    let value = document.to_value(&mut computed);
    let mut found = check::found(schema::target(), document, &value, &computed);
    if found.is_empty() {
        found = unknown_addresses(document, &value);
    }
    if !found.is_empty() {
        return Err(found);
    }
    let at = |pointer, kind| vec![Diagnostic::new(kind, document.span_at(pointer, Part::Value))];
    // What the schema accepts serde does too (a property test), so its error has no place of its own.
    let target = Target::deserialize(&value)
        .map_err(|error| at("", Kind::Syntax { reason: error.to_string(), help: None }))?;
    target.supported().map_err(|error: TargetError| {
        let (field, help) = match error {
            TargetError::Legacy => ("/cgroups", "plans are made for `\"unified\"` alone".to_owned()),
            _ => ("/systemd", format!("systemd {OLDEST} to {NEWEST} are known")),
        };
        at(field, Kind::Conflict { reason: error.to_string(), help })
    })
}

/// Name servers whose addresses look like ones and are none.
fn unknown_addresses(document: &Node, value: &Value) -> Vec<Diagnostic> {
    let servers = value.get("nameServers").and_then(Value::as_array).into_iter().flatten().enumerate();
    let wrong = servers
        .filter(|(_, server)| server.as_str().is_none_or(|server| server.parse::<IpAddr>().is_err()))
        .map(|(index, server)| {
            let expected = "an IPv4 or IPv6 address".to_owned();
            let kind = Kind::WrongValue { value: server.clone(), expected, instead: None };
            Diagnostic::new(kind, document.span_at(&format!("/nameServers/{index}"), Part::Value))
        });
    wrong.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::language::Language;

    fn said(text: &str) -> Vec<String> {
        let found = crate::json::parse(text).and_then(|document| read(&document).map(drop));
        let found = found.err().unwrap_or_default();
        found
            .iter()
            .map(|one| format!("{:?} {}", &text[one.span.clone()], one.kind.message(Language::Json)))
            .collect()
    }

    #[test]
    fn every_mistake_has_its_place() {
        assert_eq!(said(r#"{ "systemd": "257.9", "kernel": "6.12.48+deb13-amd64" }"#), [""; 0]);
        for (text, expected) in [
            (r#"{ "systemd": "257" }"#, "the field `kernel` is missing"),
            (r#"{ "systemd": 257, "kernel": "6.12" }"#, "\"257\" expected a string, found a number"),
            (r#"{ "systemd": "257", "kernel": "six" }"#, "\"\\\"six\\\"\""),
            (r#"{ "systemd": "200", "kernel": "6.12" }"#, "\"\\\"200\\\"\" systemd 200 is older than 249"),
            (r#"{ "systemd": "263", "kernel": "6.12" }"#, "newer than 262"),
            (r#"{ "systemd": "257", "kernel": "6.12", "mergedUser": true }"#, "unknown field `mergedUser`"),
            (
                r#"{ "systemd": "257", "kernel": "6.12", "programs": { "sandboxd": "/usr/bin/sandboxed" } }"#,
                "\"\\\"sandboxd\\\"\" unknown field `sandboxd`",
            ),
            (r#"{ "systemd": "257", "kernel": "6.12", "netfilter": "nft" }"#, "\"\\\"nft\\\"\""),
            (
                r#"{ "systemd": "257", "kernel": "6.12", "controllers": ["memory", "ram"] }"#,
                "\"\\\"ram\\\"\"",
            ),
            (
                r#"{ "systemd": "257", "kernel": "6.12", "cgroups": "legacy" }"#,
                "\"\\\"legacy\\\"\" control groups are not unified",
            ),
            (
                r#"{ "systemd": "257", "kernel": "6.12", "nameServers": ["10.0.0.1", "10.0.0.300"] }"#,
                "\"\\\"10.0.0.300\\\"\"",
            ),
        ] {
            let said = said(text);
            assert!(matches!(said.as_slice(), [one] if one.contains(expected)), "{text}: {said:?}");
        }
    }

    proptest! {
        /// What is written into plan.json is read back as the same target, and versions are taken or have a place.
        #[test]
        fn a_target_is_read_as_it_is_written(systemd in "v?[0-9]{1,4}([.~+-].{0,8})?", kernel in "[0-9]{1,3}[.][0-9]{1,3}.{0,8}") {
            let value = serde_json::json!({ "systemd": systemd, "kernel": kernel });
            let document = crate::json::parse(&value.to_string()).unwrap();
            match read(&document) {
                Ok(target) => {
                    let written = serde_json::to_string(&target).unwrap();
                    prop_assert_eq!(read(&crate::json::parse(&written).unwrap()).unwrap(), target);
                }
                Err(found) => prop_assert!(
                    found.iter().all(|one| !matches!(one.kind, Kind::Syntax { .. })), "{:?}", found
                ),
            }
        }
    }
}
