//! What could be typed at a place, best first.

use std::fmt::Write as _;

use std::collections::BTreeSet;

use sandboxed_core::document::{Node, NodeKind, Span};
use sandboxed_core::preset::PRESETS;
use serde_json::Value;

use super::option::{OptionInfo, Shape, inside, option, options};
use super::value::{Suggestion, suggestions};
use super::{Analysis, Language};
use crate::sandboxes::context::{Context, ContextKind};
use crate::sandboxes::{Sandbox, Step};

/// What a completion stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CompletionKind {
    /// A sandbox.
    Sandbox,
    /// An option.
    Option,
    /// An area or another object.
    Object,
    /// A guarantee that can be waived.
    Guarantee,
    /// A value.
    Value,
}

/// One thing that could be typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What is shown.
    pub label: String,
    /// What it stands for.
    pub kind: CompletionKind,
    /// Type and the guarantee it relaxes, on one line.
    pub detail: String,
    /// Markdown.
    pub documentation: String,
    /// What is written instead of `replaces`.
    pub insert: String,
    /// The same with tab stops (`$0`), for editors that have them.
    pub snippet: Option<String>,
    /// The text that it replaces.
    pub replaces: Span,
}

pub(super) fn completions(analysis: &Analysis, offset: usize) -> Vec<Completion> {
    let Some(context) = analysis.document.context(offset) else { return Vec::new() };
    let found = match (context.kind, context.path.as_slice()) {
        (ContextKind::Key, []) => vec![services_sandboxed(analysis, &context)],
        (ContextKind::Key, [_]) => sandboxes(analysis, &context),
        (ContextKind::Key, path) => keys(analysis, &context, inside(path).unwrap_or_default()),
        (ContextKind::Value { .. }, path) => {
            inside(path).map(|path| values(analysis, &context, path)).unwrap_or_default()
        }
    };
    let quoted = analysis.slice(&context.replaces).starts_with('"');
    if quoted { found.into_iter().map(behind_quote).collect() } else { found }
}

/// An opening quote that is there already stays: editors compare what follows it with the label.
fn behind_quote(mut item: Completion) -> Completion {
    if let Some(rest) = item.insert.strip_prefix('"') {
        item.replaces.start += 1;
        item.snippet = item.snippet.as_ref().and_then(|snippet| snippet.strip_prefix('"')).map(str::to_owned);
        item.insert = rest.to_owned();
    }
    item
}

/// How the text goes on after the place.
struct After {
    /// A value is assigned there, or a path goes on: only the name is to be written.
    continues: bool,
}

fn after(analysis: &Analysis, context: &Context) -> After {
    let rest = analysis.text.get(context.replaces.end..).unwrap_or_default();
    let rest = rest.trim_start_matches([' ', '\t']);
    After { continues: rest.starts_with(['=', '.', ':']) && !rest.starts_with("==") }
}

fn services_sandboxed(analysis: &Analysis, context: &Context) -> Completion {
    let snippet = if after(analysis, context).continues { "sandboxed" } else { "sandboxed.$0" };
    Completion {
        label: "sandboxed".to_owned(),
        kind: CompletionKind::Object,
        detail: "services kept apart from this machine".to_owned(),
        documentation: "Services that are kept apart from this machine as if each ran on one of its own."
            .to_owned(),
        insert: "sandboxed".to_owned(),
        snippet: Some(snippet.to_owned()),
        replaces: context.replaces.clone(),
    }
}

