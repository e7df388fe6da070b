//! The unit that the probe runs in: the service's directives, user, limits and filter rules, another program, and a
//! slice of its own, so that what the probe uses up is not the service's.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sandboxed_systemd::directive::{self, Section};
use sandboxed_systemd::name::{self, UnitName};
use sandboxed_systemd::unit::{ExecCommand, ParsedUnit};
use sandboxed_systemd::value::{Prefixes, Value};

use super::plan::Planned;
use super::rules::Rules;
use crate::command::filter::sockets::Rules as SocketRules;
use crate::{host, systemctl};

/// Where units live that are gone at the next boot.
const UNITS: &str = "/run/systemd/system";

/// Directives that are about the service's own program and its life, not about its sandbox.
const NOT_SANDBOX: &[&str] = &[
    "BusName",
    "ExitType",
    "FileDescriptorStoreMax",
    "FileDescriptorStorePreserve",
    "GuessMainPID",
    "NotifyAccess",
    "OpenFile",
    "PIDFile",
    "ReloadSignal",
    "RemainAfterExit",
    "RuntimeDirectoryPreserve",
    "RuntimeMaxSec",
    "Slice",
    "Sockets",
    "StandardError",
    "StandardInput",
    "StandardOutput",
    "SuccessExitStatus",
    "TTYPath",
    "Type",
];

/// The same, by how their names begin.
const NOT_SANDBOX_PREFIXES: &[&str] =
    &["Exec", "Restart", "Timeout", "Watchdog", "StandardInput", "StartLimit", "TTY"];

/// Directives whose names begin with `Exec` and which do belong to the sandbox.
const SANDBOX_AFTER_ALL: &[&str] = &["ExecPaths", "ExecSearchPath"];

/// A sibling of the service; dropping it takes everything away again.
pub(super) struct Sibling {
    unit: String,
    slice: UnitName,
    folder: PathBuf,
    files: Vec<PathBuf>,
    /// Its way into the filter.
    rules: Option<Rules>,
}

