//! Runs attempts, each in a process of its own.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::channel::{Attempt, Channel, Finding, Group, Shut};
use crate::channels::{SECTIONS, Section};
use crate::sys::call;
use crate::sys::network::readable;
use crate::sys::process::{self, Ended, Fork};
use crate::targets::Targets;

/// How long one attempt may take.
pub const TIME_LIMIT: Duration = Duration::from_secs(10);

/// Which channels to run.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Only these groups; all if empty.
    pub groups: Vec<Group>,
    /// Only channels with these identifiers; all if empty.
    pub channels: Vec<String>,
}

impl Selection {
    fn has(&self, section: &Section, channel: &Channel) -> bool {
        (self.groups.is_empty() || self.groups.contains(&section.group))
            && (self.channels.is_empty() || self.channels.iter().any(|id| id == channel.id))
    }
}

/// Tries the selected channels one after the other. The calling process has to have a single thread.
pub fn run(targets: &Targets, selection: &Selection) -> Vec<Finding> {
    let selected =
        SECTIONS.iter().flat_map(|section| section.channels.iter().map(move |channel| (section, channel)));
    selected
        .filter(|(section, channel)| selection.has(section, channel))
        .map(|(section, channel)| Finding::new(section.group, channel, attempt(channel, targets)))
        .collect()
}

/// An attempt's outcome on its way through the pipe.
#[derive(Serialize, Deserialize)]
enum Answer {
    Open(String),
    Closed(String, Option<i32>),
    NotApplicable(String),
}

/// Tries one channel in a child.
fn attempt(channel: &Channel, targets: &Targets) -> Attempt {
    let cannot = |error: io::Error| Shut::missing(format!("the probe could not start the attempt: {error}"));
    let (reader, writer) = io::pipe().map_err(cannot)?;
    match process::fork().map_err(cannot)? {
        Fork::Child => {
            drop(reader);
            child(channel, targets, writer)
        }
        Fork::Parent(child) => {
            drop(writer);
            let answer = answer(&reader.into());
            // The child has a process group of its own: this ends what it may have started, and itself if it hangs.
            // It is not reaped yet, so the number is still taken and cannot mean anybody else.
            let _ = process::kill(-child, libc::SIGKILL);
            let _ = process::kill(child, libc::SIGKILL);
            let ended = process::wait(child, 0);
            match (answer, ended) {
                (Ok(Some(Answer::Open(evidence))), _) => Ok(evidence),
                (Ok(Some(Answer::Closed(evidence, errno))), _) => Err(Shut::Closed { evidence, errno }),
                (Ok(Some(Answer::NotApplicable(reason))), _) => Err(Shut::NotApplicable(reason)),
                (Ok(None), Ok(Some(Ended::Killed(signal)))) if is_verdict(signal) => {
                    Err(Shut::closed(format!("killed by {}", process::signal_name(signal))))
                }
                (Ok(None), _) => Err(Shut::missing("the attempt ended without an answer")),
                (Err(Late), _) => Err(Shut::closed(format!("no answer within {} s", TIME_LIMIT.as_secs()))),
            }
        }
    }
}

/// Signals by which the kernel refuses. Others, such as that of a failed assertion, say nothing about the channel.
fn is_verdict(signal: i32) -> bool {
    matches!(
        signal,
        libc::SIGSYS
            | libc::SIGSEGV
            | libc::SIGBUS
            | libc::SIGILL
            | libc::SIGKILL
            | libc::SIGXFSZ
            | libc::SIGXCPU
    )
}

/// The child's whole life.
fn child(channel: &Channel, targets: &Targets, mut writer: io::PipeWriter) -> ! {
    let _ = call!(libc::SYS_setpgid, 0, 0);
    // An attempt that outlives the probe would be interference of our own making.
    let _ = process::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL.unsigned_abs().into(), 0);
    // Crashes are expected here and must not reach the host's crash handler. The hard limit is a channel's business.
    if let Ok((_, hard)) = process::limit(process::CORE) {
        let _ = process::set_limit(0, process::CORE, 0, hard);
    }
    let targets = Targets { channel: channel.id, ..targets.clone() };
    let attempt = std::panic::catch_unwind(|| (channel.attempt)(&targets));
    let answer = match attempt {
        Ok(Ok(evidence)) => Answer::Open(evidence),
        Ok(Err(Shut::Closed { evidence, errno })) => Answer::Closed(evidence, errno),
        Ok(Err(Shut::NotApplicable(reason))) => Answer::NotApplicable(reason),
        Err(_) => process::exit(101),
    };
    let written = serde_json::to_vec(&answer).map(|bytes| writer.write_all(&bytes));
    process::exit(i32::from(!matches!(written, Ok(Ok(())))))
}

/// The time limit is over.
struct Late;

/// Reads the child's answer; none if it ended without one.
fn answer(reader: &OwnedFd) -> Result<Option<Answer>, Late> {
    let deadline = Instant::now() + TIME_LIMIT;
    let mut text = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Late);
        }
        let milliseconds = i32::try_from(left.as_millis()).unwrap_or(i32::MAX);
        if !readable(&[reader], milliseconds).is_ok_and(|ready| ready.contains(&true)) {
            continue;
        }
        let length = buffer.len();
        let read = call!(libc::SYS_read, reader, &mut buffer, length);
        match read {
            Ok(0) => return Ok(serde_json::from_slice(&text).ok()),
            Ok(count) => text.extend(buffer.iter().take(usize::try_from(count).unwrap_or_default())),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => return Ok(None),
        }
        // The answer is complete even if something that the attempt started keeps the pipe open.
        if let Ok(answer) = serde_json::from_slice(&text) {
            return Ok(Some(answer));
        }
    }
}