/// Names of sandboxes: presets first, those whose service this file configures before the others; then its services.
fn sandboxes(analysis: &Analysis, context: &Context) -> Vec<Completion> {
    let document = &analysis.document;
    let here: BTreeSet<&str> = document
        .sandboxes
        .iter()
        .filter(|sandbox| sandbox.name_span != context.replaces)
        .map(|sandbox| sandbox.name.as_str())
        .collect();
    let units = |value: &Value| -> Vec<String> {
        let units = value.get("units").and_then(Value::as_array).into_iter().flatten();
        units.filter_map(Value::as_str).map(|unit| unit.trim_end_matches(".service").to_owned()).collect()
    };
    let mut found = Vec::new();
    let mut covered = BTreeSet::new();
    for preset in PRESETS.iter().filter(|preset| !here.contains(preset.name)) {
        let about = preset.value().get("description").and_then(Value::as_str).unwrap_or_default();
        let names = units(preset.value());
        let configured = names.iter().any(|unit| document.services.contains(unit));
        covered.extend(names);
        found.push((
            usize::from(!configured),
            preset.name.to_owned(),
            "preset".to_owned(),
            about.to_owned(),
            None,
        ));
    }
    for service in
        document.services.iter().filter(|name| !covered.contains(*name) && !here.contains(name.as_str()))
    {
        let about = format!("The service `{service}` that this file configures, without a preset.");
        found.push((2, service.clone(), format!("{service}.service"), about, Some(service.clone())));
    }
    found.sort();
    let only_name = after(analysis, context).continues;
    let completion =
        |(_, name, detail, documentation, unit): (usize, String, String, String, Option<String>)| {
            let key = Language::Nix.key(&name);
            let snippet = match unit {
                _ if only_name => None,
                None => Some(format!("{}.enable = true;$0", escaped(&key))),
                Some(unit) => Some(format!(
                    "{} = {{\n  enable = true;\n  unit = \"{}.service\";$0\n}};",
                    escaped(&key),
                    escaped(&unit)
                )),
            };
            Completion {
                label: name,
                kind: CompletionKind::Sandbox,
                detail,
                documentation,
                insert: key,
                snippet,
                replaces: context.replaces.clone(),
            }
        };
    found.into_iter().map(completion).collect()
}

fn keys(analysis: &Analysis, context: &Context, path: &[Step]) -> Vec<Completion> {
    let taken = taken(analysis, context);
    let only_name = after(analysis, context).continues;
    let known =
        options(analysis.language, path).into_iter().filter(|option| !taken.contains(option.name.as_ref()));
    known
        .map(|option| {
            let key = analysis.language.key(&option.name);
            let value = placeholder(analysis.language, &option);
            let snippet = match analysis.language {
                _ if only_name => None,
                Language::Nix => Some(format!("{} = {value};", escaped(&key))),
                Language::Json => Some(format!("{}: {value}", escaped(&key))),
            };
            let waiver = matches!(path, [Step::Key(area)] if area == "accept");
            Completion {
                kind: match option.shape {
                    _ if waiver => CompletionKind::Guarantee,
                    Shape::Object => CompletionKind::Object,
                    _ => CompletionKind::Option,
                },
                detail: detail(&option, waiver),
                documentation: documentation(analysis.language, &option),
                label: option.name.into_owned(),
                insert: key,
                snippet,
                replaces: context.replaces.clone(),
            }
        })
        .collect()
}

/// Keys that the object at the place has already.
fn taken(analysis: &Analysis, context: &Context) -> BTreeSet<String> {
    let holder = |sandbox: &&Sandbox| match context.path.get(1) {
        Some(Step::Key(name)) => sandbox.name == *name,
        _ => false,
    };
    // Among elements of a list, it is the one around the place.
    let step = |node: &'_ Node, step: &Step| -> Option<Node> {
        match step {
            Step::Key(key) => node.get(key).map(|member| member.value.clone()),
            Step::Item => {
                let around = |item: &&Node| {
                    item.span.start <= context.replaces.start && context.replaces.end <= item.span.end
                };
                node.items().iter().find(around).cloned()
            }
        }
    };
    let steps = context.path.get(2..).unwrap_or_default();
    let mut taken = BTreeSet::new();
    for sandbox in analysis.document.sandboxes.iter().filter(holder) {
        let object = steps.iter().try_fold(sandbox.policy.clone(), |node, next| step(&node, next));
        let Some(Node { kind: NodeKind::Object(members), .. }) = object else { continue };
        taken.extend(members.into_iter().filter(|m| m.key_span != context.replaces).map(|m| m.key));
    }
    taken
}

/// A value to begin with, as a snippet.
fn placeholder(language: Language, option: &OptionInfo) -> String {
    match option.shape {
        Shape::Bool => {
            let other = option.default != Some(Value::Bool(true));
            format!("${{0:{other}}}")
        }
        Shape::Number => {
            let example = option.default.as_ref().or(option.examples.first());
            example.map_or("$0".to_owned(), |value| format!("${{0:{value}}}"))
        }
        Shape::Text => "\"$0\"".to_owned(),
        Shape::Expression => "$0".to_owned(),
        Shape::List => if language == Language::Nix { "[ $0 ]" } else { "[$0]" }.to_owned(),
        Shape::Object => "{\n  $0\n}".to_owned(),
    }
}

fn detail(option: &OptionInfo, waiver: bool) -> String {
    match option.guarantee {
        Some(guarantee) if waiver => format!("give up: {}", guarantee.promise),
        Some(guarantee) => format!("{} · relaxes {}", option.type_name, guarantee.id),
        None => option.type_name.clone(),
    }
}

