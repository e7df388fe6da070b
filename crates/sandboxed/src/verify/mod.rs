//! Verification: what a probe finds from inside, and what the kernel says from outside, against the plan.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use sandboxed_core::areas;
use sandboxed_probe::plant::{self, Limits, Options};
use sandboxed_probe::report::Report;
use sandboxed_probe::{Finding, Verdict};
use serde::Serialize;

use crate::systemctl;

mod kernel;
mod plan;
mod rules;
mod sibling;
mod table;

pub(crate) use table::table;

/// The outcome.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Verification {
    /// The sandbox.
    pub(crate) sandbox: String,
    /// What the kernel says of the running service.
    pub(crate) kernel: Vec<kernel::Check>,
    /// What the probe found, channel by channel.
    pub(crate) channels: Vec<Judged>,
    /// What could not be planted on this machine, and why.
    pub(crate) notes: Vec<String>,
}

/// A finding and what the plan says about it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Judged {
    /// The unit whose sandbox it was tried in.
    pub(crate) unit: String,
    #[serde(flatten)]
    pub(crate) finding: Finding,
    /// What the plan says.
    pub(crate) plan: Promise,
    /// Whether the channel is open although the plan says that it is closed.
    pub(crate) broken: bool,
    /// The policy field that would close it, as a JSON pointer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) field: Option<String>,
}

/// What a plan says about a guarantee.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "says", content = "because", rename_all = "kebab-case")]
pub(crate) enum Promise {
    /// It is kept.
    Kept,
    /// It is kept but for what the policy asks for.
    Excepted(String),
    /// It is kept in part.
    Weak(String),
    /// The policy does without it.
    Waived(String),
    /// The plan says nothing about it.
    Nothing,
}

impl Verification {
    /// Whether everything is as planned.
    pub(crate) fn holds(&self) -> bool {
        self.channels.iter().all(|channel| !channel.broken)
            && self.kernel.iter().all(|check| check.as_planned)
    }
}

/// Verifies an installed sandbox.
///
/// # Errors
/// If it is not installed, or the probe cannot be run under its sandbox.
pub(crate) fn run(name: &str, probe: Option<&Path>) -> Result<Verification> {
    if !rustix::process::geteuid().is_root() {
        bail!("only root can plant targets and make units");
    }
    let planned = plan::read(name)?;
    let probe = program(probe)?;
    let (mut channels, mut notes) = (Vec::new(), BTreeSet::new());
    for unit in &planned.units {
        let (findings, of_targets) = probe_as(name, &planned, unit, &probe)?;
        channels.extend(findings.into_iter().map(|finding| judge(&planned, unit, finding)));
        notes.extend(of_targets);
    }
    let kernel = kernel::look(&planned)?;
    Ok(Verification { sandbox: name.to_owned(), kernel, channels, notes: notes.into_iter().collect() })
}

/// Plants targets for a unit and runs the probe in a sibling of it: what it found, and what could not be planted.
fn probe_as(
    name: &str,
    planned: &plan::Planned,
    unit: &str,
    probe: &Path,
) -> Result<(Vec<Finding>, Vec<String>)> {
    let (user, group) = identity(unit)?;
    let mut targets = plant::plant(&Options { user, group, program: probe.to_owned() })?;
    let limits = &mut targets.targets_mut().limits;
    limits.tasks = limit(&planned.slice, "TasksMax")?;
    limits.disk = ["StateDirectoryQuota", "LimitFSIZE"]
        .iter()
        .find_map(|name| planned.directive(name)?.parse().ok())
        .filter(|size: &u64| *size < u64::MAX - (1 << 20));
    limits.descriptors = limit(unit, "LimitNOFILE")?;
    let sockets = planned.filter.as_ref().and_then(|filter| filter.sockets.as_ref());
    limits.sockets = sockets.and_then(|sockets| sockets.open_sockets).map(u64::from);
    let text = serde_json::to_string(targets.targets())?;
    let sibling = sibling::Sibling::make(name, planned, unit, probe)?;
    let report = sibling.run(&text)?;
    let mut report: Report = serde_json::from_str(&report).context("the probe's report is damaged")?;
    Limits::of(&sibling.group()).answer(&mut report.findings);
    drop(sibling);
    targets.confirm(&mut report.findings);
    Ok((report.findings, targets.notes().to_vec()))
}

/// A limit of a unit; `None` where it has none.
fn limit(unit: &str, property: &str) -> Result<Option<u64>> {
    let value = systemctl::property(unit, property)?;
    Ok(value.parse().ok().filter(|limit| *limit != u64::MAX))
}

/// The probe's program.
fn program(named: Option<&Path>) -> Result<PathBuf> {
    let beside = || -> Result<PathBuf> {
        let own = std::env::current_exe().context("where this program is")?;
        let folder = own.parent().context("where this program is")?;
        let usual = [folder.join("sandboxed-probe"), folder.join("../lib/sandboxed/sandboxed-probe")];
        let found = usual.into_iter().find(|path| path.exists());
        found.context("the probe is not beside this program; --probe says where it is")
    };
    let path = named.map_or_else(beside, |path| Ok(path.to_owned()))?;
    path.canonicalize().with_context(|| format!("cannot find {}", path.display()))
}

