//! Namespaces and mounts.

use std::ffi::CString;

use super::super::Scratch;
use crate::channel::{Attempt, Channel, Shut, Step, past_the_gate};
use crate::guarantee::Guarantee;
use crate::sys::process::{self, Fork};
use crate::sys::{self, NULL, c_path, call};
use crate::targets::Targets;

/// Declares a channel for each kind of namespace.
macro_rules! kinds {
    ($($id:literal $what:literal $flag:expr),* $(,)?) => {
        /// Creating and entering namespaces, and mounting.
        pub(crate) const NAMESPACES: &[Channel] = &[
            $(Channel {
                id: concat!("namespace-", $id),
                title: concat!("create a ", $what, " namespace"),
                guarantee: Guarantee::NoNamespaces,
                source: "unshare(2)",
                attempt: |_| unshare($flag),
            }),*,
            Channel {
                id: "namespace-user-clone",
                title: "create a user namespace together with a process",
                guarantee: Guarantee::NoNamespaces,
                source: "clone(2)",
                attempt: |_| clone(false),
            },
            Channel {
                id: "namespace-user-clone3",
                title: "create a user namespace with clone3, whose arguments filters cannot see",
                guarantee: Guarantee::NoNamespaces,
                source: "clone(2)",
                attempt: |_| clone(true),
            },
            Channel {
                id: "namespace-within-user",
                title: "become root in a user namespace and mount there",
                guarantee: Guarantee::NoNamespaces,
                source: "user_namespaces(7)",
                attempt: within_user,
            },
            Channel {
                id: "enter-namespace",
                title: "enter the namespaces of another process",
                guarantee: Guarantee::NoNamespaces,
                source: "setns(2)",
                attempt: enter,
            },
            Channel {
                id: "mount",
                title: "mount a file system",
                guarantee: Guarantee::SystemCallsLimited,
                source: "mount(2)",
                attempt: mount,
            },
            Channel {
                id: "mount-context",
                title: "make a file system to be mounted later",
                guarantee: Guarantee::SystemCallsLimited,
                source: "fsopen(2)",
                attempt: |_| {
                    sys::descriptor(call!(libc::SYS_fsopen, c"tmpfs", 0))?;
                    Ok("opened a tmpfs, attached nowhere".into())
                },
            },
            Channel {
                id: "mount-copy",
                title: "copy a mount",
                guarantee: Guarantee::SystemCallsLimited,
                source: "open_tree(2)",
                attempt: |_| {
                    /// `OPEN_TREE_CLONE`
                    const CLONE: i32 = 1;
                    sys::descriptor(call!(libc::SYS_open_tree, libc::AT_FDCWD, c"/", CLONE | libc::O_CLOEXEC))?;
                    Ok("copied the root mount, attached nowhere".into())
                },
            },
            Channel {
                id: "unmount",
                title: "unmount a file system",
                guarantee: Guarantee::SystemCallsLimited,
                source: "umount(2)",
                // The privilege is checked before the path on all kernels since 5.9, after it before.
                attempt: |targets| {
                    let directory = c_path(&Scratch::directory(targets).unwrap_or_else(|_| "/".into())).step("path")?;
                    // MNT_EXPIRE together with MNT_FORCE is refused always; a directory that is no mount as well.
                    let result = call!(libc::SYS_umount2, directory.as_c_str(), libc::MNT_EXPIRE | libc::MNT_FORCE);
                    past_the_gate(result, &[libc::EINVAL])
                },
            },
            Channel {
                id: "change-root",
                title: "choose another root directory",
                guarantee: Guarantee::SystemCallsLimited,
                source: "chroot(2)",
                attempt: |_| {
                    call!(libc::SYS_chroot, c"/")?;
                    Ok("chose the one that it has".into())
                },
            },
            Channel {
                id: "pivot-root",
                title: "exchange the root mount",
                guarantee: Guarantee::SystemCallsLimited,
                source: "pivot_root(2)",
                // CAP_SYS_ADMIN first, then the paths.
                attempt: |_| {
                    past_the_gate(call!(libc::SYS_pivot_root, c"/sandboxed/none", c"/sandboxed/none"), &[libc::ENOENT])
                },
            },
        ];
    };
}

