//! Files of the host and of other services.
//!
//! The host side plants a directory in many places. It and its files are open to everybody, so that what keeps the
//! service out is the sandbox and not a file mode that happens to be strict.

use std::fs::{self, OpenOptions};
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use super::{Scratch, append, open, peek, seen, with_token};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::{self, c_path, call};
use crate::targets::Targets;

/// Declares a channel for each place.
macro_rules! in_places {
    ($prefix:literal, $attempt:ident; $($place:literal $what:literal $guarantee:ident),* $(,)?) => {
        &[$(Channel {
            id: concat!($prefix, "-", $place),
            title: concat!($prefix, " ", $what),
            guarantee: Guarantee::$guarantee,
            source: "path_resolution(7)",
            attempt: |targets| $attempt(targets, $place),
        }),*]
    };
}

/// Writing, by place.
pub(super) const WRITE: &[Channel] = in_places!("write", write;
    "etc" "configuration in /etc" HostFilesUnwritable,
    "units" "unit files in /etc/systemd/system" HostFilesUnwritable,
    "usr" "programs in /usr" HostFilesUnwritable,
    "opt" "programs in /opt" HostFilesUnwritable,
    "boot" "what the machine boots from, in /boot" HostFilesUnwritable,
    "var-lib" "another service's state in /var/lib" HostFilesUnwritable,
    "var-cache" "caches, such as the package manager's, in /var/cache" HostFilesUnwritable,
    "var-spool" "queues in /var/spool" HostFilesUnwritable,
    "mail" "mail in /var/mail" HostFilesUnwritable,
    "log" "logs in /var/log" HostFilesUnwritable,
    "journal" "the journal in /var/log/journal" HostFilesUnwritable,
    "www" "web roots in /var/www" HostFilesUnwritable,
    "srv" "served data in /srv" HostFilesUnwritable,
    "home" "home directories" HomesHidden,
    "root" "the home directory of root" HomesHidden,
    "run" "run-time state in /run" RuntimeHidden,
    "lock" "lock files in /run/lock" RuntimeHidden,
    "tmp" "temporary files in the host's /tmp" TemporaryFilesPrivate,
    "var-tmp" "temporary files in the host's /var/tmp" TemporaryFilesPrivate,
    "shm" "files in the host's /dev/shm" TemporaryFilesPrivate,
    "mnt" "mounted file systems below /mnt" HostFilesUnwritable,
);

fn write(targets: &Targets, place: &str) -> Attempt {
    append(targets, &targets.place(place)?.writable)
}

/// Reading, by place.
pub(super) const READ: &[Channel] = in_places!("read", read;
    "etc" "configuration in /etc" HostFilesUnreadable,
    "units" "unit files in /etc/systemd/system" HostFilesUnreadable,
    "usr" "programs in /usr" HostFilesUnreadable,
    "opt" "programs in /opt" HostFilesUnreadable,
    "boot" "what the machine boots from, in /boot" HostFilesUnreadable,
    "var-lib" "another service's state in /var/lib" HostFilesUnreadable,
    "var-cache" "caches, such as the package manager's, in /var/cache" HostFilesUnreadable,
    "var-spool" "queues in /var/spool" HostFilesUnreadable,
    "mail" "mail in /var/mail" HostFilesUnreadable,
    "log" "logs in /var/log" HostFilesUnreadable,
    "journal" "the journal in /var/log/journal" HostFilesUnreadable,
    "www" "web roots in /var/www" HostFilesUnreadable,
    "srv" "served data in /srv" HostFilesUnreadable,
    "home" "home directories" HomesHidden,
    "root" "the home directory of root" HomesHidden,
    "run" "run-time state in /run" RuntimeHidden,
    "lock" "lock files in /run/lock" RuntimeHidden,
    "tmp" "temporary files in the host's /tmp" TemporaryFilesPrivate,
    "var-tmp" "temporary files in the host's /var/tmp" TemporaryFilesPrivate,
    "shm" "files in the host's /dev/shm" TemporaryFilesPrivate,
    "mnt" "mounted file systems below /mnt" HostFilesUnreadable,
);

fn read(targets: &Targets, place: &str) -> Attempt {
    let path = &targets.place(place)?.readable;
    with_token(targets, &peek(path)?, &path.display().to_string())
}

