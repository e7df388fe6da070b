//! The host's side: makes harmless targets for the probe and removes them again.
//!
//! Everything made carries the same random token, lies in new directories, is open to everybody (so that only the
//! sandbox can keep the service out), listens on addresses that exist already, and is removed when [`Planted`] is
//! dropped. What cannot be made on this host is left out, with a note; the channels then say that it is missing.

use std::io;
use std::path::PathBuf;

use crate::channel::{Finding, Verdict};
use crate::targets::{Host, Targets};

mod files;
mod host;
mod limits;
mod objects;
mod server;
mod victim;

pub use limits::Limits;
pub(crate) use limits::limited;
pub(crate) use victim::main as victim_main;

/// What the planter has to know.
#[derive(Clone, Debug)]
pub struct Options {
    /// The user that the service runs under: the victim runs under it as well.
    pub user: u32,
    /// Its group.
    pub group: u32,
    /// The probe's program file on the host: the victim is another process of it.
    pub program: PathBuf,
}

/// The targets, for as long as this lives.
#[derive(Debug)]
pub struct Planted {
    targets: Targets,
    notes: Vec<String>,
    server: Option<server::Server>,
    victim: Option<victim::Process>,
    _objects: objects::Objects,
    // Removed last: sockets and the like lie in these directories.
    _files: files::Files,
}

/// Plants everything. As root all of it, as another user what that user may.
///
/// # Errors
/// Only if there is no randomness for the token; whatever else fails becomes a note.
pub fn plant(options: &Options) -> io::Result<Planted> {
    let token = token()?;
    let mut notes = Vec::new();
    let mut targets = Targets { token: token.clone(), host: host::survey(), ..Targets::default() };
    let files = files::Files::plant(options, &mut targets, &mut notes);
    let objects = objects::Objects::plant(&mut targets, &mut notes);
    let server = server::Server::start(&mut targets, &mut notes);
    let server = server.map_err(|error| notes.push(format!("no listeners: {error}"))).ok();
    let victim = victim::Process::start(options, &mut targets);
    let victim = victim.map_err(|error| notes.push(format!("no victim process: {error}"))).ok();
    Ok(Planted { targets, notes, server, victim, _objects: objects, _files: files })
}

impl Planted {
    /// What was planted, for `--plan`.
    pub fn targets(&self) -> &Targets {
        &self.targets
    }

    /// The same, to add what only the caller knows (limits, the service's own directory).
    pub fn targets_mut(&mut self) -> &mut Targets {
        &mut self.targets
    }

    /// What could not be planted, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Corrects findings by what arrived here: a datagram whose answer was held back has arrived all the same, and a
    /// signal that the victim did not get was not sent. Ends the victim.
    pub fn confirm(&mut self, findings: &mut [Finding]) {
        let arrived = self.server.as_ref().map(server::Server::arrived).unwrap_or_default();
        let signalled = self.victim.as_mut().and_then(victim::Process::finish);
        for finding in findings {
            if finding.verdict == Verdict::Closed && arrived.contains(&finding.channel) {
                finding.verdict = Verdict::Open;
                finding.evidence = format!("it arrived at the host, though: {}", finding.evidence);
            }
            if let ("signal-owner", Verdict::Open, Some(signals)) =
                (finding.channel.as_str(), finding.verdict, signalled.as_deref())
                && !signals.contains(&libc::SIGUSR2)
            {
                finding.verdict = Verdict::Closed;
                finding.evidence = "the victim was not signalled".into();
            }
        }
    }
}

/// 16 random bytes as hexadecimal digits.
fn token() -> io::Result<String> {
    let mut bytes = [0_u8; 16];
    let length = bytes.len();
    crate::sys::call!(libc::SYS_getrandom, &mut bytes, length, 0)?;
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

impl Host {
    /// Facts about the machine that this process runs on.
    pub fn survey() -> Host {
        host::survey()
    }
}
