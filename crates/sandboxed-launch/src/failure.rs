//! Why a service was not started.

use std::error::Error;
use std::ffi::c_int;
use std::fmt;

use rustix::io::Errno;

use crate::options::OptionsError;

/// What was being done when it failed. Each names the exit status that systemd.exec(5) ("Process Exit Codes") has for
/// the same step of its own, so that `systemctl status` shows a meaningful word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Blocking signals and making a descriptor to read them from: `207/SIGNAL_MASK`.
    Signals,
    /// Leaving namespaces, mounting /proc and what else follows from it: `226/NAMESPACE`.
    Namespaces,
    /// Taking the place of the service manager's notification socket: `226/NAMESPACE`.
    Notification,
    /// Giving the standard streams names: `209/STDOUT`.
    Streams,
    /// Mapping the user into the new user namespace: `217/USER`.
    User,
    /// Starting a process: `204/MEMORY`.
    Fork,
    /// Giving capabilities up: `218/CAPABILITIES`.
    Capabilities,
    /// Installing the last system call filter: `228/SECCOMP`.
    Seccomp,
    /// Entering the Landlock domain: `228/SECCOMP`, as systemd has no number for it.
    Landlock,
    /// Executing the service's program: `203/EXEC`.
    Execute,
}

impl Step {
    /// The exit status for it.
    pub(crate) fn exit_status(self) -> c_int {
        match self {
            Self::Signals => 207,
            Self::Namespaces | Self::Notification => 226,
            Self::Streams => 209,
            Self::User => 217,
            Self::Fork => 204,
            Self::Capabilities => 218,
            Self::Seccomp | Self::Landlock => 228,
            Self::Execute => 203,
        }
    }

    /// What usually is the reason when the kernel refuses it.
    fn hint(self) -> Option<&'static str> {
        match self {
            Self::Namespaces => Some(
                "the launcher needs CAP_SYS_ADMIN (AmbientCapabilities=), and neither RestrictNamespaces= nor \
                 SystemCallFilter= of the unit may forbid what it does; below PrivateUsers=yes the kernel refuses a \
                 new /proc when parts of the old one are covered: use --user-namespace instead",
            ),
            Self::Notification => Some("RestrictAddressFamilies= must leave AF_UNIX to it"),
            Self::User => Some("user.max_user_namespaces may be 0"),
            Self::Capabilities => Some("the launcher needs CAP_SETPCAP (AmbientCapabilities=)"),
            Self::Landlock => Some("the kernel may be older than the option asks for"),
            Self::Signals | Self::Streams | Self::Fork | Self::Seccomp | Self::Execute => None,
        }
    }
}

/// A service that was not started, and why.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line makes no sense; nothing was done.
    Options(OptionsError),
    /// A step went wrong; the service's program never ran.
    Step {
        /// Which.
        step: Step,
        /// The operation and what it was about: "cannot …".
        what: String,
        /// What the kernel, or the library between, said.
        source: Box<dyn Error>,
    },
}

impl Failure {
    /// For `map_err`: the `step` failed in an attempt to do `what`.
    pub(crate) fn at<E: Into<Box<dyn Error>>>(step: Step, what: impl fmt::Display) -> impl FnOnce(E) -> Self {
        move |source| Self::Step { step, what: what.to_string(), source: source.into() }
    }

    /// What the launcher exits with.
    pub(crate) fn exit_status(&self) -> c_int {
        match self {
            Self::Options(_) => 2,
            Self::Step { step, .. } => step.exit_status(),
        }
    }

    /// Tells whoever reads our standard error, the journal as a rule: sd-daemon(3) has the priority in front.
    pub(crate) fn report(&self) {
        let priority = if std::env::var_os("JOURNAL_STREAM").is_some() { "<3>" } else { "" };
        eprintln!("{priority}sandboxed-launch: {self}");
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Options(error) => write!(f, "{error}"),
            Self::Step { step, what, source } => {
                write!(f, "the service is not started: cannot {what}: {source}")?;
                match step.hint() {
                    Some(hint) if is_refusal(source.as_ref()) => write!(f, " ({hint})"),
                    _ => Ok(()),
                }
            }
        }
    }
}

impl Error for Failure {}

/// Whether somebody forbids it, or does not know it: not a matter of what it was about.
fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let code = match (error.downcast_ref::<Errno>(), error.downcast_ref::<std::io::Error>()) {
        (Some(error), _) => Some(error.raw_os_error()),
        (None, Some(error)) => error.raw_os_error(),
        // The Landlock library's own: it names the feature that the kernel lacks.
        (None, None) => return true,
    };
    matches!(code, Some(libc::EPERM | libc::EACCES | libc::ENOSYS | libc::EAFNOSUPPORT | libc::ENOSPC))
}

impl From<OptionsError> for Failure {
    fn from(error: OptionsError) -> Self {
        Self::Options(error)
    }
}
