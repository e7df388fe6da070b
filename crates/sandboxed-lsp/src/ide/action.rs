//! Changes that an editor can offer.

use std::fmt::Write as _;

use sandboxed_core::diagnostic::{Diagnostic, Kind};
use sandboxed_core::document::{Node, Span};
use sandboxed_core::preset::{PRESETS, Preset};
use sandboxed_core::target::Target;
use serde_json::Value;

use super::{Analysis, Language};
use crate::sandboxes::{PlaceKind, Sandbox, Step};

/// A change to the document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// What it does.
    pub title: String,
    /// The finding that it corrects; none if it is an offer.
    pub corrects: Option<Diagnostic>,
    /// What it changes.
    pub edits: Vec<Edit>,
}

/// A replacement of text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// What is replaced.
    pub span: Span,
    /// By what.
    pub text: String,
}

pub(super) fn actions(analysis: &Analysis, range: &Span, target: &Target) -> Vec<Action> {
    let touches = |span: &Span| span.start <= range.end && range.start <= span.end;
    let findings = analysis.findings(target);
    let here = findings.into_iter().filter(|finding| touches(&finding.span));
    let mut found: Vec<Action> = here.flat_map(|finding| corrections(analysis, &finding)).collect();
    found.extend(expansions(analysis, &touches));
    found
}

fn corrections(analysis: &Analysis, finding: &Diagnostic) -> Vec<Action> {
    let sandbox = || sandbox_of(analysis, finding);
    let action = |title: String, edits: Vec<Edit>| Action { title, corrects: Some(finding.clone()), edits };
    match &finding.kind {
        Kind::NotEnabled { name } => sandbox()
            .and_then(|sandbox| insert(analysis, sandbox, &[("enable".to_owned(), Value::Bool(true))]))
            .map(|edit| action(format!("Enable the sandbox `{name}`"), vec![edit]))
            .into_iter()
            .collect(),
        Kind::NoUnit => sandbox()
            .filter(|sandbox| !sandbox.name.is_empty())
            .and_then(|sandbox| {
                let unit = Value::from(format!("{}.service", sandbox.name));
                let edit = insert(analysis, sandbox, &[("unit".to_owned(), unit)])?;
                Some(action(format!("Sandbox the unit `{}.service`", sandbox.name), vec![edit]))
            })
            .into_iter()
            .collect(),
        Kind::MissingField { name, .. } if name == "version" => sandbox()
            .and_then(|sandbox| insert(analysis, sandbox, &[("version".to_owned(), Value::from(1))]))
            .map(|edit| action("Add `\"version\": 1`".to_owned(), vec![edit]))
            .into_iter()
            .collect(),
        Kind::TargetCannot { guarantee, .. } => sandbox()
            .and_then(|sandbox| insert_waiver(analysis, sandbox, guarantee.id))
            .map(|edit| action(format!("Do without `{}` (needs a reason)", guarantee.id), vec![edit]))
            .into_iter()
            .collect(),
        kind => {
            let mut found: Vec<Action> = kind
                .replacement()
                .map(|name| {
                    action(format!("Replace by `{name}`"), vec![replace(analysis, &finding.span, name)])
                })
                .into_iter()
                .collect();
            if let Some(value) = kind.value_meant().filter(|_| found.is_empty()) {
                let text = analysis.language.value(value);
                let edit = Edit { span: finding.span.clone(), text: text.clone() };
                found.push(action(format!("Replace by `{text}`"), vec![edit]));
            }
            found.extend(
                sandbox().and_then(|sandbox| reasons(analysis, sandbox, finding)).into_iter().flatten(),
            );
            found
        }
    }
}

/// The suggested name, with the quotes that stand around the old one.
fn replace(analysis: &Analysis, span: &Span, name: &str) -> Edit {
    let old = analysis.slice(span);
    let text = if old.starts_with('"') || analysis.language == Language::Json {
        analysis.language.quoted(name)
    } else if old.starts_with("''") {
        format!("''{name}''")
    } else {
        analysis.language.key(name)
    };
    Edit { span: span.clone(), text }
}