kinds! {
    "user" "user" libc::CLONE_NEWUSER,
    "mount" "mount" libc::CLONE_NEWNS,
    "network" "network" libc::CLONE_NEWNET,
    "pid" "PID" libc::CLONE_NEWPID,
    "ipc" "IPC" libc::CLONE_NEWIPC,
    "uts" "UTS" libc::CLONE_NEWUTS,
    "cgroup" "control group" libc::CLONE_NEWCGROUP,
    "time" "time" CLONE_NEWTIME,
}

/// The flag of time namespaces: `time_namespaces(7)`.
const CLONE_NEWTIME: i32 = 0x80;

fn unshare(flag: i32) -> Attempt {
    call!(libc::SYS_unshare, flag)?;
    Ok("created one".into())
}

/// Creates a process in a user namespace of its own; the process ends at once.
fn clone(third: bool) -> Attempt {
    match process::clone_into(libc::CLONE_NEWUSER, third)? {
        Fork::Child => process::exit(0),
        Fork::Parent(child) => {
            process::reap(child);
            Ok("created one".into())
        }
    }
}

/// The usual way to more attack surface: a mount namespace that needs no privilege on the host.
fn within_user(_: &Targets) -> Attempt {
    /// `MS_REC | MS_PRIVATE`
    const ALL_PRIVATE: u64 = 0x4000 | 0x4_0000;
    let (user, _) = process::identity();
    call!(libc::SYS_unshare, libc::CLONE_NEWUSER | libc::CLONE_NEWNS).step("unshare")?;
    // The file is to be this process's own.
    process::let_others_trace(true)?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1")).step("map the user")?;
    // Privacy first, though the namespace is new: nothing may propagate to the host.
    call!(libc::SYS_mount, NULL, c"/", NULL, ALL_PRIVATE, NULL).step("make mounts private")?;
    call!(libc::SYS_mount, c"none", c"/", c"tmpfs", 0, NULL).step("mount")?;
    Ok("mounted a tmpfs as root of a user namespace".into())
}

/// Enters a namespace of the victim, or of the first process where that is visible.
fn enter(targets: &Targets) -> Attempt {
    let pids = targets.victim.iter().map(|victim| victim.pid).chain([1]);
    let mut refusal = Shut::closed("no process to be seen");
    for pid in pids {
        for kind in ["mnt", "uts", "net"] {
            let entered = std::fs::File::open(format!("/proc/{pid}/ns/{kind}"))
                .and_then(|file| call!(libc::SYS_setns, std::os::fd::AsFd::as_fd(&file), 0));
            match entered {
                Ok(_) => return Ok(format!("entered the {kind} namespace of process {pid}")),
                Err(error) => refusal = error.into(),
            }
        }
    }
    Err(refusal)
}

/// Mounts a tmpfs over a directory that it has made for that, and removes both.
fn mount(targets: &Targets) -> Attempt {
    let directory = Scratch::directory(targets).unwrap_or_else(|_| "/".into());
    let point = directory.join(format!(".sandboxed-probe-mount-{}", std::process::id()));
    let made = std::fs::create_dir(&point).is_ok();
    let target: CString = c_path(if made { &point } else { &directory }).step("path")?;
    let mounted = call!(
        libc::SYS_mount,
        c"none",
        target.as_c_str(),
        if made { c"tmpfs" } else { c"sandboxed" },
        0,
        NULL
    );
    if mounted.is_ok() {
        let _ = call!(libc::SYS_umount2, target.as_c_str(), libc::MNT_DETACH);
    }
    if made {
        let _ = std::fs::remove_dir(&point);
    }
    // Without a directory of its own it asks for a file system that does not exist.
    past_the_gate(mounted, if made { &[] } else { &[libc::ENODEV] })
}
