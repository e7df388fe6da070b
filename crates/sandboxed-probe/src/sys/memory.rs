//! Memory that is both written to and executed, mmap(2), and calls of other architectures.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr::NonNull;

use super::check;

/// Machine code of a function that returns 42, for the architectures we know.
pub(crate) const RETURN_42: &[u8] = if cfg!(target_arch = "x86_64") {
    &[0xb8, 42, 0, 0, 0, 0xc3]
} else if cfg!(target_arch = "aarch64") {
    &[0x40, 0x05, 0x80, 0x52, 0xc0, 0x03, 0x5f, 0xd6]
} else {
    &[]
};

/// A mapping of one page that is removed when dropped.
pub(crate) struct Page(NonNull<libc::c_void>);

const SIZE: usize = 65536;

impl Page {
    /// Maps one page (64 KiB: the largest there is), of `file` or of nothing.
    pub(crate) fn map(protection: i32, flags: i32, file: Option<&OwnedFd>) -> io::Result<Page> {
        let descriptor = file.map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: without MAP_FIXED, which no caller passes, this takes no existing mapping away.
        let address = unsafe { libc::mmap(std::ptr::null_mut(), SIZE, protection, flags, descriptor, 0) };
        NonNull::new(address)
            .filter(|_| address != libc::MAP_FAILED)
            .map(Page)
            .ok_or_else(io::Error::last_os_error)
    }

    /// `mprotect(2)`
    pub(crate) fn protect(&self, protection: i32) -> io::Result<()> {
        // SAFETY: the page is ours and nothing else refers to it.
        check(unsafe { libc::mprotect(self.0.as_ptr(), SIZE, protection) }).map(drop)
    }

    /// `pkey_mprotect(2)` without a key (-1), which is `mprotect(2)` by another number.
    pub(crate) fn protect_with_key(&self, protection: i32) -> io::Result<()> {
        super::call!(libc::SYS_pkey_mprotect, self.0.as_ptr().addr(), SIZE, protection, -1).map(drop)
    }

    /// Copies bytes to its beginning. The page has to be writable.
    pub(crate) fn write(&self, bytes: &[u8]) {
        // SAFETY: callers pass less than a page; the page is writable, or the process dies, which is a verdict too.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.0.as_ptr().cast(), bytes.len().min(SIZE));
        }
    }

    /// Calls what was written there; the evidence is the 42 it returns.
    pub(crate) fn run(&self) -> Option<i32> {
        if RETURN_42.is_empty() {
            return None;
        }
        #[cfg(target_arch = "aarch64")]
        // SAFETY: makes the instruction cache see the bytes at this address; reads and writes no memory of ours.
        unsafe {
            std::arch::asm!("dc cvau, {0}", "dsb ish", "ic ivau, {0}", "dsb ish", "isb", in(reg) self.0.as_ptr());
        }
        // SAFETY: the page starts with `RETURN_42`, a function of this signature.
        let function: extern "C" fn() -> i32 = unsafe { std::mem::transmute(self.0.as_ptr()) };
        Some(function())
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        // SAFETY: unmaps what `map` mapped.
        unsafe { libc::munmap(self.0.as_ptr(), SIZE) };
    }
}

/// Attaches a System V segment for execution and detaches it.
pub(crate) fn attach_executable(id: i32) -> io::Result<()> {
    // SAFETY: with no address wanted the kernel chooses a free one.
    let address = unsafe { libc::shmat(id, std::ptr::null(), libc::SHM_EXEC) };
    if address.addr() == usize::MAX {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: detaches what was just attached.
    check(unsafe { libc::shmdt(address) }).map(drop)
}

/// `getpid(2)` as 32-bit programs call it.
#[cfg(target_arch = "x86_64")]
pub(crate) fn getpid_32() -> i64 {
    let result: i64;
    // SAFETY: the 32-bit interface preserves all registers but the result (and r8 to r11); getpid has no effect.
    unsafe {
        std::arch::asm!("int 0x80", inlateout("rax") 20_i64 => result,
            lateout("r8") _, lateout("r9") _, lateout("r10") _, lateout("r11") _);
    }
    result
}

/// Where bytes are in the memory of this process.
pub(crate) fn address_of(bytes: &[u8]) -> u64 {
    bytes.as_ptr().addr() as u64
}
