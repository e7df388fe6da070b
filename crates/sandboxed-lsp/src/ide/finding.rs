//! What is wrong with the sandboxes of a document: the same checks, codes and texts as for policies on the command line.

use std::collections::BTreeSet;

use sandboxed_core::check::{by_schema, unknown_field};
use sandboxed_core::diagnostic::{Diagnostic, Kind};
use sandboxed_core::document::{Node, NodeKind, Part, Span};
use sandboxed_core::resolve::{Surroundings, place, resolve};
use sandboxed_core::target::{Distribution, Target};
use sandboxed_core::{json, schema};

use super::option::NIX_OPTIONS;
use super::policy::{NOT_OPTIONS, has_computed, is_option, literal_part, policy_of};
use super::{Analysis, Language};
use crate::sandboxes::{Sandbox, Step};

pub(super) fn findings(analysis: &Analysis, target: &Target) -> Vec<Diagnostic> {
    let mut found: Vec<Diagnostic> = Vec::new();
    if analysis.language == Language::Json
        && let Err(errors) = json::parse(&analysis.text)
    {
        found.extend(errors);
    }
    for sandbox in &analysis.document.sandboxes {
        found.extend(of_sandbox(analysis, sandbox, target));
    }
    found.sort_by_key(|finding| (finding.span.start, finding.span.end));
    found.dedup();
    found
}

fn of_sandbox(analysis: &Analysis, sandbox: &Sandbox, target: &Target) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    if analysis.language == Language::Nix {
        found.extend(not_enabled(sandbox));
        found.extend(unknown_options(&sandbox.policy));
    }
    let policy = policy_of(analysis.language, sandbox, &sandbox.policy);
    let complete =
        !has_computed(&policy) && sandbox.open.is_empty() && analysis.document.syntax_errors.is_empty();
    let mut whole = if complete { whole(&policy, target) } else { in_part(&policy, sandbox, target) };
    if analysis.language == Language::Nix {
        // What is about the policy as a whole stands at its name; a brace, or the dot of a path, would say nothing.
        let top = policy.span_at("", Part::Key);
        for one in whole.iter_mut().filter(|one| one.span == top) {
            one.span = sandbox.name_span.clone();
        }
    }
    found.extend(whole);
    for value in &sandbox.conditional {
        if analysis.language == Language::Nix {
            found.extend(unknown_options(value));
        }
        let part = policy_of(analysis.language, sandbox, value);
        found.extend(by_schema(&part).into_iter().filter(|one| !about_absence(&one.kind)));
    }
    found
}

/// Everything that the command line would say.
fn whole(policy: &Node, target: &Target) -> Vec<Diagnostic> {
    match resolve(policy) {
        Err(errors) => errors,
        Ok(resolved) => {
            let target = Target { distribution: without_programs(target.distribution), ..target.clone() };
            match resolved.plan(&target, Surroundings::default()) {
                Ok((_, findings)) | Err(findings) => place(policy, findings),
            }
        }
    }
}

/// Where programs are is known only when the configuration is built.
fn without_programs(distribution: Distribution) -> Distribution {
    match distribution {
        Distribution::Nixos => Distribution::Other,
        other => other,
    }
}

/// What can be said while part of the policy is computed, or being typed.
fn in_part(policy: &Node, sandbox: &Sandbox, target: &Target) -> Vec<Diagnostic> {
    let open = |node: &Span| sandbox.open.iter().any(|path| encloses(&sandbox.policy, path, node));
    let mut found = by_schema(policy);
    found.retain(|one| !(matches!(one.kind, Kind::MissingField { .. }) && open(&one.span)));
    if !found.is_empty() || sandbox.open.contains(&Vec::new()) {
        return found;
    }
    let uncertain = uncertain_areas(policy, sandbox);
    // These decide in every area what is allowed.
    if ["accept", "privileges", "sockets", "preset"].iter().any(|area| uncertain.contains(*area)) {
        return found;
    }
    let certain = literal_part(policy);
    let Ok(resolved) = resolve(&certain) else { return found };
    let (Ok((_, findings)) | Err(findings)) = resolved.plan(target, Surroundings::default());
    let known = |field: &str| !uncertain.contains(field.split('/').nth(1).unwrap_or_default());
    let findings = findings
        .into_iter()
        .filter(|one| known(&one.field) && one.related.iter().all(|(field, _)| known(field)))
        .collect();
    found.extend(place(&certain, findings));
    found
}

fn uncertain_areas(policy: &Node, sandbox: &Sandbox) -> BTreeSet<String> {
    let computed = policy.members().iter().filter(|member| has_computed(&member.value));
    let open = sandbox.open.iter().filter_map(|path| path.first()).map(ToString::to_string);
    computed.map(|member| member.key.clone()).chain(open).collect()
}

/// Whether `span` is the place of the object at `path`.
fn encloses(root: &Node, path: &[Step], span: &Span) -> bool {
    let mut node = root;
    for step in path {
        let Step::Key(key) = step else { return false };
        let Some(member) = node.get(key) else { return false };
        node = &member.value;
    }
    node.span.start <= span.start && span.end <= node.span.end
}

/// Kinds that are no news about a part of a policy.
fn about_absence(kind: &Kind) -> bool {
    matches!(kind, Kind::MissingField { .. } | Kind::NoUnit | Kind::NoName)
}

fn not_enabled(sandbox: &Sandbox) -> Option<Diagnostic> {
    let members = sandbox.policy.members();
    let silent =
        members.is_empty() || sandbox.open.contains(&Vec::new()) || sandbox.policy.get("enable").is_some();
    (!silent && matches!(sandbox.policy.kind, NodeKind::Object(_)))
        .then(|| Diagnostic::new(Kind::NotEnabled { name: sandbox.name.clone() }, sandbox.name_span.clone()))
}

/// Attributes of a sandbox that the module does not have.
fn unknown_options(written: &Node) -> Vec<Diagnostic> {
    let known: Vec<String> = NIX_OPTIONS
        .iter()
        .map(|option| option.name.to_owned())
        .chain(schema::policy().fields("").into_iter().filter(|field| !NOT_OPTIONS.contains(&field.as_str())))
        .collect();
    let unknown = written.members().iter().filter(|member| !is_option(&member.key));
    unknown
        .map(|member| {
            let kind = unknown_field(schema::policy(), "", &member.key, known.clone());
            Diagnostic::new(kind, member.key_span.clone())
        })
        .collect()
}
