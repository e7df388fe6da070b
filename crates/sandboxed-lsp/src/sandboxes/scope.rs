//! Which definition a name refers to.

use crate::syntax::{Attr, Entry, Expr, ExprKind};

/// The names that are visible at a place, innermost first.
#[derive(Clone, Copy)]
pub(super) struct Scope<'s, 't> {
    names: Names<'s, 't>,
    outer: Option<&'s Scope<'s, 't>>,
}

#[derive(Clone, Copy)]
enum Names<'s, 't> {
    None,
    /// `let` or `rec`.
    Entries(&'s [Entry<'t>]),
    /// A function's parameters: known to exist, not known what they are.
    Parameters(&'s [&'t str]),
    /// `with`.
    With(&'s Expr<'t>),
}

/// One definition of a name (a set can be defined in pieces: `a.b = 1; a.c = 2;`).
pub(super) struct Found<'s, 't> {
    /// The keys below the name that this piece defines.
    pub(super) below: &'s [Attr<'t>],
    /// What it is bound to, and the scope that is to be read in.
    pub(super) value: &'s Expr<'t>,
    pub(super) scope: &'s Scope<'s, 't>,
    /// The attribute of `value` that is meant, for `inherit (value) name`.
    pub(super) select: Option<&'s str>,
}

impl<'s, 't> Scope<'s, 't> {
    pub(super) const ROOT: Scope<'s, 't> = Scope { names: Names::None, outer: None };

    pub(super) fn entries(&'s self, entries: &'s [Entry<'t>]) -> Scope<'s, 't> {
        Scope { names: Names::Entries(entries), outer: Some(self) }
    }

    pub(super) fn parameters(&'s self, parameters: &'s [&'t str]) -> Scope<'s, 't> {
        Scope { names: Names::Parameters(parameters), outer: Some(self) }
    }

    pub(super) fn with(&'s self, namespace: &'s Expr<'t>) -> Scope<'s, 't> {
        Scope { names: Names::With(namespace), outer: Some(self) }
    }

    /// The definitions of `name`; none if it is not known here or has no expression.
    pub(super) fn lookup(&'s self, name: &str) -> Vec<Found<'s, 't>> {
        self.lexical(name).or_else(|| self.namespaces(name)).unwrap_or_default()
    }

    /// Whether a definition or a parameter hides what Nix itself calls `name`.
    pub(super) fn binds(&'s self, name: &str) -> bool {
        self.lexical(name).is_some()
    }

    fn lexical(&'s self, name: &str) -> Option<Vec<Found<'s, 't>>> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            match here.names {
                Names::Entries(entries) => {
                    let found = bound(entries, name, here);
                    if !found.is_empty() {
                        return Some(found);
                    }
                    if let Some(inherited) = inherited(entries, name, here) {
                        return Some(inherited);
                    }
                }
                Names::Parameters(parameters) if parameters.contains(&name) => return Some(Vec::new()),
                _ => {}
            }
            scope = here.outer;
        }
        None
    }

    /// `with` counts only for names that nothing else binds.
    fn namespaces(&'s self, name: &str) -> Option<Vec<Found<'s, 't>>> {
        let mut scope = Some(self);
        while let Some(here) = scope {
            if let (Names::With(namespace), Some(outer)) = (here.names, here.outer)
                && let ExprKind::Set(set) = &namespace.peeled().kind
            {
                let found = bound(&set.entries, name, outer);
                if !found.is_empty() {
                    return Some(found);
                }
            }
            scope = here.outer;
        }
        None
    }
}

fn bound<'s, 't>(entries: &'s [Entry<'t>], name: &str, scope: &'s Scope<'s, 't>) -> Vec<Found<'s, 't>> {
    let piece = |entry: &'s Entry<'t>| match entry {
        Entry::Binding(binding) => {
            let (first, below) = binding.path.split_first()?;
            (first.name() == Some(name)).then_some(Found {
                below,
                value: &binding.value,
                scope,
                select: None,
            })
        }
        Entry::Inherit(_) => None,
    };
    entries.iter().filter_map(piece).collect()
}

fn inherited<'s, 't>(
    entries: &'s [Entry<'t>],
    name: &str,
    scope: &'s Scope<'s, 't>,
) -> Option<Vec<Found<'s, 't>>> {
    entries.iter().find_map(|entry| {
        let Entry::Inherit(inherit) = entry else { return None };
        let select = inherit.names.iter().find_map(|attr| attr.name().filter(|attr| *attr == name))?;
        Some(match (&inherit.from, scope.outer) {
            (Some(value), _) => vec![Found { below: &[], value, scope, select: Some(select) }],
            (None, Some(outer)) => outer.lookup(name),
            (None, None) => Vec::new(),
        })
    })
}