impl Sibling {
    /// Makes the unit, its slice and its way into the filter. The unit is not started.
    ///
    /// # Errors
    /// If any part of the sandbox cannot be had: then nothing would be proven.
    pub(super) fn make(sandbox: &str, planned: &Planned, original: &str, probe: &Path) -> Result<Self> {
        let folder = PathBuf::from(format!("/run/sandboxed-verify-{}", std::process::id()));
        fs::create_dir(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let mut sibling = Self {
            unit: format!("sandboxed-verify-{}.service", std::process::id()),
            slice: name::slice_for(&format!("{sandbox}-verify"))?,
            folder,
            files: Vec::new(),
            rules: None,
        };
        let slice = host::unit_text(&planned.slice)?;
        let own_slice = sibling.slice.clone();
        sibling.write(own_slice.as_str(), &slice)?;
        let text = host::unit_text(original)?;
        let unit = sibling.text(original, &text, probe)?;
        sibling.write(&sibling.unit.clone(), &unit)?;
        systemctl::run(&["daemon-reload"])?;
        systemctl::run(&["start", sibling.slice.as_str()])?;
        if let Some(filter) = &planned.filter {
            let own = name::cgroup_path(&sibling.slice);
            // It goes with the group.
            if let Some(sockets) = &filter.sockets {
                SocketRules::planned(sockets)?.hold(own.as_ref())?;
            }
            sibling.rules = Some(Rules::load(&sibling.folder, &filter.unit, &planned.control_group, &own)?);
        }
        Ok(sibling)
    }

    /// Runs the probe on these targets, and returns what it printed.
    ///
    /// # Errors
    /// If the unit does not run, or says nothing.
    pub(super) fn run(&self, targets: &str) -> Result<String> {
        fs::write(self.folder.join("plan.json"), targets)?;
        let started = systemctl::run(&["start", &self.unit]);
        let report = fs::read_to_string(self.folder.join("report.json")).unwrap_or_default();
        if report.trim().is_empty() {
            started?;
            let said = fs::read_to_string(self.folder.join("errors")).unwrap_or_default();
            bail!("the probe said nothing: {}", said.trim());
        }
        Ok(report)
    }

    /// Where the control group of its slice is.
    pub(super) fn group(&self) -> PathBuf {
        Path::new("/sys/fs/cgroup").join(name::cgroup_path(&self.slice))
    }

    fn write(&mut self, name: &str, text: &str) -> Result<()> {
        fs::create_dir_all(UNITS)?;
        let path = Path::new(UNITS).join(name);
        if path.exists() {
            bail!("{} exists already", path.display());
        }
        self.files.push(path.clone());
        fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// The unit file. Assignments are taken over as they are, in their order, so that resets and merges mean the same.
    fn text(&self, original: &str, text: &str, probe: &Path) -> Result<String> {
        let parsed = ParsedUnit::parse(text).with_context(|| format!("cannot read {original}"))?;
        let probe = probe.to_str().context("the probe's path is not UTF-8")?;
        if probe.contains(|c: char| c.is_whitespace() || "%$\"'\\:;".contains(c)) {
            bail!("the probe's path {probe} has characters that a unit cannot name plainly");
        }
        let mut lines = vec![
            "[Unit]".to_owned(),
            format!("Description=Probe of the sandbox of {original}"),
            "DefaultDependencies=no".to_owned(),
            "[Service]".to_owned(),
        ];
        let service = parsed.assignments().iter().filter(|assignment| assignment.section == Section::Service);
        for assignment in service.filter(|assignment| belongs_to_sandbox(&assignment.name)) {
            lines.push(format!("{}={}", assignment.name, as_in(original, &assignment.value)));
        }
        if parsed.boolean(Section::Service, "DynamicUser") == Some(true)
            && parsed.scalar(Section::Service, "User").is_none()
        {
            // systemd would choose another user for another unit, and give the service's directories to it.
            lines.push(format!("User={}", as_in(original, "%N")));
        }
        let command = launched(&parsed, probe)?;
        let folder = self.folder.display();
        lines.extend([
            "Type=oneshot".to_owned(),
            format!("Slice={}", self.slice.as_str()),
            format!("StandardInput=file:{folder}/plan.json"),
            format!("StandardOutput=file:{folder}/report.json"),
            format!("StandardError=file:{folder}/errors"),
            // What it shares with the service must outlive it.
            "RuntimeDirectoryPreserve=yes".to_owned(),
            "TimeoutStartSec=600".to_owned(),
            format!("BindReadOnlyPaths={probe}"),
            format!("ExecPaths={probe}"),
            format!("ExecStart={command}"),
            String::new(),
        ]);
        Ok(lines.join("\n"))
    }
}

impl Drop for Sibling {
    fn drop(&mut self) {
        // All of it is tried, whatever fails.
        let _ = systemctl::run(&["stop", &self.unit]);
        drop(self.rules.take());
        let _ = systemctl::run(&["stop", self.slice.as_str()]);
        for file in &self.files {
            let _ = fs::remove_file(file);
        }
        let _ = fs::remove_dir_all(&self.folder);
        let _ = systemctl::run(&["daemon-reload"]);
        let _ = systemctl::run(&["reset-failed", &self.unit]);
    }
}

fn belongs_to_sandbox(directive: &str) -> bool {
    SANDBOX_AFTER_ALL.contains(&directive)
        || !(NOT_SANDBOX.contains(&directive)
            || NOT_SANDBOX_PREFIXES.iter().any(|prefix| directive.starts_with(prefix)))
}

/// Specifiers that mean the unit's name, as they are in the original unit: systemd.unit(5).
fn as_in(unit: &str, value: &str) -> String {
    let name = UnitName::new(unit);
    let full = unit.rsplit_once('.').map_or(unit, |(full, _)| full);
    let mut text = String::with_capacity(value.len());
    let mut characters = value.chars();
    while let Some(character) = characters.next() {
        if character != '%' {
            text.push(character);
            continue;
        }
        match (characters.next(), &name) {
            (Some('n'), _) => text.push_str(unit),
            (Some('N'), _) => text.push_str(full),
            (Some('p'), Ok(name)) => text.push_str(name.prefix()),
            (Some('i'), Ok(name)) => text.push_str(name.instance().unwrap_or_default()),
            (Some(other), _) => text.extend(['%', other]),
            (None, _) => text.push('%'),
        }
    }
    text
}

/// The command line that starts the probe: by the launcher with the options it has for the service, if it has one.
fn launched(parsed: &ParsedUnit, probe: &str) -> Result<String> {
    let tail = ["--plan", "-"].map(str::to_owned);
    let commands = parsed.commands(Section::Service, "ExecStart")?;
    let launcher = commands.into_iter().find(|command| {
        Path::new(&command.program).file_name().is_some_and(|name| name == "sandboxed-launch")
    });
    let command = match launcher {
        Some(mut launcher) => {
            let options: Vec<String> =
                launcher.arguments.into_iter().take_while(|argument| argument != "--").collect();
            // Where Landlock says what may be executed, the probe may be as well, and nothing else.
            let only = options.iter().any(|option| option.starts_with("--execute-only="));
            let probe_too = only.then(|| format!("--execute-only={probe}"));
            let program = ["--".to_owned(), probe.to_owned()];
            launcher.arguments = options.into_iter().chain(probe_too).chain(program).chain(tail).collect();
            launcher
        }
        None => {
            ExecCommand { prefixes: Prefixes::default(), program: probe.to_owned(), arguments: tail.to_vec() }
        }
    };
    let directive = directive::lookup(Section::Service, "ExecStart").context("systemd has no ExecStart=")?;
    let lines = Value::Exec(vec![command.to_line()?]).assignments(directive)?;
    lines.into_iter().next_back().context("an empty command line")
}
