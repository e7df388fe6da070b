//! fork(2), execve(2), unshare(2) and the arguments of `main`.
#![allow(unsafe_code)]

use std::ffi::{CStr, CString, OsStr, OsString, c_char, c_int};
use std::io;
use std::os::fd::RawFd;
use std::os::unix::ffi::OsStrExt as _;

use rustix::process::Pid;
use rustix::thread::UnshareFlags;

/// Copies the arguments of C's `main`, the program's own name included.
///
/// # Safety
/// `arguments` must point to `count` pointers to C strings.
pub unsafe fn arguments(count: c_int, arguments: *const *const c_char) -> Vec<OsString> {
    (0..usize::try_from(count).unwrap_or(0))
        .map(|index| {
            // SAFETY: the caller promises `count` valid strings.
            let argument = unsafe { CStr::from_ptr(*arguments.add(index)) };
            OsStr::from_bytes(argument.to_bytes()).to_owned()
        })
        .collect()
}

/// Which side of a [`fork`] the caller is on.
pub(crate) enum Fork {
    /// The new process.
    Child,
    /// The old process, with the new one's id as seen from the old one's PID namespace.
    Parent(Pid),
}

/// Starts a copy of this process: fork(2). The launcher has a single thread, so the child may do whatever the parent may.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: no other thread exists that could hold a lock the child needs.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        id => Pid::from_raw(id).map(Fork::Parent).ok_or_else(|| io::ErrorKind::Other.into()),
    }
}

/// Leaves the namespaces that `flags` names: unshare(2).
pub(crate) fn unshare(flags: UnshareFlags) -> io::Result<()> {
    // SAFETY: only CLONE_FILES would break promises (about who may close a descriptor), and nobody passes it.
    unsafe { rustix::thread::unshare_unsafe(flags - UnshareFlags::FILES) }.map_err(io::Error::from)
}

/// Replaces this process by `program`: execve(2). Returns only to say why that failed.
pub(crate) fn execute(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Error {
    fn pointers(strings: &[CString]) -> Vec<*const c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    }
    let (arguments, environment) = (pointers(arguments), pointers(environment));
    // SAFETY: both arrays end with a null pointer and outlive the call, as do the strings they point to.
    unsafe { libc::execve(program.as_ptr(), arguments.as_ptr(), environment.as_ptr()) };
    io::Error::last_os_error()
}

/// Closes every descriptor from 3 on that is not in `keep` (in ascending order): `close_range(2)`.
/// Only for a process that goes on without them: their Rust owners must be forgotten, never dropped.
pub(crate) fn close_all_but(keep: &[RawFd]) -> io::Result<()> {
    let mut first: libc::c_uint = 3;
    let bounds = keep.iter().filter_map(|fd| libc::c_uint::try_from(*fd).ok()).map(Some).chain([None]);
    for bound in bounds {
        let last = bound.map_or(libc::c_uint::MAX, |fd| fd.saturating_sub(1));
        // SAFETY: what is closed here is owned by nobody who goes on to use it, as the caller promises.
        if first <= last && unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) } == -1 {
            return Err(io::Error::last_os_error());
        }
        first = bound.map_or(first, |fd| first.max(fd.saturating_add(1)));
    }
    Ok(())
}

/// Ends this process at once, without running anything registered for its end: `_exit(2)`.
pub(crate) fn exit(status: c_int) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(status) }
}
