//! What the supervisor and the init of the namespace tell each other, over a pair of sockets that keep messages apart.
//!
//! The init speaks with hostile processes, so the supervisor believes it nothing but what a service could do anyway:
//! send notifications and end.

use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use crate::sys::message;
use crate::sys::signal::Origin;

/// The longest notification that systemd takes: `NOTIFY_BUFFER_MAX`.
pub(crate) const LONGEST_NOTIFICATION: usize = 4096;

/// From the supervisor to the init.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The supervisor has given its privileges up: start the service.
    Start,
    /// The supervisor got this signal.
    Signal {
        /// Its number.
        signal: i32,
        /// How it was sent.
        origin: Origin,
        /// Whether the service manager sent it, which may be sending it to every process of the unit.
        from_manager: bool,
    },
}

/// From the init to the supervisor.
#[derive(Debug)]
pub(crate) enum Report {
    /// The service's program runs.
    Running,
    /// A notification for the service manager.
    Notification(Vec<u8>, Vec<OwnedFd>),
    /// The service's main process has ended.
    Ended {
        /// How.
        ending: Ending,
        /// Whether no other process is left in the namespace: the init ends as well.
        alone: bool,
    },
}

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// By itself, with this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
}

impl Order {
    /// Sends it.
    pub(crate) fn send(self, link: BorrowedFd<'_>) -> io::Result<()> {
        let text = match self {
            Self::Start => vec![b'S'],
            Self::Signal { signal, origin, from_manager } => {
                let (queued, value) = match origin {
                    Origin::Queue(value) => (1, value),
                    Origin::Process | Origin::Kernel => (0, 0),
                };
                [&[b's', u8::from(from_manager), queued], &signal.to_ne_bytes()[..], &value.to_ne_bytes()]
                    .concat()
            }
        };
        message::send(link, &text, &[])
    }

    /// Reads one; an error when the other side is not as agreed.
    pub(crate) fn parse(text: &[u8]) -> io::Result<Self> {
        match text {
            b"S" => Ok(Self::Start),
            [b's', from_manager, queued, rest @ ..] => {
                let (signal, value) = rest.split_first_chunk::<4>().ok_or_else(garbled)?;
                let value = i32::from_ne_bytes(value.try_into().map_err(|_| garbled())?);
                let origin = if *queued == 0 { Origin::Process } else { Origin::Queue(value) };
                Ok(Self::Signal {
                    signal: i32::from_ne_bytes(*signal),
                    origin,
                    from_manager: *from_manager != 0,
                })
            }
            _ => Err(garbled()),
        }
    }
}

impl Report {
    /// Sends it.
    pub(crate) fn send(&self, link: BorrowedFd<'_>) -> io::Result<()> {
        match self {
            Self::Running => message::send(link, b"R", &[]),
            Self::Notification(text, descriptors) => {
                let descriptors: Vec<BorrowedFd<'_>> =
                    descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
                message::send(link, &[b"N", text.as_slice()].concat(), &descriptors)
            }
            Self::Ended { ending, alone } => {
                let (kind, number) = match ending {
                    Ending::Exited(status) => (b'x', status),
                    Ending::Killed(signal) => (b'k', signal),
                };
                message::send(
                    link,
                    &[&[b'E', u8::from(*alone), kind], &number.to_ne_bytes()[..]].concat(),
                    &[],
                )
            }
        }
    }

    /// Reads one; an error when the other side is not as agreed.
    pub(crate) fn parse(text: &[u8], descriptors: Vec<OwnedFd>) -> io::Result<Self> {
        match text {
            b"R" => Ok(Self::Running),
            [b'N', text @ ..] => Ok(Self::Notification(text.to_vec(), descriptors)),
            [b'E', alone, kind, number @ ..] => {
                let number = i32::from_ne_bytes(number.try_into().map_err(|_| garbled())?);
                let ending = if *kind == b'x' { Ending::Exited(number) } else { Ending::Killed(number) };
                Ok(Self::Ended { ending, alone: *alone != 0 })
            }
            _ => Err(garbled()),
        }
    }
}

fn garbled() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "a garbled message between the launcher's processes")
}

#[cfg(test)]
mod tests {
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};

    use super::*;

    fn pair() -> (OwnedFd, OwnedFd) {
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap()
    }

    #[test]
    fn orders_arrive_as_sent() {
        let (here, there) = pair();
        for order in [
            Order::Start,
            Order::Signal { signal: 15, origin: Origin::Process, from_manager: true },
            Order::Signal { signal: 64, origin: Origin::Queue(-7), from_manager: false },
        ] {
            order.send(here.as_fd()).unwrap();
            let text = message::receive(there.as_fd(), 64).unwrap().unwrap().text.unwrap();
            assert_eq!(Order::parse(&text).unwrap(), order);
        }
    }

    #[test]
    fn descriptors_come_along() {
        let (here, there) = pair();
        let (reader, writer) = rustix::pipe::pipe().unwrap();
        Report::Notification(b"FDSTORE=1".to_vec(), vec![writer]).send(here.as_fd()).unwrap();
        let received = message::receive(there.as_fd(), 64).unwrap().unwrap();
        let Report::Notification(text, descriptors) =
            Report::parse(&received.text.unwrap(), received.descriptors).unwrap()
        else {
            panic!()
        };
        assert_eq!(text, b"FDSTORE=1");
        rustix::io::write(&descriptors[0], b"x").unwrap();
        assert_eq!(rustix::io::read(&reader, &mut [0; 2]).unwrap(), 1);
    }

    #[test]
    fn garbled_messages_are_errors() {
        for text in [&b""[..], b"s", b"s\0\0\0", b"?", b"SS"] {
            assert!(Order::parse(text).is_err(), "{text:?}");
        }
        for text in [&b""[..], b"E", b"E\x01x\0", b"?", b"RR"] {
            assert!(Report::parse(text, vec![]).is_err(), "{text:?}");
        }
    }
}
