//! What stands at a place, explained: the option, its guarantee, and what it becomes on the target.

use std::fmt::Write as _;

use std::collections::BTreeSet;

use sandboxed_core::document::Span;
use sandboxed_core::guarantee::Guarantee;
use sandboxed_core::plan::{Plan, Status};
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::schema;
use sandboxed_core::target::Target;
use sandboxed_systemd::directive::{self, Section};
use serde_json::Value;

use super::completion::documentation;
use super::option::{OptionInfo, inside, option, pointer};
use super::policy::{literal_part, policy_of};
use super::{Analysis, Language};
use crate::sandboxes::context::ContextKind;
use crate::sandboxes::{Sandbox, Step};

/// An explanation and what it is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hover {
    /// Markdown.
    pub text: String,
    /// The text that it explains.
    pub span: Span,
}

pub(super) fn hover(analysis: &Analysis, offset: usize, target: &Target) -> Option<Hover> {
    let context = analysis.document.context(offset)?;
    let span = context.replaces.clone();
    if span.is_empty() {
        return None;
    }
    let word = analysis.slice(&span).trim_matches('"').to_owned();
    let mut path = context.path.clone();
    if context.kind == ContextKind::Key {
        path.push(Step::Key(word.clone()));
    }
    let sandbox = match path.get(1) {
        Some(Step::Key(name)) => analysis.document.sandboxes.iter().find(|sandbox| sandbox.name == *name),
        _ => None,
    };
    let text = match inside(&path) {
        None => "**services.sandboxed**\n\nServices that are kept apart from this machine as if each ran on one of its own.".to_owned(),
        Some([]) => summary(sandbox?, analysis.language, target),
        Some(path) => {
            let info = option(analysis.language, path)?;
            let mut text = about_option(&info, path, analysis.language);
            if let ContextKind::Value { .. } = context.kind
                && let Some(about) = about_value(path, &word)
            {
                text = format!("`{word}`: {about}\n\n---\n\n{text}");
            }
            if let Some(guarantee) = info.guarantee {
                let plan = sandbox.and_then(|sandbox| plan(sandbox, analysis.language, target));
                text += &about_guarantee(guarantee, plan.as_ref(), target);
            }
            text
        }
    };
    (path.first() == Some(&Step::Key("sandboxed".to_owned()))).then_some(Hover { text, span })
}

fn about_option(info: &OptionInfo, path: &[Step], language: Language) -> String {
    let name: Vec<String> = path.iter().map(ToString::to_string).collect();
    format!("**{}** ({})\n\n{}", name.join("."), info.type_name, documentation(language, info))
}

/// What the schema says about one of the allowed values.
fn about_value(path: &[Step], word: &str) -> Option<String> {
    let here = schema::policy().meant_at(&pointer(path))?;
    let one = here
        .get("oneOf")?
        .as_array()?
        .iter()
        .find(|one| one.get("const").and_then(Value::as_str) == Some(word))?;
    one.get("description").and_then(Value::as_str).map(str::to_owned)
}

fn about_guarantee(guarantee: &Guarantee, plan: Option<&Plan>, target: &Target) -> String {
    let mut text = format!("\n\nGuarantee `{}`: the service {}.", guarantee.id, guarantee.promise);
    let Some(plan) = plan else { return text };
    let outcome = plan.outcomes.iter().find(|outcome| outcome.guarantee == guarantee.id);
    let Some(outcome) = outcome else { return text };
    let on = format!("systemd {}, Linux {}", target.systemd, target.kernel);
    match &outcome.status {
        Status::Waived { reason } => _ = write!(text, "\n\nGiven up here: {reason}"),
        Status::Kept { mechanism, directives, exceptions } => {
            _ = write!(text, "\n\nKept on {on} by {mechanism}{}", about_directives(plan, directives));
            if !exceptions.is_empty() {
                _ = write!(text, "\n\nOpen all the same: {}", exceptions.join(", "));
            }
        }
        Status::Weak { mechanism, directives, weakness } => {
            _ = write!(text, "\n\nKept in part on {on} by {mechanism}{}", about_directives(plan, directives));
            _ = write!(text, "\n\nOpen: {weakness}");
        }
    }
    text
}

fn about_directives(plan: &Plan, directives: &BTreeSet<&'static str>) -> String {
    if directives.is_empty() {
        return ".".to_owned();
    }
    let lines: String =
        directives.iter().map(|name| about_directive(name, &plan.lines(name).join(" "))).collect();
    format!(":\n{lines}")
}

fn about_directive(name: &str, value: &str) -> String {
    let known =
        [Section::Service, Section::Slice].iter().find_map(|section| directive::lookup(*section, name));
    let since = match known.and_then(|directive| directive.since) {
        Some(version) => format!(" (since systemd {version})"),
        None => String::new(),
    };
    let value =
        if value.starts_with(&format!("{name}=")) { value.to_owned() } else { format!("{name}={value}") };
    let value =
        if value.chars().count() > 120 { value.chars().take(119).chain(['…']).collect() } else { value };
    format!("\n- `{value}`{since}")
}

/// The plan of a sandbox, as far as it is literal.
fn plan(sandbox: &Sandbox, language: Language, target: &Target) -> Option<Plan> {
    let policy = literal_part(&policy_of(language, sandbox, &sandbox.policy));
    let resolved = resolve(&policy).ok()?;
    resolved.plan(target, Surroundings::default()).ok().map(|(plan, _)| plan)
}

fn summary(sandbox: &Sandbox, language: Language, target: &Target) -> String {
    let title = format!("**{}**", if sandbox.name.is_empty() { "policy" } else { &sandbox.name });
    let Some(plan) = plan(sandbox, language, target) else {
        return format!("{title}\n\nNo plan yet: the policy has errors, or names no unit.");
    };
    let (mut kept, mut weak, mut waived) = (0, Vec::new(), Vec::new());
    for outcome in &plan.outcomes {
        match &outcome.status {
            Status::Kept { .. } => kept += 1,
            Status::Weak { weakness, .. } => weak.push(format!("\n- `{}`: {weakness}", outcome.guarantee)),
            Status::Waived { reason } => waived.push(format!("\n- `{}`: {reason}", outcome.guarantee)),
        }
    }
    let units: Vec<String> = plan.units.iter().map(|unit| format!("`{}`", unit.name)).collect();
    let mut text = format!("{title}: {}", units.join(", "));
    if let Some(description) = &plan.description {
        _ = write!(text, "\n\n{description}");
    }
    _ = write!(
        text,
        "\n\nOn systemd {}, Linux {}, {kept} of {} guarantees are kept in full.",
        target.systemd,
        target.kernel,
        plan.outcomes.len()
    );
    if !weak.is_empty() {
        _ = write!(text, "\n\nKept in part:\n{}", weak.concat());
    }
    if !waived.is_empty() {
        _ = write!(text, "\n\nGiven up:\n{}", waived.concat());
    }
    text
}
