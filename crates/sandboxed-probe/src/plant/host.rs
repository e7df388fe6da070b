//! Facts about the host.

use std::fs;
use std::path::Path;

use crate::channels::paths;
use crate::sys::process::namespace;
use crate::targets::Host;

/// Looks at the machine; changes nothing.
pub(super) fn survey() -> Host {
    let kinds = ["pid", "net", "ipc", "uts", "mnt", "user", "cgroup", "time"];
    let line = |path: &str| fs::read_to_string(path).ok().map(|text| text.trim().to_owned());
    Host {
        namespaces: kinds
            .iter()
            .filter_map(|kind| Some(((*kind).to_owned(), namespace(kind).ok()?)))
            .collect(),
        name: line("/proc/sys/kernel/hostname"),
        machine_id: line("/etc/machine-id"),
        boot_id: line("/proc/sys/kernel/random/boot_id"),
        core_pattern: line("/proc/sys/kernel/core_pattern"),
        existing: paths().filter(|path| Path::new(path).exists()).map(Into::into).collect(),
        surveyed: true,
    }
}
