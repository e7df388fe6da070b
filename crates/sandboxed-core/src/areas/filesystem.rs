//! What the service sees of the file system.
//!
//! systemd.exec(5), sections PATHS and SANDBOXING.

use std::collections::BTreeSet;

use sandboxed_systemd::value::{AbsPath, Bind, Device, PathSpec, TmpFs, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::network::Resolver;
use crate::diagnostic::Kind;
use crate::guarantee::Guarantee;
use crate::planner::{Finding, Mechanism, Planner, guarantee, path};
use crate::scalar::{EtcPath, HostPath, Size};
use crate::target::{Distribution, Target};
use crate::unit::Unit;

/// What the service sees of the file system.
///
/// By default it has an empty root of its own, into which only what is named here is bound.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "File system")]
pub struct Filesystem {
    /// Where the service's root comes from.
    #[schemars(title = "Root", extend("x-guarantee" = "host-files-unreadable"))]
    pub root: Root,
    /// Directories that hold the service's own persistent state: writable, and nobody else's business. They must exist
    /// or be made by the unit's own `StateDirectory=`.
    #[schemars(title = "State directories", extend("x-guarantee" = "host-files-unwritable"))]
    pub state: Vec<HostPath>,
    /// Further files and directories that the service may write.
    #[schemars(title = "Writable paths", extend("x-guarantee" = "host-files-unwritable"))]
    pub writable: Vec<HostPath>,
    /// Files and directories that the service may read.
    #[schemars(title = "Readable paths", extend("x-guarantee" = "host-files-unreadable"))]
    pub readable: Vec<HostPath>,
    /// Files and directories that the service cannot see although they lie below something that it sees.
    #[schemars(title = "Hidden paths")]
    pub hidden: Vec<HostPath>,
    /// Files and directories whose programs and libraries the service may execute, beside those of the system (or of
    /// the closure, on NixOS). They are readable too.
    #[schemars(title = "Executable paths", extend("x-guarantee" = "programs-fixed"))]
    pub executable: Vec<HostPath>,
    /// What the service sees of /etc, by names below /etc. Whatever is absent on the host is left out.
    #[schemars(title = "Visible parts of /etc", extend("x-guarantee" = "host-files-unreadable"))]
    pub etc: Vec<EtcPath>,
    /// What the service sees of the homes of the machine's people: /home, /root and /run/user.
    #[schemars(title = "Homes", extend("x-guarantee" = "homes-hidden"))]
    pub home: Home,
    /// Devices that the service may use, beside the harmless ones (null, zero, full, random, urandom, tty).
    #[schemars(title = "Devices", extend("x-guarantee" = "devices-hidden"))]
    pub devices: Vec<HostPath>,
    /// The size of each of the private /tmp, /var/tmp and /dev/shm. They live in memory, and count as the service's.
    #[schemars(title = "Size of temporary directories")]
    pub temporary_size: Size,
}

/// Where the service's root comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Root {
    /// An empty root of its own, into which only what the policy names is bound.
    Own,
    /// The host's tree, read-only. The service can read whatever its user could read.
    Host,
}

/// What the service sees of the homes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Home {
    /// Nothing.
    Hidden,
    /// What its user may read.
    ReadOnly,
}

impl Default for Filesystem {
    fn default() -> Self {
        let etc = [
            // Names and numbers of users, and how names are looked up.
            "passwd",
            "group",
            "nsswitch.conf",
            "hosts",
            "host.conf",
            "gai.conf",
            "services",
            "protocols",
            // Time zone and locale.
            "localtime",
            "timezone",
            "locale.conf",
            // Where shared libraries and chosen alternatives are.
            "ld.so.cache",
            "alternatives",
            // Certificate authorities, whose links lead through several places.
            "ssl/certs",
            "ssl/openssl.cnf",
            "ca-certificates",
            "pki/tls/certs",
            "pki/ca-trust",
            "static/ssl/certs",
        ];
        Self {
            root: Root::Own,
            state: Vec::new(),
            writable: Vec::new(),
            readable: Vec::new(),
            hidden: Vec::new(),
            executable: Vec::new(),
            etc: etc.into_iter().map(EtcPath::literal).collect(),
            home: Home::Hidden,
            devices: Vec::new(),
            temporary_size: Size::literal("256M"),
        }
    }
}

