//! Processes: fork(2), namespaces(7), prctl(2), ptrace(2), limits.
#![allow(unsafe_code)]

use std::ffi::{c_int, c_long};
use std::io;

use super::{call, check};

// The C libraries disagree about the types of these.
/// Limit for the size of core dumps.
#[allow(clippy::unnecessary_cast, reason = "necessary with musl")]
pub(crate) const CORE: u32 = libc::RLIMIT_CORE as u32;
/// Limit for the number of open files.
#[allow(clippy::unnecessary_cast, reason = "necessary with musl")]
pub(crate) const DESCRIPTORS: u32 = libc::RLIMIT_NOFILE as u32;
/// `PRIO_PROCESS` of setpriority(2).
pub(crate) const PRIORITY_OF_PROCESS: i32 = 0;

/// What `fork` has made of the process.
pub(crate) enum Fork {
    /// This is the new process.
    Child,
    /// This is the old one, and the new one has this id.
    Parent(i32),
}

/// `fork(2)`. The probe has one thread at this point, so the child may do anything.
pub(crate) fn fork() -> io::Result<Fork> {
    // SAFETY: callers run a single thread, so no lock is held by another one.
    match check(unsafe { libc::fork() })? {
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent(child)),
    }
}

/// `_exit(2)`: ends the process without running anything of the parent's.
pub(crate) fn exit(status: i32) -> ! {
    // SAFETY: always allowed.
    unsafe { libc::_exit(status) }
}

/// How a child ended.
pub(crate) enum Ended {
    /// It called exit.
    Exited,
    /// A signal killed it.
    Killed(i32),
}

/// `waitpid(2)`; `None` if `options` has `WNOHANG` and the child still runs.
pub(crate) fn wait(child: i32, options: i32) -> io::Result<Option<Ended>> {
    let mut status = 0;
    // SAFETY: the pointer is to a local variable.
    if check(unsafe { libc::waitpid(child, &raw mut status, options | libc::__WALL) })? == 0 {
        return Ok(None);
    }
    Ok(Some(if libc::WIFSIGNALED(status) { Ended::Killed(libc::WTERMSIG(status)) } else { Ended::Exited }))
}

/// Waits for a child whatever its end.
pub(crate) fn reap(child: i32) {
    while let Err(error) = wait(child, 0) {
        if error.kind() != io::ErrorKind::Interrupted {
            return;
        }
    }
}

/// `kill(2)`
pub(crate) fn kill(pid: i32, signal: c_int) -> io::Result<()> {
    call!(libc::SYS_kill, pid, signal).map(drop)
}

/// Name of a signal, for those that end attempts.
pub(crate) fn signal_name(signal: c_int) -> String {
    match signal {
        libc::SIGSYS => "SIGSYS".into(),
        libc::SIGSEGV => "SIGSEGV".into(),
        libc::SIGBUS => "SIGBUS".into(),
        libc::SIGILL => "SIGILL".into(),
        libc::SIGKILL => "SIGKILL".into(),
        libc::SIGABRT => "SIGABRT".into(),
        libc::SIGTRAP => "SIGTRAP".into(),
        libc::SIGXFSZ => "SIGXFSZ".into(),
        libc::SIGXCPU => "SIGXCPU".into(),
        other => format!("signal {other}"),
    }
}

/// Number of the process's own namespace of this kind, as in /proc/self/ns.
pub(crate) fn namespace(kind: &str) -> io::Result<u64> {
    use std::os::unix::fs::MetadataExt;
    Ok(std::fs::metadata(format!("/proc/self/ns/{kind}"))?.ino())
}

/// `prctl(2)` for operations whose arguments are numbers.
pub(crate) fn prctl(operation: c_int, argument: u64, second: u64) -> io::Result<c_long> {
    call!(libc::SYS_prctl, operation, argument, second, 0, 0)
}

/// Whether processes of the same user may trace this one and write its memory, `PR_SET_DUMPABLE`. New processes have it from their
/// parent. One that refuses them owns none of its files in /proc.
pub(crate) fn let_others_trace(allow: bool) -> io::Result<()> {
    prctl(libc::PR_SET_DUMPABLE, allow.into(), 0).map(drop)
}

/// Soft and hard limit: getrlimit(2).
pub(crate) fn limit(resource: u32) -> io::Result<(u64, u64)> {
    let mut both = [0_u8; 16];
    call!(libc::SYS_prlimit64, 0, resource, super::NULL, &mut both)?;
    let (soft, hard) = both.split_at(8);
    Ok((
        u64::from_ne_bytes(soft.try_into().unwrap_or_default()),
        u64::from_ne_bytes(hard.try_into().unwrap_or_default()),
    ))
}