/// The user and group that the service's processes have: those of the running one, else those that the unit names. A
/// main process that systemd is still setting up is root's, and says nothing.
fn identity(unit: &str) -> Result<(u32, u32)> {
    let user = systemctl::property(unit, "User")?;
    let named = if user.is_empty() { None } else { by_name(&user)? };
    let running = of_process(&systemctl::property(unit, "MainPID")?);
    match (running, named) {
        (Some(running), Some(named)) if running.0 != named.0 => Ok(named),
        (Some(running), _) => Ok(running),
        (None, Some(named)) => Ok(named),
        (None, None) if systemctl::property(unit, "DynamicUser")? == "yes" => {
            bail!("{unit} does not run, and its user exists only while it does")
        }
        (None, None) if user.is_empty() => Ok((0, 0)),
        (None, None) => bail!("there is no user {user}"),
    }
}

/// The effective ids of a process: `proc_pid_status(5)`.
fn of_process(pid: &str) -> Option<(u32, u32)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let number = |field: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(field))?;
        line.split_whitespace().nth(1)?.parse::<u32>().ok()
    };
    Some((number("Uid:")?, number("Gid:")?))
}

/// The ids of a user, if there is one of this name.
fn by_name(user: &str) -> Result<Option<(u32, u32)>> {
    let id = |option: &str| -> Result<Option<u32>> {
        let output = Command::new("id").args([option, "--", user]).output().context("cannot run id")?;
        Ok(String::from_utf8_lossy(&output.stdout).trim().parse().ok())
    };
    Ok(id("-u")?.zip(id("-g")?))
}

fn judge(planned: &plan::Planned, unit: &str, finding: Finding) -> Judged {
    let id = finding.guarantee.id();
    let promise = match planned.outcome(id) {
        None => Promise::Nothing,
        Some(outcome) => match outcome.status.as_str() {
            "waived" => Promise::Waived(outcome.reason.clone().unwrap_or_default()),
            "weak" => Promise::Weak(outcome.weakness.clone().unwrap_or_default()),
            _ if covers(&outcome.exceptions, &finding) => Promise::Excepted(outcome.exceptions.join(", ")),
            _ => Promise::Kept,
        },
    };
    let open = finding.verdict == Verdict::Open;
    let broken = open && promise == Promise::Kept;
    let field = open.then(|| match promise {
        Promise::Waived(_) => Some(format!("/accept/{id}")),
        Promise::Nothing => None,
        _ => areas::guarantees()
            .find(|guarantee| guarantee.id == id)
            .map(|guarantee| guarantee.field.to_owned()),
    });
    let field = field.flatten().filter(|field| !field.is_empty());
    Judged { unit: unit.to_owned(), finding, plan: promise, broken, field }
}

/// Whether one of the exceptions is about this channel: where it aims at something real that a policy may ask for (a
/// daemon's socket, a device), any that a policy can ask for; where at something planted, only a path that it was planted
/// below.
fn covers(exceptions: &[String], finding: &Finding) -> bool {
    let asked_for = exceptions.iter().any(|exception| !SHOWN.contains(&exception.as_str()));
    if asked_for && !PLANTED.iter().any(|prefix| finding.channel.starts_with(prefix)) {
        return true;
    }
    let found = &finding.evidence;
    let about = |path: &str| found.contains(&format!(" {path}/")) || found.ends_with(&format!(" {path}"));
    let mut words = exceptions.iter().flat_map(|exception| exception.split([' ', ',', '`']));
    words.any(|word| word.starts_with('/') && word.len() > 1 && about(word.trim_end_matches('/')))
}

/// Exceptions that no policy asks for: what every service sees.
const SHOWN: [&str; 2] = ["/usr", "/etc/passwd"];

/// How the names of channels begin that aim at something planted.
const PLANTED: [&str; 13] = [
    "execute-",
    "read-",
    "write-",
    "tcp-",
    "udp-",
    "abstract-",
    "port-",
    "socket-file-",
    "sysv-",
    "posix-",
    "key-",
    "named-pipe",
    "terminal-",
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use sandboxed_core::areas;
    use sandboxed_probe::Guarantee;

    #[test]
    fn channels_name_guarantees_as_plans_do() {
        let planned: BTreeSet<&str> = areas::guarantees().map(|guarantee| guarantee.id).collect();
        for guarantee in Guarantee::ALL {
            assert!(planned.contains(guarantee.id()), "{}", guarantee.id());
        }
        for guarantee in areas::guarantees() {
            let Some(own) = Guarantee::ALL.iter().find(|own| own.id() == guarantee.id) else { continue };
            assert_eq!(own.promise(), guarantee.promise, "{}", guarantee.id);
        }
    }
}
