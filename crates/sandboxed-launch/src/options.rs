//! The command line.
//!
//! Everything the launcher does beyond starting a program is asked for by name, as `--name` or `--name=value`; a later
//! option never overrides an earlier one.

use std::collections::BTreeSet;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::PathBuf;

use landlock::{BitFlags, Scope};
use rustix::thread::CapabilitySet;

use crate::capabilities;
use crate::protocol::InternetProtocol;

/// The text for `--help`.
pub(crate) const HELP: &str = include_str!("help.txt");

/// What the launcher was asked to do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each an option of its own")]
pub(crate) struct Options {
    /// Namespaces to give the service.
    pub(crate) namespaces: Namespaces,
    /// How the new /proc differs from the old one.
    pub(crate) proc: ProcOptions,
    /// How the unit's processes are signalled when it stops.
    pub(crate) kill_mode: KillMode,
    /// Whose notifications reach the service manager.
    pub(crate) notify_access: NotifyAccess,
    /// Tell the service manager that the service is ready as soon as its program runs.
    pub(crate) ready_on_exec: bool,
    /// Capabilities that the service keeps, in every set.
    pub(crate) keep_capabilities: Capabilities,
    /// What the last system call filter leaves open.
    pub(crate) allow: Allowed,
    /// The limit of core dumps stays as it is.
    pub(crate) lock_core_limit: bool,
    /// The only protocols of internet sockets, where they are restricted.
    pub(crate) internet_protocols: Option<Vec<InternetProtocol>>,
    /// No pairs of unix sockets that take datagrams.
    pub(crate) no_datagram_pairs: bool,
    /// The standard streams get a name, so that they take no other.
    pub(crate) named_streams: bool,
    /// What Landlock restricts.
    pub(crate) landlock: LandlockOptions,
    /// The name the program sees as its own, when it is not its path.
    pub(crate) argv0: Option<OsString>,
    /// The program, then its arguments.
    pub(crate) command: Vec<OsString>,
}

/// Namespaces to give the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each an option of its own")]
pub(crate) struct Namespaces {
    /// Processes; the launcher becomes their init, and /proc is a new one.
    pub(crate) pid: bool,
    /// System V IPC and POSIX message queues.
    pub(crate) ipc: bool,
    /// Host and domain name.
    pub(crate) uts: bool,
    /// The cgroup tree as seen from inside.
    pub(crate) cgroup: bool,
    /// Users: the service's own is the only one that exists.
    pub(crate) user: bool,
}

/// How the new /proc differs from the old one: proc(5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ProcOptions {
    /// Whose processes can be seen.
    pub(crate) hidepid: Option<String>,
    /// Only what belongs to processes.
    pub(crate) subset_pid: bool,
    /// Nothing in it can be written.
    pub(crate) read_only: bool,
}

/// `KillMode=` of the unit: systemd.kill(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum KillMode {
    /// The service manager signals every process itself.
    #[default]
    ControlGroup,
    /// The service manager signals the launcher alone (`mixed` and `process`).
    Main,
}

/// `NotifyAccess=` of the unit: systemd.service(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum NotifyAccess {
    /// Nobody's.
    None,
    /// The main process's.
    #[default]
    Main,
    /// Every process's of the service.
    All,
}

/// A set of capabilities: capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Capabilities(pub(crate) CapabilitySet);

impl Default for Capabilities {
    fn default() -> Self {
        Self(CapabilitySet::empty())
    }
}

/// What the last system call filter leaves open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    /// Mounting and what is related to it.
    pub(crate) mount: bool,
    /// Making namespaces of these kinds, and entering any: flags of clone(2).
    pub(crate) namespaces: i32,
}

/// The kinds of namespaces that clone(2) makes, and their flags.
pub(crate) const NAMESPACES: [(&str, i32); 7] = [
    ("cgroup", libc::CLONE_NEWCGROUP),
    ("ipc", libc::CLONE_NEWIPC),
    ("mnt", libc::CLONE_NEWNS),
    ("net", libc::CLONE_NEWNET),
    ("pid", libc::CLONE_NEWPID),
    ("user", libc::CLONE_NEWUSER),
    ("uts", libc::CLONE_NEWUTS),
];

/// A path of the command line; one that begins with `-` need not be there, as in unit files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamedPath {
    /// The path.
    pub(crate) path: PathBuf,
    /// Whether it may be absent.
    pub(crate) optional: bool,
}