/// Everything else that can be done to files.
pub(super) const OTHER: &[Channel] = &[
    Channel {
        id: "list-host-directory",
        title: "list a directory of the host",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "readdir(3)",
        attempt: |targets| {
            let directory = &targets.place("var-lib")?.directory;
            let entries = fs::read_dir(directory).step(&format!("list {}", directory.display()))?;
            Ok(format!("{} entries in {}", entries.count(), directory.display()))
        },
    },
    Channel {
        id: "stat-host-file",
        title: "see that a file of the host exists, and its size and times",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "stat(2)",
        attempt: |targets| Ok(seen(&targets.place("srv")?.readable)?),
    },
    Channel {
        id: "read-own-users-file",
        title: "read a private file of another service that runs under the same user",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "path_resolution(7)",
        attempt: |targets| {
            let path =
                targets.files.owned.as_deref().ok_or_else(|| Shut::missing("no private file was planted"))?;
            with_token(targets, &peek(path)?, &path.display().to_string())
        },
    },
    Channel {
        id: "read-root-file",
        title: "read a file that only root may read",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "capabilities(7)",
        attempt: |targets| {
            let path =
                targets.files.secret.as_deref().ok_or_else(|| Shut::missing("no secret file was planted"))?;
            with_token(targets, &peek(path)?, &path.display().to_string())
        },
    },
    Channel {
        id: "read-store-path",
        title: "read a store path that is not in the service's closure",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "nix-store(1)",
        attempt: |targets| {
            let path =
                targets.files.store.as_deref().ok_or_else(|| Shut::missing("the host has no Nix store"))?;
            Ok(seen(path)?)
        },
    },
    Channel {
        id: "open-by-handle",
        title: "open a file of the host by its handle, around all paths and mounts",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "open_by_handle_at(2)",
        attempt: open_by_handle,
    },
    Channel {
        id: "create-host-file",
        title: "create a file in a shared directory of the host",
        guarantee: Guarantee::HostFilesUnwritable,
        source: "open(2)",
        attempt: |targets| {
            let path = targets.place("var-lib")?.directory.join(format!("created-{}", std::process::id()));
            open(&path, OpenOptions::new().write(true).create_new(true))?;
            fs::remove_file(&path).step("remove it again")?;
            Ok(format!("created and removed {}", path.display()))
        },
    },
    Channel {
        id: "link-host-file",
        title: "make a hard link to a file of the host",
        guarantee: Guarantee::HostFilesUnwritable,
        source: "link(2)",
        attempt: |targets| {
            let place = targets.place("var-lib")?;
            let link = place.directory.join(format!("link-{}", std::process::id()));
            fs::hard_link(&place.writable, &link)?;
            // In a sticky directory only the file's owner may, who removes the whole directory at the end.
            let _ = fs::remove_file(&link);
            Ok(format!("linked {}", place.writable.display()))
        },
    },
    Channel {
        id: "rename-host-file",
        title: "rename a file in a shared directory of the host",
        guarantee: Guarantee::HostFilesUnwritable,
        source: "rename(2)",
        attempt: |targets| {
            let directory = &targets.place("var-lib")?.directory;
            let (from, to) = (directory.join("renamed-from"), directory.join("renamed-to"));
            open(&from, OpenOptions::new().write(true).create(true).truncate(true))?;
            let renamed = fs::rename(&from, &to);
            let _ = fs::remove_file(if renamed.is_ok() { &to } else { &from });
            renamed?;
            Ok(format!("renamed a file in {}", directory.display()))
        },
    },
    Channel {
        id: "attribute-host-file",
        title: "set an extended attribute on a file of the host",
        guarantee: Guarantee::HostFilesUnwritable,
        source: "setxattr(2)",
        attempt: |targets| {
            let path = &targets.place("var-lib")?.writable;
            let c = c_path(path).step("path")?;
            call!(libc::SYS_setxattr, c.as_c_str(), c"user.sandboxed-probe", b"1", 1, 0)?;
            let _ = call!(libc::SYS_removexattr, c.as_c_str(), c"user.sandboxed-probe");
            Ok(format!("set an attribute of {}", path.display()))
        },
    },
    Channel {
        id: "lock-host-file",
        title: "lock a file that the host's programs lock",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "flock(2)",
        attempt: |targets| {
            let path = &targets.place("etc")?.readable;
            let file = open(path, OpenOptions::new().read(true))?;
            call!(libc::SYS_flock, file.as_fd(), libc::LOCK_EX | libc::LOCK_NB)?;
            Ok(format!("locked {}", path.display()))
        },
    },
    Channel {
        id: "lease-host-file",
        title: "take a lease on a file, which delays everybody who opens it",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "fcntl(2)",
        attempt: |targets| {
            let path =
                targets.files.owned.as_deref().ok_or_else(|| Shut::missing("no private file was planted"))?;
            let file = open(path, OpenOptions::new().read(true))?;
            call!(libc::SYS_fcntl, file.as_fd(), libc::F_SETLEASE, libc::F_RDLCK)?;
            Ok(format!("have a lease on {}", path.display()))
        },
    },
    Channel {
        id: "watch-host-directory",
        title: "be told of what happens in a directory of the host",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "inotify(7)",
        attempt: |targets| {
            let directory = c_path(&targets.place("var-lib")?.directory).step("path")?;
            let inotify = sys::descriptor(call!(libc::SYS_inotify_init1, libc::IN_CLOEXEC))?;
            call!(libc::SYS_inotify_add_watch, &inotify, directory.as_c_str(), libc::IN_ALL_EVENTS)?;
            Ok("added a watch".into())
        },
    },
    Channel {
        id: "watch-host-fanotify",
        title: "be told of what happens to a file of the host, by fanotify",
        guarantee: Guarantee::HostFilesUnreadable,
        source: "fanotify(7)",
        attempt: |targets| {
            /// `FAN_REPORT_FID`: what callers without privileges have to ask for.
            const REPORT_FID: i32 = 0x200;
            /// `FAN_CLOEXEC`
            const CLOEXEC: i32 = 1;
            /// `FAN_MARK_ADD`
            const ADD: i32 = 1;
            /// `FAN_MODIFY`
            const MODIFY: u64 = 2;
            let path = c_path(&targets.place("var-lib")?.readable).step("path")?;
            let fanotify = sys::descriptor(call!(libc::SYS_fanotify_init, REPORT_FID | CLOEXEC, 0))?;
            call!(libc::SYS_fanotify_mark, &fanotify, ADD, MODIFY, libc::AT_FDCWD, path.as_c_str())?;
            Ok("added a mark".into())
        },
    },
    Channel {
        id: "leave-set-uid-file",
        title: "leave a set-uid file in a directory of its own",
        guarantee: Guarantee::NoSetuidFiles,
        source: "chmod(2)",
        attempt: |targets| leave_mode(targets, 0o4755),
    },
    Channel {
        id: "leave-set-gid-file",
        title: "leave a set-gid file in a directory of its own",
        guarantee: Guarantee::NoSetuidFiles,
        source: "chmod(2)",
        attempt: |targets| leave_mode(targets, 0o2755),
    },
    Channel {
        id: "create-set-uid-file",
        title: "create a file that is set-uid from its beginning",
        guarantee: Guarantee::NoSetuidFiles,
        source: "open(2)",
        attempt: |targets| {
            let path =
                Scratch::directory(targets)?.join(format!(".sandboxed-probe-suid-{}", std::process::id()));
            let file = open(&path, OpenOptions::new().write(true).create_new(true).mode(0o4700))?;
            let mode = file.metadata().map(|metadata| metadata.permissions().mode());
            let _ = fs::remove_file(&path);
            if mode? & 0o4000 == 0 {
                return Err(Shut::closed("the bit was dropped"));
            }
            Ok(format!("created {}", path.display()))
        },
    },
    Channel {
        id: "leave-device-file",
        title: "leave a device file in a directory of its own",
        guarantee: Guarantee::NoSetuidFiles,
        source: "mknod(2)",
        attempt: |targets| {
            /// Major 1, minor 3: /dev/null.
            const NULL_DEVICE: u64 = 0x103;
            let path =
                Scratch::directory(targets)?.join(format!(".sandboxed-probe-device-{}", std::process::id()));
            let c = c_path(&path).step("path")?;
            call!(libc::SYS_mknodat, libc::AT_FDCWD, c.as_c_str(), libc::S_IFCHR | 0o600, NULL_DEVICE)?;
            let _ = fs::remove_file(&path);
            Ok("created a character device".into())
        },
    },
    Channel {
        id: "leave-file-capabilities",
        title: "leave a file with capabilities in a directory of its own",
        guarantee: Guarantee::NoSetuidFiles,
        source: "capabilities(7)",
        attempt: |targets| {
            let (scratch, _file) = Scratch::file(targets)?;
            let c = c_path(&scratch.path).step("path")?;
            // Revision 2 of the attribute, no capability in it.
            let value: [u8; 20] = sys::fields(&[(0, &0x0200_0000_u32.to_le_bytes())]);
            call!(libc::SYS_setxattr, c.as_c_str(), c"security.capability", &value, value.len(), 0)?;
            Ok("set the attribute".into())
        },
    },
    Channel {
        id: "execute-written-file",
        title: "execute a program that it has written itself",
        guarantee: Guarantee::ProgramsFixed,
        source: "execve(2)",
        attempt: execute_written,
    },
    Channel {
        id: "execute-memory-file",
        title: "execute a program from anonymous memory, which no mount option covers",
        guarantee: Guarantee::ProgramsFixed,
        source: "memfd_create(2)",
        attempt: |_| {
            use std::io::Write;
            let descriptor = sys::descriptor(call!(libc::SYS_memfd_create, c"sandboxed-probe", 0))?;
            let path = format!("/proc/self/fd/{}", descriptor.as_raw_fd());
            let mut file = fs::File::from(descriptor);
            file.write_all(&own_program()?).step("write the program")?;
            // The name goes through /proc; execveat(2) on the descriptor itself does without.
            match run(Path::new(&path)) {
                Err(Shut::Closed { errno: Some(libc::ENOENT), .. }) => {
                    call!(libc::SYS_execveat, file.as_fd(), c"", sys::NULL, sys::NULL, libc::AT_EMPTY_PATH)?;
                    Err(Shut::closed("executed nothing"))
                }
                other => other,
            }
        },
    },
];

