//! Paths that the service could make others of. Whatever systemd does as root with a path below a directory that the service
//! writes follows the links that the service puts there: it reads, writes, shows or deletes any file of the machine.

use crate::areas::filesystem::below;
use crate::planner::Planner;
use crate::scalar::HostPath;
use crate::unit::Unit;

/// The directory that the service writes below which a path lies, if there is one. What is such a directory itself lies in one
/// of the machine's, where the service puts no links.
pub(crate) fn controlled(planner: &Planner<'_>, path: &str) -> Option<String> {
    let path = normal(path);
    let filesystem = &planner.policy.filesystem;
    let named = filesystem.state.iter().chain(&filesystem.writable).map(HostPath::path).map(normal);
    let made = planner.base.iter().flat_map(Unit::directories).map(|directory| normal(&directory));
    named.chain(made).find(|written| path != *written && below(&path, written))
}

/// The same for a path whose last component systemd does not follow.
pub(crate) fn controlled_on_the_way(planner: &Planner<'_>, path: &str) -> Option<String> {
    let path = normal(path);
    let (folder, _) = path.rsplit_once('/')?;
    controlled(planner, folder)
}

/// A path without what means nothing, and without the links that every distribution has.
pub(crate) fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !matches!(*part, "" | ".")) {
        match part {
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    match parts.get(..2) {
        Some(["var", "run"]) => drop(parts.drain(..1)),
        Some(["var", "lock"]) => drop(parts.splice(..1, ["run"])),
        _ => {}
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::normal;

    #[test]
    fn paths_are_compared_as_the_kernel_reads_them() {
        for (path, same) in [
            ("/var//lib/./a/", "/var/lib/a"),
            ("/var/run/a", "/run/a"),
            ("/var/lock/a", "/run/lock/a"),
            ("/srv/../var/lib/a", "/var/lib/a"),
            ("/..", "/"),
        ] {
            assert_eq!(normal(path), same);
        }
    }
}
