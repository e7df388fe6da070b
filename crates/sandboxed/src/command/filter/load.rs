//! Asks the owner of the table to change it.

use std::{
    fs,
    io::{Read, Write},
    net::Shutdown,
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result};

use super::{hold::LOADED, nft::Loaded};
use crate::command::REFUSED;

pub(super) fn run(files: &[PathBuf], socket: &Path) -> Result<ExitCode> {
    let mut script = String::new();
    for file in files {
        let text = fs::read_to_string(file).with_context(|| format!("can't read {}", file.display()))?;
        script.push_str(&text);
    }
    match ask(&script, socket)? {
        Loaded::Yes => Ok(ExitCode::SUCCESS),
        Loaded::No(reason) => {
            eprintln!("the filter was not changed: {reason}");
            Ok(ExitCode::from(REFUSED))
        }
    }
}

/// Has the holder that listens there load a script, as one transaction.
pub(in crate::command) fn ask(script: &str, socket: &Path) -> Result<Loaded> {
    let mut holder = UnixStream::connect(socket)
        .with_context(|| format!("nobody holds the filter: can't connect to {}", socket.display()))?;
    holder.write_all(script.as_bytes())?;
    holder.shutdown(Shutdown::Write)?;
    let mut answer = String::new();
    holder.read_to_string(&mut answer)?;
    if answer == LOADED {
        return Ok(Loaded::Yes);
    }
    if answer.is_empty() {
        answer.push_str("its holder gave no answer");
    }
    Ok(Loaded::No(answer.trim_end().to_owned()))
}
