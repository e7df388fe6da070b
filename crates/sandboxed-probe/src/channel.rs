//! What a channel is: one concrete way to interfere, and the code that tries it.

use std::io;

use serde::{Deserialize, Serialize};

use crate::guarantee::Guarantee;
use crate::sys::errno;
use crate::targets::Targets;

/// The kind of thing a channel interferes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Group {
    /// Files, directories and device files.
    Filesystem,
    /// Everything that goes through a network namespace.
    Network,
    /// Other processes.
    Processes,
    /// Inter-process communication other than the network.
    Ipc,
    /// Parts of the kernel that a daemon has no business with.
    Kernel,
    /// What the process may do because of who it is.
    Privileges,
    /// What there is only so much of.
    Resources,
    /// What there is to learn about the machine.
    Information,
}

impl Group {
    /// All groups, in the order in which reports list them.
    pub const ALL: [Group; 8] = [
        Group::Filesystem,
        Group::Network,
        Group::Processes,
        Group::Ipc,
        Group::Kernel,
        Group::Privileges,
        Group::Resources,
        Group::Information,
    ];

    /// The name, as in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Group::Filesystem => "filesystem",
            Group::Network => "network",
            Group::Processes => "processes",
            Group::Ipc => "ipc",
            Group::Kernel => "kernel",
            Group::Privileges => "privileges",
            Group::Resources => "resources",
            Group::Information => "information",
        }
    }
}

/// One concrete way to interfere. The channels are constants, a file a group, below [`crate::channels`].
#[derive(Debug)]
pub struct Channel {
    /// Identifier in kebab-case, unique over all groups.
    pub id: &'static str,
    /// What is tried, as a verb phrase.
    pub title: &'static str,
    /// The guarantee that is broken when the channel is open.
    pub guarantee: Guarantee,
    /// Manual page of the interface used.
    pub source: &'static str,
    /// Tries it. Runs in a process of its own, so it may change any state of that process.
    pub attempt: fn(&Targets) -> Attempt,
}

/// Outcome of an attempt: the evidence that it worked, or why it did not.
pub type Attempt = Result<String, Shut>;

/// Why an attempt did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shut {
    /// It was tried and something stood in the way.
    Closed {
        /// What was seen.
        evidence: String,
        /// The error of the system call, where one failed.
        errno: Option<i32>,
    },
    /// There was nothing to try it on; says what is missing.
    NotApplicable(String),
}

impl Shut {
    /// Closed, without a system call that failed.
    pub(crate) fn closed(evidence: impl Into<String>) -> Shut {
        Shut::Closed { evidence: evidence.into(), errno: None }
    }

    /// Not applicable, and why.
    pub(crate) fn missing(reason: impl Into<String>) -> Shut {
        Shut::NotApplicable(reason.into())
    }
}

impl From<io::Error> for Shut {
    fn from(error: io::Error) -> Shut {
        let evidence = match error.raw_os_error() {
            Some(number) => errno::describe(number),
            None => error.to_string(),
        };
        Shut::Closed { evidence, errno: error.raw_os_error() }
    }
}

/// Names the step that failed, where an attempt has several.
pub(crate) trait Step<T> {
    /// Puts `step` in front of the evidence.
    fn step(self, step: &str) -> Result<T, Shut>;
}

impl<T> Step<T> for io::Result<T> {
    fn step(self, step: &str) -> Result<T, Shut> {
        self.map_err(|error| match Shut::from(error) {
            Shut::Closed { evidence, errno } => {
                Shut::Closed { evidence: format!("{step}: {evidence}"), errno }
            }
            other @ Shut::NotApplicable(_) => other,
        })
    }
}

/// For calls that are made with arguments the kernel can only refuse once it has decided that the caller
/// may make them: one of the `expected` errors means that the way in was open.
pub(crate) fn past_the_gate<T>(result: io::Result<T>, expected: &[i32]) -> Attempt {
    match result {
        Ok(_) => Ok("the call succeeded".into()),
        Err(error) => match error.raw_os_error() {
            Some(number) if expected.contains(&number) => Ok(format!(
                "permission was granted, only the deliberately useless arguments failed: {}",
                errno::name(number)
            )),
            _ => Err(error.into()),
        },
    }
}

/// A channel's verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The attempt worked.
    Open,
    /// It was tried and did not work.
    Closed,
    /// There was nothing to try it on.
    NotApplicable,
}

/// What was found out about one channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// [`Channel::id`].
    pub channel: String,
    /// The group it belongs to.
    pub group: Group,
    /// [`Guarantee::id`] of the guarantee it tests.
    pub guarantee: Guarantee,
    /// The verdict.
    pub verdict: Verdict,
    /// What was seen.
    pub evidence: String,
    /// Name of the error, for example `EPERM`, where a system call failed.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub errno: Option<String>,
}

impl Finding {
    /// The finding that `attempt` amounts to.
    pub fn new(group: Group, channel: &Channel, attempt: Attempt) -> Finding {
        let (verdict, evidence, errno) = match attempt {
            Ok(evidence) => (Verdict::Open, evidence, None),
            Err(Shut::Closed { evidence, errno }) => (Verdict::Closed, evidence, errno.map(errno::name)),
            Err(Shut::NotApplicable(reason)) => (Verdict::NotApplicable, reason, None),
        };
        Finding { channel: channel.id.into(), group, guarantee: channel.guarantee, verdict, evidence, errno }
    }
}
