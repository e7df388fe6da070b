//! What is being typed at a place.

use super::{Document, Path, PlaceKind, Step};
use crate::syntax::Span;

/// What stands, or could be typed, at a place in a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Context {
    /// From `services` on: `sandboxed`, the sandbox's name, then the option.
    pub(crate) path: Path,
    pub(crate) kind: ContextKind,
    /// What a completion replaces.
    pub(crate) replaces: Span,
}

/// Whether a key or a value is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ContextKind {
    /// A key of the set at `path`.
    Key,
    /// The value of `path`.
    Value {
        /// The quotes are there already.
        quoted: bool,
        /// It is one of several.
        element: bool,
    },
}

impl Document {
    /// What is meant at `offset`; none outside of sandboxes.
    pub(crate) fn context(&self, offset: usize) -> Option<Context> {
        let place = self
            .places
            .iter()
            .filter(|place| place.span.start <= offset && offset <= place.span.end)
            .min_by_key(|place| (place.span.len(), std::cmp::Reverse(specificity(&place.kind))))?;
        let here = offset..offset;
        let path = place.path.clone();
        let element = path.last() == Some(&Step::Item);
        Some(match &place.kind {
            PlaceKind::Set => Context { path, kind: ContextKind::Key, replaces: here },
            PlaceKind::Key(_) => Context { path, kind: ContextKind::Key, replaces: place.span.clone() },
            PlaceKind::Value(span) => {
                let touches = span.start <= offset && offset <= span.end;
                let replaces = if touches { span.clone() } else { here };
                Context { path, kind: ContextKind::Value { quoted: false, element }, replaces }
            }
            PlaceKind::List => {
                let path = path.into_iter().chain([Step::Item]).collect();
                Context { path, kind: ContextKind::Value { quoted: false, element: true }, replaces: here }
            }
            PlaceKind::Str => {
                let kind = ContextKind::Value { quoted: true, element };
                Context { path, kind, replaces: place.span.clone() }
            }
        })
    }
}

fn specificity(kind: &PlaceKind) -> u8 {
    match kind {
        PlaceKind::Value(_) => 0,
        PlaceKind::List => 1,
        PlaceKind::Set => 2,
        PlaceKind::Key(_) => 3,
        PlaceKind::Str => 4,
    }
}
