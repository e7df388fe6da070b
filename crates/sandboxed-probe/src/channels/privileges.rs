//! What the process may do because of who it is.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};

use super::{Scratch, peek};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::process::{self, prctl};
use crate::sys::{NULL, call};
use crate::targets::Targets;

/// Capabilities, identities and the means to change them.
pub(super) const CHANNELS: &[Channel] = &[
    Channel {
        id: "capabilities-effective",
        title: "have effective capabilities",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |_| set(process::capabilities()?.0),
    },
    Channel {
        id: "capabilities-permitted",
        title: "have permitted capabilities",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |_| set(process::capabilities()?.1),
    },
    Channel {
        id: "capabilities-inheritable",
        title: "have inheritable capabilities",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |_| set(process::capabilities()?.2),
    },
    Channel {
        id: "capabilities-bounding",
        title: "have capabilities in the bounding set",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |_| set(each_capability(|number| prctl(libc::PR_CAPBSET_READ, number, 0))?),
    },
    Channel {
        id: "capabilities-ambient",
        title: "have ambient capabilities",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |_| {
            let is_set = libc::PR_CAP_AMBIENT_IS_SET.unsigned_abs().into();
            set(each_capability(|number| prctl(libc::PR_CAP_AMBIENT, is_set, number))?)
        },
    },
    Channel {
        id: "secure-bits",
        title: "change how capabilities are given to programs",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |_| {
            let bits = prctl(libc::PR_GET_SECUREBITS, 0, 0).step("read the bits")?;
            prctl(libc::PR_SET_SECUREBITS, bits.unsigned_abs() as u64, 0)?;
            Ok("set the bits to what they were".into())
        },
    },
    Channel {
        id: "new-privileges",
        title: "be allowed to gain privileges by executing a program",
        guarantee: Guarantee::NoNewPrivileges,
        source: "prctl(2)",
        attempt: |_| match prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0)? {
            0 => Ok("no_new_privs is not set".into()),
            _ => Err(Shut::closed("no_new_privs is set")),
        },
    },
    Channel {
        id: "set-uid-programs",
        title: "execute set-uid programs with effect",
        guarantee: Guarantee::NoNewPrivileges,
        source: "execve(2)",
        attempt: set_uid_programs,
    },
    Channel {
        id: "be-root",
        title: "run as root of the host",
        guarantee: Guarantee::UserUnprivileged,
        source: "credentials(7)",
        attempt: |_| match process::identity().0 {
            0 if maps_host_users()? => Ok("the user id is 0".into()),
            0 => Err(Shut::closed("root of a user namespace only")),
            user => Err(Shut::closed(format!("the user id is {user}"))),
        },
    },
    Channel {
        id: "change-user",
        title: "become another user",
        guarantee: Guarantee::NoCapabilities,
        source: "setresuid(2)",
        attempt: |_| {
            let other = if process::identity().0 == 65534 { 65533 } else { 65534 };
            call!(libc::SYS_setresuid, other, other, other)?;
            Ok(format!("became user {other}"))
        },
    },
    Channel {
        id: "change-group",
        title: "become a member of another group",
        guarantee: Guarantee::NoCapabilities,
        source: "setresgid(2)",
        attempt: |_| {
            let other = if process::identity().1 == 65534 { 65533 } else { 65534 };
            call!(libc::SYS_setresgid, other, other, other)?;
            Ok(format!("became a member of group {other}"))
        },
    },
    Channel {
        id: "change-groups",
        title: "choose its supplementary groups",
        guarantee: Guarantee::NoCapabilities,
        source: "setgroups(2)",
        attempt: |_| {
            call!(libc::SYS_setgroups, 0, NULL)?;
            Ok("dropped all of them".into())
        },
    },
    Channel {
        id: "supplementary-groups",
        title: "be a member of a group of the host that opens devices, logs or daemons",
        guarantee: Guarantee::UserUnprivileged,
        source: "group(5)",
        attempt: powerful_groups,
    },
    Channel {
        id: "give-file-away",
        title: "give a file to another user",
        guarantee: Guarantee::NoCapabilities,
        source: "chown(2)",
        attempt: |targets| {
            let (_scratch, file) = Scratch::file(targets)?;
            let other = if process::identity().0 == 65534 { 65533 } else { 65534 };
            std::os::unix::fs::fchown(&file, Some(other), None)?;
            Ok(format!("gave it to user {other}"))
        },
    },
    Channel {
        id: "override-permissions",
        title: "open files that their mode closes to everybody",
        guarantee: Guarantee::NoCapabilities,
        source: "capabilities(7)",
        attempt: |targets| {
            let (scratch, file) = Scratch::file(targets)?;
            file.set_permissions(Permissions::from_mode(0o000)).step("chmod")?;
            fs::File::open(&scratch.path)?;
            Ok("opened a file of mode 0".into())
        },
    },
    Channel {
        id: "host-user-ids",
        title: "act under a user id of the host",
        guarantee: Guarantee::UsersMapped,
        source: "user_namespaces(7)",
        attempt: |_| {
            if maps_host_users()? {
                Ok("all user ids are those of the host".into())
            } else {
                Err(Shut::closed("in a user namespace of its own"))
            }
        },
    },
    Channel {
        id: "no-filter",
        title: "run without a system call filter",
        guarantee: Guarantee::SystemCallsLimited,
        source: "seccomp(2)",
        attempt: |_| match prctl(libc::PR_GET_SECCOMP, 0, 0) {
            Ok(0) => Ok("no filter is in force".into()),
            Ok(mode) => Err(Shut::closed(format!("mode {mode}"))),
            // A filter that refuses the question.
            Err(error) => Err(error.into()),
        },
    },
];

