//! The standard streams of the launcher's own processes.

use std::fs::{File, OpenOptions};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt as _;

use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};

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
