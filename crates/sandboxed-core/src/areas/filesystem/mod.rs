//! What the service sees of the file system.
//!
//! systemd.exec(5), sections PATHS and SANDBOXING.

mod check;
mod mounts;
mod paths;
mod programs;
mod root;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::guarantee::guarantees;
use crate::planner::Planner;
use crate::scalar::{EtcPath, HostPath, Size};

pub(crate) use check::belongs_to_others;
pub(crate) use paths::below;
pub(crate) use programs::visible;

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
    #[schemars(title = "State directories", extend("x-guarantee" = "host-files-unwritable", "examples" = [["/var/lib/matrix-synapse"]]))]
    pub state: Vec<HostPath>,
    /// Further files and directories that the service may write.
    #[schemars(title = "Writable paths", extend("x-guarantee" = "host-files-unwritable", "examples" = [["-/var/log/matrix-synapse"]]))]
    pub writable: Vec<HostPath>,
    /// Files and directories that the service may read.
    #[schemars(title = "Readable paths", extend("x-guarantee" = "host-files-unreadable", "examples" = [["-/etc/matrix-synapse"]]))]
    pub readable: Vec<HostPath>,
    /// Files and directories that the service cannot see although they lie below something that it sees.
    #[schemars(title = "Hidden paths", extend("examples" = [["/usr/share/doc"]]))]
    pub hidden: Vec<HostPath>,
    /// Files and directories whose programs and libraries the service may execute, beside those of the system (or of
    /// the closure, on NixOS). They are readable too.
    #[schemars(title = "Executable paths", extend("x-guarantee" = "programs-fixed", "examples" = [["-/opt/venvs/matrix-synapse"]]))]
    pub executable: Vec<HostPath>,
    /// What the service sees of /etc, by names below /etc. Whatever is absent on the host is left out.
    #[schemars(title = "Visible parts of /etc", extend("x-guarantee" = "host-files-unreadable"))]
    pub etc: Vec<EtcPath>,
    /// What the service sees of the homes of the machine's people: /home, /root and /run/user.
    #[schemars(title = "Homes", extend("x-guarantee" = "homes-hidden"))]
    pub home: Home,
    /// Devices that the service may use, beside the harmless ones (null, zero, full, random, urandom, tty).
    #[schemars(title = "Devices", extend("x-guarantee" = "devices-hidden", "examples" = [["/dev/fuse"]]))]
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
            "ca-certificates/extracted",
            "pki/tls/certs",
            "pki/ca-trust/extracted",
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

impl Filesystem {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        self.check(planner);
        self.root(planner);
        self.homes(planner);
        self.temporary(planner);
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
}

/// The items of a list, each with its field.
fn fields<'a>(
    list: &'static str,
    items: &'a [HostPath],
) -> impl Iterator<Item = (String, &'a HostPath)> + 'a {
    items.iter().enumerate().map(move |(index, item)| (format!("/filesystem/{list}/{index}"), item))
}
