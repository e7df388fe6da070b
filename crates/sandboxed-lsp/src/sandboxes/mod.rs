//! Where a document defines sandboxes, and what it says about each.
//!
//! `services.sandboxed` can be written in many ways (dotted, nested, merged, `let`-bound, …). [`walk`] follows the syntax from
//! every `services` to the literal values below, [`merge`] puts together what was said about one sandbox as the module system
//! would, and [`Document::context`] answers what is being typed at a place. A JSON policy is a document with one sandbox.
//! What is not literal becomes [`NodeKind::Computed`](sandboxed_core::document::NodeKind::Computed) and is never judged.

pub(crate) mod context;
mod merge;
mod scope;
mod walk;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::fmt;

use crate::syntax::{self, Span};
use sandboxed_core::document::Node;

/// One step from `services` down to a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// A key of an attribute set.
    Key(String),
    /// An element of a list.
    Item,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Key(name) => f.write_str(name),
            Step::Item => f.write_str("*"),
        }
    }
}

/// The steps to an option inside a sandbox's policy.
pub(crate) type Path = Vec<Step>;

/// What a document says, as far as sandboxes are concerned.
#[derive(Debug)]
pub(crate) struct Document {
    /// In the order of the text.
    pub(crate) sandboxes: Vec<Sandbox>,
    /// The places where a key or a value of a sandbox stands or could stand.
    pub(crate) places: Vec<Place>,
    /// Services that the file configures: names below `systemd.services` and `services`.
    pub(crate) services: BTreeSet<String>,
    /// Where the text is incomplete or wrong.
    pub(crate) syntax_errors: Vec<Span>,
}

/// A sandbox.
#[derive(Debug)]
pub(crate) struct Sandbox {
    /// The attribute name below `services.sandboxed`; empty for a JSON policy.
    pub(crate) name: String,
    /// Where it is first named.
    pub(crate) name_span: Span,
    /// The keys before `services`, which tell hosts in one file apart.
    pub(crate) host: Vec<String>,
    /// What is certain about it.
    pub(crate) policy: Node,
    /// What holds only under conditions, each value by itself.
    pub(crate) conditional: Vec<Node>,
    /// Sets that may have more members than can be read.
    pub(crate) open: Vec<Path>,
}

/// A place in the text that belongs to a sandbox.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) span: Span,
    /// From `services` on.
    pub(crate) path: Path,
    pub(crate) kind: PlaceKind,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PlaceKind {
    /// The inside of a set: keys of `path` can be written here.
    Set,
    /// A key of `path`.
    Key(String),
    /// After the `=` of `path`; the span of what is written there already.
    Value(Span),
    /// The inside of a list at `path`: elements can be written here.
    List,
    /// The inside of a string at `path`, whose quotes are there already.
    Str,
}

/// Reads a Nix file.
pub(crate) fn nix(text: &str) -> Document {
    let parsed = syntax::nix::parse(text);
    let mut walker = walk::Walker::default();
    walker.module(&parsed.root);
    walker.document(parsed.errors)
}

/// Reads a JSON policy.
pub(crate) fn json(text: &str) -> Document {
    let parsed = syntax::json::parse(text);
    let mut walker = walk::Walker::default();
    walker.policy(&parsed.root);
    walker.document(parsed.errors)
}
