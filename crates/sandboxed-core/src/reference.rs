//! The reference of all options, as Markdown, from the schema: docs/options.md.

use std::fmt::Write;

use serde_json::Value;

use crate::schema;

/// What comes before the options.
const HEAD: &str = "# Options

Made from the schema by `sandboxed schema --markdown`. In JSON these are the fields of a policy; on NixOS the same names
are options below `services.sandboxed.<name>`. An option that is left out has the preset's value, and then the default here.
";

/// The reference of all options.
pub fn markdown() -> String {
    let mut text = HEAD.to_owned();
    fields(schema::policy().root(), "", &mut text);
    text
}

fn follow(declared: &'static Value) -> &'static Value {
    schema::policy().follow(declared)
}

/// The fields of an object, and below each of them its own.
fn fields(object: &'static Value, prefix: &str, text: &mut String) {
    for (name, declared) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
        if name != "$schema" {
            option(declared, &format!("{prefix}{name}"), text);
        }
    }
}

fn option(declared: &'static Value, name: &str, text: &mut String) {
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
        let _ = write!(text, "\n*Type:* {}", kind(meant));
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
        fields(nested, &format!("{name}.*."), text);
    }
    fields(meant, &format!("{name}."), text);
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
fn kind(meant: &'static Value) -> String {
    let number = |key: &str| meant.get(key).map(ToString::to_string);
    if meant.get("oneOf").is_some() || meant.get("enum").is_some() {
        return "one word".to_owned();
    }
    match meant.get("type").and_then(Value::as_str) {
        Some("array") => {
            let item = meant.get("items").map(follow);
            format!("list; each {}", item.map_or_else(|| "anything".to_owned(), kind))
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
    fn the_checked_in_reference_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/options.md");
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            checked_in == markdown(),
            "docs/options.md is stale: `sandboxed schema --markdown > docs/options.md`"
        );
    }

    #[test]
    fn every_option_is_in_it() {
        let text = markdown();
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