/// Gives a file of our own the mode and looks whether it has it.
fn leave_mode(targets: &Targets, mode: u32) -> Attempt {
    let (scratch, file) = Scratch::file(targets)?;
    file.set_permissions(fs::Permissions::from_mode(mode)).step("chmod")?;
    let got = file.metadata().step("stat")?.permissions().mode() & 0o7777;
    if got != mode {
        return Err(Shut::closed(format!("the mode became {got:o}")));
    }
    Ok(format!("{} had mode {got:o}", scratch.path.display()))
}

/// The program that runs right now.
fn own_program() -> Result<Vec<u8>, Shut> {
    fs::read("/proc/self/exe")
        .or_else(|_| fs::read(std::env::args_os().next().unwrap_or_default()))
        .map_err(|error| Shut::missing(format!("the probe cannot read its own program: {error}")))
}

/// Runs a copy of the probe which only reports its success.
fn run(path: &Path) -> Attempt {
    let status = std::process::Command::new(path).arg("--nothing").status()?;
    if status.success() {
        Ok(format!("executed {}", path.display()))
    } else {
        Err(Shut::closed(format!("{status}")))
    }
}

fn execute_written(targets: &Targets) -> Attempt {
    use std::io::Write;
    let program = own_program()?;
    let (scratch, mut file) = Scratch::file(targets)?;
    file.write_all(&program).step("write the program")?;
    file.set_permissions(fs::Permissions::from_mode(0o700)).step("chmod")?;
    // A file that is open for writing is not executed.
    drop(file);
    run(&scratch.path)
}

