//! What is mounted over the root, or kept out of it, whatever the policy binds: homes, temporary directories, /run, devices.

use sandboxed_systemd::value::{AbsPath, Bind, Value};

use super::paths::{below, bind, device, is_in_homes, tmpfs};
use super::programs::option;
use super::{DEVICES_HIDDEN, Filesystem, HOMES_HIDDEN, Home, RUNTIME_HIDDEN, Root, TEMPORARY_FILES_PRIVATE};
use crate::planner::{Mechanism, Planner, guarantee};
use crate::scalar::HostPath;
use crate::target::Kernel;
use crate::unit::Unit;

/// Directories that a service can write on every machine, and that others write too.
const SHARED: &[&str] = &["/tmp", "/var/tmp", "/dev/shm"];

impl Filesystem {
    pub(super) fn homes(&self, planner: &mut Planner<'_>) {
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

    pub(super) fn temporary(&self, planner: &mut Planner<'_>) {
        let size = format!("size={}", self.temporary_size.as_str().to_lowercase());
        let options = ["mode=1777", "nosuid", "nodev", "noexec", size.as_str()];
        // PrivateTmp= keeps its directories on the host's disk, and PrivateDevices= shows the host's /dev/shm.
        guarantee(&TEMPORARY_FILES_PRIVATE)
            .by(Mechanism::service("TemporaryFileSystem", tmpfs(SHARED, &options))
                .and("PrivateTmp", Value::Bool(false)))
            .keep(planner);
    }

    pub(super) fn run(&self, planner: &mut Planner<'_>) {
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

    pub(super) fn devices(&self, planner: &mut Planner<'_>) {
        // PrivateDevices= shows the host's terminals: whoever has `mesg y` could be written to.
        let terminals = || tmpfs(&["/dev/pts"], &["ro", "mode=0755", "nosuid", "noexec"]);
        let closed = Mechanism::service("PrivateDevices", Value::Bool(true))
            .and("TemporaryFileSystem", terminals())
            .and("DevicePolicy", Value::word("closed"));
        let mechanism = if self.devices.is_empty() {
            closed.and("DeviceAllow", None)
        } else {
            closed
                .and("BindPaths", Value::Binds(self.devices.iter().filter_map(bind).collect()))
                .and("DeviceAllow", Value::Devices(self.devices.iter().map(device).collect()))
        };
        // What the harmless ones do by ioctl(2) no service needs; it is there that drivers have their holes.
        let mut named: Vec<String> =
            self.devices.iter().map(|named| option("device-ioctl-only", named)).collect();
        if named.is_empty() {
            named.push("--device-ioctl-only=".to_owned());
        }
        let ioctl = Mechanism::named(
            "a Landlock domain in which other devices take no ioctl(2), by sandboxed-launch",
        )
        .and_landlock(named, Kernel::new(6, 10));
        guarantee(&DEVICES_HIDDEN)
            .by(mechanism)
            .with(Self::landlocked(planner, ioctl))
            .except(self.devices.iter().map(|named| named.path().to_owned()))
            .keep(planner);
    }
}
