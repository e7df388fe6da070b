//! Notifications to the service manager: `sd_notify(3)`.
//!
//! systemd believes a notification by the process id of its sender, and the service's is not the unit's main process:
//! the supervisor is. So a socket of ours lies over systemd's, at the same path, in the service's mount namespace; the init
//! reads it, knowing the service's processes by their ids in the namespace, and the supervisor passes on what may pass
//! ([`notification`](crate::notification)), as fast as it may ([`outbox`](crate::outbox)).

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{self, Mode};
use rustix::net::{self, AddressFamily, SocketAddrUnix, SocketFlags, SocketType, sockopt};

use crate::failure::{Failure, Step};
use crate::room;

/// The socket of the service manager, if it gave the unit one.
pub(crate) fn manager_socket() -> Result<Option<PathBuf>, Failure> {
    let Some(path) = std::env::var_os("NOTIFY_SOCKET").filter(|path| !path.is_empty()) else {
        return Ok(None);
    };
    if path.as_bytes().starts_with(b"/") {
        return Ok(Some(path.into()));
    }
    Err(failed("take notifications")(format!("NOTIFY_SOCKET={} is no path", path.display())))
}

/// Connects to the service manager's socket.
pub(crate) fn connect(path: &Path) -> Result<OwnedFd, Failure> {
    let what = || format!("connect to {}", path.display());
    let manager = socket().map_err(failed(what()))?;
    let address = SocketAddrUnix::new(path).map_err(failed(what()))?;
    net::connect(&manager, &address).map_err(failed(what()))?;
    // Signals have to come through whatever the service manager is busy with.
    rustix::io::ioctl_fionbio(&manager, true).map_err(failed(what()))?;
    Ok(manager)
}

/// The unit's `WatchdogSec=` in microseconds, if it has one.
pub(crate) fn watchdog() -> Option<u64> {
    std::env::var("WATCHDOG_USEC").ok()?.parse().ok()
}

/// Puts a socket of our own over the service manager's, in this process's mount namespace.
pub(crate) fn take_the_place_of(path: &Path) -> Result<OwnedFd, Failure> {
    let what = || format!("put a socket over {}", path.display());
    let made = room::make(path, bind).map_err(failed(what()))?;
    room::attach(&made.tree, path).map_err(failed(what()))?;
    Ok(made.value)
}

fn bind(path: &Path) -> rustix::io::Result<OwnedFd> {
    let service = socket()?;
    sockopt::set_socket_passcred(&service, true)?;
    net::bind(&service, &SocketAddrUnix::new(path)?)?;
    // Any user may write to systemd's too; who is believed is decided by process.
    fs::chmod(path, Mode::from_raw_mode(0o666))?;
    Ok(service)
}

fn socket() -> rustix::io::Result<OwnedFd> {
    net::socket_with(AddressFamily::UNIX, SocketType::DGRAM, SocketFlags::CLOEXEC, None)
}

fn failed<E: Into<Box<dyn std::error::Error>>>(what: impl std::fmt::Display) -> impl FnOnce(E) -> Failure {
    Failure::at(Step::Notification, what)
}
