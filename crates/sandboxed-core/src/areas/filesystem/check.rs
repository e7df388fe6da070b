//! Paths that contradict each other, or that would open more than their field says.

use super::paths::below;
use super::programs::{STORE, SYSTEM};
use super::{Filesystem, PROGRAMS_FIXED, RUNTIME_HIDDEN, Root, fields};
use crate::diagnostic::Kind;
use crate::examine::control::{controlled, normal};
use crate::planner::{Finding, Planner};

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

/// Places that many keep something in: a service may read them, and write what is its own there.
const SHARED_OUT: &[&str] = &["/media", "/mnt", "/opt", "/srv", "/var/cache", "/var/opt", "/var/spool"];

/// What all others rely on, or what they run, beside what belongs to the whole machine. Most of it makes whoever writes it root.
const OTHERS: &[&str] = &[
    "/efi",
    "/etc/apparmor.d",
    "/etc/apt",
    "/etc/cron.d",
    "/etc/cron.daily",
    "/etc/cron.hourly",
    "/etc/cron.monthly",
    "/etc/cron.weekly",
    "/etc/crontab",
    "/etc/dbus-1",
    "/etc/environment",
    "/etc/fstab",
    "/etc/group",
    "/etc/gshadow",
    "/etc/init.d",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/ld.so.preload",
    "/etc/modprobe.d",
    "/etc/modules-load.d",
    "/etc/nftables",
    "/etc/nftables.conf",
    "/etc/nixos",
    "/etc/nsswitch.conf",
    "/etc/pam.d",
    "/etc/passwd",
    "/etc/polkit-1",
    "/etc/profile",
    "/etc/profile.d",
    "/etc/sandboxed",
    "/etc/security",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/certs",
    "/etc/static",
    "/etc/subgid",
    "/etc/subuid",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/sysctl.conf",
    "/etc/sysctl.d",
    "/etc/systemd",
    "/etc/sysusers.d",
    "/etc/tmpfiles.d",
    "/etc/udev",
    "/nix/var",
    "/proc",
    "/root",
    "/run/containerd",
    "/run/dbus",
    "/run/docker",
    "/run/libvirt",
    "/run/nscd",
    "/run/podman",
    "/run/sandboxed",
    "/run/systemd",
    "/run/udev",
    "/sys",
    "/var/cache/private",
    "/var/lib/apt",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/dbus",
    "/var/lib/docker",
    "/var/lib/dpkg",
    "/var/lib/extensions",
    "/var/lib/kubelet",
    "/var/lib/libvirt",
    "/var/lib/lxc",
    "/var/lib/machines",
    "/var/lib/nixos",
    "/var/lib/polkit-1",
    "/var/lib/portables",
    "/var/lib/private",
    "/var/lib/rpm",
    "/var/lib/systemd",
    "/var/log/journal",
    "/var/log/private",
    "/var/spool/at",
    "/var/spool/cron",
];

/// The same for directories that systemd makes for a unit, which have names of the unit's choice.
const OTHERS_NAMES: &[&str] = &["/etc/ssl", "/run/lock"];

/// Where the machine and its people keep secrets, if they keep any.
const SECRETS: &[&str] = &[
    "/etc/NetworkManager",
    "/etc/credstore",
    "/etc/credstore.encrypted",
    "/etc/gshadow",
    "/etc/letsencrypt",
    "/etc/nixos",
    "/etc/shadow",
    "/etc/ssh",
    "/etc/ssl/private",
    "/etc/sudoers",
    "/etc/sudoers.d",
    "/etc/wireguard",
    "/root",
    "/run/credentials",
    "/run/secrets",
    "/run/systemd",
    "/var/backups",
    "/var/cache/private",
    "/var/lib/containerd",
    "/var/lib/containers",
    "/var/lib/docker",
    "/var/lib/kubelet",
    "/var/lib/libvirt",
    "/var/lib/machines",
    "/var/lib/private",
    "/var/lib/systemd",
    "/var/log/journal",
    "/var/log/private",
    "/var/mail",
    "/var/spool/cron",
    "/var/spool/mail",
];

/// Whose a directory is that systemd is to make for a service, if it is not the service's: systemd gives the directory, and in
/// most cases all that is in it, to the service's user.
pub(crate) fn belongs_to_others(directory: &str) -> Option<String> {
    if BROAD.contains(&directory) {
        return Some("the whole machine's".to_owned());
    }
    if let Some(master) = MASTERS.iter().find(|master| below(master, directory)) {
        return Some(format!("where {master} is, whose owner does for everybody what root may do"));
    }
    let named = OTHERS_NAMES.iter().find(|other| below(directory, other)).copied();
    named.or_else(|| relied_on(directory)).map(|other| format!("of {other}, on which others rely"))
}

/// What others rely on that a path is, is in, or has in it.
fn relied_on(path: &str) -> Option<&'static str> {
    OTHERS.iter().find(|other| below(path, other) || below(other, path)).copied()
}

impl Filesystem {
    /// What systemd binds, as root, from below a directory that the service writes.
    fn check_control(&self, planner: &mut Planner<'_>) {
        let sockets = planner.policy.ipc.sockets.iter().enumerate();
        let sockets = sockets.map(|(index, socket)| (format!("/ipc/sockets/{index}"), socket));
        // Programs below it are shown with it and not bound.
        let named = self.written().chain(fields("readable", &self.readable)).chain(sockets);
        for (field, named) in named {
            let Some(written) = controlled(planner, named.path()) else { continue };
            let reason = format!(
                "`{}` lies below `{written}`, where the service can put links: any file of the machine would be bound there",
                named.path()
            );
            let help = "leave it out: the service has it with what is above it".to_owned();
            let finding = Finding::new(Kind::Conflict { reason, help }, field);
            let above = self.written().find(|(_, above)| above.path() == written);
            planner.find(match above {
                Some((above, _)) => finding.related(above, "written by the service"),
                None => finding,
            });
        }
    }

    /// Paths that contradict each other, or that would open more than their field says.
    pub(super) fn check(&self, planner: &mut Planner<'_>) {
        self.check_control(planner);
        let written = |field: &str| self.written().any(|(other, _)| other == field);
        for (field, named) in self.named() {
            let (path, written) = (normal(named.path()), written(&field));
            let broad = BROAD.contains(&path.as_str()) || (written && SHARED_OUT.contains(&path.as_str()));
            if broad && (self.root == Root::Own || written) {
                let reason = format!("`{}` belongs to the whole machine, not to a service", named.path());
                let help = "name the files and directories below it that the service needs".to_owned();
                planner.find(Finding::new(Kind::Conflict { reason, help }, field.clone()));
            } else if let Some(other) = relied_on(&path).filter(|_| written) {
                let reason = format!("`{}` is of {other}, on which others rely", named.path());
                let help =
                    "let the service keep its data in a directory of its own, below /var/lib".to_owned();
                planner.find(Finding::new(Kind::Conflict { reason, help }, field.clone()));
            } else if let Some(secret) = SECRETS
                .iter()
                .find(|secret| below(&path, secret) || below(secret, &path))
                .filter(|_| self.root == Root::Own)
            {
                planner.plan.notes.push(format!(
                    "the policy shows the service `{}`: what is secret of {secret} it reads as far as its user may",
                    named.path()
                ));
            }
            for (hidden_field, hidden) in fields("hidden", &self.hidden) {
                if below(named.path(), hidden.path()) {
                    let reason = if named.path() == hidden.path() {
                        format!("`{}` is shown and hidden", named.path())
                    } else {
                        format!("`{}` lies below `{}`, which is hidden", named.path(), hidden.path())
                    };
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
}
