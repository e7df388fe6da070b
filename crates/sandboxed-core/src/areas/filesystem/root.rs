//! The root that everything of the machine is bound into, or the machine's own.

use std::collections::BTreeSet;

use sandboxed_systemd::value::{AbsPath, Bind, PathSpec, Value};

use super::paths::{bind, hidden, spec, tmpfs};
use super::programs::{STORE, system_paths};
use super::{Filesystem, HOST_FILES_UNREADABLE, HOST_FILES_UNWRITABLE, MOUNTS_ENFORCED, Root};
use crate::areas::network::Resolver;
use crate::examine::control::controlled;
use crate::plan::Skeleton;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::scalar::HostPath;
use crate::target::{BESIDE_USR, Distribution};
use crate::unit::Unit;

impl Filesystem {
    pub(super) fn root(&self, planner: &mut Planner<'_>) {
        let writable = || self.written().filter_map(|(_, named)| spec(named)).collect::<Vec<_>>();
        match self.root {
            Root::Own => {
                let root = format!("/run/sandboxed/root/{}", planner.plan.name);
                let directory = AbsPath::new(&root).ok().map(Value::Path);
                if planner.closure.is_some() {
                    // ExecPaths= names the store itself, which nothing is mounted on: systemd would not make it.
                    planner.plan.skeleton.extend([Skeleton::Directory("/nix"), Skeleton::Directory(STORE)]);
                } else if planner.target.merged_usr {
                    planner.plan.skeleton.extend(BESIDE_USR.map(|(path, to)| Skeleton::Link(path, to)));
                }
                planner.plan.root = Some(root);
                // A root directory makes systemd refuse to start the service where it cannot have mounts of its own,
                // instead of leaving out whatever Protect* and Private* ask for (systemd issue 39648).
                guarantee(&MOUNTS_ENFORCED)
                    .by(Mechanism::service("RootDirectory", directory.clone())
                        .and("MountAPIVFS", Value::Bool(true))
                        .summary("a root directory, without which systemd refuses to start the service"))
                    .keep(planner);
                let written =
                    self.written().filter_map(|(_, named)| bind(named)).chain(store(planner)).collect();
                guarantee(&HOST_FILES_UNWRITABLE)
                    .by(Mechanism::service("ProtectSystem", Value::word("strict"))
                        .and("ReadOnlyPaths", Value::Paths(vec![PathSpec::new(AbsPath::root()).in_root()]))
                        .and("ReadWritePaths", None)
                        .and("BindPaths", Value::Binds(written))
                        // Said again, so that this holds where another guarantee that rests on it is waived.
                        .and("RootDirectory", directory.clone())
                        .summary("an empty root, read-only, into which what it may write is bound"))
                    .except(self.changed(planner))
                    .keep(planner);
                let readable = self.bound(planner);
                guarantee(&HOST_FILES_UNREADABLE)
                    .by(Mechanism::service("BindReadOnlyPaths", Value::Binds(readable))
                        .and("InaccessiblePaths", hidden(&self.hidden))
                        .and("RootDirectory", directory)
                        .summary("an empty root, into which what it may read is bound"))
                    .except(self.shown(planner))
                    .except(self.readable.iter().chain(&self.executable).map(|named| named.path().to_owned()))
                    .except(self.secret_etc())
                    .keep(planner);
            }
            Root::Host => {
                // Any temporary file system makes systemd insist on a mount namespace, as a root directory does.
                guarantee(&MOUNTS_ENFORCED)
                    .by(Mechanism::service("TemporaryFileSystem", tmpfs(&["/run"], &["ro", "mode=0755"]))
                        .summary(
                            "a temporary file system, without which systemd refuses to start the service",
                        ))
                    .keep(planner);
                guarantee(&HOST_FILES_UNWRITABLE)
                    .by(Mechanism::service("ProtectSystem", Value::word("strict"))
                        .and("ReadWritePaths", Value::Paths(writable()))
                        .summary("the host's tree, read-only but for what it may write"))
                    .except(self.changed(planner))
                    .keep(planner);
                guarantee(&HOST_FILES_UNREADABLE)
                    .by(Mechanism::service("InaccessiblePaths", hidden(&self.hidden))
                        .summary("the modes of the host's files")
                        .leaves_open(as_its_user(planner)))
                    .keep(planner);
            }
        }
    }

