//! From every `services` down to the literal values of each sandbox.

mod follow;

use std::collections::BTreeSet;

use super::merge::{Definition, assemble};
use super::scope::Scope;
use super::{Document, Path, Place, PlaceKind, Step};
use crate::syntax::{Attr, Binding, Entry, Expr, ExprKind, Inherit, Span};
use sandboxed_core::document::NodeKind;

/// Following names can take exponential time in an adversarial document: this many steps below names are followed.
const MAX_STEPS: usize = 20_000;
/// Names followed inside each other, and nesting.
const MAX_DEPTH: usize = 250;
/// Keys below each other; a policy needs five.
const MAX_PATH: usize = 32;

/// How a definition applies.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct How {
    /// The conditions it stands under, by their place, outermost first.
    pub(super) conditions: Vec<usize>,
    /// The module system's priority; the lowest number wins. None: the default, 100.
    pub(super) priority: Option<i64>,
}

impl How {
    fn under(&self, condition: usize) -> Self {
        let mut how = self.clone();
        how.conditions.push(condition);
        how
    }

    fn with_priority(&self, priority: i64) -> Self {
        How { priority: Some(priority), ..self.clone() }
    }
}

/// Where the value that is being followed ends up.
#[derive(Clone)]
struct Route {
    /// The keys before `services`.
    host: Vec<String>,
    path: Path,
    /// The place of each step, for those that are keys.
    spans: Vec<Span>,
}

impl Route {
    /// To what `services.sandboxed` holds.
    fn services(host: Vec<String>) -> Self {
        Route { host, path: vec![Step::Key("sandboxed".to_owned())], spans: std::iter::once(0..0).collect() }
    }

    fn then(&self, step: Step, span: Span) -> Self {
        let mut route = self.clone();
        route.path.push(step);
        route.spans.push(span);
        route
    }
}

#[derive(Default)]
pub(super) struct Walker {
    services: BTreeSet<String>,
    definitions: Vec<Definition>,
    places: Vec<Place>,
    steps: usize,
    depth: usize,
    /// Names being followed here.
    names: usize,
}

impl Walker {
    /// A Nix file: looks for `services` everywhere in it.
    pub(super) fn module(&mut self, root: &Expr<'_>) {
        self.search(root, &Scope::ROOT, &[]);
    }

    /// A JSON policy: the document is the sandbox.
    pub(super) fn policy(&mut self, root: &Expr<'_>) {
        let path = vec![Step::Key("sandboxed".to_owned()), Step::Key(String::new())];
        let route = Route { host: Vec::new(), path, spans: vec![0..0, 0..0] };
        self.places.push(Place {
            span: root.span.clone(),
            path: route.path.clone(),
            kind: PlaceKind::Value(root.span.clone()),
        });
        self.follow(root, &Scope::ROOT, &[], &route, &How::default());
    }

    pub(super) fn document(self, syntax_errors: Vec<Span>) -> Document {
        let (places, services) = (self.places, self.services);
        Document { sandboxes: assemble(self.definitions), places, services, syntax_errors }
    }

    fn search(&mut self, expr: &Expr<'_>, scope: &Scope<'_, '_>, host: &[String]) {
        match &expr.kind {
            ExprKind::Set(set) => {
                let inner = if set.recursive { scope.entries(&set.entries) } else { *scope };
                for entry in &set.entries {
                    match entry {
                        Entry::Binding(binding) => self.search_binding(binding, &inner, host),
                        Entry::Inherit(inherit) => self.search_inherit(inherit, scope, host),
                    }
                }
            }
            ExprKind::List(list) => list.items.iter().for_each(|item| self.search(item, scope, host)),
            ExprKind::Let { entries, body } => {
                let inner = scope.entries(entries);
                for entry in entries {
                    // A name bound here says nothing by itself; whole modules below it do.
                    if let Entry::Binding(Binding { path, value, .. }) = entry
                        && path.iter().all(|attr| attr.name() != Some("services"))
                    {
                        self.search(value, &inner, host);
                    }
                }
                self.search(body, &inner, host);
            }
            ExprKind::Lambda { parameters, body } => self.search(body, &scope.parameters(parameters), host),
            ExprKind::With { namespace, body } => self.search(body, &scope.with(namespace), host),
            ExprKind::Inside(inner) => self.search(inner, scope, host),
            ExprKind::Apply { function, arguments } => {
                self.search(function, scope, host);
                for argument in arguments {
                    self.search(argument, scope, host);
                }
            }
            ExprKind::If { branches: parts }
            | ExprKind::Update(parts)
            | ExprKind::Concat(parts)
            | ExprKind::Opaque(parts) => parts.iter().for_each(|part| self.search(part, scope, host)),
            _ => {}
        }
    }

    fn search_binding(&mut self, binding: &Binding<'_>, scope: &Scope<'_, '_>, host: &[String]) {
        let mut host = host.to_vec();
        for (index, attr) in binding.path.iter().enumerate() {
            match attr.name() {
                Some("services") if !host.iter().any(|key| key == "options") => {
                    let route = Route::services(host);
                    let below = binding.path.get(index + 1..).unwrap_or_default();
                    self.note_services(below, &binding.value);
                    self.bind(below, binding, scope, &["sandboxed"], &route, &How::default());
                    return;
                }
                // These lead to further modules of the same host.
                Some("config" | "imports" | "modules") => {}
                Some(name) => host.push(name.to_owned()),
                None => host.push(format!("{:?}", attr.span)),
            }
        }
        self.search(&binding.value, scope, &host);
    }

    fn note_services(&mut self, below: &[Attr<'_>], value: &Expr<'_>) {
        let mut note = |attr: Option<&Attr<'_>>| {
            let name = attr.and_then(Attr::name).filter(|name| !name.is_empty() && *name != "sandboxed");
            self.services.extend(name.map(str::to_owned));
        };
        match (below, &value.kind) {
            ([], ExprKind::Set(set)) => {
                for entry in &set.entries {
                    if let Entry::Binding(binding) = entry {
                        note(binding.path.first());
                    }
                }
            }
            _ => note(below.first()),
        }
    }

    fn search_inherit(&mut self, inherit: &Inherit<'_>, scope: &Scope<'_, '_>, host: &[String]) {
        if inherit.names.iter().any(|attr| attr.name() == Some("services")) {
            let route = Route::services(host.to_vec());
            let how = How::default();
            match &inherit.from {
                Some(from) => self.follow(from, scope, &["services", "sandboxed"], &route, &how),
                None => self.follow_name("services", 0..0, scope, &["sandboxed"], &route, &how),
            }
        }
    }

    fn define(&mut self, route: &Route, span: Span, kind: NodeKind, how: &How) {
        self.definitions.push(Definition {
            host: route.host.clone(),
            path: route.path.clone(),
            spans: route.spans.clone(),
            span,
            kind,
            how: how.clone(),
        });
    }

    fn key(&mut self, attr: &Attr<'_>, route: &Route) {
        if let Some(name) = attr.name() {
            self.place(attr.span.clone(), route, PlaceKind::Key(name.to_owned()));
        }
    }

    fn place(&mut self, span: Span, route: &Route, kind: PlaceKind) {
        self.places.push(Place { span, path: route.path.clone(), kind });
    }
}
