//! From every `services` down to the literal values of each sandbox.

use std::collections::BTreeSet;

use super::merge::{Definition, assemble};
use super::scope::Scope;
use super::{Document, Path, Place, PlaceKind, Step};
use crate::syntax::{Attr, Binding, Entry, Expr, ExprKind, Inherit, Set, Span};
use sandboxed_core::document::{Node, NodeKind};

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

    /// The value at the end of `keys`, of which `wanted` are only selected, not defined.
    fn bind(
        &mut self,
        keys: &[Attr<'_>],
        binding: &Binding<'_>,
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        let mut route = route.clone();
        let mut wanted = wanted;
        for attr in keys {
            if let [first, rest @ ..] = wanted {
                if *wanted == ["sandboxed"]
                    && let Some(name) = attr.name()
                {
                    self.places.push(Place {
                        span: attr.span.clone(),
                        path: Vec::new(),
                        kind: PlaceKind::Key(name.to_owned()),
                    });
                }
                if attr.name() != Some(first) {
                    return;
                }
                wanted = rest;
                continue;
            }
            self.key(attr, &route);
            match attr.name() {
                Some("") if attr.span.is_empty() => return,
                Some(name) => route = route.then(Step::Key(name.to_owned()), attr.span.clone()),
                None => {
                    self.define(&route, attr.span.clone(), NodeKind::Computed, how);
                    return;
                }
            }
        }
        if let (Some(assigned), true) = (binding.assigned, wanted.is_empty()) {
            let end = if matches!(binding.value.kind, ExprKind::Missing) {
                binding.span.end
            } else {
                binding.value.span.end
            };
            self.places.push(Place {
                span: assigned..end.max(assigned),
                path: route.path.clone(),
                kind: PlaceKind::Value(binding.value.span.clone()),
            });
        }
        self.follow(&binding.value, scope, wanted, &route, how);
    }

    /// Follows `expr`, of which the attribute `wanted` ends up at `route`.
    fn follow(&mut self, expr: &Expr<'_>, scope: &Scope<'_, '_>, wanted: &[&str], route: &Route, how: &How) {
        self.steps += usize::from(self.names > 0);
        if self.steps > MAX_STEPS || self.depth > MAX_DEPTH || route.path.len() > MAX_PATH {
            self.define(route, expr.span.clone(), NodeKind::Computed, how);
            return;
        }
        self.depth += 1;
        self.follow_kind(expr, scope, wanted, route, how);
        self.depth -= 1;
    }

    fn follow_kind(
        &mut self,
        expr: &Expr<'_>,
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        match &expr.kind {
            ExprKind::Set(set) => self.set(expr, set, scope, wanted, route, how),
            ExprKind::Inside(inner) => self.follow(inner, scope, wanted, route, how),
            ExprKind::Let { entries, body } => self.follow(body, &scope.entries(entries), wanted, route, how),
            ExprKind::With { namespace, body } => {
                self.follow(body, &scope.with(namespace), wanted, route, how);
            }
            ExprKind::If { branches } => {
                for branch in branches {
                    self.follow(branch, scope, wanted, route, &how.under(branch.span.start));
                }
            }
            ExprKind::Update(parts) => self.update(parts, scope, wanted, route, how),
            ExprKind::Select { base, path } => {
                let names: Option<Vec<&str>> = path.iter().map(Attr::name).collect();
                match names {
                    Some(mut names) if !names.is_empty() => {
                        names.extend(wanted);
                        self.follow(base, scope, &names, route, how);
                    }
                    _ => self.define(route, expr.span.clone(), NodeKind::Computed, how),
                }
            }
            ExprKind::Ident(name) => {
                let literal = match *name {
                    "true" => Some(NodeKind::Bool(true)),
                    "false" => Some(NodeKind::Bool(false)),
                    "null" => Some(NodeKind::Null),
                    _ => None,
                };
                match literal {
                    Some(kind) if wanted.is_empty() && !scope.binds(name) => {
                        self.define(route, expr.span.clone(), kind, how);
                    }
                    _ => self.follow_name(name, expr.span.clone(), scope, wanted, route, how),
                }
            }
            ExprKind::Apply { function, arguments } => {
                self.apply(expr, function, arguments, scope, wanted, route, how);
            }
            ExprKind::Missing => {}
            _ if !wanted.is_empty() => self.define(route, expr.span.clone(), NodeKind::Computed, how),
            ExprKind::Str(string) => {
                self.place(string.body.clone(), route, PlaceKind::Str);
                let kind = string.value.clone().map_or(NodeKind::Computed, NodeKind::String);
                self.define(route, expr.span.clone(), kind, how);
            }
            ExprKind::Number(text) => {
                let kind = text.parse().map_or(NodeKind::Computed, NodeKind::Number);
                self.define(route, expr.span.clone(), kind, how);
            }
            ExprKind::List(list) => {
                self.place(list.body.clone(), route, PlaceKind::List);
                let items = self.items(&list.items, scope, route);
                self.define(route, expr.span.clone(), NodeKind::Array(items), how);
            }
            ExprKind::Concat(parts) => {
                let items = self.concatenated(parts, scope, route);
                self.define(route, expr.span.clone(), NodeKind::Array(items), how);
            }
            ExprKind::Path | ExprKind::Opaque(_) | ExprKind::Lambda { .. } => {
                self.define(route, expr.span.clone(), NodeKind::Computed, how);
            }
        }
    }

    fn set(
        &mut self,
        expr: &Expr<'_>,
        set: &Set<'_>,
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        if *wanted == ["sandboxed"] {
            self.places.push(Place { span: set.body.clone(), path: Vec::new(), kind: PlaceKind::Set });
        }
        if wanted.is_empty() {
            self.place(set.body.clone(), route, PlaceKind::Set);
            self.define(route, expr.span.clone(), NodeKind::Object(Vec::new()), how);
        }
        let inner = if set.recursive { scope.entries(&set.entries) } else { *scope };
        for entry in &set.entries {
            match entry {
                Entry::Binding(binding) => self.bind(&binding.path, binding, &inner, wanted, route, how),
                Entry::Inherit(inherit) => self.inherit(inherit, scope, wanted, route, how),
            }
        }
    }

    fn inherit(
        &mut self,
        inherit: &Inherit<'_>,
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        for attr in &inherit.names {
            let Some(name) = attr.name() else { continue };
            let (route, wanted) = match wanted {
                [first, rest @ ..] if *first == name => (route.clone(), rest),
                [_, ..] => continue,
                [] => {
                    self.key(attr, route);
                    (route.then(Step::Key(name.to_owned()), attr.span.clone()), wanted)
                }
            };
            match &inherit.from {
                Some(from) => {
                    let mut names = vec![name];
                    names.extend(wanted);
                    self.follow(from, scope, &names, &route, how);
                }
                None => self.follow_name(name, attr.span.clone(), scope, wanted, &route, how),
            }
        }
    }

    fn follow_name(
        &mut self,
        name: &str,
        span: Span,
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        let found = scope.lookup(name);
        if found.is_empty() {
            self.define(route, span, NodeKind::Computed, how);
        }
        for piece in found {
            let mut route = route.clone();
            let mut wanted: Vec<&str> = piece.select.into_iter().chain(wanted.iter().copied()).collect();
            let reachable = piece.below.iter().all(|attr| {
                let Some(name) = attr.name() else { return false };
                if wanted.is_empty() {
                    route = route.then(Step::Key(name.to_owned()), attr.span.clone());
                    return true;
                }
                wanted.remove(0) == name
            });
            if reachable {
                self.names += 1;
                self.follow(piece.value, piece.scope, &wanted, &route, how);
                self.names -= 1;
            }
        }
    }

    /// The functions of nixpkgs' library that say how a value applies.
    #[allow(clippy::too_many_arguments)]
    fn apply(
        &mut self,
        expr: &Expr<'_>,
        function: &Expr<'_>,
        arguments: &[Expr<'_>],
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        match (function_name(function), arguments) {
            ("mkIf" | "optionalAttrs", [condition, value]) => {
                self.follow(value, scope, wanted, route, &how.under(condition.span.start));
            }
            ("mkDefault", [value]) => self.follow(value, scope, wanted, route, &how.with_priority(1000)),
            ("mkOptionDefault", [value]) => {
                self.follow(value, scope, wanted, route, &how.with_priority(1500));
            }
            ("mkForce", [value]) => self.follow(value, scope, wanted, route, &how.with_priority(50)),
            ("mkOverride", [Expr { kind: ExprKind::Number(priority), .. }, value]) => {
                let how = how.with_priority(priority.parse().unwrap_or(100));
                self.follow(value, scope, wanted, route, &how);
            }
            ("mkBefore" | "mkAfter" | "id", [value]) | ("mkOrder", [_, value]) => {
                self.follow(value, scope, wanted, route, how);
            }
            ("mkMerge", [modules]) => match &modules.peeled().kind {
                ExprKind::List(list) => {
                    for item in &list.items {
                        self.follow(item, scope, wanted, route, how);
                    }
                }
                _ => self.define(route, expr.span.clone(), NodeKind::Computed, how),
            },
            ("recursiveUpdate", [base, changes]) => {
                self.follow(base, scope, wanted, route, &how.with_priority(how.priority.unwrap_or(100) + 1));
                self.follow(changes, scope, wanted, route, how);
            }
            ("optional" | "optionals", [_, _]) if wanted.is_empty() => {
                let items = self.concatenated(std::slice::from_ref(expr), scope, route);
                self.define(route, expr.span.clone(), NodeKind::Array(items), how);
            }
            _ => self.define(route, expr.span.clone(), NodeKind::Computed, how),
        }
    }

    /// `a // b`: what `b` has replaces what `a` has under the same key.
    fn update(
        &mut self,
        parts: &[Expr<'_>],
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
        let start = self.definitions.len();
        let depth = route.path.len();
        for part in parts {
            let before = self.definitions.len();
            self.follow(part, scope, wanted, route, how);
            let added = self.definitions.split_off(before);
            let unknown = added.iter().any(|new| new.path.len() == depth && new.kind == NodeKind::Computed);
            let earlier = self.definitions.split_off(start);
            for mut old in earlier {
                let replaced = old.path.len() > depth
                    && added.iter().any(|new| new.path.get(depth) == old.path.get(depth));
                if !replaced {
                    if unknown {
                        old.how = old.how.under(part.span.start);
                    }
                    self.definitions.push(old);
                }
            }
            self.definitions.extend(added);
        }
    }

    fn items(&mut self, items: &[Expr<'_>], scope: &Scope<'_, '_>, route: &Route) -> Vec<Node> {
        items.iter().map(|item| self.item(item, scope, route)).collect()
    }

    fn item(&mut self, item: &Expr<'_>, scope: &Scope<'_, '_>, route: &Route) -> Node {
        let route = route.then(Step::Item, item.span.clone());
        self.place(item.span.clone(), &route, PlaceKind::Value(item.span.clone()));
        let before = self.definitions.len();
        self.follow(item, scope, &[], &route, &How::default());
        let definitions = self.definitions.split_off(before);
        super::merge::value(definitions, route.path.len())
            .unwrap_or(Node { span: item.span.clone(), kind: NodeKind::Computed })
    }

    /// The elements of lists joined with `++`; a list that is not literal counts as one computed element.
    fn concatenated(&mut self, parts: &[Expr<'_>], scope: &Scope<'_, '_>, route: &Route) -> Vec<Node> {
        let mut items = Vec::new();
        for part in parts {
            let computed = || Node { span: part.span.clone(), kind: NodeKind::Computed };
            match &part.peeled().kind {
                ExprKind::List(list) => {
                    self.place(list.body.clone(), route, PlaceKind::List);
                    items.extend(self.items(&list.items, scope, route));
                }
                ExprKind::Apply { function, arguments } => {
                    match (function_name(function), arguments.as_slice()) {
                        ("optionals", [_, list]) => {
                            items.extend(self.concatenated(std::slice::from_ref(list), scope, route));
                            items.push(computed());
                        }
                        ("optional", [_, item]) => {
                            items.push(self.item(item, scope, route));
                            items.push(computed());
                        }
                        _ => items.push(computed()),
                    }
                }
                _ => items.push(computed()),
            }
        }
        items
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

/// The last name of a function: `mkIf`, `lib.mkIf` and `pkgs.lib.mkIf` are the same.
fn function_name<'e>(function: &'e Expr<'_>) -> &'e str {
    match &function.peeled().kind {
        ExprKind::Ident(name) => name,
        ExprKind::Select { path, .. } => path.last().and_then(Attr::name).unwrap_or_default(),
        _ => "",
    }
}