/// Sets soft and hard limit of a process (0 for oneself): prlimit(2).
pub(crate) fn set_limit(pid: i32, resource: u32, soft: u64, hard: u64) -> io::Result<()> {
    let both: [u8; 16] = super::fields(&[(0, &soft.to_ne_bytes()), (8, &hard.to_ne_bytes())]);
    call!(libc::SYS_prlimit64, pid, resource, &both, super::NULL).map(drop)
}

/// Effective, permitted and inheritable capabilities: capget(2).
pub(crate) fn capabilities() -> io::Result<(u64, u64, u64)> {
    let header: [u8; 8] = super::fields(&[(0, &0x2008_0522_u32.to_ne_bytes())]);
    let mut data = [0_u8; 24];
    call!(libc::SYS_capget, &header, &mut data)?;
    let word = |index: usize| {
        let bytes = data.get(index * 4..index * 4 + 4).and_then(|bytes| bytes.try_into().ok());
        u64::from(bytes.map_or(0, u32::from_ne_bytes))
    };
    Ok((word(0) | word(3) << 32, word(1) | word(4) << 32, word(2) | word(5) << 32))
}

/// User and group id.
pub(crate) fn identity() -> (u32, u32) {
    // SAFETY: these always succeed.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

/// Copies memory of another process: `process_vm_readv(2)`.
pub(crate) fn read_memory(pid: i32, address: u64, length: usize) -> io::Result<Vec<u8>> {
    let mut buffer = vec![0_u8; length];
    let local = vector(buffer.as_mut_ptr().addr() as u64, length);
    let remote = vector(address, length);
    let read = call!(libc::SYS_process_vm_readv, pid, &local, 1, &remote, 1, 0)?;
    buffer.truncate(usize::try_from(read).unwrap_or_default());
    Ok(buffer)
}

/// Writes memory of another process: `process_vm_writev(2)`.
pub(crate) fn write_memory(pid: i32, address: u64, bytes: &[u8]) -> io::Result<()> {
    let local = vector(super::memory::address_of(bytes), bytes.len());
    let remote = vector(address, bytes.len());
    call!(libc::SYS_process_vm_writev, pid, &local, 1, &remote, 1, 0).map(drop)
}

/// A `struct iovec`.
fn vector(address: u64, length: usize) -> [u8; size_of::<usize>() * 2] {
    let address = usize::try_from(address).unwrap_or_default();
    super::fields(&[(0, &address.to_ne_bytes()), (size_of::<usize>(), &length.to_ne_bytes())])
}

/// `fork(2)` into new namespaces, with clone(2) or clone3(2). The child shares nothing with the parent and should
/// only call [`exit`].
pub(crate) fn clone_into(namespaces: c_int, third: bool) -> io::Result<Fork> {
    let created = if third {
        let arguments: [u8; 64] = super::fields(&[
            (0, &i64::from(namespaces).to_ne_bytes()),
            (32, &i64::from(libc::SIGCHLD).to_ne_bytes()),
        ]);
        call!(libc::SYS_clone3, &arguments, arguments.len())
    } else {
        // Only flags: without CLONE_VM and with no stack given, it is a fork. (Where the stack is the first
        // argument, on s390x, the zeros after it say the same.)
        call!(libc::SYS_clone, namespaces | libc::SIGCHLD, super::NULL, super::NULL, super::NULL, super::NULL)
    };
    match created? {
        0 => Ok(Fork::Child),
        child => i32::try_from(child).map(Fork::Parent).map_err(io::Error::other),
    }
}

/// Blocks signals for the rest of the process's life: sigprocmask(2).
pub(crate) fn block(signals: &[c_int]) {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigemptyset makes the set valid before anything else uses it.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        for signal in signals {
            libc::sigaddset(set.as_mut_ptr(), *signal);
        }
        libc::sigprocmask(libc::SIG_BLOCK, set.as_ptr(), std::ptr::null_mut());
    }
}

/// Blocked signals that have been sent: sigpending(2).
pub(crate) fn pending() -> Vec<c_int> {
    let mut set = std::mem::MaybeUninit::uninit();
    // SAFETY: sigpending fills the set in, and sigismember only reads it.
    unsafe {
        if libc::sigpending(set.as_mut_ptr()) != 0 {
            return Vec::new();
        }
        (1..32).filter(|signal| libc::sigismember(set.as_ptr(), *signal) == 1).collect()
    }
}
