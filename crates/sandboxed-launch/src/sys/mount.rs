//! `mount_setattr(2)`, which rustix lacks.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd};

use rustix::mount::MountAttrFlags;

/// Changes the attributes of the mount whose root `mount` is: sets those of `set`, then clears those of `clear`.
pub(crate) fn change_attributes(
    mount: BorrowedFd<'_>,
    set: MountAttrFlags,
    clear: MountAttrFlags,
) -> io::Result<()> {
    let request = libc::mount_attr {
        attr_set: u64::from(set.bits()),
        attr_clr: u64::from(clear.bits()),
        propagation: 0,
        userns_fd: 0,
    };
    // SAFETY: the path is an empty C string, the request valid for the size given.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            mount.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const request,
            size_of_val(&request),
        )
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