pub(super) fn documentation(language: Language, option: &OptionInfo) -> String {
    let mut text = option.description.to_string();
    if let Some(default) = &option.default {
        _ = write!(text, "\n\nDefault: `{}`", language.value(default));
    }
    if let Some(example) = option.examples.first() {
        _ = write!(text, "\n\nExample: `{}`", language.value(example));
    }
    text
}

fn values(analysis: &Analysis, context: &Context, path: &[Step]) -> Vec<Completion> {
    let ContextKind::Value { quoted, .. } = context.kind else { return Vec::new() };
    let info = option(analysis.language, path);
    if let (Some(info), false) = (&info, quoted)
        && matches!(info.shape, Shape::List | Shape::Object)
    {
        return vec![whole(analysis.language, context, info, path)];
    }
    let present = present(analysis, context);
    let fresh = suggestions(analysis, context, path, info.as_ref());
    fresh
        .into_iter()
        .filter(|suggestion| !present.contains(suggestion.value.as_str().unwrap_or_default()))
        .filter(|suggestion| !quoted || suggestion.value.is_string())
        .map(|suggestion| completion(analysis.language, context, quoted, suggestion))
        .collect()
}

fn completion(language: Language, context: &Context, quoted: bool, suggestion: Suggestion) -> Completion {
    let text = language.value(&suggestion.value);
    let label = suggestion.value.as_str().map_or_else(|| text.clone(), str::to_owned);
    let insert = if quoted { text.trim_start_matches('"').trim_end_matches('"').to_owned() } else { text };
    Completion {
        label,
        kind: CompletionKind::Value,
        detail: suggestion.detail,
        documentation: suggestion.documentation,
        insert,
        snippet: None,
        replaces: context.replaces.clone(),
    }
}

/// An empty list or set to type into. An element that is a set names what it must have.
fn whole(language: Language, context: &Context, info: &OptionInfo, path: &[Step]) -> Completion {
    let required = path.last() == Some(&Step::Item) && info.shape == Shape::Object;
    let (plain, snippet) = match (language, info.shape) {
        (Language::Nix, Shape::List) => ("[ ]", "[ $0 ]".to_owned()),
        (Language::Json, Shape::List) => ("[]", "[$0]".to_owned()),
        (language, _) if required => ("{ }", required_fields(language, path)),
        (_, _) => ("{ }", "{\n  $0\n}".to_owned()),
    };
    Completion {
        label: plain.to_owned(),
        kind: CompletionKind::Value,
        detail: info.type_name.clone(),
        documentation: info.description.to_string(),
        insert: plain.to_owned(),
        snippet: Some(snippet),
        replaces: context.replaces.clone(),
    }
}

fn required_fields(language: Language, path: &[Step]) -> String {
    let schema = sandboxed_core::schema::policy().meant_at(&super::option::pointer(path));
    let names =
        schema.and_then(|schema| schema.get("required")).and_then(Value::as_array).into_iter().flatten();
    let fields: Vec<String> = names
        .filter_map(Value::as_str)
        .enumerate()
        .map(|(index, name)| match language {
            Language::Nix => format!("{name} = ${};", index + 1),
            Language::Json => format!("\"{name}\": ${}", index + 1),
        })
        .collect();
    let separator = if language == Language::Nix { " " } else { ", " };
    format!("{{ {}$0 }}", fields.join(separator))
}

/// The elements that the list around the place has already, but for the one that is being typed.
fn present(analysis: &Analysis, context: &Context) -> BTreeSet<String> {
    if context.path.last() != Some(&Step::Item) {
        return BTreeSet::new();
    }
    let around = |span: &Span| span.start <= context.replaces.start && context.replaces.end <= span.end;
    let mut found = BTreeSet::new();
    let mut nodes: Vec<&Node> = analysis.document.sandboxes.iter().map(|sandbox| &sandbox.policy).collect();
    while let Some(node) = nodes.pop() {
        match &node.kind {
            NodeKind::Object(members) => nodes.extend(members.iter().map(|member| &member.value)),
            NodeKind::Array(items) if around(&node.span) => {
                found.extend(
                    items
                        .iter()
                        .filter(|item| !around(&item.span))
                        .filter_map(Node::as_str)
                        .map(str::to_owned),
                );
                nodes.extend(items);
            }
            _ => {}
        }
    }
    found
}

/// Text inside a snippet.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('$', "\\$").replace('}', "\\}")
}
