//! The sandboxes of a document and their areas.

use sandboxed_core::document::{Node, NodeKind, Span};

use super::Analysis;

/// A sandbox or an area.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Symbol {
    /// Its name.
    pub name: String,
    /// What it says, in short.
    pub detail: String,
    /// All of it; may lie in several places, then from the name to the end of the first.
    pub span: Span,
    /// Its name's place.
    pub name_span: Span,
    /// What is below.
    pub children: Vec<Symbol>,
}

pub(super) fn symbols(analysis: &Analysis) -> Vec<Symbol> {
    let sandbox = |sandbox: &crate::sandboxes::Sandbox| {
        let mut name = sandbox.host.clone();
        name.push(if sandbox.name.is_empty() { named(&sandbox.policy) } else { sandbox.name.clone() });
        // A JSON policy has no name of its own in the text.
        let name_span = if sandbox.name.is_empty() {
            sandbox.policy.span.start..sandbox.policy.span.start
        } else {
            sandbox.name_span.clone()
        };
        Symbol {
            name: name.join("."),
            detail: String::new(),
            span: around(&name_span, &sandbox.policy.span),
            name_span,
            children: children(&sandbox.policy, 0),
        }
    };
    analysis.document.sandboxes.iter().map(sandbox).collect()
}

fn named(policy: &Node) -> String {
    let name = policy.get("name").or_else(|| policy.get("preset"));
    name.and_then(|member| member.value.as_str()).unwrap_or("policy").to_owned()
}

fn children(node: &Node, depth: usize) -> Vec<Symbol> {
    if depth > 1 {
        return Vec::new();
    }
    let members = node.members().iter();
    members
        .map(|member| Symbol {
            name: member.key.clone(),
            detail: brief(&member.value),
            span: around(&member.key_span, &member.value.span),
            name_span: member.key_span.clone(),
            children: children(&member.value, depth + 1),
        })
        .collect()
}

fn brief(node: &Node) -> String {
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Bool(value) => value.to_string(),
        NodeKind::Number(number) => number.to_string(),
        NodeKind::String(text) => text.chars().take(40).collect(),
        NodeKind::Array(items) => format!("{} elements", items.len()),
        NodeKind::Object(_) | NodeKind::Computed => String::new(),
    }
}

/// From the name to the end of the value; the name alone if the value stands elsewhere.
fn around(name: &Span, value: &Span) -> Span {
    if value.start >= name.start { name.start..value.end.max(name.end) } else { name.clone() }
}