/// What Landlock restricts: landlock(7).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LandlockOptions {
    /// What cannot reach outside of the service.
    pub(crate) scopes: BitFlags<Scope>,
    /// The only TCP ports that can be bound.
    pub(crate) tcp_bind: Option<Vec<u16>>,
    /// The only TCP ports that can be connected to.
    pub(crate) tcp_connect: Option<Vec<u16>>,
    /// The only files and directories from which programs can be executed.
    pub(crate) execute: Option<Vec<NamedPath>>,
    /// The only devices that take ioctl(2).
    pub(crate) device_ioctl: Option<Vec<NamedPath>>,
}

/// A command line that makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionsError {
    /// Not an option of ours.
    #[error("{0:?} is no option; the program comes after \"--\"; see --help")]
    Unknown(OsString),
    /// An option without the value it needs.
    #[error("--{0} needs a value: --{0}=…")]
    NoValue(&'static str),
    /// An option with a value it has no use for.
    #[error("--{0} takes no value")]
    NeedlessValue(&'static str),
    /// An option that can be given only once.
    #[error("--{0} is given twice")]
    Twice(&'static str),
    /// A value that the option does not take.
    #[error("--{option}: {value:?} is not {expected}")]
    Value {
        /// The option.
        option: &'static str,
        /// Its value, or the part of it that is wrong.
        value: OsString,
        /// What would be right.
        expected: &'static str,
    },
    /// No program.
    #[error("no program to start: it comes after \"--\"; see --help")]
    NoProgram,
    /// An option that makes sense only together with another.
    #[error("--{0} needs --{1}")]
    Needs(&'static str, &'static str),
    /// Two options that contradict each other.
    #[error("--{0} and --{1} exclude each other")]
    Excludes(&'static str, &'static str),
}

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// Start a service.
    Launch(Box<Options>),
    /// Print the help.
    Help,
    /// Print the version.
    Version,
}

/// The options, in the order of the help text, and whether each takes a value and can be given more than once.
const OPTIONS: [(&str, Takes); 26] = [
    ("pid-namespace", Takes::Nothing),
    ("ipc-namespace", Takes::Nothing),
    ("uts-namespace", Takes::Nothing),
    ("cgroup-namespace", Takes::Nothing),
    ("user-namespace", Takes::Nothing),
    ("proc-hidepid", Takes::Value),
    ("proc-subset-pid", Takes::Nothing),
    ("proc-read-only", Takes::Nothing),
    ("kill-mode", Takes::Value),
    ("notify-access", Takes::Value),
    ("ready-on-exec", Takes::Nothing),
    ("keep-capabilities", Takes::Value),
    ("allow-mount", Takes::Nothing),
    ("allow-namespaces", Takes::Value),
    ("lock-core-limit", Takes::Nothing),
    ("internet-protocols", Takes::Value),
    ("no-datagram-pairs", Takes::Nothing),
    ("named-streams", Takes::Nothing),
    ("scope", Takes::Value),
    ("tcp-bind-only", Takes::Value),
    ("tcp-connect-only", Takes::Value),
    ("execute-only", Takes::Values),
    ("device-ioctl-only", Takes::Values),
    ("argv0", Takes::Value),
    ("help", Takes::Nothing),
    ("version", Takes::Nothing),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Takes {
    Nothing,
    Value,
    Values,
}

/// Reads the command line, the launcher's own name included.
pub(crate) fn parse(arguments: Vec<OsString>) -> Result<Request, OptionsError> {
    let mut options = Options::default();
    let mut seen = BTreeSet::new();
    let mut arguments = arguments.into_iter().skip(1);
    for argument in arguments.by_ref().take_while(|argument| argument != "--") {
        let (name, takes, value) = split(&argument)?;
        if takes != Takes::Values && !seen.insert(name) {
            return Err(OptionsError::Twice(name));
        }
        match name {
            "help" => return Ok(Request::Help),
            "version" => return Ok(Request::Version),
            _ => options.set(name, value)?,
        }
    }
    options.command = arguments.collect();
    options.check()?;
    Ok(Request::Launch(Box::new(options)))
}

/// The option that `argument` names, and its value.
fn split(argument: &OsStr) -> Result<(&'static str, Takes, &OsStr), OptionsError> {
    let unknown = || OptionsError::Unknown(argument.to_owned());
    let text = argument.as_bytes().strip_prefix(b"--").ok_or_else(unknown)?;
    let mut parts = text.splitn(2, |byte| *byte == b'=');
    let (given, value) = (parts.next().ok_or_else(unknown)?, parts.next());
    let (name, takes) = OPTIONS.into_iter().find(|(name, _)| name.as_bytes() == given).ok_or_else(unknown)?;
    match (takes, value) {
        (Takes::Nothing, None) => Ok((name, takes, OsStr::new(""))),
        (Takes::Nothing, Some(_)) => Err(OptionsError::NeedlessValue(name)),
        (_, Some(value)) => Ok((name, takes, OsStr::from_bytes(value))),
        (_, None) => Err(OptionsError::NoValue(name)),
    }
}

impl Options {
    fn set(&mut self, name: &'static str, value: &OsStr) -> Result<(), OptionsError> {
        let wrong =
            |value: &OsStr, expected| OptionsError::Value { option: name, value: value.to_owned(), expected };
        match name {
            "pid-namespace" => self.namespaces.pid = true,
            "ipc-namespace" => self.namespaces.ipc = true,
            "uts-namespace" => self.namespaces.uts = true,
            "cgroup-namespace" => self.namespaces.cgroup = true,
            "user-namespace" => self.namespaces.user = true,
            "proc-hidepid" => match value.to_str() {
                Some(word @ ("off" | "noaccess" | "invisible" | "ptraceable")) => {
                    self.proc.hidepid = Some(word.to_owned());
                }
                _ => return Err(wrong(value, "one of off, noaccess, invisible, ptraceable")),
            },
            "proc-subset-pid" => self.proc.subset_pid = true,
            "proc-read-only" => self.proc.read_only = true,
            "kill-mode" => match value.to_str() {
                Some("control-group") => self.kill_mode = KillMode::ControlGroup,
                Some("mixed" | "process") => self.kill_mode = KillMode::Main,
                _ => return Err(wrong(value, "one of control-group, mixed, process")),
            },
            "notify-access" => match value.to_str() {
                Some("none") => self.notify_access = NotifyAccess::None,
                Some("main" | "exec") => self.notify_access = NotifyAccess::Main,
                Some("all") => self.notify_access = NotifyAccess::All,
                _ => return Err(wrong(value, "one of none, main, exec, all")),
            },
            "ready-on-exec" => self.ready_on_exec = true,
            "keep-capabilities" => {
                for word in words(value) {
                    let set = word.to_str().and_then(capabilities::by_name);
                    self.keep_capabilities.0 |= set.ok_or_else(|| wrong(word, "a capability"))?;
                }
            }
            "allow-mount" => self.allow.mount = true,
            "allow-namespaces" => {
                for word in words(value) {
                    let kind = NAMESPACES.into_iter().find(|(kind, _)| word == *kind);
                    let expected = "one of cgroup, ipc, mnt, net, pid, user, uts";
                    self.allow.namespaces |= kind.ok_or_else(|| wrong(word, expected))?.1;
                }
            }
            "lock-core-limit" => self.lock_core_limit = true,
            "internet-protocols" => {
                let list = self.internet_protocols.get_or_insert_default();
                for word in words(value) {
                    let named = InternetProtocol::by_name(word);
                    list.extend(named.ok_or_else(|| wrong(word, InternetProtocol::EXPECTED))?);
                }
            }
            "no-datagram-pairs" => self.no_datagram_pairs = true,
            "named-streams" => self.named_streams = true,
            "scope" => {
                for word in words(value) {
                    self.landlock.scopes |= match word.to_str() {
                        Some("abstract-unix-socket") => Scope::AbstractUnixSocket,
                        Some("signal") => Scope::Signal,
                        _ => return Err(wrong(word, "one of abstract-unix-socket, signal")),
                    };
                }
            }
            "tcp-bind-only" => self.landlock.tcp_bind = Some(ports(name, value)?),
            "tcp-connect-only" => self.landlock.tcp_connect = Some(ports(name, value)?),
            "execute-only" => paths(name, value, &mut self.landlock.execute)?,
            "device-ioctl-only" => paths(name, value, &mut self.landlock.device_ioctl)?,
            "argv0" => self.argv0 = Some(value.to_owned()),
            _ => return Err(OptionsError::Unknown(name.into())),
        }
        Ok(())
    }

    /// Finds what is missing or contradictory.
    fn check(&self) -> Result<(), OptionsError> {
        if self.command.first().is_none_or(|program| program.is_empty()) {
            return Err(OptionsError::NoProgram);
        }
        let only_with_init = [
            ("proc-hidepid", self.proc.hidepid.is_some()),
            ("proc-subset-pid", self.proc.subset_pid),
            ("proc-read-only", self.proc.read_only),
            ("ready-on-exec", self.ready_on_exec),
        ];
        for (option, given) in only_with_init {
            if given && !self.namespaces.pid {
                return Err(OptionsError::Needs(option, "pid-namespace"));
            }
        }
        if self.namespaces.user && !self.keep_capabilities.0.is_empty() {
            return Err(OptionsError::Excludes("user-namespace", "keep-capabilities"));
        }
        Ok(())
    }
}

/// The words between commas; none in an empty value.
fn words(value: &OsStr) -> impl Iterator<Item = &OsStr> {
    value.as_bytes().split(|byte| *byte == b',').filter(|word| !word.is_empty()).map(OsStr::from_bytes)
}

fn ports(option: &'static str, value: &OsStr) -> Result<Vec<u16>, OptionsError> {
    words(value)
        .map(|word| {
            // `parse` alone would take "+80".
            let digits = word.to_str().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
            digits.and_then(|text| text.parse().ok()).ok_or_else(|| OptionsError::Value {
                option,
                value: word.to_owned(),
                expected: "a port (0 to 65535)",
            })
        })
        .collect()
}

/// One path a time, since a path may contain anything; an empty one adds nothing: the list then may stay empty.
fn paths(option: &'static str, value: &OsStr, list: &mut Option<Vec<NamedPath>>) -> Result<(), OptionsError> {
    let list = list.get_or_insert_default();
    let (optional, path) = match value.as_bytes().strip_prefix(b"-") {
        Some(path) => (true, path),
        None => (false, value.as_bytes()),
    };
    if path.starts_with(b"/") {
        list.push(NamedPath { path: OsStr::from_bytes(path).into(), optional });
    } else if !value.is_empty() {
        return Err(OptionsError::Value { option, value: value.to_owned(), expected: "an absolute path" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(line: &[&str]) -> Result<Request, OptionsError> {
        parse(std::iter::once("sandboxed-launch").chain(line.iter().copied()).map(OsString::from).collect())
    }

    fn launch(line: &[&str]) -> Options {
        match read(line) {
            Ok(Request::Launch(options)) => *options,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_follows_the_separator_is_the_services_own() {
        let options = launch(&["--pid-namespace", "--", "/bin/a", "--help", "--", "-x", ""]);
        assert!(options.namespaces.pid);
        assert_eq!(options.command, ["/bin/a", "--help", "--", "-x", ""]);
    }

    #[test]
    fn lists_are_read() {
        let options = launch(&[
            "--keep-capabilities=CAP_NET_BIND_SERVICE,cap_kill",
            "--scope=signal,abstract-unix-socket",
            "--tcp-bind-only=8008,0",
            "--tcp-connect-only=",
            "--execute-only=/usr",
            "--execute-only=-/a,b",
            "--device-ioctl-only=",
            "--",
            "/bin/a",
        ]);
        assert_eq!(options.keep_capabilities.0, CapabilitySet::NET_BIND_SERVICE | CapabilitySet::KILL);
        assert_eq!(options.landlock.scopes, Scope::Signal | Scope::AbstractUnixSocket);
        assert_eq!(options.landlock.tcp_bind, Some(vec![8008, 0]));
        assert_eq!(options.landlock.tcp_connect, Some(vec![]));
        let named = |path: &str, optional| NamedPath { path: path.into(), optional };
        assert_eq!(options.landlock.execute, Some(vec![named("/usr", false), named("/a,b", true)]));
        assert_eq!(options.landlock.device_ioctl, Some(vec![]));
    }

    #[test]
    fn nonsense_is_refused() {
        let refused: [(&[&str], &str); 16] = [
            (&[], "no program"),
            (&["--"], "no program"),
            (&["--", ""], "no program"),
            (&["/bin/a"], "is no option"),
            (&["-p", "--", "/bin/a"], "is no option"),
            (&["--pid", "--", "/bin/a"], "is no option"),
            (&["--pid-namespace=yes", "--", "/bin/a"], "takes no value"),
            (&["--scope", "signal", "--", "/bin/a"], "needs a value"),
            (&["--scope=signals", "--", "/bin/a"], "\"signals\" is not one of"),
            (&["--allow-mount", "--allow-mount", "--", "/bin/a"], "given twice"),
            (&["--allow-namespaces=pid,time", "--", "/bin/a"], "\"time\" is not one of"),
            (&["--tcp-bind-only=80,+90", "--", "/bin/a"], "\"+90\" is not a port"),
            (&["--tcp-bind-only=65536", "--", "/bin/a"], "is not a port"),
            (&["--execute-only=usr", "--", "/bin/a"], "is not an absolute path"),
            (&["--proc-read-only", "--", "/bin/a"], "--proc-read-only needs --pid-namespace"),
            (
                &["--pid-namespace", "--user-namespace", "--keep-capabilities=cap_kill", "--", "/bin/a"],
                "exclude each other",
            ),
        ];
        for (line, message) in refused {
            let error = read(line).expect_err(message).to_string();
            assert!(error.contains(message), "{line:?}: {error}");
        }
    }

    #[test]
    fn the_help_names_every_option() {
        for (name, takes) in OPTIONS {
            let option = if takes == Takes::Nothing { format!("--{name}") } else { format!("--{name}=") };
            assert!(HELP.contains(&option), "{option}");
        }
    }
}
