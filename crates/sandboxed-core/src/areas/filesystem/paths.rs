//! Paths of a policy as systemd's values.

use sandboxed_systemd::value::{AbsPath, Bind, Device, PathSpec, TmpFs, Value};

use crate::planner::path;
use crate::scalar::HostPath;

/// Whether a path is hidden by `ProtectHome=`, systemd.exec(5).
pub(super) fn is_in_homes(path: &str) -> bool {
    ["/home", "/root", "/run/user"].iter().any(|home| below(path, home))
}

/// Whether `inner` is `outer` or lies below it.
pub(crate) fn below(inner: &str, outer: &str) -> bool {
    outer == "/" || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

pub(super) fn bind(named: &HostPath) -> Option<Bind> {
    path(named).map(Bind::new).map(|bind| if named.is_optional() { bind.optional() } else { bind })
}

pub(super) fn spec(named: &HostPath) -> Option<PathSpec> {
    path(named).map(PathSpec::new).map(|spec| if named.is_optional() { spec.optional() } else { spec })
}

pub(super) fn hidden(paths: &[HostPath]) -> Option<Value> {
    let specs: Vec<PathSpec> =
        paths.iter().filter_map(path).map(|hidden| PathSpec::new(hidden).optional()).collect();
    (!specs.is_empty()).then_some(Value::Paths(specs))
}

pub(super) fn tmpfs(mounts: &[&str], options: &[&str]) -> Value {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let mounts = mounts.iter().filter_map(|mount| AbsPath::new(mount).ok());
    Value::TmpFs(mounts.map(|path| TmpFs { path, options: options.clone() }).collect())
}

pub(super) fn device(named: &HostPath) -> Device {
    Device { node: named.path().to_owned(), read: true, write: true, make: false }
}