/// Reasons for a waiver that has none.
fn reasons(analysis: &Analysis, sandbox: &Sandbox, finding: &Diagnostic) -> Option<Vec<Action>> {
    let accept = sandbox.policy.get("accept")?;
    let waiver = accept.value.members().iter().find(|member| member.value.span == finding.span)?;
    let id = &waiver.key;
    let action = |title: String, reason: &str| Action {
        title,
        corrects: Some(finding.clone()),
        edits: vec![Edit { span: finding.span.clone(), text: analysis.language.quoted(reason) }],
    };
    let known = PRESETS.iter().filter_map(|preset| {
        let reason = preset.value().get("accept")?.get(id)?.as_str()?;
        Some(action(format!("Give the reason of the preset `{}`: {reason}", preset.name), reason))
    });
    let mut found: Vec<Action> = known.collect();
    if waiver.value.as_str().is_none() {
        found.push(action(format!("Give a reason for doing without `{id}`"), ""));
    }
    Some(found)
}

/// Offers to write out what a preset says.
fn expansions(analysis: &Analysis, touches: &dyn Fn(&Span) -> bool) -> Vec<Action> {
    let mut found = Vec::new();
    for sandbox in &analysis.document.sandboxes {
        let named = sandbox.policy.get("preset");
        let (name, span) =
            match named.and_then(|member| member.value.as_str().map(|name| (name, &member.value.span))) {
                Some(named) => named,
                None if named.is_none() => (sandbox.name.as_str(), &sandbox.name_span),
                None => continue,
            };
        let here = touches(span) || touches(&sandbox.name_span) && !sandbox.name.is_empty();
        let Some(preset) = Preset::find(name).filter(|_| here) else { continue };
        let mut fields = missing_fields(preset, &sandbox.policy);
        if analysis.language == Language::Json {
            // A key stands once: what an object has already stays as it is.
            fields
                .retain(|(name, _)| sandbox.policy.get(name.split('.').next().unwrap_or_default()).is_none());
        }
        if fields.is_empty() {
            continue;
        }
        if let Some(edit) = insert(analysis, sandbox, &fields) {
            let title = format!("Write out what the preset `{}` says", preset.name);
            found.push(Action { title, corrects: None, edits: vec![edit] });
        }
    }
    found
}

/// What the preset says beyond the policy: dotted names and values.
fn missing_fields(preset: &Preset, policy: &Node) -> Vec<(String, Value)> {
    let mut fields = Vec::new();
    let Some(says) = preset.value().as_object() else { return fields };
    for (key, value) in says {
        if ["$schema", "version", "name", "description"].contains(&key.as_str()) {
            continue;
        }
        let here = policy.get(key).map(|member| &member.value);
        match (value, here) {
            (Value::Object(inner), here) => {
                for (field, value) in inner {
                    if here.is_none_or(|node| node.get(field).is_none()) {
                        fields.push((format!("{key}.{field}"), value.clone()));
                    }
                }
            }
            (value, None) => fields.push((key.clone(), value.clone())),
            _ => {}
        }
    }
    fields
}

/// The sandbox that a finding is about.
fn sandbox_of<'a>(analysis: &'a Analysis, finding: &Diagnostic) -> Option<&'a Sandbox> {
    let sandboxes = &analysis.document.sandboxes;
    let around = |sandbox: &&Sandbox| holds(&sandbox.policy, &finding.span);
    sandboxes
        .iter()
        .find(|sandbox| sandbox.name_span == finding.span)
        .or_else(|| sandboxes.iter().find(around))
}

fn holds(node: &Node, span: &Span) -> bool {
    let inside = |outer: &Span| outer.start <= span.start && span.end <= outer.end;
    inside(&node.span)
        || node.members().iter().any(|member| inside(&member.key_span) || holds(&member.value, span))
        || node.items().iter().any(|item| holds(item, span))
}

fn insert_waiver(analysis: &Analysis, sandbox: &Sandbox, id: &str) -> Option<Edit> {
    match analysis.language {
        Language::Nix => insert(analysis, sandbox, &[(format!("accept.{id}"), Value::from(""))]),
        Language::Json => {
            // An `accept` that is there gets another member.
            let path =
                [Step::Key("sandboxed".to_owned()), Step::Key(String::new()), Step::Key("accept".to_owned())];
            match set_body(analysis, &path) {
                Some(body) => Some(into_set(analysis, &body, &[(id.to_owned(), Value::from(""))])),
                None => insert(analysis, sandbox, &[(format!("accept.{id}"), Value::from(""))]),
            }
        }
    }
}

