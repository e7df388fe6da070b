//! What is said to the service manager, sd_notify(3).

use std::{
    env, fs,
    io::{IoSlice, PipeReader, Read, pipe},
    mem::MaybeUninit,
    os::{
        fd::{AsFd, BorrowedFd},
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            fs::MetadataExt,
            net::{SocketAddr, UnixDatagram},
        },
    },
    path::Path,
};

use anyhow::{Context, Result, ensure};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// What the descriptor is called that is left with the service manager. It is not watched (`FDPOLL=0`): a netlink socket may
/// say that messages were lost, which is no reason to close it.
const KEPT: &str = "FDSTORE=1\nFDNAME=filter\nFDPOLL=0";
const RELEASED: &str = "FDSTOREREMOVE=1\nFDNAME=filter";
/// The descriptors of the service manager.
const DESCRIPTORS: &str = "/proc/1/fd";

/// Tells it that this unit is up, where it wants to know (`Type=notify`).
///
/// # Errors
/// If it can't be reached.
pub(in crate::command) fn ready() -> Result<()> {
    match socket()? {
        Some(socket) => send(&socket, "READY=1", None),
        None => Ok(()),
    }
}

/// Leaves a descriptor with it in the place of one that was left before. It stays open until the unit of this process has
/// ended, whoever is killed meanwhile.
///
/// # Errors
/// If it can't be reached or did not take the descriptor: `NotifyAccess=` and `FileDescriptorStoreMax=` must allow it.
pub(in crate::command) fn keep(descriptor: BorrowedFd<'_>) -> Result<()> {
    let socket =
        socket()?.context("no service manager is there to keep the filter's owner (NOTIFY_SOCKET)")?;
    send(&socket, RELEASED, None)?;
    send(&socket, KEPT, Some(descriptor))?;
    wait(&socket)?;
    let number = fs::metadata(Path::new("/proc/self/fd").join(number(descriptor)))?.ino();
    let wanted = format!("socket:[{number}]");
    let mut kept = fs::read_dir(DESCRIPTORS).with_context(|| format!("can't read {DESCRIPTORS}"))?;
    let taken = kept.any(|entry| {
        entry.is_ok_and(|entry| fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == &*wanted))
    });
    ensure!(
        taken,
        "the service manager did not take the socket that owns the filter (FileDescriptorStoreMax=)"
    );
    Ok(())
}

/// Has it close what was left with it.
///
/// # Errors
/// If it can't be reached.
pub(in crate::command) fn release() -> Result<()> {
    let Some(socket) = socket()? else { return Ok(()) };
    send(&socket, RELEASED, None)?;
    wait(&socket)
}

/// Waits until it has read all that was said: it knows whose words they are only as long as this process lives.
fn wait(socket: &UnixDatagram) -> Result<()> {
    let (mut reader, writer): (PipeReader, _) = pipe()?;
    send(socket, "BARRIER=1", Some(writer.as_fd()))?;
    drop(writer);
    reader.read_to_end(&mut Vec::new())?;
    Ok(())
}

fn number(descriptor: BorrowedFd<'_>) -> String {
    std::os::fd::AsRawFd::as_raw_fd(&descriptor).to_string()
}

fn socket() -> Result<Option<UnixDatagram>> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(None) };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    let socket = UnixDatagram::unbound()?;
    socket.connect_addr(&address).context("can't reach the service manager")?;
    Ok(Some(socket))
}

fn send(socket: &UnixDatagram, words: &str, descriptor: Option<BorrowedFd<'_>>) -> Result<()> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = SendAncillaryBuffer::new(&mut space);
    if let Some(descriptor) = &descriptor {
        beside.push(SendAncillaryMessage::ScmRights(std::slice::from_ref(descriptor)));
    }
    sendmsg(socket, &[IoSlice::new(words.as_bytes())], &mut beside, SendFlags::empty())
        .context("can't tell the service manager")?;
    Ok(())
}