fn open_by_handle(targets: &Targets) -> Attempt {
    let (kind, bytes) =
        targets.files.handle.as_ref().ok_or_else(|| Shut::missing("no file handle was planted"))?;
    let mut handle = u32::try_from(bytes.len()).unwrap_or_default().to_ne_bytes().to_vec();
    handle.extend(kind.to_ne_bytes());
    handle.extend(bytes);
    let mut refusal = Shut::closed("no mount leads to the file");
    // Any directory on the same file system serves as the way in.
    let ways =
        ["/", "/etc", "/usr", "/var", "/tmp", "/etc/resolv.conf", "/etc/hosts"].map(std::path::PathBuf::from);
    for way in ways.iter().chain(targets.scratch.as_ref()) {
        let Ok(mount) = fs::File::open(way) else { continue };
        let opened = call!(libc::SYS_open_by_handle_at, mount.as_fd(), handle.as_slice(), libc::O_RDONLY);
        match sys::descriptor(opened) {
            Ok(descriptor) => {
                let mut content = Vec::new();
                let mut file = fs::File::from(descriptor);
                let _ = std::io::Read::read_to_end(&mut file, &mut content);
                if let Ok(evidence) =
                    with_token(targets, &content, &format!("a file opened by handle from {}", way.display()))
                {
                    return Ok(evidence);
                }
            }
            Err(error) => refusal = error.into(),
        }
    }
    Err(refusal)
}