/// Adds settings to a sandbox, where its first ones stand.
fn insert(analysis: &Analysis, sandbox: &Sandbox, fields: &[(String, Value)]) -> Option<Edit> {
    let path = [Step::Key("sandboxed".to_owned()), Step::Key(sandbox.name.clone())];
    match set_body(analysis, &path) {
        Some(body) => Some(into_set(analysis, &body, fields)),
        None if analysis.language == Language::Nix => before_binding(analysis, &sandbox.name_span, fields),
        None => None,
    }
}

/// The inside of the first set at a path.
fn set_body(analysis: &Analysis, path: &[Step]) -> Option<Span> {
    let place =
        analysis.document.places.iter().find(|place| place.kind == PlaceKind::Set && place.path == path)?;
    Some(place.span.clone())
}

fn into_set(analysis: &Analysis, body: &Span, fields: &[(String, Value)]) -> Edit {
    let inside = analysis.slice(body);
    let at = body.start..body.start;
    let lines = lines(analysis.language, fields);
    if !inside.contains('\n') && lines.len() == 1 {
        let separator =
            if analysis.language == Language::Json && !inside.trim().is_empty() { "," } else { "" };
        return Edit { span: at, text: format!(" {}{separator}", lines.concat()) };
    }
    let outer = indentation(&analysis.text, body.start);
    let first = inside.split('\n').skip(1).find(|line| !line.trim().is_empty());
    let inner = match first {
        Some(line) if inside.contains('\n') => line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect(),
        _ => format!("{outer}  "),
    };
    let comma = if analysis.language == Language::Json { "," } else { "" };
    let mut text = String::new();
    let last = lines.len();
    for (index, line) in lines.iter().enumerate() {
        let comma = if index + 1 == last && inside.trim().is_empty() { "" } else { comma };
        _ = write!(text, "\n{inner}{line}{comma}");
    }
    if !inside.contains('\n') {
        // What was on the opening line moves below.
        let rest = if inside.trim().is_empty() { "" } else { inner.as_str() };
        _ = write!(text, "\n{}", if rest.is_empty() { &outer } else { rest });
    }
    Edit { span: at, text }
}

/// `services.sandboxed.synapse.enable = true;` before the binding that begins `services.sandboxed.synapse`.
fn before_binding(analysis: &Analysis, name: &Span, fields: &[(String, Value)]) -> Option<Edit> {
    let before = analysis.text.get(..name.end)?;
    let path = |c: char| c.is_alphanumeric() || matches!(c, '.' | '_' | '-' | '\'' | '"');
    let start = before
        .rfind(|c| !path(c))
        .map_or(0, |at| at + before.get(at..).and_then(|s| s.chars().next()).map_or(1, char::len_utf8));
    let prefix = before.get(start..)?;
    let line = before.get(..start)?.rsplit('\n').next().unwrap_or_default();
    let separator = if line.trim().is_empty() { format!("\n{line}") } else { " ".to_owned() };
    let text = lines(Language::Nix, fields)
        .iter()
        .fold(String::new(), |text, line| text + prefix + "." + line + &separator);
    Some(Edit { span: start..start, text })
}

/// One line a setting. In JSON, the fields of one object stand together.
fn lines(language: Language, fields: &[(String, Value)]) -> Vec<String> {
    match language {
        Language::Nix => {
            let line = |(name, value): &(String, Value)| {
                let keys: Vec<String> = name.split('.').map(|key| Language::Nix.key(key)).collect();
                format!("{} = {};", keys.join("."), Language::Nix.value(value))
            };
            fields.iter().map(line).collect()
        }
        Language::Json => {
            let mut whole = serde_json::Map::new();
            for (name, value) in fields {
                match name.split_once('.') {
                    None => _ = whole.insert(name.clone(), value.clone()),
                    Some((area, field)) => {
                        let area = whole.entry(area).or_insert_with(|| Value::Object(serde_json::Map::new()));
                        if let Some(area) = area.as_object_mut() {
                            area.insert(field.to_owned(), value.clone());
                        }
                    }
                }
            }
            whole
                .iter()
                .map(|(key, value)| format!("{}: {}", language.quoted(key), language.value(value)))
                .collect()
        }
    }
}

/// The white space before the line of `offset`.
fn indentation(text: &str, offset: usize) -> String {
    let line = text.get(..offset).unwrap_or_default().rsplit('\n').next().unwrap_or_default();
    line.chars().take_while(|c| matches!(c, ' ' | '\t')).collect()
}
