//! Options, as the schema describes them.

use std::borrow::Cow;

use sandboxed_core::document::escape;
use sandboxed_core::guarantee::{Guarantee, GuaranteeId};
use sandboxed_core::schema;
use serde_json::Value;

use super::Language;
use super::policy::NOT_OPTIONS;
use crate::sandboxes::Step;

/// What an option's value is, as far as writing one is concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    Bool,
    Number,
    Text,
    List,
    Object,
    /// Something that only an expression can give, such as a package.
    Expression,
}

/// An option of a sandbox.
#[derive(Debug, Clone)]
pub(super) struct OptionInfo {
    pub(super) name: Cow<'static, str>,
    pub(super) shape: Shape,
    /// The type in words: `list of path on the host`.
    pub(super) type_name: String,
    pub(super) description: Cow<'static, str>,
    pub(super) default: Option<Value>,
    pub(super) examples: Vec<Value>,
    /// The guarantee that it relaxes.
    pub(super) guarantee: Option<&'static Guarantee>,
}

/// An option that only the NixOS module has.
pub(super) struct NixOption {
    pub(super) name: &'static str,
    shape: Shape,
    type_name: &'static str,
    description: &'static str,
}

/// As in `nix/sandbox.nix`; a test compares the two.
pub(super) const NIX_OPTIONS: [NixOption; 4] = [
    NixOption {
        name: "enable",
        shape: Shape::Bool,
        type_name: "boolean",
        description: "Whether to run this service in a sandbox.",
    },
    NixOption {
        name: "unit",
        shape: Shape::Text,
        type_name: "service unit",
        description: "The unit of the service, for a service of one unit that has no preset. The same as `units` with one name.",
    },
    NixOption {
        name: "unitPackage",
        shape: Shape::Expression,
        type_name: "package",
        description: "The package that ships the unit, for a unit that comes from `systemd.packages` rather than from `systemd.services`.",
    },
    NixOption {
        name: "packages",
        shape: Shape::List,
        type_name: "list of package",
        description: "Packages that the service runs or reads without its unit's naming them. They are visible to it with all that they depend on.",
    },
];

/// The JSON pointer of a path inside a policy.
pub(super) fn pointer(path: &[Step]) -> String {
    path.iter().fold(String::new(), |pointer, step| match step {
        Step::Key(key) => pointer + "/" + &escape(key),
        Step::Item => pointer + "/0",
    })
}

/// The path inside the policy, of a path from `services` on; none outside of a sandbox.
pub(super) fn inside(path: &[Step]) -> Option<&[Step]> {
    path.get(2..)
}

/// The options of the object at `path` inside a policy.
pub(super) fn options(language: Language, path: &[Step]) -> Vec<OptionInfo> {
    let at = pointer(path);
    let top = path.is_empty();
    let nix_only = NIX_OPTIONS.iter().filter(|_| top && language == Language::Nix).map(OptionInfo::nix);
    let hidden = |name: &String| top && language == Language::Nix && NOT_OPTIONS.contains(&name.as_str());
    let fields = schema::policy().fields(&at).into_iter().filter(|name| !hidden(name));
    nix_only
        .chain(fields.filter_map(|name| OptionInfo::at(&format!("{at}/{}", escape(&name)), name.into())))
        .collect()
}

/// The option at `path` inside a policy.
pub(super) fn option(language: Language, path: &[Step]) -> Option<OptionInfo> {
    if let (Language::Nix, [Step::Key(name)]) = (language, path) {
        if NOT_OPTIONS.contains(&name.as_str()) {
            return None;
        }
        if let Some(option) = NIX_OPTIONS.iter().find(|option| option.name == name) {
            return Some(OptionInfo::nix(option));
        }
    }
    let name = path.iter().rev().find_map(|step| match step {
        Step::Key(name) => Some(name.clone()),
        Step::Item => None,
    })?;
    OptionInfo::at(&pointer(path), name.into())
}

impl OptionInfo {
    fn nix(option: &NixOption) -> Self {
        Self {
            name: option.name.into(),
            shape: option.shape,
            type_name: option.type_name.to_owned(),
            description: option.description.into(),
            default: (option.name == "enable").then_some(Value::Bool(false)),
            examples: Vec::new(),
            guarantee: None,
        }
    }

    fn at(pointer: &str, name: Cow<'static, str>) -> Option<Self> {
        let here = schema::policy().at(pointer)?;
        let behind = schema::policy().follow(here);
        let text = |schema: &'static Value, key| schema.get(key).and_then(Value::as_str);
        let waived = pointer.strip_prefix("/accept/").and_then(GuaranteeId::parse);
        let relaxed = text(here, "x-guarantee").and_then(GuaranteeId::parse);
        Some(Self {
            name,
            shape: shape(behind),
            type_name: type_name(here),
            description: text(here, "description")
                .or_else(|| text(behind, "description"))
                .unwrap_or_default()
                .into(),
            default: here.get("default").cloned(),
            examples: examples(here),
            guarantee: waived.or(relaxed).map(|id| id.0),
        })
    }

    /// Another machine-readable name of the type, for what is completed: the definition's name in the schema.
    pub(super) fn definition(path: &[Step]) -> Option<&'static str> {
        let reference = schema::policy().at(&pointer(path))?.get("$ref")?.as_str()?;
        reference.rsplit('/').next()
    }
}

fn shape(schema: &Value) -> Shape {
    match schema.get("type").and_then(Value::as_str) {
        Some("boolean") => Shape::Bool,
        Some("integer" | "number") => Shape::Number,
        Some("array") => Shape::List,
        Some("object") => Shape::Object,
        _ => Shape::Text,
    }
}

fn type_name(here: &'static Value) -> String {
    let behind = schema::policy().follow(here);
    let text = |key| behind.get(key).and_then(Value::as_str);
    match text("type") {
        Some("boolean") => "boolean".to_owned(),
        Some("array") => match behind.get("items") {
            Some(items) => format!("list of {}", title(items).unwrap_or_else(|| type_name(items))),
            None => "list".to_owned(),
        },
        Some("integer") => match (behind.get("minimum"), behind.get("maximum")) {
            (Some(low), Some(high)) => format!("integer from {low} to {high}"),
            _ => "integer".to_owned(),
        },
        Some("object") => "attribute set".to_owned(),
        _ => {
            let constants = behind.get("oneOf").and_then(Value::as_array).into_iter().flatten();
            let values: Vec<String> =
                constants.filter_map(|one| one.get("const")).map(ToString::to_string).collect();
            if !values.is_empty() && values.len() <= 6 {
                return values.join(" | ");
            }
            title(here).unwrap_or_else(|| "string".to_owned())
        }
    }
}

/// What the type is called; its name in the schema where it has no title.
fn title(here: &'static Value) -> Option<String> {
    let text = |schema: &'static Value, key| schema.get(key).and_then(Value::as_str);
    if let Some(title) = text(schema::policy().follow(here), "title") {
        return Some(title.to_lowercase().replace("ip ", "IP "));
    }
    let name = text(here, "$ref")?.rsplit('/').next()?;
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    Some(words)
}

fn examples(here: &'static Value) -> Vec<Value> {
    let of = |schema: &Value| schema.get("examples").and_then(Value::as_array).cloned();
    of(here).or_else(|| of(schema::policy().follow(here))).unwrap_or_default()
}
