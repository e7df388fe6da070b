//! The JSON Schema of policies (draft 2020-12), generated from the types, and the validation of instances by it.

use std::sync::OnceLock;

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{Schema, SchemaGenerator};
use serde_json::Value;

use crate::policy::Policy;

/// Where the schema is published; policies may name it in `$schema`.
pub const ID: &str = "https://sandboxed.example/schema/sandboxed.schema.json";

/// The schema of policies.
pub fn schema() -> &'static Value {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    SCHEMA.get_or_init(|| {
        let settings = SchemaSettings::draft2020_12().with_transform(Tidy);
        let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<Policy>();
        schema.insert("$id".to_owned(), ID.into());
        schema.to_value()
    })
}

/// The schema's text as it is checked in.
pub fn text() -> String {
    format!("{:#}\n", schema())
}

/// The validator of the schema, compiled once.
///
/// # Errors
/// If the schema itself is no valid schema, which a test rules out.
pub fn validator() -> Result<&'static Validator, &'static str> {
    static VALIDATOR: OnceLock<Option<Validator>> = OnceLock::new();
    VALIDATOR
        .get_or_init(|| {
            // The engine that needs time proportional to the text, whatever the text: policies come from anywhere.
            let patterns = jsonschema::PatternOptions::regex();
            jsonschema::draft202012::options().with_pattern_options(patterns).build(schema()).ok()
        })
        .as_ref()
        .ok_or("the schema of policies is not a valid schema")
}

/// Unwraps the lines of doc comments (a line break in a description means a paragraph, not the width of a source file)
/// and says each thing once.
#[derive(Clone, Debug)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::String(text)) = schema.get_mut("description") {
            let unwrapped: Vec<String> =
                text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect();
            *text = unwrapped.join("\n\n");
        }
        // An object's default follows from its fields' own; said twice it would only grow the schema.
        if schema.get("default").is_some_and(Value::is_object) {
            schema.remove("default");
        }
        transform_subschemas(self, schema);
    }
}

/// The part of the schema that describes the place `pointer` (a JSON pointer), with `$ref`s followed.
pub fn at(pointer: &str) -> Option<&'static Value> {
    pointer.split('/').skip(1).try_fold(schema(), |here, part| {
        let here = follow(here);
        if let Some(property) = here.get("properties").and_then(|p| p.get(part)) {
            return Some(property);
        }
        let item = here.get("items").filter(|_| part.parse::<usize>().is_ok());
        // Maps say what their values are in `patternProperties`, one pattern each.
        let entry =
            || here.get("patternProperties").and_then(Value::as_object).and_then(|p| p.values().next());
        item.or_else(entry)
    })
}

/// The schema behind a `$ref`, or the schema itself.
pub fn follow(schema_here: &'static Value) -> &'static Value {
    schema_here
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| schema().pointer(pointer))
        .unwrap_or(schema_here)
}

/// The fields that an object at `pointer` may have.
pub fn fields(pointer: &str) -> Vec<String> {
    at(pointer)
        .map(follow)
        .and_then(|here| here.get("properties"))
        .and_then(Value::as_object)
        .map(|properties| properties.keys().cloned().collect())
        .unwrap_or_default()
}

/// Whether the object at `pointer` is a map, whose keys are the author's.
pub fn is_map(pointer: &str) -> bool {
    at(pointer).map(follow).is_some_and(|here| here.get("patternProperties").is_some())
}

/// The values that are allowed at `pointer`, where they are few enough to be listed.
pub fn choices(pointer: &str) -> Vec<String> {
    let Some(here) = at(pointer).map(follow) else { return Vec::new() };
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let listed = here.get("enum").and_then(Value::as_array).into_iter().flatten().map(text);
    // Enums whose values are documented one by one are a `oneOf` of constants.
    let documented = here
        .get("oneOf")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(|one| one.get("const"))
        .map(text);
    listed.chain(documented).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walk(value: &Value, at: &str) {
        if let Value::Object(object) = value {
            if object.get("type") == Some(&Value::from("object")) {
                assert!(object.contains_key("additionalProperties"), "{at} is open");
            }
            if let Some(Value::Object(properties)) = object.get("properties") {
                for (name, property) in properties {
                    let described = property.get("description").is_some() || property.get("$ref").is_some();
                    assert!(described, "{at}/{name} has no description");
                }
            }
            for (key, inner) in object {
                walk(inner, &format!("{at}/{key}"));
            }
        }
    }

    #[test]
    fn schema_is_valid_and_closed() {
        assert!(jsonschema::meta::is_valid(schema()));
        validator().unwrap();
        walk(schema(), "");
    }

    #[test]
    fn checked_in_schema_is_fresh() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../schema/sandboxed.schema.json");
        let checked_in = std::fs::read_to_string(path).unwrap_or_default();
        assert!(checked_in == text(), "schema/sandboxed.schema.json is stale: run `cargo xtask schema`");
    }

    #[test]
    fn places_resolve_through_references() {
        assert_eq!(at("/network/listen/0/port").unwrap().get("maximum"), Some(&Value::from(65535)));
        assert_eq!(at("/network/nothing"), None);
    }
}
