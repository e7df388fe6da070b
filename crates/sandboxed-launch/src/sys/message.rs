//! Datagrams with descriptors and the sender's credentials: sendmsg(2), recvmsg(2), unix(7).
//!
//! rustix can do most of this, but its type for a sender's process id has no room for 0, which is what the kernel
//! says of a process outside of our PID namespace.
#![allow(unsafe_code)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd as _, OwnedFd, RawFd};

/// The most descriptors that fit into one message: `SCM_MAX_FD` of the kernel.
const MAX_DESCRIPTORS: usize = 253;
/// Room for that many descriptors and the credentials, in words so that the headers are aligned.
const CONTROL_WORDS: usize = (MAX_DESCRIPTORS * size_of::<RawFd>() + 128) / size_of::<u64>();

/// A datagram as it arrived.
pub(crate) struct Datagram {
    /// Its text, or `None` when it was longer than the buffer.
    pub(crate) text: Option<Vec<u8>>,
    /// The descriptors that came with it.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// The sender as seen from our PID namespace: 0 when it is outside of it, `None` when the socket does not ask for it.
    pub(crate) sender: Option<i32>,
}

/// Sends one datagram over a connected socket, waiting for room.
pub(crate) fn send(socket: BorrowedFd<'_>, text: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    let mut control = [0_u64; CONTROL_WORDS];
    let mut text = libc::iovec { iov_base: text.as_ptr().cast_mut().cast(), iov_len: text.len() };
    // SAFETY: all zero is a valid message header.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut text;
    header.msg_iovlen = 1;
    if !descriptors.is_empty() {
        let raw: Vec<RawFd> = descriptors.iter().take(MAX_DESCRIPTORS).map(AsRawFd::as_raw_fd).collect();
        let size = u32::try_from(size_of_val(raw.as_slice())).map_err(io::Error::other)?;
        header.msg_control = control.as_mut_ptr().cast();
        // SAFETY: the buffer has room for one header and MAX_DESCRIPTORS descriptors, and is aligned for a header.
        unsafe {
            header.msg_controllen = libc::CMSG_SPACE(size) as _;
            let first = libc::CMSG_FIRSTHDR(&raw const header);
            (*first).cmsg_level = libc::SOL_SOCKET;
            (*first).cmsg_type = libc::SCM_RIGHTS;
            (*first).cmsg_len = libc::CMSG_LEN(size) as _;
            std::ptr::copy_nonoverlapping(raw.as_ptr().cast(), libc::CMSG_DATA(first), size as usize);
        }
    }
    loop {
        // SAFETY: the header and all that it points to are valid for the call.
        if unsafe { libc::sendmsg(socket.as_raw_fd(), &raw const header, libc::MSG_NOSIGNAL) } != -1 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Receives one datagram of at most `limit` bytes; `None` when nothing is there. A socket of sequenced packets whose other
/// side has gone returns an empty one.
pub(crate) fn receive(socket: BorrowedFd<'_>, limit: usize) -> io::Result<Option<Datagram>> {
    let mut buffer = vec![0_u8; limit];
    let mut control = [0_u64; CONTROL_WORDS];
    let mut text = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    // SAFETY: all zero is a valid message header.
    let mut header: libc::msghdr = unsafe { mem::zeroed() };
    header.msg_iov = &raw mut text;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control) as _;
    // SAFETY: the header and all that it points to are valid for the call.
    let length = unsafe {
        libc::recvmsg(socket.as_raw_fd(), &raw mut header, libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC)
    };
    let Ok(length) = usize::try_from(length) else {
        let error = io::Error::last_os_error();
        let none = matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted);
        return if none { Ok(None) } else { Err(error) };
    };
    buffer.truncate(length);
    // SAFETY: the kernel has just filled the header in.
    let (descriptors, sender) = unsafe { control_messages(&header) };
    let whole = header.msg_flags & (libc::MSG_TRUNC | libc::MSG_CTRUNC) == 0;
    Ok(Some(Datagram { text: whole.then_some(buffer), descriptors, sender }))
}

/// Takes the descriptors and the sender's id out of a received header.
///
/// # Safety
/// The header must come from a successful recvmsg(2), once.
unsafe fn control_messages(header: &libc::msghdr) -> (Vec<OwnedFd>, Option<i32>) {
    let (mut descriptors, mut sender) = (Vec::new(), None);
    // SAFETY: the kernel's headers are well formed; data is read unaligned and within the length each header states;
    // descriptors received are new and owned by nobody else.
    unsafe {
        let mut current = libc::CMSG_FIRSTHDR(header);
        while !current.is_null() {
            let data = libc::CMSG_DATA(current);
            let size = ((*current).cmsg_len as usize).saturating_sub(libc::CMSG_LEN(0) as usize);
            match ((*current).cmsg_level, (*current).cmsg_type) {
                (libc::SOL_SOCKET, libc::SCM_RIGHTS) => {
                    let data = std::slice::from_raw_parts(data, size);
                    for raw in data.chunks_exact(size_of::<RawFd>()).filter_map(|raw| raw.try_into().ok()) {
                        descriptors.push(OwnedFd::from_raw_fd(RawFd::from_ne_bytes(raw)));
                    }
                }
                (libc::SOL_SOCKET, libc::SCM_CREDENTIALS) if size >= size_of::<libc::ucred>() => {
                    let mut credentials = mem::zeroed::<libc::ucred>();
                    std::ptr::copy_nonoverlapping(
                        data,
                        (&raw mut credentials).cast(),
                        size_of_val(&credentials),
                    );
                    sender = Some(credentials.pid);
                }
                _ => {}
            }
            current = libc::CMSG_NXTHDR(header, current);
        }
    }
    (descriptors, sender)
}
