//! Files and directories.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use super::Options;
use crate::sys::{c_path, call};
use crate::targets::{Place, Targets};

/// Short names of places and the directories they mean. A place that the host does not have is left out.
const PLACES: [(&str, &str); 21] = [
    ("etc", "/etc"),
    ("units", "/etc/systemd/system"),
    ("usr", "/usr"),
    ("opt", "/opt"),
    ("boot", "/boot"),
    ("var-lib", "/var/lib"),
    ("var-cache", "/var/cache"),
    ("var-spool", "/var/spool"),
    ("mail", "/var/mail"),
    ("log", "/var/log"),
    ("journal", "/var/log/journal"),
    ("www", "/var/www"),
    ("srv", "/srv"),
    ("home", "/home"),
    ("root", "/root"),
    ("run", "/run"),
    ("lock", "/run/lock"),
    ("tmp", "/tmp"),
    ("var-tmp", "/var/tmp"),
    ("shm", "/dev/shm"),
    ("mnt", "/mnt"),
];

/// Planted files; dropping removes them.
#[derive(Debug, Default)]
pub(super) struct Files {
    directories: Vec<PathBuf>,
    /// Kept open: the reading end of the named pipe and the terminal's other side.
    kept_open: Vec<File>,
}

impl Files {
    /// Plants a directory in each place and the single files.
    pub(super) fn plant(options: &Options, targets: &mut Targets, notes: &mut Vec<String>) -> Files {
        let mut files = Files::default();
        let name = format!(".sandboxed-probe-{}", targets.token);
        for (short, parent) in PLACES {
            if !Path::new(parent).is_dir() {
                continue;
            }
            match files.place(&Path::new(parent).join(&name), &targets.token) {
                Ok(place) => drop(targets.places.insert(short.into(), place)),
                Err(error) => notes.push(format!("nothing in {parent}: {error}")),
            }
        }
        let mut note = |what: &str, error: &io::Error| notes.push(format!("no {what}: {error}"));
        if let Some(place) = targets.places.get("var-lib").or(targets.places.get("tmp")) {
            match private(&place.directory.join("owned"), &targets.token, Some(options)) {
                Ok(path) => targets.files.owned = Some(path),
                Err(error) => note("private file", &error),
            }
            match handle(&place.readable) {
                Ok(handle) => targets.files.handle = Some(handle),
                Err(error) => note("file handle", &error),
            }
        }
        if let Some(place) = targets.places.get("etc") {
            match private(&place.directory.join("secret"), &targets.token, None) {
                Ok(path) => targets.files.secret = Some(path),
                Err(error) => note("secret file", &error),
            }
        }
        if let Some(place) = targets.places.get("run").or(targets.places.get("tmp")) {
            match fifo(&place.directory.join("pipe")) {
                Ok((path, reader)) => {
                    files.kept_open.push(reader);
                    targets.files.fifo = Some(path);
                }
                Err(error) => note("named pipe", &error),
            }
        }
        match terminal() {
            Ok((path, other_side)) => {
                files.kept_open.push(other_side);
                targets.files.terminal = Some(path);
            }
            Err(error) => note("terminal", &error),
        }
        targets.files.store = fs::canonicalize("/run/booted-system").ok();
        files
    }

    fn place(&mut self, directory: &Path, token: &str) -> io::Result<Place> {
        fs::DirBuilder::new().mode(0o700).create(directory)?;
        // From here on it is removed whatever happens.
        self.directories.push(directory.to_owned());
        let (readable, writable) = (directory.join("readable"), directory.join("writable"));
        create(&readable, token, 0o644)?;
        create(&writable, "", 0o666)?;
        fs::set_permissions(directory, Permissions::from_mode(0o1777))?;
        Ok(Place { directory: directory.to_owned(), readable, writable })
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        for directory in &self.directories {
            let _ = fs::remove_dir_all(directory);
        }
    }
}

/// Creates a file whose mode is not subject to the umask.
fn create(path: &Path, content: &str, mode: u32) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(content.as_bytes())?;
    file.set_permissions(Permissions::from_mode(mode))
}

fn private(path: &Path, token: &str, owner: Option<&Options>) -> io::Result<PathBuf> {
    create(path, token, 0o600)?;
    if let Some(options) = owner {
        chown(path, Some(options.user), Some(options.group))?;
    }
    Ok(path.to_owned())
}

fn fifo(path: &Path) -> io::Result<(PathBuf, File)> {
    let name = c_path(path)?;
    call!(libc::SYS_mknodat, libc::AT_FDCWD, name.as_c_str(), libc::S_IFIFO | 0o600, 0)?;
    fs::set_permissions(path, Permissions::from_mode(0o666))?;
    let reader = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    Ok((path.to_owned(), reader))
}

/// A pseudo-terminal that everybody may write to: pts(4).
fn terminal() -> io::Result<(PathBuf, File)> {
    /// `TIOCSPTLCK` and `TIOCGPTN` of `ioctl_tty(2)`.
    const LOCK: u64 = 0x4004_5431;
    const NUMBER: u64 = 0x8004_5430;
    let flags = libc::O_NOCTTY | libc::O_NONBLOCK;
    let other_side = OpenOptions::new().read(true).write(true).custom_flags(flags).open("/dev/ptmx")?;
    call!(libc::SYS_ioctl, other_side.as_fd(), LOCK, &0_i32.to_ne_bytes())?;
    let mut number = [0_u8; 4];
    call!(libc::SYS_ioctl, other_side.as_fd(), NUMBER, &mut number)?;
    let path = PathBuf::from(format!("/dev/pts/{}", i32::from_ne_bytes(number)));
    fs::set_permissions(&path, Permissions::from_mode(0o622))?;
    Ok((path, other_side))
}

/// Kind and bytes of a file's handle: `name_to_handle_at(2)`.
fn handle(path: &Path) -> io::Result<(i32, Vec<u8>)> {
    const MOST: usize = 128;
    let name = c_path(path)?;
    let mut handle = [0_u8; 8 + MOST];
    for (to, from) in handle.iter_mut().zip(u32::try_from(MOST).unwrap_or_default().to_ne_bytes()) {
        *to = from;
    }
    let mut mount = [0_u8; 4];
    call!(libc::SYS_name_to_handle_at, libc::AT_FDCWD, name.as_c_str(), &mut handle, &mut mount, 0)?;
    let (head, bytes) = handle.split_at(8);
    let (length, kind) = head.split_at(4);
    let length = u32::from_ne_bytes(length.try_into().unwrap_or_default());
    let kind = i32::from_ne_bytes(kind.try_into().unwrap_or_default());
    Ok((kind, bytes.iter().copied().take(usize::try_from(length).unwrap_or_default()).collect()))
}
