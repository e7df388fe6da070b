//! Puts together what was said about one sandbox in several places, as the NixOS module system would.
//!
//! NixOS manual, "Option definitions": definitions of one option merge; of several priorities only the strongest counts.
//! A value that depends on a condition is left open in the whole, and kept to be judged by itself.

use std::collections::BTreeSet;

use super::walk::How;
use super::{Path, Sandbox, Step};
use crate::syntax::Span;
use sandboxed_core::document::{Member, Node, NodeKind};

/// One value (or the existence of a set) at a path below `services`.
#[derive(Debug)]
pub(super) struct Definition {
    pub(super) host: Vec<String>,
    pub(super) path: Path,
    /// The place of each step.
    pub(super) spans: Vec<Span>,
    /// The place of the value.
    pub(super) span: Span,
    pub(super) kind: NodeKind,
    pub(super) how: How,
}

/// Steps before the inside of a sandbox: `sandboxed`, its name.
pub(super) const DEPTH: usize = 2;

/// The sandboxes that these definitions define.
pub(super) fn assemble(definitions: Vec<Definition>) -> Vec<Sandbox> {
    let mut groups: Vec<Vec<Definition>> = Vec::new();
    for definition in definitions {
        if definition.path.len() < DEPTH {
            continue;
        }
        let same = |group: &&mut Vec<Definition>| {
            group.first().is_some_and(|first| {
                first.host == definition.host && first.path.get(..DEPTH) == definition.path.get(..DEPTH)
            })
        };
        match groups.iter_mut().find(same) {
            Some(group) => group.push(definition),
            None => groups.push(vec![definition]),
        }
    }
    groups.into_iter().filter_map(sandbox).collect()
}

fn sandbox(mut definitions: Vec<Definition>) -> Option<Sandbox> {
    let first = definitions.first()?;
    let name = first.path.get(1)?.to_string();
    let name_span = first.spans.get(1)?.clone();
    let host = first.host.clone();
    let shared = shared_conditions(&definitions);
    for definition in &mut definitions {
        definition.how.conditions.drain(..shared.min(definition.how.conditions.len()));
    }
    let open: BTreeSet<Path> = definitions
        .iter()
        .filter(|definition| definition.kind == NodeKind::Computed)
        .filter_map(|definition| definition.path.get(DEPTH..).map(<[Step]>::to_vec))
        .collect();
    let conditional = definitions
        .iter()
        .filter(|definition| !definition.how.conditions.is_empty() || definition.how.priority.is_some())
        .filter(|definition| {
            definition.kind != NodeKind::Computed && definition.kind != NodeKind::Object(Vec::new())
        })
        .filter_map(alone)
        .collect();
    let policy = value(definitions, DEPTH)?;
    Some(Sandbox { name, name_span, host, policy, conditional, open: open.into_iter().collect() })
}

/// How many outer conditions all definitions have in common: a sandbox that is conditional as a whole is judged as a whole.
fn shared_conditions(definitions: &[Definition]) -> usize {
    let mut chains = definitions.iter().map(|definition| definition.how.conditions.as_slice());
    let first = chains.next().unwrap_or_default();
    chains.fold(first.len(), |shared, chain| {
        first.iter().take(shared).zip(chain).take_while(|(a, b)| a == b).count()
    })
}

/// A policy that says only this.
fn alone(definition: &Definition) -> Option<Node> {
    let steps = definition.path.get(DEPTH..)?;
    let spans = definition.spans.get(DEPTH..)?;
    let value = Node { span: definition.span.clone(), kind: definition.kind.clone() };
    let mut node = value;
    for (step, span) in steps.iter().zip(spans).rev() {
        let Step::Key(key) = step else { return None };
        let whole = span.start..span.end;
        let member = Member { key: key.clone(), key_span: span.clone(), value: node };
        node = Node { span: whole, kind: NodeKind::Object(vec![member]) };
    }
    Some(node)
}

/// The value at `depth` steps, of definitions that share these steps.
pub(super) fn value(definitions: Vec<Definition>, depth: usize) -> Option<Node> {
    let first = definitions.first()?;
    let anchor = first.spans.get(depth.wrapping_sub(1)).cloned().unwrap_or_else(|| first.span.clone());
    let (here, below): (Vec<_>, Vec<_>) = definitions.into_iter().partition(|one| one.path.len() <= depth);
    let set = here.iter().find(|one| matches!(one.kind, NodeKind::Object(_))).map(|one| one.span.clone());
    if below.is_empty() && here.iter().any(|one| !matches!(one.kind, NodeKind::Object(_))) {
        return leaf(here);
    }
    let mut groups: Vec<Vec<Definition>> = Vec::new();
    for one in below {
        match groups
            .iter_mut()
            .find(|group| group.first().map(|g| g.path.get(depth)) == Some(one.path.get(depth)))
        {
            Some(group) => group.push(one),
            None => groups.push(vec![one]),
        }
    }
    let member = |group: Vec<Definition>| {
        let first = group.first()?;
        let Some(Step::Key(key)) = first.path.get(depth) else { return None };
        let (key, key_span) = (key.clone(), first.spans.get(depth)?.clone());
        value(group, depth + 1).map(|value| Member { key, key_span, value })
    };
    let members = groups.into_iter().filter_map(member).collect();
    Some(Node { span: set.unwrap_or(anchor), kind: NodeKind::Object(members) })
}

/// One of several definitions of an option that is not a set.
fn leaf(definitions: Vec<Definition>) -> Option<Node> {
    let rank = |definition: &Definition| definition.how.priority.unwrap_or(100);
    let strongest = definitions.iter().filter(|one| one.how.conditions.is_empty()).map(rank).min();
    let span = definitions.first()?.span.clone();
    // A condition may bring in something at least as strong.
    let doubtful = definitions.iter().any(|one| {
        !one.how.conditions.is_empty() && strongest.is_none_or(|strongest| rank(one) <= strongest)
    });
    if doubtful {
        return Some(Node { span, kind: NodeKind::Computed });
    }
    let mut winners = definitions.into_iter().filter(|one| Some(rank(one)) == strongest);
    let mut result = winners.next()?;
    for other in winners {
        match (&mut result.kind, other.kind) {
            (NodeKind::Array(items), NodeKind::Array(more)) => items.extend(more),
            (mine, theirs) if *mine == theirs => {}
            // NixOS itself reports definitions that conflict.
            (mine, _) => *mine = NodeKind::Computed,
        }
    }
    Some(Node { span: result.span, kind: result.kind })
}
