//! The policy that a sandbox of a Nix configuration amounts to: what `nix/module.nix` would hand to the binary.

use sandboxed_core::document::{Member, Node, NodeKind};
use sandboxed_core::preset::Preset;
use serde_json::Number;

use super::Language;
use super::option::NIX_OPTIONS;
use crate::sandboxes::Sandbox;

/// Fields of a policy that are not options of the module: the attribute's name says them.
pub(super) const NOT_OPTIONS: [&str; 4] = ["$schema", "version", "name", "description"];

/// Whether an attribute of a sandbox is an option of the module.
pub(super) fn is_option(name: &str) -> bool {
    NIX_OPTIONS.iter().any(|option| option.name == name)
        || (!NOT_OPTIONS.contains(&name)
            && sandboxed_core::schema::policy().fields("").iter().any(|field| field == name))
}

/// The policy of a sandbox, or of a part of one.
pub(super) fn policy_of(language: Language, sandbox: &Sandbox, written: &Node) -> Node {
    match language {
        Language::Json => written.clone(),
        Language::Nix => module(sandbox, written),
    }
}

fn module(sandbox: &Sandbox, written: &Node) -> Node {
    let NodeKind::Object(members) = &written.kind else { return written.clone() };
    let here = &sandbox.name_span;
    let member = |key: &str, kind: NodeKind| Member {
        key: key.to_owned(),
        key_span: here.clone(),
        value: Node { span: here.clone(), kind },
    };
    let mut policy: Vec<Member> = vec![
        member("version", NodeKind::Number(Number::from(1))),
        member("name", NodeKind::String(sandbox.name.clone())),
    ];
    let sets = |key: &str| members.iter().any(|member| member.key == key);
    if !sets("preset") && Preset::find(&sandbox.name).is_some() {
        policy.push(member("preset", NodeKind::String(sandbox.name.clone())));
    }
    for member in members {
        // The module system takes null for "left out".
        if member.value.kind == NodeKind::Null || NOT_OPTIONS.contains(&member.key.as_str()) {
            continue;
        }
        if member.key == "unit" {
            let units =
                Node { span: member.value.span.clone(), kind: NodeKind::Array(vec![member.value.clone()]) };
            policy.push(Member { key: "units".to_owned(), key_span: member.key_span.clone(), value: units });
        } else if is_option(&member.key) && !NIX_OPTIONS.iter().any(|option| option.name == member.key) {
            policy.push(Member { value: without_null(&member.value), ..member.clone() });
        }
    }
    Node { span: written.span.clone(), kind: NodeKind::Object(policy) }
}

fn without_null(node: &Node) -> Node {
    let kind = match &node.kind {
        NodeKind::Object(members) => NodeKind::Object(
            members
                .iter()
                .filter(|member| member.value.kind != NodeKind::Null)
                .map(|member| Member { value: without_null(&member.value), ..member.clone() })
                .collect(),
        ),
        NodeKind::Array(items) => NodeKind::Array(items.iter().map(without_null).collect()),
        other => other.clone(),
    };
    Node { span: node.span.clone(), kind }
}

/// The tree without what is computed: elements and members that hold anything computed are left out of lists.
pub(super) fn literal_part(node: &Node) -> Node {
    let kind = match &node.kind {
        NodeKind::Object(members) => NodeKind::Object(
            members
                .iter()
                .filter(|member| member.value.kind != NodeKind::Computed)
                .map(|member| Member { value: literal_part(&member.value), ..member.clone() })
                .collect(),
        ),
        NodeKind::Array(items) => {
            NodeKind::Array(items.iter().filter(|item| !has_computed(item)).cloned().collect())
        }
        other => other.clone(),
    };
    Node { span: node.span.clone(), kind }
}

/// Whether any part of the tree is computed.
pub(super) fn has_computed(node: &Node) -> bool {
    match &node.kind {
        NodeKind::Computed => true,
        NodeKind::Array(items) => items.iter().any(has_computed),
        NodeKind::Object(members) => members.iter().any(|member| has_computed(&member.value)),
        _ => false,
    }
}
