//! Where the machine's programs are, and what the service can execute.

use std::collections::BTreeSet;

use sandboxed_systemd::value::{AbsPath, PathSpec, Value};

use super::paths::spec;
use super::{Filesystem, PROGRAMS_FIXED, Root};
use crate::areas::privileges::NamespaceKind;
use crate::areas::syscalls::MEMORY_FILES;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::scalar::HostPath;
use crate::target::{Distribution, Kernel, Target};
use crate::unit::Unit;

/// Where distributions have their programs and libraries. Whatever a machine lacks is left out.
pub(super) const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// The same without those that lead into another, where /usr is merged.
const MERGED: &[&str] = &["/usr"];

/// Where NixOS has its programs, libraries and configuration.
pub(super) const STORE: &str = "/nix/store";

/// The paths that the target's programs are below.
pub(super) fn system(target: &Target) -> &'static [&'static str] {
    if target.merged_usr { MERGED } else { SYSTEM }
}

/// The same as paths for systemd.
pub(super) fn system_paths(target: &Target) -> impl Iterator<Item = AbsPath> {
    system(target).iter().filter_map(|path| AbsPath::new(path).ok())
}

impl Filesystem {
    pub(super) fn programs(&self, planner: &mut Planner<'_>) {
        let system: Vec<PathSpec> = match planner.closure {
            // One word for all of the closure: nothing else of the store is there, and every word is a pass over all mounts.
            Some(closure) if self.root == Root::Host => closure.iter().filter_map(spec).collect(),
            Some(_) => AbsPath::new(STORE).ok().map(PathSpec::new).into_iter().collect(),
            None if planner.target.distribution == Distribution::Nixos => {
                AbsPath::new(STORE).ok().map(PathSpec::new).into_iter().collect()
            }
            None => system_paths(planner.target).map(|system| PathSpec::new(system).optional()).collect(),
        };
        let in_root = |spec: PathSpec| if self.root == Root::Own { spec.in_root() } else { spec };
        let allowed =
            system.into_iter().chain(self.executable.iter().filter_map(spec)).map(in_root).collect();
        // What systemd mounts for the unit's own directories, and their /run, keeps `exec` unless it is named (systemd 257).
        let own = planner.base.iter().flat_map(Unit::directories).collect::<BTreeSet<_>>();
        let own = (!own.is_empty()).then(|| "/run".to_owned()).into_iter().chain(own);
        let own = own.filter_map(|path| AbsPath::new(&path).ok()).map(|path| PathSpec::new(path).optional());
        let denied = std::iter::once(PathSpec::new(AbsPath::root())).chain(own).map(in_root).collect();
        let in_memory = planner.policy.syscalls.opens(MEMORY_FILES);
        let in_memory = in_memory.map(|call| {
            format!("{call} is allowed: a file that it makes is on no mount, and is executed by execveat(2) whatever is in it")
        });
        guarantee(&PROGRAMS_FIXED)
            .by(Mechanism::service("NoExecPaths", Value::Paths(denied))
                .and("ExecPaths", Value::Paths(allowed))
                .leaves_open_as_well(in_memory))
            .with(Self::landlocked(
                planner,
                Mechanism::named("a Landlock domain in which nothing else is executed, by sandboxed-launch")
                    .and_landlock(self.execute_only(planner), Kernel::new(5, 19)),
            ))
            .except(self.executable.iter().map(|named| named.path().to_owned()))
            .keep(planner);
    }

    /// The same for Landlock, which knows no mount options: what lies below these is executed, whoever could write it, and
    /// nothing that lies elsewhere is, however it is mounted. It asks at execve(2), not at mmap(2).
    fn execute_only(&self, planner: &Planner<'_>) -> Vec<String> {
        let nixos = planner.closure.is_some() || planner.target.distribution == Distribution::Nixos;
        let system = if nixos { &[STORE] } else { system(planner.target) };
        let optional = if nixos { "" } else { "-" };
        let system = system.iter().map(|path| format!("--execute-only={optional}{path}"));
        system.chain(self.executable.iter().map(|named| option("execute-only", named))).collect()
    }

    /// A layer by Landlock that restricts files: whoever is in such a domain cannot mount.
    pub(super) fn landlocked(planner: &Planner<'_>, layer: Mechanism) -> Mechanism {
        let mounts = planner.policy.privileges.namespaces.contains(&NamespaceKind::Mnt);
        layer.unless(mounts.then(|| "the policy lets the service mount in namespaces of its own".to_owned()))
    }
}

/// A path as the launcher takes it.
pub(super) fn option(name: &str, named: &HostPath) -> String {
    format!("--{name}={}{}", if named.is_optional() { "-" } else { "" }, named.path())
}

/// What a service with a root of its own can see of the host's programs.
pub(crate) fn visible<'a>(
    filesystem: &'a Filesystem,
    target: &Target,
    closure: Option<&'a [HostPath]>,
) -> Vec<&'a str> {
    let system: Vec<&str> = match closure {
        Some(closure) => closure.iter().map(HostPath::path).collect(),
        None if target.distribution == Distribution::Nixos => vec!["/nix/store"],
        None => SYSTEM.to_vec(),
    };
    let named = filesystem.named().map(|(_, named)| named.path()).collect::<Vec<_>>();
    system.into_iter().chain(named).collect()
}
