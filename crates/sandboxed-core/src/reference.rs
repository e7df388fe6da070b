//! The references of all options of a policy and of all keys of a target, as Markdown, from the schemas: docs/options.md and
//! docs/targets.md; and what the presets say: docs/presets.md.

use std::fmt::Write;

use serde_json::Value;

use crate::instead;
use crate::language::Language;
use crate::preset::{PRESETS, Preset};
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

/// What comes before the presets.
const PRESETS_HEAD: &str = "# Presets

Shipped policies for known services, printed by `sandboxed presets NAME` and named by `--preset NAME` or by `\"preset\": \"NAME\"` in a
policy, which then says only what is different. Made from `presets/` by `sandboxed presets --markdown`.

A preset holds for Debian and for NixOS alike: it names the units as both call them, and a path with a `-` in front is one that a machine
may lack, since only one of the two has it there. What it does not say has the default of [options.md](options.md).
";

/// What the presets say.
pub fn presets() -> String {
    PRESETS.iter().fold(PRESETS_HEAD.to_owned(), |text, one| text + &preset(one))
}

/// What a preset says: each option with its value, and what is waived with the reason; and the preset itself.
fn preset(preset: &Preset) -> String {
    let value = preset.value();
    let description = value.get("description").and_then(Value::as_str).unwrap_or_default();
    let mut text = format!("\n## {}\n\n{description}.\n", preset.name);
    let mut said = Vec::new();
    options_of(value, "", &mut said);
    let (waived, said): (Vec<_>, Vec<_>) =
        said.into_iter().partition(|(name, _)| name.starts_with("accept."));
    text.push_str("\n| option | on Debian and NixOS |\n|---|---|\n");
    for (name, value) in said {
        let title = schema::policy().at(&format!("/{}", name.replace('.', "/")));
        let title = title.and_then(|part| part.get("title")).and_then(Value::as_str).unwrap_or(&name);
        let value = Language::Json.value(value).replace('|', "\\|");
        // Writing to a string does not fail.
        let _ = writeln!(text, "| {title}, {} | `{value}` |", link(&name));
    }
    text.push_str("\n| waived guarantee | why |\n|---|---|\n");
    for (name, reason) in waived {
        let reason = reason.as_str().unwrap_or_default().replace('|', "\\|");
        let _ = writeln!(text, "| {} | {reason} |", link(&name));
    }
    let _ = write!(text, "\nWhole, with the reasons for the rest:\n\n");
    for line in preset.text.lines() {
        let _ = writeln!(text, "    {line}");
    }
    text
}

/// What an object says, option by option, but for what only names it.
fn options_of<'a>(object: &'a Value, prefix: &str, said: &mut Vec<(String, &'a Value)>) {
    for (name, value) in object.as_object().into_iter().flatten() {
        if ["$schema", "version", "name", "description"].contains(&name.as_str()) {
            continue;
        }
        match value {
            Value::Object(_) => options_of(value, &format!("{prefix}{name}."), said),
            _ => said.push((format!("{prefix}{name}"), value)),
        }
    }
}

/// An option as a link to its place in options.md.
fn link(name: &str) -> String {
    format!("[`{name}`](options.md#{})", name.replace('.', "").to_lowercase())
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
        let example = of("examples").and_then(|all| all.get(0)).cloned();
        // A list of what its items carry examples of, or of a word.
        let example = example.or_else(|| nested.and_then(|_| instead::example(schema, declared)));
        for (label, value) in [("Default", of("default").cloned()), ("Example", example)] {
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
    if meant.get("type").and_then(Value::as_str) == Some("integer")
        && let Some(values) = meant.get("enum").and_then(Value::as_array)
    {
        let values: Vec<String> = values.iter().map(|value| format!("`{value}`")).collect();
        return format!("the number {}", values.join(" or "));
    }
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
        for (name, what, text) in [
            ("options", "schema policy", options()),
            ("targets", "schema target", targets()),
            ("presets", "presets", presets()),
        ] {
            let path = format!("{}/../../docs/{name}.md", env!("CARGO_MANIFEST_DIR"));
            let checked_in = std::fs::read_to_string(path).unwrap_or_default();
            let command = format!("sandboxed {what} --markdown > docs/{name}.md");
            assert!(checked_in == text, "docs/{name}.md is stale: `{command}`");
        }
    }

    #[test]
    fn a_list_has_an_example_and_a_version_its_number() {
        let text = options();
        assert!(text.contains("*Type:* the number `1`"));
        for list in text.split("\n## ").filter(|option| option.contains("*Type:* list")) {
            assert!(list.contains("*Example:* `["), "{list}");
        }
        assert!(text.contains("*Example:* `[{\"port\":8008}]`"));
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
