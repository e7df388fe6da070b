//! The references of all options of a policy and of all keys of a target, as Markdown, from the schemas: docs/options.md and
//! docs/targets.md.

use std::fmt::Write;

use serde_json::Value;

use crate::schema::{self, Schema};

/// What comes before the options of a policy.
const OPTIONS: &str = "# Options

Made from the schema by `sandboxed schema --markdown`. In JSON these are the fields of a policy; on NixOS the same names
are options below `services.sandboxed.<name>`. An option that is left out has the preset's value, and then the default here.
";

/// What comes before the keys of a target.
const TARGETS: &str = include_str!("targets.md");

/// The reference of all options of a policy.
pub fn options() -> String {
    reference(OPTIONS, schema::policy())
}

/// The reference of all keys of a target.
pub fn targets() -> String {
    reference(TARGETS, schema::target())
}

fn reference(head: &str, schema: &'static Schema) -> String {
    let mut text = head.to_owned();
    fields(schema, schema.root(), "", &mut text);
    text
}

/// The fields of an object, and below each of them its own.
fn fields(schema: &'static Schema, object: &'static Value, prefix: &str, text: &mut String) {
    for (name, declared) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if name != "$schema" {
            option(schema, declared, &format!("{prefix}{name}"), text);
        }
    }
}

fn option(schema: &'static Schema, declared: &'static Value, name: &str, text: &mut String) {
    let follow = |declared| schema.follow(declared);
    let meant = follow(declared);
    let of = |key: &str| declared.get(key).or_else(|| meant.get(key));
    let description = of("description").and_then(Value::as_str).unwrap_or_default();
    // Writing to a string does not fail.
    let _ = write!(text, "\n## `{name}`\n\n{description}\n");
    let nested = meant.get("items").map(follow);
    for word in words(meant).into_iter().chain(nested.into_iter().flat_map(words)) {
        let _ = write!(text, "\n- {word}");
    }
    if !words(meant).is_empty() || nested.is_some_and(|nested| !words(nested).is_empty()) {
        text.push('\n');
    }
    if meant.get("properties").is_none() {
        let _ = write!(text, "\n*Type:* {}", kind(schema, meant));
        for (label, value) in
            [("Default", of("default")), ("Example", of("examples").and_then(|all| all.get(0)))]
        {
            if let Some(value) = value {
                let _ = write!(text, "  \n*{label}:* `{value}`");
            }
        }
        if let Some(guarantee) = of("x-guarantee").and_then(Value::as_str) {
            let _ = write!(text, "  \n*Guarantee:* `{guarantee}`");
        }
        text.push('\n');
    }
    if let Some(nested) = nested {
        fields(schema, nested, &format!("{name}.*."), text);
    }
    fields(schema, meant, &format!("{name}."), text);
}

/// The words that a value may be, each with what it means.
fn words(meant: &Value) -> Vec<String> {
    let documented = meant.get("oneOf").and_then(Value::as_array).into_iter().flatten().filter_map(|word| {
        let meaning = word.get("description").and_then(Value::as_str).unwrap_or_default();
        word.get("const").map(|word| format!("`{word}`: {meaning}"))
    });
    documented.collect()
}

/// What a value is, in a few words.
fn kind(schema: &'static Schema, meant: &'static Value) -> String {
    let number = |key: &str| meant.get(key).map(ToString::to_string);
    if meant.get("oneOf").is_some() || meant.get("enum").is_some() {
        return "one word".to_owned();
    }
    match meant.get("type").and_then(Value::as_str) {
        Some("array") => {
            let item = meant.get("items").map(|item| kind(schema, schema.follow(item)));
            format!("list; each {}", item.as_deref().unwrap_or("anything"))
        }
        Some("integer") => match (number("minimum"), number("maximum")) {
            (Some(least), Some(most)) => format!("integer between {least} and {most}"),
            (Some(least), None) => format!("integer, at least {least}"),
            _ => "integer".to_owned(),
        },
        Some("object") => "names, each with a value".to_owned(),
        Some(other) => other.to_owned(),
        None => "anything".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checked_in_references_are_fresh() {
        for (name, what, text) in [("options", "policy", options()), ("targets", "target", targets())] {
            let path = format!("{}/../../docs/{name}.md", env!("CARGO_MANIFEST_DIR"));
            let checked_in = std::fs::read_to_string(path).unwrap_or_default();
            let command = format!("sandboxed schema {what} --markdown > docs/{name}.md");
            assert!(checked_in == text, "docs/{name}.md is stale: `{command}`");
        }
    }

    #[test]
    fn every_option_is_in_it() {
        let text = options();
        for name in [
            "`filesystem.state`",
            "`network.listen.*.port`",
            "`accept.no-write-execute`",
            "`resources.memory`",
        ] {
            assert!(text.contains(name), "{name}");
        }
    }
}
