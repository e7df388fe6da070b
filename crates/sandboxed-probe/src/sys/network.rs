//! Sockets that the standard library does not offer: socket(2), netlink(7), unix(7).
#![allow(unsafe_code)]

use std::ffi::c_int;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::os::fd::{AsRawFd, OwnedFd};

use super::{call, check, descriptor};

/// `socket(2)`, closed on exec, with a time limit for waiting so that nothing here hangs.
pub(crate) fn socket(family: c_int, kind: c_int, protocol: c_int) -> io::Result<OwnedFd> {
    let socket = descriptor(call!(libc::SYS_socket, family, kind | libc::SOCK_CLOEXEC, protocol))?;
    let timeval = 1_i64.to_ne_bytes();
    let limit: [u8; 16] = super::fields(&[(0, &timeval)]);
    for option in [libc::SO_RCVTIMEO, libc::SO_SNDTIMEO] {
        // Not all families have it; the runner's own time limit holds for all.
        let _ = call!(libc::SYS_setsockopt, &socket, libc::SOL_SOCKET, option, &limit, limit.len());
    }
    Ok(socket)
}

/// `setsockopt(2)` with a number as the value.
pub(crate) fn set_option(socket: &OwnedFd, level: c_int, option: c_int, value: c_int) -> io::Result<()> {
    call!(libc::SYS_setsockopt, socket, level, option, &value.to_ne_bytes(), size_of::<c_int>()).map(drop)
}

/// An internet address in the form that the kernel wants: ip(7), ipv6(7).
pub(crate) fn internet(address: &SocketAddr) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(28);
    match address {
        SocketAddr::V4(v4) => {
            bytes.extend(family(libc::AF_INET));
            bytes.extend(v4.port().to_be_bytes());
            bytes.extend(v4.ip().octets());
            bytes.extend([0; 8]);
        }
        SocketAddr::V6(v6) => {
            bytes.extend(family(libc::AF_INET6));
            bytes.extend(v6.port().to_be_bytes());
            bytes.extend(v6.flowinfo().to_ne_bytes());
            bytes.extend(v6.ip().octets());
            bytes.extend(v6.scope_id().to_ne_bytes());
        }
    }
    bytes
}

/// A unix socket's address: a path, or an abstract name.
pub(crate) fn unix(name: &[u8], is_abstract: bool) -> Vec<u8> {
    let mut bytes = family(libc::AF_UNIX).to_vec();
    if is_abstract {
        bytes.push(0);
    }
    bytes.extend(name);
    if !is_abstract {
        bytes.push(0);
    }
    bytes
}

/// The address family field that every socket address starts with.
pub(crate) fn family(number: c_int) -> [u8; 2] {
    u16::try_from(number).unwrap_or_default().to_ne_bytes()
}

/// `bind(2)`
pub(crate) fn bind(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    call!(libc::SYS_bind, socket, address, address.len()).map(drop)
}

/// `connect(2)`
pub(crate) fn connect(socket: &OwnedFd, address: &[u8]) -> io::Result<()> {
    call!(libc::SYS_connect, socket, address, address.len()).map(drop)
}

/// `listen(2)`
pub(crate) fn listen(socket: &OwnedFd) -> io::Result<()> {
    call!(libc::SYS_listen, socket, 16).map(drop)
}

/// `sendto(2)`; an empty address sends to the peer.
pub(crate) fn send(socket: &OwnedFd, bytes: &[u8], flags: c_int, address: &[u8]) -> io::Result<()> {
    if address.is_empty() {
        call!(libc::SYS_sendto, socket, bytes, bytes.len(), flags).map(drop)
    } else {
        call!(libc::SYS_sendto, socket, bytes, bytes.len(), flags, address, address.len()).map(drop)
    }
}

/// `recvfrom(2)` without the sender.
pub(crate) fn receive(socket: &OwnedFd, buffer: &mut [u8]) -> io::Result<usize> {
    let length = buffer.len();
    let received = call!(libc::SYS_recvfrom, socket, buffer, length)?;
    Ok(usize::try_from(received).unwrap_or_default())
}

