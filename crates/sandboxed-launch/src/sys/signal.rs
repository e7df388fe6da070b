//! Signal masks, signalfd(2) and sending signals by number (rustix has no real-time signals).
#![allow(unsafe_code)]

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};

use rustix::process::Pid;

/// A set of signals.
#[derive(Clone, Copy)]
pub(crate) struct SignalSet(libc::sigset_t);

/// A signal as it arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Received {
    /// The signal's number.
    pub(crate) signal: i32,
    /// Who sent it, as seen from this process's PID namespace; 0 for a process outside of it.
    pub(crate) sender: i32,
    /// How it was sent.
    pub(crate) origin: Origin,
}

/// How a signal was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// By kill(2), tkill(2) or their like.
    Process,
    /// By sigqueue(3), with this value.
    Queue(i32),
    /// By the kernel: a timer, a child's end, the terminal.
    Kernel,
}

impl SignalSet {
    /// Every signal but those that report a fault of the process itself: blocking those hides nothing and confuses a debugger.
    pub(crate) fn all_but_faults() -> Self {
        let mut set = MaybeUninit::uninit();
        // SAFETY: sigfillset initialises the set, sigdelset changes an initialised one.
        let set = unsafe {
            libc::sigfillset(set.as_mut_ptr());
            for fault in
                [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP, libc::SIGSYS]
            {
                libc::sigdelset(set.as_mut_ptr(), fault);
            }
            set.assume_init()
        };
        Self(set)
    }

    /// Makes this the set of blocked signals and returns what it was before.
    pub(crate) fn block(&self) -> io::Result<Self> {
        let mut old = MaybeUninit::uninit();
        // SAFETY: both pointers are valid; on success the kernel has written the old set.
        if unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const self.0, old.as_mut_ptr()) } == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: written by the call above.
        Ok(Self(unsafe { old.assume_init() }))
    }

    /// A descriptor from which the blocked signals of this set can be read.
    pub(crate) fn descriptor(&self) -> io::Result<OwnedFd> {
        // SAFETY: the set is valid; the descriptor returned is new and ours.
        let fd = unsafe { libc::signalfd(-1, &raw const self.0, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd == -1 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: as above.
        Ok(unsafe { OwnedFd::from_raw_fd(fd) })
    }
}

/// The next signal waiting in a descriptor made by [`SignalSet::descriptor`], if there is one.
pub(crate) fn receive(descriptor: BorrowedFd<'_>) -> io::Result<Option<Received>> {
    let mut information = MaybeUninit::<libc::signalfd_siginfo>::uninit();
    let size = size_of_val(&information);
    // SAFETY: the buffer is valid for `size` bytes.
    let read = unsafe { libc::read(descriptor.as_raw_fd(), information.as_mut_ptr().cast(), size) };
    match usize::try_from(read) {
        Ok(length) if length == size => {}
        Ok(_) => return Err(io::ErrorKind::UnexpectedEof.into()),
        Err(_) => {
            let error = io::Error::last_os_error();
            let none = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
            return if none { Ok(None) } else { Err(error) };
        }
    }
    // SAFETY: the kernel has written the whole of it.
    let information = unsafe { information.assume_init() };
    Ok(Some(Received {
        signal: information.ssi_signo.cast_signed(),
        sender: information.ssi_pid.cast_signed(),
        origin: match information.ssi_code {
            libc::SI_USER | libc::SI_TKILL => Origin::Process,
            libc::SI_QUEUE => Origin::Queue(information.ssi_int),
            _ => Origin::Kernel,
        },
    }))
}

/// Sends `signal` to `process`, with the value it came with.
pub(crate) fn send(process: Pid, signal: i32, origin: Origin) -> io::Result<()> {
    let process = process.as_raw_nonzero().get();
    // SAFETY: neither call touches memory of ours.
    let result = unsafe {
        match origin {
            Origin::Queue(value) => {
                let value = libc::sigval {
                    sival_ptr: std::ptr::without_provenance_mut(value.cast_unsigned() as usize),
                };
                libc::sigqueue(process, signal, value)
            }
            Origin::Process | Origin::Kernel => libc::kill(process, signal),
        }
    };
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Ends this process by `signal`, as if it had never been blocked or handled. Returns if the signal does not end processes.
pub(crate) fn die_by(signal: i32) {
    // SAFETY: the default action is always a valid disposition, and an empty set a valid mask.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
        let mut none = MaybeUninit::uninit();
        libc::sigemptyset(none.as_mut_ptr());
        libc::sigprocmask(libc::SIG_SETMASK, none.as_ptr(), std::ptr::null_mut());
    }
}
