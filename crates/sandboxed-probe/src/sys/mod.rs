//! System calls, as few lines of unsafe code as will do.
//!
//! Most calls go through [`make`]: a channel states the number and the arguments of the call it makes, as its
//! manual page does, and nothing in between changes them. Calls that hand back memory or duplicate the process have
//! functions of their own in the modules below.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_long};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

pub(crate) mod errno;
pub(crate) mod ipc;
pub(crate) mod memory;
pub(crate) mod network;
pub(crate) mod process;

/// An argument of a system call.
pub(crate) enum Arg<'a> {
    /// A number, a flag set or a descriptor.
    Number(i64),
    /// Text the kernel reads.
    Text(&'a CStr),
    /// Bytes the kernel reads.
    Input(&'a [u8]),
    /// Bytes the kernel writes, or both.
    Buffer(&'a mut [u8]),
}

/// A null pointer, where one is allowed.
pub(crate) const NULL: i64 = 0;

impl Arg<'_> {
    #[allow(clippy::cast_possible_truncation, reason = "registers of 32-bit machines are that small")]
    fn register(&mut self) -> c_long {
        match self {
            Arg::Number(number) => *number as c_long,
            Arg::Text(text) => text.as_ptr() as c_long,
            Arg::Input(bytes) => bytes.as_ptr() as c_long,
            Arg::Buffer(bytes) => bytes.as_mut_ptr() as c_long,
        }
    }
}

macro_rules! numbers {
    ($($type:ty),*) => { $(
        impl From<$type> for Arg<'_> {
            #[allow(clippy::cast_possible_wrap, clippy::cast_lossless, reason = "registers have no sign")]
            fn from(number: $type) -> Self { Arg::Number(number as i64) }
        }
    )* };
}
numbers!(i32, u32, i64, u64, usize);

impl<'a> From<&'a CStr> for Arg<'a> {
    fn from(text: &'a CStr) -> Self {
        Arg::Text(text)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for Arg<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Arg::Input(bytes)
    }
}

impl<'a> From<&'a [u8]> for Arg<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Arg::Input(bytes)
    }
}

impl<'a> From<&'a mut [u8]> for Arg<'a> {
    fn from(bytes: &'a mut [u8]) -> Self {
        Arg::Buffer(bytes)
    }
}

impl<'a, const N: usize> From<&'a mut [u8; N]> for Arg<'a> {
    fn from(bytes: &'a mut [u8; N]) -> Self {
        Arg::Buffer(bytes)
    }
}

impl From<&OwnedFd> for Arg<'_> {
    fn from(descriptor: &OwnedFd) -> Self {
        Arg::from(descriptor.as_raw_fd())
    }
}

impl From<BorrowedFd<'_>> for Arg<'_> {
    fn from(descriptor: BorrowedFd<'_>) -> Self {
        Arg::from(descriptor.as_raw_fd())
    }
}

/// Makes a system call. Not for calls that change the address space or return twice.
pub(crate) fn make(number: c_long, mut arguments: [Arg<'_>; 6]) -> io::Result<c_long> {
    let [first, second, third, fourth, fifth, sixth] = arguments.each_mut().map(Arg::register);
    // SAFETY: pointers among the arguments come from live borrows that `arguments` holds during the call. Callers
    // state lengths that fit their buffers and make no call that changes mappings of this process.
    check(unsafe { libc::syscall(number, first, second, third, fourth, fifth, sixth) })
}

/// [`make`] with any number of arguments of any kind that has a place in a register.
macro_rules! call {
    ($number:expr) => {
        $crate::sys::call!($number, 0i32)
    };
    ($number:expr, $a:expr) => {
        $crate::sys::call!($number, $a, 0i32)
    };
    ($number:expr, $a:expr, $b:expr) => {
        $crate::sys::call!($number, $a, $b, 0i32)
    };
    ($number:expr, $a:expr, $b:expr, $c:expr) => {
        $crate::sys::call!($number, $a, $b, $c, 0i32)
    };
    ($number:expr, $a:expr, $b:expr, $c:expr, $d:expr) => {
        $crate::sys::call!($number, $a, $b, $c, $d, 0i32)
    };
    ($number:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr) => {
        $crate::sys::call!($number, $a, $b, $c, $d, $e, 0i32)
    };
    ($number:expr, $a:expr, $b:expr, $c:expr, $d:expr, $e:expr, $f:expr) => {
        $crate::sys::make(
            $number,
            [
                $crate::sys::Arg::from($a),
                $crate::sys::Arg::from($b),
                $crate::sys::Arg::from($c),
                $crate::sys::Arg::from($d),
                $crate::sys::Arg::from($e),
                $crate::sys::Arg::from($f),
            ],
        )
    };
}
pub(crate) use call;

/// Turns the -1 of the C library into its error.
pub(crate) fn check<T: PartialEq + From<i8>>(result: T) -> io::Result<T> {
    if result == T::from(-1) { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Makes a system call whose result is a new file descriptor.
pub(crate) fn descriptor(result: io::Result<c_long>) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(result?).map_err(|_| io::Error::from_raw_os_error(libc::EBADF))?;
    // SAFETY: the kernel has just given this descriptor to us and nobody else has it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Bytes of a structure of which only some fields are set, each given by its offset.
pub(crate) fn fields<const N: usize>(fields: &[(usize, &[u8])]) -> [u8; N] {
    let mut bytes = [0; N];
    for (offset, value) in fields {
        for (to, from) in bytes.iter_mut().skip(*offset).zip(*value) {
            *to = *from;
        }
    }
    bytes
}

/// A path as the C string that system calls want.
pub(crate) fn c_path(path: &std::path::Path) -> io::Result<std::ffi::CString> {
    use std::os::unix::ffi::OsStrExt;
    std::ffi::CString::new(path.as_os_str().as_bytes()).map_err(io::Error::other)
}