/// Port that a socket is bound to.
pub(crate) fn port(socket: &OwnedFd) -> io::Result<u16> {
    let mut address = [0_u8; 28];
    let mut length = 28_u32.to_ne_bytes();
    call!(libc::SYS_getsockname, socket, &mut address, &mut length)?;
    let [_, _, high, low, ..] = address;
    Ok(u16::from_be_bytes([high, low]))
}

/// Waits up to `milliseconds` for one of the sockets to become readable and returns those which are.
pub(crate) fn readable(sockets: &[&OwnedFd], milliseconds: i32) -> io::Result<Vec<bool>> {
    let mut entries: Vec<libc::pollfd> = sockets
        .iter()
        .map(|socket| libc::pollfd { fd: socket.as_raw_fd(), events: libc::POLLIN, revents: 0 })
        .collect();
    let count = libc::nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
    // SAFETY: the pointer and the count describe `entries`, which lives through the call.
    check(unsafe { libc::poll(entries.as_mut_ptr(), count, milliseconds) })?;
    Ok(entries.iter().map(|entry| entry.revents != 0).collect())
}

/// A request to the kernel over netlink, and the first answer: message type and body. An error that the kernel
/// answers with is an error here.
pub(crate) fn netlink(protocol: c_int, kind: u16, flags: u16, body: &[u8]) -> io::Result<(u16, Vec<u8>)> {
    let socket = socket(libc::AF_NETLINK, libc::SOCK_RAW, protocol)?;
    netlink_send(&socket, kind, flags, body)?;
    let mut buffer = vec![0_u8; 32 * 1024];
    let length = receive(&socket, &mut buffer)?;
    buffer.truncate(length);
    let (Some(kind), Some(body)) = (buffer.get(4..6), buffer.get(16..)) else {
        return Err(io::Error::from_raw_os_error(libc::EBADMSG));
    };
    let kind = u16::from_ne_bytes(kind.try_into().unwrap_or_default());
    if i32::from(kind) == libc::NLMSG_ERROR {
        let number = body.get(..4).and_then(|code| code.try_into().ok()).map_or(0, i32::from_ne_bytes);
        if number != 0 {
            return Err(io::Error::from_raw_os_error(-number));
        }
    }
    Ok((kind, body.to_vec()))
}

/// Sends one netlink message.
pub(crate) fn netlink_send(socket: &OwnedFd, kind: u16, flags: u16, body: &[u8]) -> io::Result<()> {
    let mut message = u32::try_from(16 + body.len()).map_err(io::Error::other)?.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend(1_u32.to_ne_bytes());
    message.extend(0_u32.to_ne_bytes());
    message.extend(body);
    let kernel: [u8; 12] = super::fields(&[(0, &family(libc::AF_NETLINK))]);
    send(socket, &message, 0, &kernel)
}

/// An address of the machine, with the index of its interface.
pub(crate) struct HostAddress {
    /// The address.
    pub(crate) address: std::net::IpAddr,
    /// Interface index where the address is only valid together with it, otherwise 0.
    pub(crate) scope: u32,
    /// Name of the interface.
    pub(crate) interface: String,
}

/// `getifaddrs(3)`: the addresses of all interfaces that are up.
pub(crate) fn host_addresses() -> io::Result<Vec<HostAddress>> {
    let mut first = std::ptr::null_mut();
    // SAFETY: getifaddrs stores a list there that is freed below.
    check(unsafe { libc::getifaddrs(&raw mut first) })?;
    let mut found = Vec::new();
    let mut next = first;
    // SAFETY: the list's links, names and addresses stay valid until freeifaddrs; an address is as long as its
    // family says.
    unsafe {
        while let Some(entry) = next.as_ref() {
            next = entry.ifa_next;
            let Some(address) = entry.ifa_addr.as_ref() else { continue };
            let interface = std::ffi::CStr::from_ptr(entry.ifa_name).to_string_lossy().into_owned();
            match i32::from(address.sa_family) {
                libc::AF_INET => {
                    let v4 = entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned();
                    let address = std::net::Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into();
                    found.push(HostAddress { address, scope: 0, interface });
                }
                libc::AF_INET6 => {
                    let v6 = entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned();
                    let address = Ipv6Addr::from(v6.sin6_addr.s6_addr).into();
                    found.push(HostAddress { address, scope: v6.sin6_scope_id, interface });
                }
                _ => {}
            }
        }
        libc::freeifaddrs(first);
    }
    Ok(found)
}
