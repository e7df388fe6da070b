//! Asks the owner of the table to change it.

use std::{
    fs,
    io::{IoSliceMut, Read, Write},
    mem::MaybeUninit,
    net::Shutdown,
    os::{
        fd::{AsFd, OwnedFd},
        unix::net::UnixStream,
    },
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};

use super::{hold::LOADED, manager};
use crate::command::REFUSED;

/// What came of a request.
pub(in crate::command) enum Answer {
    /// It was loaded, into the table that this socket owns.
    Loaded(OwnedFd),
    /// Nothing of it was, for this reason.
    Refused(String),
}

pub(super) fn run(files: &[PathBuf], keep: bool, socket: &Path) -> Result<ExitCode> {
    let mut script = String::new();
    for file in files {
        let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        script.push_str(&text);
    }
    match ask(&script, socket)? {
        Answer::Loaded(owner) => {
            if keep {
                manager::keep(owner.as_fd())?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Answer::Refused(reason) => {
            eprintln!("the filter was not changed: {reason}");
            Ok(ExitCode::from(REFUSED))
        }
    }
}

/// Has the holder that listens there load a script, as one transaction.
///
/// # Errors
/// If nobody holds the filter.
pub(in crate::command) fn ask(script: &str, socket: &Path) -> Result<Answer> {
    let mut holder = UnixStream::connect(socket)
        .with_context(|| format!("nobody holds the filter: can't connect to {}", socket.display()))?;
    holder.write_all(script.as_bytes())?;
    holder.shutdown(Shutdown::Write)?;
    let (mut answer, owner) = first_words(&holder)?;
    holder.read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(match owner {
        Some(owner) if answer == LOADED => Answer::Loaded(owner),
        _ if answer.is_empty() => Answer::Refused("its holder gave no answer".to_owned()),
        _ => Answer::Refused(answer.trim_end().to_owned()),
    })
}

/// The beginning of an answer, and the descriptor that comes with it.
fn first_words(holder: &UnixStream) -> Result<(Vec<u8>, Option<OwnedFd>)> {
    let mut words = vec![0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut beside = RecvAncillaryBuffer::new(&mut space);
    let received = recvmsg(holder, &mut [IoSliceMut::new(&mut words)], &mut beside, RecvFlags::CMSG_CLOEXEC)?;
    words.truncate(received.bytes);
    let owner = beside.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
        _ => None,
    });
    Ok((words, owner))
}
