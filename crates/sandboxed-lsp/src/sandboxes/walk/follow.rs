//! Following a value through names, functions and operators to what is literal of it.

use super::{How, MAX_DEPTH, MAX_PATH, MAX_STEPS, Route, Walker};
use crate::sandboxes::scope::Scope;
use crate::sandboxes::{Place, PlaceKind, Step, merge};
use crate::syntax::{Attr, Binding, Entry, Expr, ExprKind, Inherit, Set, Span};
use sandboxed_core::document::{Node, NodeKind};

impl Walker {
    /// The value at the end of `keys`, of which `wanted` are only selected, not defined.
    pub(super) fn bind(
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
    pub(super) fn follow(
        &mut self,
        expr: &Expr<'_>,
        scope: &Scope<'_, '_>,
        wanted: &[&str],
        route: &Route,
        how: &How,
    ) {
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

    pub(super) fn follow_name(
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
        merge::value(definitions, route.path.len())
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
}

/// The last name of a function: `mkIf`, `lib.mkIf` and `pkgs.lib.mkIf` are the same.
fn function_name<'e>(function: &'e Expr<'_>) -> &'e str {
    match &function.peeled().kind {
        ExprKind::Ident(name) => name,
        ExprKind::Select { path, .. } => path.last().and_then(Attr::name).unwrap_or_default(),
        _ => "",
    }
}