    /// What of the host's the service changes: what the policy names, and what systemd makes for its units.
    fn changed(&self, planner: &Planner<'_>) -> BTreeSet<String> {
        let made = planner.base.iter().flat_map(Unit::directories);
        self.written().map(|(_, named)| named.path().to_owned()).chain(made).collect()
    }

    /// What every service sees of the host, so that programs run and users have names: what is named here holds no secrets
    /// on any distribution.
    fn shown(&self, planner: &Planner<'_>) -> Vec<String> {
        let nixos = planner.closure.is_some() || planner.target.distribution == Distribution::Nixos;
        let system = (!nixos).then(|| "/usr".to_owned());
        let users = self.etc.iter().any(|name| name.as_str() == "passwd").then(|| "/etc/passwd".to_owned());
        system.into_iter().chain(users).collect()
    }

    /// What the policy shows of /etc that not every service sees.
    fn secret_etc(&self) -> Vec<String> {
        let usual = Self::default().etc;
        let further = self.etc.iter().filter(|name| !usual.contains(name));
        further.map(|name| format!("/etc/{name}")).collect()
    }

    /// What an own root has of the host's files, read-only.
    fn bound(&self, planner: &Planner<'_>) -> Vec<Bind> {
        let system: Vec<Bind> = match planner.closure {
            Some(_) if planner.target.read_only_store => Vec::new(),
            Some(closure) => closure.iter().filter_map(bind).collect(),
            None if planner.target.distribution == Distribution::Nixos => Vec::new(),
            None => system_paths(planner.target).map(|system| Bind::new(system).optional()).collect(),
        };
        let etc = self
            .etc
            .iter()
            .filter_map(|name| AbsPath::new(&format!("/etc/{name}")).ok())
            .map(|file| Bind::new(file).optional());
        let shown = |named: &&HostPath| controlled(planner, named.path()).is_none();
        let named = self.readable.iter().chain(self.executable.iter().filter(shown)).filter_map(bind);
        let resolv_conf = match planner.policy.network.resolver {
            Resolver::Host => AbsPath::new("/etc/resolv.conf").ok().map(|file| Bind::new(file).optional()),
            Resolver::Servers => {
                let own = AbsPath::new(&format!("/etc/{}", crate::emit::resolv_conf(&planner.plan))).ok();
                own.zip(AbsPath::new("/etc/resolv.conf").ok()).map(|(own, there)| Bind::new(own).to(there))
            }
            Resolver::None => None,
        };
        system.into_iter().chain(etc).chain(resolv_conf).chain(named).collect()
    }
}

/// What the modes of the host's files leave to a service.
fn as_its_user(planner: &Planner<'_>) -> String {
    let groups: BTreeSet<String> =
        planner.base.iter().flat_map(|unit| unit.list("SupplementaryGroups")).collect();
    let groups = match Vec::from_iter(groups) {
        groups if groups.is_empty() => String::new(),
        groups => format!(" and the groups {} that the unit names", groups.join(", ")),
    };
    format!(
        "the policy shows the service the host's tree: it reads whatever its user{groups} could read, and talks to sockets \
         outside of /run that its user could talk to"
    )
}

/// The closure, where it can be bound as it is. systemd makes a bind read-only by a pass over all mounts, so that a closure
/// of 160 paths costs a start of a second and one of 320 four times as much; the store's own mount is read-only already,
/// and a bind of a part of it inherits that (mount(2), MS_BIND): 0.6 ms a path, measured on systemd 252 and 257.
fn store<'a>(planner: &Planner<'a>) -> impl Iterator<Item = Bind> + use<'a> {
    let closure = planner.closure.filter(|_| planner.target.read_only_store);
    closure.unwrap_or_default().iter().filter_map(bind)
}
