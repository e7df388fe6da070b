//! The new /proc of the new PID namespace.
//!
//! It is as the old one in everything but the processes: the same mount attributes and options, and covered in the same
//! places, by the same means: what systemd's `ProtectKernelTunables=`, `ProtectKernelLogs=`, `ProtectProc=`, `ProcSubset=`
//! or anybody else had done to the old one holds for the new one.

use std::ffi::CString;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode, OFlags};
use rustix::mount::{self, FsMountFlags, FsOpenFlags, MountAttrFlags, UnmountFlags};

use crate::failure::{Failure, Step};
use crate::mountinfo::{Mount, Mounts};
use crate::options::ProcOptions;
use crate::room;
use crate::sys::mount::change_attributes;

const PROC: &str = "/proc";

/// What the old /proc is like.
pub(crate) struct OldProc {
    attributes: MountAttrFlags,
    options: String,
    covers: Vec<Cover>,
    /// Other places where a proc file system can be seen.
    elsewhere: Vec<PathBuf>,
    /// The working directory, when it is inside.
    inside: Option<PathBuf>,
}

/// A mount on the old /proc.
enum Cover {
    /// A part of /proc itself, with attributes of its own.
    Part { root: PathBuf, point: PathBuf, attributes: MountAttrFlags },
    /// Something else, of which this is a copy.
    Other { tree: OwnedFd, point: PathBuf },
}

impl OldProc {
    /// Looks at the old /proc, while it is there. `None` when the service has none, and then it gets none.
    pub(crate) fn survey(mounts: &Mounts) -> Result<Option<Self>, Failure> {
        let Some(top) = mounts.visible_at(PROC.as_ref()).filter(|mount| mount.kind == "proc") else {
            return Ok(None);
        };
        let mut covers = Vec::new();
        for mount in mounts.visible_below(top) {
            covers.extend(Cover::of(mount, top)?);
        }
        let elsewhere = mounts
            .iter()
            .filter(|mount| mount.kind == "proc" && !mount.point.starts_with(PROC))
            .map(|mount| mount.point.clone())
            .collect();
        let inside = std::env::current_dir().ok().filter(|directory| directory.starts_with(PROC));
        Ok(Some(Self { attributes: top.attributes, options: top.options.clone(), covers, elsewhere, inside }))
    }

    /// Replaces it by the one of the PID namespace that this process is in.
    pub(crate) fn replace(self, wanted: &ProcOptions) -> Result<(), Failure> {
        let read_only =
            if wanted.read_only { MountAttrFlags::MOUNT_ATTR_RDONLY } else { MountAttrFlags::empty() };
        let new = new_instance(&self.settings(wanted), self.attributes | read_only)?;
        for place in self.elsewhere.iter().map(PathBuf::as_path).chain([Path::new(PROC)]) {
            // Where the kernel keeps it (below a user namespace that did not mount it), the new one covers the old one.
            let _ = mount::unmount(place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW);
        }
        attach(&new, PROC.as_ref())?;
        for cover in &self.covers {
            cover.put(read_only)?;
        }
        if let Some(directory) = &self.inside {
            std::env::set_current_dir(directory).map_err(failed("leave the old /proc"))?;
        }
        Ok(())
    }

    /// The file system's options: those of the old one unless others are wanted.
    fn settings(&self, wanted: &ProcOptions) -> Vec<(&str, String)> {
        let old = |name: &str| {
            self.options
                .split(',')
                .find_map(|option| Some(option.strip_prefix(name)?.strip_prefix('=')?.to_owned()))
        };
        let subset = if wanted.subset_pid { Some("pid".to_owned()) } else { old("subset") };
        [
            ("hidepid", wanted.hidepid.clone().or_else(|| old("hidepid"))),
            ("gid", old("gid")),
            ("subset", subset),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }
}

impl Cover {
    fn of(mount: &Mount, top: &Mount) -> Result<Option<Self>, Failure> {
        let point = mount.point.clone();
        let of_a_process = point
            .strip_prefix(PROC)
            .ok()
            .and_then(|rest| rest.components().next())
            .is_some_and(|first| first.as_os_str().as_bytes().iter().all(u8::is_ascii_digit));
        // A process outside of the namespace has no place in it; and a trigger for automatic mounts, once gone, leaves
        // an empty directory.
        if of_a_process || mount.kind == "autofs" {
            return Ok(None);
        }
        if mount.kind == "proc" && mount.device == top.device {
            return Ok(Some(Self::Part { root: mount.root.clone(), point, attributes: mount.attributes }));
        }
        let deleted = mount.root.as_os_str().as_bytes().ends_with(b"//deleted");
        let tree = if deleted { replica(&point) } else { room::copy(&point) };
        let tree = tree.map_err(failed(format_args!("copy the mount on {}", point.display())))?;
        change_attributes(tree.as_fd(), mount.attributes, MountAttrFlags::empty())
            .map_err(failed(format_args!("protect {}", point.display())))?;
        Ok(Some(Self::Other { tree, point }))
    }

