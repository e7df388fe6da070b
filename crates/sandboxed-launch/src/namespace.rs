//! Leaving namespaces, and what of the old ones would still show: namespaces(7).

use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::{self, Mode, OFlags};
use rustix::mount::{self, FsMountFlags, FsOpenFlags, MountPropagationFlags, UnmountFlags};
use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use crate::failure::{Failure, Step};
use crate::mountinfo::Mounts;
use crate::options::Namespaces;
use crate::room;
use crate::sys::process::unshare;

/// Leaves the namespaces that are asked for, but for the user namespace: that comes last, since it takes the right to
/// change any of the others. The PID namespace begins with the next process started.
pub(crate) fn leave(namespaces: Namespaces) -> Result<(), Failure> {
    let flags = [
        // The mounts go with the processes: /proc changes, and nobody else's mounts may.
        (namespaces.pid, UnshareFlags::NEWPID | UnshareFlags::NEWNS),
        (namespaces.ipc, UnshareFlags::NEWIPC | UnshareFlags::NEWNS),
        (namespaces.uts, UnshareFlags::NEWUTS),
        (namespaces.cgroup, UnshareFlags::NEWCGROUP | UnshareFlags::NEWNS),
    ];
    let flags = flags
        .into_iter()
        .filter(|(wanted, _)| *wanted)
        .fold(UnshareFlags::empty(), |all, (_, flag)| all | flag);
    if flags.is_empty() {
        return Ok(());
    }
    unshare(flags).map_err(failed("leave the namespaces"))?;
    if flags.contains(UnshareFlags::NEWNS) {
        // What is mounted here must not show elsewhere; what the host mounts still shows here, as for any service.
        mount::mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)
            .map_err(failed("keep mounts to the service"))?;
    }
    Ok(())
}

/// Mounts anew what shows the namespaces that were left: message queues and the cgroup tree.
pub(crate) fn refresh_mounts(namespaces: Namespaces, mounts: &Mounts) -> Result<(), Failure> {
    let shown = [(namespaces.ipc, "/dev/mqueue", "mqueue"), (namespaces.cgroup, "/sys/fs/cgroup", "cgroup2")];
    for (left, place, kind) in shown {
        let Some(old) = mounts.visible_at(place.as_ref()).filter(|mount| left && mount.kind == kind) else {
            continue;
        };
        let failed = || failed(format!("mount a new {place}"));
        let context = mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed())?;
        mount::fsconfig_create(&context).map_err(failed())?;
        let new = mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, old.attributes).map_err(failed())?;
        // As with /proc: where the kernel keeps the old one, the new one covers it.
        let _ = mount::unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        room::attach(&new, place.as_ref()).map_err(failed())?;
    }
    Ok(())
}

/// Enters a user namespace in which nobody but the service's own user and group exists: `user_namespaces(7)`.
/// `proc` is a proc file system of this process's PID namespace that can be written.
pub(crate) fn enter_user_namespace(proc: &OwnedFd) -> Result<(), Failure> {
    let (user, group) = (geteuid().as_raw(), getegid().as_raw());
    unshare(UnshareFlags::NEWUSER).map_err(Failure::at(Step::User, "enter a user namespace"))?;
    // Whoever may not set groups on the outside may map one only after giving that up on the inside.
    let texts = [
        ("self/setgroups", "deny".to_owned()),
        ("self/uid_map", format!("{user} {user} 1")),
        ("self/gid_map", format!("{group} {group} 1")),
    ];
    for (name, text) in texts {
        write(proc, name.as_ref(), &text).map_err(Failure::at(Step::User, format_args!("write {name}")))?;
    }
    Ok(())
}

fn write(directory: &OwnedFd, name: &Path, text: &str) -> std::io::Result<()> {
    let file = fs::openat(directory, name, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
    std::fs::File::from(file).write_all(text.as_bytes())
}

fn failed<E: Into<Box<dyn std::error::Error>>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Failure {
    Failure::at(Step::Namespaces, what)
}
