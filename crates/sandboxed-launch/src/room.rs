//! A file of our own to mount over another.
//!
//! It is made in a file system of its own that is mounted for a moment over a directory, so nothing has to be writable and
//! nothing is left behind; what stays is a mount of the one file, to be attached anywhere.

use std::os::fd::OwnedFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::io;
use rustix::mount::{
    self, FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, UnmountFlags,
};

/// What [`make`] made.
pub(crate) struct Made<T> {
    /// What the maker returned.
    pub(crate) value: T,
    /// A mount of the file, attached nowhere yet.
    pub(crate) tree: OwnedFd,
}

/// Makes a file at `path`, whose directory exists, by `maker`; at once it is not there any more.
pub(crate) fn make<T>(path: &Path, maker: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<Made<T>> {
    let directory = path.parent().ok_or(io::Errno::NOTDIR)?;
    let context = mount::fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in [("mode", "0755"), ("size", "64k")] {
        mount::fsconfig_set_string(&context, name, value)?;
    }
    mount::fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
        | MountAttrFlags::MOUNT_ATTR_NODEV
        | MountAttrFlags::MOUNT_ATTR_NOEXEC;
    let room = mount::fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)?;
    attach(&room, directory)?;
    let value = maker(path);
    let tree = copy(path);
    mount::unmount(directory, UnmountFlags::DETACH)?;
    Ok(Made { value: value?, tree: tree? })
}

/// A mount of what is at `path`, attached nowhere yet, without what is mounted below.
pub(crate) fn copy(path: &Path) -> io::Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_NO_AUTOMOUNT
        | OpenTreeFlags::AT_SYMLINK_NOFOLLOW;
    mount::open_tree(CWD, path, flags)
}

/// Attaches a mount at `place`.
pub(crate) fn attach(tree: &OwnedFd, place: &Path) -> io::Result<()> {
    mount::move_mount(tree, "", CWD, place, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
}