    /// Puts it on the new /proc, unless there is nothing to cover.
    fn put(&self, more: MountAttrFlags) -> Result<(), Failure> {
        match self {
            Self::Other { point, .. } | Self::Part { point, .. } if !point.exists() => Ok(()),
            Self::Other { tree, point } => attach(tree, point),
            Self::Part { root, point, attributes } => {
                let what = || format!("cover {}", point.display());
                let source = Path::new(PROC).join(root.strip_prefix("/").unwrap_or(root));
                let part = room::copy(&source).map_err(failed(what()))?;
                let attributes = *attributes | more;
                // The copy has the attributes of the new /proc, which may be stricter than this part of the old one was.
                let clear = MountAttrFlags::MOUNT_ATTR_RDONLY - attributes;
                change_attributes(part.as_fd(), attributes, clear).map_err(failed(what()))?;
                attach(&part, point)
            }
        }
    }
}

/// A proc file system of this process's PID namespace, mounted nowhere yet.
pub(crate) fn new_instance(
    settings: &[(&str, String)],
    attributes: MountAttrFlags,
) -> Result<OwnedFd, Failure> {
    let failed = || failed("mount a new /proc");
    let context = mount::fsopen("proc", FsOpenFlags::FSOPEN_CLOEXEC).map_err(failed())?;
    for (name, value) in settings {
        let value = CString::new(value.as_bytes())
            .map_err(self::failed(format_args!("set {name} of the new /proc")))?;
        mount::fsconfig_set_string(&context, *name, value.as_c_str())
            .map_err(self::failed(format_args!("set {name} of the new /proc")))?;
    }
    mount::fsconfig_create(&context).map_err(failed())?;
    let always = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes | always).map_err(failed())
}

fn attach(tree: &OwnedFd, point: &Path) -> Result<(), Failure> {
    room::attach(tree, point).map_err(failed(format_args!("mount on {}", point.display())))
}

/// A mount of a file that has been deleted (systemd-nspawn covers a container's boot id by one) cannot be attached
/// anywhere else: a copy of its text takes its place.
fn replica(point: &Path) -> rustix::io::Result<OwnedFd> {
    let readable = fs::stat(point)?.st_mode & 0o444;
    // What the service may not read, it may not read in the copy.
    let text = std::fs::read(point).unwrap_or_default();
    let made = room::make(&Path::new(PROC).join("cover"), |path| {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        let file = fs::open(path, flags, Mode::from_raw_mode(0o600))?;
        rustix::io::write(&file, &text)?;
        fs::fchmod(&file, Mode::from_raw_mode(readable))
    })?;
    Ok(made.tree)
}

fn failed<E: Into<Box<dyn std::error::Error>>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Failure {
    Failure::at(Step::Namespaces, what)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(options: &str, wanted: &ProcOptions) -> Vec<(String, String)> {
        let old = OldProc {
            attributes: MountAttrFlags::empty(),
            options: options.to_owned(),
            covers: Vec::new(),
            elsewhere: Vec::new(),
            inside: None,
        };
        old.settings(wanted).into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }

    #[test]
    fn options_stay_unless_others_are_wanted() {
        let none = ProcOptions::default();
        assert_eq!(settings("rw", &none), []);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            settings("rw,gid=7,hidepid=invisible,subset=pid", &none),
            [pair("hidepid", "invisible"), pair("gid", "7"), pair("subset", "pid")]
        );
        let wanted =
            ProcOptions { hidepid: Some("ptraceable".to_owned()), subset_pid: true, read_only: false };
        assert_eq!(settings("rw,hidepid=2", &wanted), [pair("hidepid", "ptraceable"), pair("subset", "pid")]);
    }
}