macro_rules! guarantees {
    ($area:ident; $($(#[doc = $doc:literal])* $name:ident = $id:literal, $field:literal, $promise:literal;)+) => {
        $(
            $(#[doc = $doc])*
            #[doc = concat!("The service ", $promise, ".")]
            pub static $name: Guarantee =
                Guarantee { id: $id, area: AreaName::$area, promise: $promise, field: $field };
        )+
        /// The guarantees of this area, in the order in which they are planned and shown.
        pub const GUARANTEES: &[&Guarantee] = &[$(&$name),+];
    };
}
pub(super) use guarantees;

guarantees! { Filesystem;
    MOUNTS_ENFORCED = "mounts-enforced", "",
        "cannot start where the machine refuses it a view of the file system of its own";
    HOST_FILES_UNWRITABLE = "host-files-unwritable", "/filesystem/writable",
        "cannot change a file of the machine outside of its own state";
    HOST_FILES_UNREADABLE = "host-files-unreadable", "/filesystem/readable",
        "cannot read a file of the machine that the policy does not name";
    HOMES_HIDDEN = "homes-hidden", "/filesystem/home",
        "cannot see the homes of the machine's people";
    TEMPORARY_FILES_PRIVATE = "temporary-files-private", "",
        "cannot meet other services' files in /tmp, /var/tmp or /dev/shm";
    RUNTIME_HIDDEN = "runtime-hidden", "/ipc/sockets",
        "cannot see the run-time files and sockets below /run that the policy does not name";
    DEVICES_HIDDEN = "devices-hidden", "/filesystem/devices",
        "cannot open a device that the policy does not name";
    PROGRAMS_FIXED = "programs-fixed", "/filesystem/executable",
        "cannot execute a file that it could have written";
}

/// Where distributions have their programs and libraries. Whatever a machine lacks is left out.
const SYSTEM: &[&str] = &["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];

/// Where NixOS has its programs, libraries and configuration.
const STORE: &str = "/nix/store";

/// Directories that belong to the whole machine.
const BROAD: &[&str] = &[
    "/",
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/run/dbus",
    "/run/systemd",
    "/run/user",
    "/var/run",
    "/etc",
    "/var",
    "/var/lib",
    "/var/log",
    "/var/spool",
    "/home",
    "/root",
    "/boot",
    "/nix",
    "/nix/store",
];

/// Sockets whose owners do for everybody who reaches them what only root may do: container engines, virtual machines,
/// systemd itself.
const MASTERS: &[&str] = &[
    "/run/docker.sock",
    "/var/run/docker.sock",
    "/run/containerd/containerd.sock",
    "/run/podman/podman.sock",
    "/run/crio/crio.sock",
    "/run/libvirt/libvirt-sock",
    "/run/systemd/private",
];

/// Directories that a service can write on every machine, and that others write too.
const SHARED: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

impl Filesystem {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        self.check(planner);
        self.root(planner);
        self.homes(planner);
        self.shared(planner);
        self.run(planner);
        self.devices(planner);
        self.programs(planner);
    }

    /// What the service may write, by field.
    fn written(&self) -> impl Iterator<Item = (String, &HostPath)> {
        fields("state", &self.state).chain(fields("writable", &self.writable))
    }

    /// What the policy shows the service.
    pub(super) fn paths(&self) -> impl Iterator<Item = &HostPath> {
        self.named().map(|(_, named)| named)
    }

    /// What is bound into its root, by field.
    fn named(&self) -> impl Iterator<Item = (String, &HostPath)> {
        self.written().chain(fields("readable", &self.readable)).chain(fields("executable", &self.executable))
    }

    /// Paths that contradict each other, or that would open more than their field says.
    fn check(&self, planner: &mut Planner<'_>) {
        for (field, named) in self.named() {
            if BROAD.contains(&named.path()) && self.root == Root::Own {
                let reason = format!("`{}` belongs to the whole machine, not to a service", named.path());
                let help = "name the files and directories below it that the service needs".to_owned();
                planner.find(Finding::new(Kind::Conflict { reason, help }, field.clone()));
            }
            for (hidden_field, hidden) in fields("hidden", &self.hidden) {
                if below(named.path(), hidden.path()) {
                    let reason =
                        format!("`{}` lies below `{}`, which is hidden", named.path(), hidden.path());
                    let help =
                        "nothing below a hidden path can be shown again: name the hidden parts one by one"
                            .to_owned();
                    let finding = Finding::new(Kind::Conflict { reason, help }, field.clone());
                    planner.find(finding.related(hidden_field, "hidden here"));
                }
            }
        }
        for (field, written) in self.written() {
            if SYSTEM.iter().chain([&STORE, &"/boot"]).any(|system| below(written.path(), system)) {
                let reason =
                    format!("`{}` is among the machine's programs, which no service changes", written.path());
                let help = "let the service keep its data below /var/lib".to_owned();
                planner.find(Finding::new(Kind::Conflict { reason, help }, field));
            }
        }
        let sockets = planner.policy.ipc.sockets.iter().enumerate();
        let sockets = sockets.map(|(index, socket)| (format!("/ipc/sockets/{index}"), socket));
        for (field, named) in self.named().chain(sockets) {
            let master = MASTERS.iter().find(|master| below(master, named.path()));
            if let Some(master) = master.filter(|_| !planner.waives(&RUNTIME_HIDDEN)) {
                let reason = format!("whoever reaches {master} can do on the machine what root can");
                let help = format!("leave it out, or waive `{}` with a reason", RUNTIME_HIDDEN.id);
                planner.find(Finding::new(Kind::Conflict { reason, help }, field));
            }
        }
        let executable = || fields("executable", &self.executable);
        for ((field, written), (other, program)) in
            self.written().flat_map(|written| executable().map(move |program| (written.clone(), program)))
        {
            if (below(written.path(), program.path()) || below(program.path(), written.path()))
                && !planner.waives(&PROGRAMS_FIXED)
            {
                let reason = format!("the service could write `{}` and execute it", written.path());
                let help = format!(
                    "separate the programs from the data, or waive `{}` with a reason",
                    PROGRAMS_FIXED.id
                );
                let finding = Finding::new(Kind::Conflict { reason, help }, field);
                planner.find(finding.related(other, "executable because of this"));
            }
        }
    }

    fn root(&self, planner: &mut Planner<'_>) {
        let writable = || self.written().filter_map(|(_, named)| spec(named)).collect::<Vec<_>>();
        match self.root {
            Root::Own => {
                let root = format!("/run/sandboxed/root/{}", planner.plan.name);
                let directory = AbsPath::new(&root).ok().map(Value::Path);
                if planner.closure.is_some() {
                    // ExecPaths= names the store itself, which nothing is mounted on: systemd would not make it.
                    planner.plan.mount_points = vec!["/nix", STORE];
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
                    .except(self.written().map(|(_, named)| named.path().to_owned()))
                    .keep(planner);
                let readable = self.bound(planner);
                guarantee(&HOST_FILES_UNREADABLE)
                    .by(Mechanism::service("BindReadOnlyPaths", Value::Binds(readable))
                        .and("InaccessiblePaths", hidden(&self.hidden))
                        .and("RootDirectory", directory)
                        .summary("an empty root, into which what it may read is bound"))
                    .except(self.shown(planner))
                    .except(self.readable.iter().map(|named| named.path().to_owned()))
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
                    .except(self.written().map(|(_, named)| named.path().to_owned()))
                    .keep(planner);
                guarantee(&HOST_FILES_UNREADABLE)
                    .by(Mechanism::service("InaccessiblePaths", hidden(&self.hidden))
                        .summary("the modes of the host's files")
                        .leaves_open("the policy shows the service the host's tree: it reads whatever its user could read"))
                    .keep(planner);
            }
        }
    }

    /// What every service sees of the host, so that programs run and users have names: what is named here holds no secrets
    /// on any distribution.
    fn shown(&self, planner: &Planner<'_>) -> Vec<String> {
        let nixos = planner.closure.is_some() || planner.target.distribution == Distribution::Nixos;
        let system = (!nixos).then(|| "/usr".to_owned());
        let users = self.etc.iter().any(|name| name.as_str() == "passwd").then(|| "/etc/passwd".to_owned());
        system.into_iter().chain(users).collect()
    }

    /// What an own root has of the host's files, read-only.
    fn bound(&self, planner: &Planner<'_>) -> Vec<Bind> {
        let system: Vec<Bind> = match planner.closure {
            Some(_) if planner.target.read_only_store => Vec::new(),
            Some(closure) => closure.iter().filter_map(bind).collect(),
            None if planner.target.distribution == Distribution::Nixos => Vec::new(),
            None => SYSTEM
                .iter()
                .filter_map(|system| AbsPath::new(system).ok())
                .map(|system| Bind::new(system).optional())
                .collect(),
        };
        let etc = self
            .etc
            .iter()
            .filter_map(|name| AbsPath::new(&format!("/etc/{name}")).ok())
            .map(|file| Bind::new(file).optional());
        let named = self.readable.iter().chain(&self.executable).filter_map(bind);
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

    fn homes(&self, planner: &mut Planner<'_>) {
        let inside = self.paths().any(|named| is_in_homes(named.path()));
        let protect = match self.home {
            // `yes` cannot be opened again for a path below; an empty file system can.
            Home::Hidden if inside => Mechanism::service("ProtectHome", Value::word("tmpfs")),
            Home::Hidden => Mechanism::service("ProtectHome", Value::Bool(true)),
            Home::ReadOnly => Mechanism::service("ProtectHome", Value::word("read-only"))
                .leaves_open("the policy lets the service read what its user may read in the homes"),
        };
        let opened = self.paths().filter(|named| is_in_homes(named.path()));
        guarantee(&HOMES_HIDDEN)
            .by(protect)
            .except(opened.map(|named| named.path().to_owned()))
            .keep(planner);
    }

    fn shared(&self, planner: &mut Planner<'_>) {
        let size = format!("size={}", self.temporary_size.as_str().to_lowercase());
        let options = ["mode=1777", "nosuid", "nodev", "noexec", size.as_str()];
        // PrivateTmp= keeps its directories on the host's disk, and PrivateDevices= shows the host's /dev/shm.
        guarantee(&TEMPORARY_FILES_PRIVATE)
            .by(Mechanism::service("TemporaryFileSystem", tmpfs(SHARED, &options))
                .and("PrivateTmp", Value::Bool(false)))
            .keep(planner);
    }

    fn run(&self, planner: &mut Planner<'_>) {
        let named = self.named().filter(|(_, named)| below(named.path(), "/run")).map(|(_, named)| named);
        let visible: Vec<&HostPath> = named.chain(&planner.policy.ipc.sockets).collect();
        let mut binds: Vec<Bind> = planner.policy.ipc.sockets.iter().filter_map(bind).collect();
        if planner.base.iter().any(Unit::notifies) || planner.base.is_empty() {
            // systemd waits for a word that comes through this directory; since 254 there is one more socket beside.
            binds.extend(AbsPath::new("/run/systemd/notify").ok().map(Bind::new));
        }
        let mechanism = match self.root {
            Root::Own => Mechanism::named("an empty root, into which the named sockets are bound"),
            Root::Host => Mechanism::service("TemporaryFileSystem", tmpfs(&["/run"], &["ro", "mode=0755"])),
        };
        guarantee(&RUNTIME_HIDDEN)
            .by(mechanism.and("BindPaths", Value::Binds(binds)))
            .except(visible.into_iter().map(|named| named.path().to_owned()))
            .keep(planner);
    }

    fn devices(&self, planner: &mut Planner<'_>) {
        // PrivateDevices= shows the host's terminals: whoever has `mesg y` could be written to.
        let terminals = || tmpfs(&["/dev/pts"], &["ro", "mode=0755", "nosuid", "noexec"]);
        if self.devices.is_empty() {
            guarantee(&DEVICES_HIDDEN)
                .by(Mechanism::service("PrivateDevices", Value::Bool(true))
                    .and("TemporaryFileSystem", terminals())
                    .and("DevicePolicy", Value::word("closed"))
                    .and("DeviceAllow", None))
                .keep(planner);
            return;
        }
        let binds = self.devices.iter().filter_map(bind).collect();
        let mechanism = Mechanism::service("PrivateDevices", Value::Bool(true))
            .and("TemporaryFileSystem", terminals())
            .and("DevicePolicy", Value::word("closed"))
            .and("BindPaths", Value::Binds(binds))
            .and("DeviceAllow", Value::Devices(self.devices.iter().map(device).collect()));
        guarantee(&DEVICES_HIDDEN)
            .by(mechanism)
            .except(self.devices.iter().map(|named| named.path().to_owned()))
            .keep(planner);
    }

    fn programs(&self, planner: &mut Planner<'_>) {
        let system: Vec<PathSpec> = match planner.closure {
            // One word for all of the closure: nothing else of the store is there, and every word is a pass over all mounts.
            Some(closure) if self.root == Root::Host => closure.iter().filter_map(spec).collect(),
            Some(_) => AbsPath::new(STORE).ok().map(PathSpec::new).into_iter().collect(),
            None if planner.target.distribution == Distribution::Nixos => {
                AbsPath::new(STORE).ok().map(PathSpec::new).into_iter().collect()
            }
            None => SYSTEM
                .iter()
                .filter_map(|system| AbsPath::new(system).ok())
                .map(|system| PathSpec::new(system).optional())
                .collect(),
        };
        let in_root = |spec: PathSpec| if self.root == Root::Own { spec.in_root() } else { spec };
        let allowed =
            system.into_iter().chain(self.executable.iter().filter_map(spec)).map(in_root).collect();
        // What systemd mounts for the unit's own directories, and their /run, keeps `exec` unless it is named (systemd 257).
        let own = planner.base.iter().flat_map(Unit::directories).collect::<BTreeSet<_>>();
        let own = (!own.is_empty()).then(|| "/run".to_owned()).into_iter().chain(own);
        let own = own.filter_map(|path| AbsPath::new(&path).ok()).map(|path| PathSpec::new(path).optional());
        let denied = std::iter::once(PathSpec::new(AbsPath::root())).chain(own).map(in_root).collect();
        guarantee(&PROGRAMS_FIXED)
            .by(Mechanism::service("NoExecPaths", Value::Paths(denied))
                .and("ExecPaths", Value::Paths(allowed)))
            .except(self.executable.iter().map(|named| named.path().to_owned()))
            .keep(planner);
    }
}

/// Whether a path is hidden by `ProtectHome=`, systemd.exec(5).
fn is_in_homes(path: &str) -> bool {
    ["/home", "/root", "/run/user"].iter().any(|home| below(path, home))
}

/// The items of a list, each with its field.
fn fields<'a>(
    list: &'static str,
    items: &'a [HostPath],
) -> impl Iterator<Item = (String, &'a HostPath)> + 'a {
    items.iter().enumerate().map(move |(index, item)| (format!("/filesystem/{list}/{index}"), item))
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

/// Whether `inner` is `outer` or lies below it.
pub(crate) fn below(inner: &str, outer: &str) -> bool {
    outer == "/" || inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// The closure, where it can be bound as it is. systemd makes a bind read-only by a pass over all mounts, so that a closure
/// of 160 paths costs a start of a second and one of 320 four times as much; the store's own mount is read-only already,
/// and a bind of a part of it inherits that (mount(2), MS_BIND): 0.6 ms a path, measured on systemd 252 and 257.
fn store<'a>(planner: &Planner<'a>) -> impl Iterator<Item = Bind> + use<'a> {
    let closure = planner.closure.filter(|_| planner.target.read_only_store);
    closure.unwrap_or_default().iter().filter_map(bind)
}

fn bind(named: &HostPath) -> Option<Bind> {
    path(named).map(Bind::new).map(|bind| if named.is_optional() { bind.optional() } else { bind })
}

fn spec(named: &HostPath) -> Option<PathSpec> {
    path(named).map(PathSpec::new).map(|spec| if named.is_optional() { spec.optional() } else { spec })
}

fn hidden(paths: &[HostPath]) -> Option<Value> {
    let specs: Vec<PathSpec> =
        paths.iter().filter_map(path).map(|hidden| PathSpec::new(hidden).optional()).collect();
    (!specs.is_empty()).then_some(Value::Paths(specs))
}

fn tmpfs(mounts: &[&str], options: &[&str]) -> Value {
    let options: Vec<String> = options.iter().map(|&option| option.to_owned()).collect();
    let mounts = mounts.iter().filter_map(|mount| AbsPath::new(mount).ok());
    Value::TmpFs(mounts.map(|path| TmpFs { path, options: options.clone() }).collect())
}

fn device(named: &HostPath) -> Device {
    Device { node: named.path().to_owned(), read: true, write: true, make: false }
}
