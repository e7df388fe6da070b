//! Notifications to the service manager: `sd_notify(3)`.
//!
//! systemd believes a notification by the process id of its sender, and the service's is not the unit's main process:
//! the supervisor is. So a socket of ours lies over systemd's, at the same path, in the service's mount namespace; the init
//! reads it, knowing the service's processes by their ids in the namespace, and the supervisor passes on what may pass.

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
    Ok(manager)
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

/// A notification, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Notification {
    /// What goes on to the service manager; empty if nothing does.
    pub(crate) text: Vec<u8>,
    /// The main process from now on, by its id in the namespace.
    pub(crate) main: Option<i32>,
    /// Whether descriptors that came along are meant for the service manager.
    pub(crate) with_descriptors: bool,
}

impl Notification {
    /// Reads the assignments, one a line. The main process's id stays here: to the service manager the main process is
    /// the supervisor, which stands for whatever process the service names.
    pub(crate) fn parse(text: &[u8]) -> Self {
        let mut notification = Self { with_descriptors: true, ..Self::default() };
        for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
            if let Some(id) = line.strip_prefix(b"MAINPID=") {
                notification.main =
                    std::str::from_utf8(id).ok().and_then(|id| id.parse().ok()).filter(|id| *id > 1);
            } else if line.starts_with(b"MAINPIDFD=") || line.starts_with(b"MAINPIDFDID=") {
                notification.with_descriptors = false;
            } else {
                if !notification.text.is_empty() {
                    notification.text.push(b'\n');
                }
                notification.text.extend_from_slice(line);
            }
        }
        notification
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_processs_id_stays_inside() {
        let parsed = Notification::parse(b"READY=1\nMAINPID=17\nSTATUS=up");
        assert_eq!(parsed.text, b"READY=1\nSTATUS=up");
        assert_eq!(parsed.main, Some(17));
        assert!(parsed.with_descriptors);
        let parsed = Notification::parse(b"MAINPID=17\nMAINPIDFD=1\nMAINPIDFDID=99\n");
        assert_eq!((parsed.text.as_slice(), parsed.with_descriptors), (&b""[..], false));
    }

    #[test]
    fn an_impossible_main_process_is_none() {
        for id in ["", "0", "1", "-1", "x", "99999999999"] {
            assert_eq!(Notification::parse(format!("MAINPID={id}").as_bytes()).main, None, "{id}");
        }
    }
}
