//! The JSON Schemas of policies and of targets (draft 2020-12), generated from the types, and the validation of instances by it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use jsonschema::Validator;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::Value;

use crate::document::segments;
use crate::policy::Policy;
use crate::target::Target;

/// What the schema calls itself. It is a name and no address: the schema is where `sandboxed schema` puts it, and a policy's
/// `$schema` names that file.
pub const ID: &str = "urn:sandboxed:policy:1";

/// What the schema of targets calls itself.
pub const TARGET_ID: &str = "urn:sandboxed:target:1";

/// A schema, and the questions that are asked of it.
#[derive(Debug)]
pub struct Schema {
    root: Value,
    validator: OnceLock<Option<Validator>>,
    /// Validators of parts of it, by where the part is in memory.
    parts: Mutex<BTreeMap<usize, Option<Arc<Validator>>>>,
}

/// The schema of policies.
pub fn policy() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::of::<Policy>(ID))
}

/// The schema of targets.
pub fn target() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::of::<Target>(TARGET_ID))
}

/// The engine that needs time proportional to the text, whatever the text: policies come from anywhere.
fn compile(schema: &Value) -> Option<Validator> {
    let patterns = jsonschema::PatternOptions::regex();
    jsonschema::draft202012::options().with_pattern_options(patterns).build(schema).ok()
}

impl Schema {
    fn of<T: JsonSchema>(id: &str) -> Self {
        let settings = SchemaSettings::draft2020_12().with_transform(Tidy);
        let mut schema = SchemaGenerator::new(settings).into_root_schema_for::<T>();
        schema.insert("$id".to_owned(), id.into());
        let root = schema.to_value();
        Self { root, validator: OnceLock::new(), parts: Mutex::default() }
    }

    /// The schema itself.
    pub fn root(&self) -> &Value {
        &self.root
    }

    /// The schema's text as it is checked in.
    pub fn text(&self) -> String {
        format!("{:#}\n", self.root)
    }

    /// The validator of the schema, compiled once.
    ///
    /// # Errors
    /// If the schema itself is no valid schema, which a test rules out.
    pub fn validator(&self) -> Result<&Validator, &'static str> {
        let validator = self.validator.get_or_init(|| compile(&self.root)).as_ref();
        validator.ok_or("the schema is not a valid schema")
    }

    /// Whether a part of this schema accepts a value. The validator of the part is kept.
    pub(crate) fn part_accepts(&self, part: &Value, value: &Value) -> bool {
        let key = std::ptr::from_ref(part) as usize;
        let validator = {
            let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
            let compiled = parts.entry(key).or_insert_with(|| {
                let mut whole = part.as_object()?.clone();
                whole.insert("$defs".to_owned(), self.root.get("$defs")?.clone());
                compile(&Value::Object(whole)).map(Arc::new)
            });
            compiled.clone()
        };
        validator.is_some_and(|validator| validator.is_valid(value))
    }

    /// The part of the schema that describes the place `pointer` (a JSON pointer), with `$ref`s followed.
    pub fn at(&self, pointer: &str) -> Option<&Value> {
        segments(pointer).try_fold(&self.root, |here, segment| {
            let here = self.follow(here);
            if let Some(property) = here.get("properties").and_then(|p| p.get(&segment)) {
                return Some(property);
            }
            let item = here.get("items").filter(|_| segment.parse::<usize>().is_ok());
            item.or_else(|| entries(here))
        })
    }

    /// The schema behind a `$ref`, or the schema itself.
    pub fn follow<'a>(&'a self, here: &'a Value) -> &'a Value {
        here.get("$ref")
            .and_then(Value::as_str)
            .and_then(|reference| reference.strip_prefix('#'))
            .and_then(|pointer| self.root.pointer(pointer))
            .unwrap_or(here)
    }

    /// The part that describes the place, behind its `$ref`.
    pub fn meant_at(&self, pointer: &str) -> Option<&Value> {
        self.at(pointer).map(|here| self.follow(here))
    }

    /// The fields that an object at `pointer` may have.
    pub fn fields(&self, pointer: &str) -> Vec<String> {
        self.meant_at(pointer)
            .and_then(|here| here.get("properties"))
            .and_then(Value::as_object)
            .map(|properties| properties.keys().cloned().collect())
            .unwrap_or_default()
    }

    /// Where a field of this name is known, as people write it: `resources.memory`, `network.listen[].port`. A policy's own come
    /// first.
    pub fn places_of(&self, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        self.collect_places(&self.root, "", name, &mut found);
        found
    }

    fn collect_places(&self, here: &Value, at: &str, name: &str, found: &mut Vec<String>) {
        let here = self.follow(here);
        let properties = || here.get("properties").and_then(Value::as_object).into_iter().flatten();
        found.extend(
            properties().filter(|(field, _)| *field == name).map(|(field, _)| format!("{at}{field}")),
        );
        for (field, inner) in properties() {
            self.collect_places(inner, &format!("{at}{field}."), name, found);
        }
        if let Some(item) = here.get("items") {
            self.collect_places(item, &format!("{}[].", at.trim_end_matches('.')), name, found);
        }
    }

    /// Whether the object at `pointer` is a map, whose keys are the author's.
    pub fn is_map(&self, pointer: &str) -> bool {
        self.meant_at(pointer).is_some_and(|here| entries(here).is_some())
    }

    /// The values that are allowed at `pointer`, where they are few enough to be listed, each with what it means, where the
    /// schema says so.
    pub fn choices(&self, pointer: &str) -> Vec<(String, Option<&str>)> {
        let Some(here) = self.meant_at(pointer) else { return Vec::new() };
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let list = |name| here.get(name).and_then(Value::as_array).into_iter().flatten();
        let listed = list("enum").map(|value| (text(value), None));
        // Enums whose values are documented one by one are a `oneOf` of constants.
        let documented = list("oneOf").filter_map(|one| {
            Some((text(one.get("const")?), one.get("description").and_then(Value::as_str)))
        });
        listed.chain(documented).collect()
    }
}

/// What the values of a map are: maps say so in `patternProperties`, one pattern each.
pub(crate) fn entries(here: &Value) -> Option<&Value> {
    here.get("patternProperties").and_then(Value::as_object).and_then(|patterns| patterns.values().next())
}

/// Unwraps the lines of doc comments (a line break in a description means a paragraph, not the width of a source file)
/// and says each thing once.
#[derive(Clone, Debug)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut schemars::Schema) {
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
        for schema in [policy(), target()] {
            assert!(jsonschema::meta::is_valid(schema.root()));
            schema.validator().unwrap();
            walk(schema.root(), "");
        }
    }

    #[test]
    fn checked_in_schemas_are_fresh() {
        for (name, schema) in [("sandboxed", policy()), ("target", target())] {
            let path = format!("{}/../../schema/{name}.schema.json", env!("CARGO_MANIFEST_DIR"));
            let checked_in = std::fs::read_to_string(path).unwrap_or_default();
            assert!(
                checked_in == schema.text(),
                "schema/{name}.schema.json is stale: run `cargo xtask schema`"
            );
        }
    }

    #[test]
    fn places_resolve_through_references() {
        assert_eq!(policy().at("/network/listen/0/port").unwrap().get("maximum"), Some(&Value::from(65535)));
        assert_eq!(policy().at("/network/nothing"), None);
    }
}
