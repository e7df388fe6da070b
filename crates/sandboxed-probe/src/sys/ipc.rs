//! System V memory: the one part of inter-process communication that hands out addresses.
#![allow(unsafe_code)]

use std::io;

use super::check;

/// Copies the beginning of a System V shared memory segment: shmop(2).
pub(crate) fn read_shared_memory(id: i32, length: usize) -> io::Result<Vec<u8>> {
    // SAFETY: with no address wanted the kernel chooses a free one; it fails or gives a mapping.
    let address = unsafe { libc::shmat(id, std::ptr::null(), libc::SHM_RDONLY) };
    if address.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a segment is a page at least, and `length` is kept below; it is unmapped after the copy.
    unsafe {
        let bytes = std::slice::from_raw_parts(address.cast::<u8>(), length.min(4096)).to_vec();
        check(libc::shmdt(address))?;
        Ok(bytes)
    }
}

/// Writes to the beginning of a System V shared memory segment.
pub(crate) fn write_shared_memory(id: i32, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: as above, for writing.
    let address = unsafe { libc::shmat(id, std::ptr::null(), 0) };
    if address.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: at most a page is written, and a segment is a page at least.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), address.cast::<u8>(), bytes.len().min(4096));
        check(libc::shmdt(address)).map(drop)
    }
}
