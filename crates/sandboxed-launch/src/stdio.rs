//! The standard streams of the launcher's own processes.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

use rustix::io::Errno;
use rustix::net::{SocketAddrUnix, bind};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

use crate::failure::{Failure, Step};

/// Gives each standard stream that is a unix socket without a name one that the kernel chooses: unix(7). systemd connects them
/// to the journal in the machine's network, where the service could otherwise take an abstract name by them.
pub(crate) fn name() -> Result<(), Failure> {
    let (input, output, error) = (std::io::stdin(), std::io::stdout(), std::io::stderr());
    [input.as_fd(), output.as_fd(), error.as_fd()].into_iter().try_for_each(give_name)
}

fn give_name(stream: BorrowedFd<'_>) -> Result<(), Failure> {
    match bind(stream, &SocketAddrUnix::new_unnamed()) {
        // One that has a name keeps it. What is closed, or no unix socket, takes none, and where the unit forbids bind(2) the
        // service cannot do it either.
        Ok(()) | Err(Errno::BADF | Errno::NOTSOCK | Errno::INVAL | Errno::AFNOSUPPORT | Errno::PERM) => {
            Ok(())
        }
        Err(error) => Err(Failure::at(Step::Streams, "give the standard streams a name")(error)),
    }
}

/// Lets go of the standard streams, so that the service alone decides when a connection or pipe is closed. Standard error
/// stays if it is the journal, for what may have to be said later.
pub(crate) fn let_go() {
    // Without /dev/null they stay as they are: a closed one would be taken by the next descriptor.
    let Ok(null) = OpenOptions::new().read(true).write(true).open("/dev/null") else { return };
    let _ = dup2_stdin(&null);
    let _ = dup2_stdout(&null);
    if !is_journal(std::io::stderr().as_fd()) {
        let _ = dup2_stderr(&null);
    }
}

/// Whether `stream` is what `$JOURNAL_STREAM` names: systemd.exec(5).
fn is_journal(stream: BorrowedFd<'_>) -> bool {
    let Some(named) = std::env::var_os("JOURNAL_STREAM") else { return false };
    let Ok(metadata) = stream.try_clone_to_owned().map(File::from).and_then(|file| file.metadata()) else {
        return false;
    };
    named == format!("{}:{}", metadata.dev(), metadata.ino()).as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the kernel says of a name that is asked for a second time, and of what takes none.
    #[test]
    fn a_stream_takes_one_name() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
        give_name(one.as_fd()).unwrap();
        let name = one.local_addr().unwrap();
        assert!(!name.is_unnamed());
        give_name(one.as_fd()).unwrap();
        let taken = SocketAddrUnix::new_abstract_name(b"sandboxed-launch-test").unwrap();
        assert_eq!(bind(&one, &taken), Err(Errno::INVAL));
        give_name(File::open("/dev/null").unwrap().as_fd()).unwrap();
        give_name(std::net::UdpSocket::bind("127.0.0.1:0").unwrap().as_fd()).unwrap();
    }
}