fn set(capabilities: u64) -> Attempt {
    match capabilities {
        0 => Err(Shut::closed("the set is empty")),
        some => Ok(format!("the set is {some:#x}")),
    }
}

/// The set of the capabilities for which the question is answered with yes. Past the last one the kernel has, it is
/// an error.
fn each_capability(ask: impl Fn(u64) -> std::io::Result<std::ffi::c_long>) -> std::io::Result<u64> {
    let mut found = 0;
    for number in 0..64 {
        match ask(number) {
            Ok(0) => {}
            Ok(_) => found |= 1 << number,
            Err(error) if number == 0 => return Err(error),
            Err(_) => break,
        }
    }
    Ok(found)
}

/// Whether user ids here are those of the initial user namespace.
fn maps_host_users() -> Result<bool, Shut> {
    let map = peek("/proc/self/uid_map")?;
    let map = String::from_utf8_lossy(&map);
    Ok(map.split_whitespace().eq(["0", "0", "4294967295"]))
}

/// Looks for one of the programs that most systems have, and whether its bit would count. It is not executed.
fn set_uid_programs(_: &Targets) -> Attempt {
    const USUAL: [&str; 8] = ["su", "sudo", "mount", "passwd", "newgrp", "chsh", "pkexec", "ping"];
    /// Set-uid, and executable for others.
    const SET_UID_FOR_ALL: u32 = 0o4001;
    const DIRECTORIES: [&str; 3] = ["/run/wrappers/bin", "/usr/bin", "/bin"];
    if prctl(libc::PR_GET_NO_NEW_PRIVS, 0, 0)? != 0 {
        return Err(Shut::closed("no_new_privs is set"));
    }
    let mut paths = DIRECTORIES.iter().flat_map(|directory| USUAL.map(|name| format!("{directory}/{name}")));
    let found = paths.find(|path| {
        fs::metadata(path)
            .is_ok_and(|metadata| metadata.mode() & SET_UID_FOR_ALL == SET_UID_FOR_ALL && metadata.uid() == 0)
            && !mounted_without_set_uid(path)
    });
    found.map(|path| format!("{path} would run as root")).ok_or_else(|| Shut::closed("there is none"))
}

/// Whether set-uid bits do not count there: `ST_NOSUID` of statfs(2).
fn mounted_without_set_uid(path: &str) -> bool {
    /// Offset of `f_flags` in `struct statfs` of 64-bit machines, and its bit.
    const FLAGS: usize = 80;
    const NO_SET_UID: u8 = 2;
    let mut statfs = [0_u8; 128];
    let Ok(path) = std::ffi::CString::new(path) else { return true };
    call!(libc::SYS_statfs, path.as_c_str(), &mut statfs).is_err()
        || statfs.get(FLAGS).is_none_or(|flags| flags & NO_SET_UID != 0)
}

/// Groups whose members can do more than others, on the usual distributions.
fn powerful_groups(_: &Targets) -> Attempt {
    const POWERFUL: [&str; 16] = [
        "root",
        "disk",
        "kmem",
        "tty",
        "adm",
        "sudo",
        "wheel",
        "shadow",
        "docker",
        "libvirt",
        "lxd",
        "incus-admin",
        "kvm",
        "input",
        "systemd-journal",
        "video",
    ];
    let mut buffer = [0_u8; 4 * 256];
    let count = call!(libc::SYS_getgroups, 256, &mut buffer)?;
    let own = process::identity().1;
    let groups = buffer.chunks_exact(4).take(usize::try_from(count).unwrap_or_default());
    let groups: Vec<u32> =
        groups.filter_map(|bytes| bytes.try_into().ok().map(u32::from_ne_bytes)).chain([own]).collect();
    let database = fs::read_to_string("/etc/group").unwrap_or_default();
    let mut named = database.lines().filter_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        let number: u32 = fields.nth(1)?.parse().ok()?;
        Some((name, number))
    });
    // Without the names there is still group 0.
    if groups.contains(&0) && maps_host_users()? {
        return Ok("a member of group 0".into());
    }
    match named.find(|(name, number)| POWERFUL.contains(name) && groups.contains(number)) {
        Some((name, _)) => Ok(format!("a member of {name}")),
        None => Err(Shut::closed(format!("a member of {groups:?} only"))),
    }
}
