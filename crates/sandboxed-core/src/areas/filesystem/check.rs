//! Paths that contradict each other, or that would open more than their field says.

use super::paths::below;
use super::programs::{STORE, SYSTEM};
use super::{Filesystem, PROGRAMS_FIXED, RUNTIME_HIDDEN, Root, fields};
use crate::diagnostic::Kind;
use crate::examine::control::controlled;
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

/// Directories of services that all others rely on, beside what belongs to the whole machine.
const OTHERS: &[&str] = &[
    "/etc/ssh",
    "/etc/ssl",
    "/etc/sandboxed",
    "/etc/systemd",
    "/run/containerd",
    "/run/docker",
    "/run/libvirt",
    "/run/lock",
    "/run/nscd",
    "/run/podman",
    "/run/sandboxed",
    "/run/udev",
    "/var/lib/dbus",
    "/var/lib/docker",
    "/var/lib/dpkg",
    "/var/lib/nixos",
    "/var/lib/private",
    "/var/lib/systemd",
    "/var/log/journal",
    "/var/log/private",
    "/var/cache/private",
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
    OTHERS
        .iter()
        .find(|other| below(directory, other))
        .map(|other| format!("of {other}, on which others rely"))
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
}
