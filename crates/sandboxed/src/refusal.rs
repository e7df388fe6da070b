//! Sandboxes that can no longer be kept: their services are stopped, and do not start while a file says why.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Result;
use sandboxed_core::emit::{self, Artifacts};
use sandboxed_systemd::name;

use crate::{installed, output, show, systemctl};

/// The drop-in that keeps a unit from starting once its sandbox is refused.
pub(crate) const DROP_IN: &str = "zzz-sandboxed-refused.conf";

/// Where units have their drop-ins: the administrator's, and those that are gone at the next boot, systemd.unit(5).
const UNITS: [&str; 2] = [installed::UNITS, "/run/systemd/system"];

/// How long services may take to stop, where their units do not bound it.
pub(crate) const GRACE: Duration = Duration::from_secs(300);

/// How long what was killed may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// The files that say why a sandbox may not run, while one of them exists: the lasting one, and the one for where /etc cannot be
/// written. The first line of each is the reason, the others are instances of templates that ran.
fn files(sandbox: &str) -> [PathBuf; 2] {
    [installed::folder(sandbox).join("refused"), Path::new("/run/sandboxed/refused").join(sandbox)]
}

/// Why a sandbox may not run, if it may not.
pub(crate) fn reason(sandbox: &str) -> Option<String> {
    let text = files(sandbox).iter().find_map(|file| std::fs::read_to_string(file).ok())?;
    Some(text.lines().next().unwrap_or_default().to_owned())
}

/// The instances of templates that ran when a sandbox was refused.
pub(crate) fn instances(sandbox: &str) -> BTreeSet<String> {
    let texts = files(sandbox).into_iter().filter_map(|file| std::fs::read_to_string(file).ok());
    texts.flat_map(|text| text.lines().skip(1).map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Takes a refusal back, from these units of the sandbox. systemd has to be told.
///
/// # Errors
/// If a file cannot be taken away.
pub(crate) fn lift(sandbox: &str, units: &[String]) -> Result<()> {
    let drop_ins = UNITS.iter().flat_map(|folder| units.iter().map(move |unit| drop_in(folder, unit)));
    drop_ins.map(PathBuf::from).chain(files(sandbox)).try_for_each(|path| installed::take_away(&path))
}

fn drop_in(folder: &str, unit: &str) -> String {
    format!("{folder}/{unit}.d/{DROP_IN}")
}

/// A sandbox on its way to be refused. What goes wrong keeps nothing else from being done.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Which one.
    pub(crate) sandbox: String,
    reason: String,
    sockets: Vec<String>,
    units: Vec<String>,
    /// Instances of templates that ran.
    ran: Vec<String>,
    wrong: Vec<anyhow::Error>,
}

impl Refusal {
    /// Has systemd begin to stop the units of a sandbox: before anything else, and whatever of the rest fails. Sockets come first,
    /// so that nobody's call starts a service again.
    fn begin(sandbox: &str, reason: String) -> Self {
        let mut refusal = Self {
            sandbox: sandbox.to_owned(),
            reason,
            sockets: installed::sockets(sandbox).unwrap_or_default(),
            units: Vec::new(),
            ran: Vec::new(),
            wrong: Vec::new(),
        };
        match installed::units(sandbox) {
            Ok(units) => refusal.units = units,
            Err(error) => refusal.wrong.push(error),
        }
        let loaded = refusal.loaded();
        let instances = loaded.iter().filter(|unit| !refusal.units.contains(unit));
        let lasting = |unit: &&String| runs(unit) && !systemctl::is_for_one_call(unit).unwrap_or(false);
        refusal.ran = instances.filter(lasting).cloned().collect();
        for unit in refusal.sockets.iter().chain(&loaded) {
            // What it says is said when it is waited for.
            let _ = systemctl::run(&["stop", "--no-block", "--", unit]);
        }
        refusal
    }

    /// What would be done.
    pub(crate) fn tell(sandbox: &str) {
        let units = installed::units(sandbox).unwrap_or_default();
        say(&format!("the sandbox `{sandbox}` is refused; {} would be stopped", units.join(", ")));
    }

    /// The services as systemd has them, an instance of a template by its own name.
    fn loaded(&self) -> Vec<String> {
        systemctl::expand(&self.units).unwrap_or_default()
    }

    /// Keeps the units from starting, with the reason where `systemctl status` shows it: until the sandbox can be kept again, or
    /// where /etc cannot be written, until the machine starts anew.
    fn write(&mut self) {
        let lasting = self.install(0);
        if let Err(error) = lasting {
            let what = "the refusal holds until the machine starts anew";
            self.wrong.push(match self.install(1) {
                Ok(()) => error.context(what),
                Err(other) => other.context(format!("nothing keeps its units from starting: {error:#}")),
            });
        }
    }

    fn install(&self, place: usize) -> Result<()> {
        let files = files(&self.sandbox);
        let (Some(folder), Some(file)) = (UNITS.get(place), files.get(place)) else { return Ok(()) };
        // Whichever of the drop-ins systemd takes, each of the files counts.
        let named = files.iter().map(|file| file.display().to_string()).collect::<Vec<_>>();
        let text = emit::refusal(&named, &self.reason)?;
        let mut ran = instances(&self.sandbox);
        ran.extend(self.ran.iter().cloned());
        let lines = [self.reason.replace('\n', " ")].into_iter().chain(ran);
        let said = lines.map(|line| line + "\n").collect::<String>();
        let mut artifacts = Artifacts::from([(file.display().to_string(), said)]);
        artifacts.extend(self.units.iter().map(|unit| (drop_in(folder, unit), text.clone())));
        output::install(Path::new("/"), &artifacts)
    }

    /// Waits until nothing of the sandbox runs any more, by force if it must be, and says what became of it.
    pub(crate) fn finish(mut self) {
        let all = [self.sockets.clone(), self.loaded()].concat();
        let slice = name::slice_for(&self.sandbox)
            .map(|slice| (slice.as_str().to_owned(), name::cgroup_path(&slice)));
        // Again, as somebody may have started what was stopped before the files were there; and with the slice, whatever is in it.
        let mut unasked = Vec::new();
        for unit in all.iter().chain(slice.as_ref().ok().map(|(slice, _)| slice)) {
            if let Err(error) = systemctl::run(&["stop", "--no-block", "--", unit]) {
                self.wrong.push(error);
                unasked.push(unit);
            }
        }
        // One that systemd does not stop when asked to may be stopped with the slice, if it is in there.
        let goes_on = |unit: &str| runs(unit) && systemctl::is_active(unit).unwrap_or(true);
        if !wait(PATIENCE, || !unasked.iter().any(|unit| goes_on(unit))) {
            kill(unasked.into_iter().filter(|unit| goes_on(unit)));
        }
        let group = slice.map_or_else(|_| String::new(), |(_, group)| group);
        let left = || {
            let inside = systemctl::populated(&group).then(|| format!("processes in {group}"));
            all.iter().filter(|unit| runs(unit)).cloned().chain(inside).collect::<Vec<_>>()
        };
        if !wait(GRACE, || left().is_empty()) {
            kill(all.iter().filter(|unit| runs(unit)));
            if systemctl::populated(&group) {
                let _ = std::fs::write(format!("/sys/fs/cgroup/{group}/cgroup.kill"), "1");
            }
            wait(PATIENCE, || left().is_empty());
        }
        let left = left();
        let became = if left.is_empty() {
            format!("{} stopped", self.units.join(", "))
        } else {
            format!("but still there: {}", left.join(", "))
        };
        say(&format!("the sandbox `{}` is refused; {became}", self.sandbox));
        for error in self.wrong {
            show::failure(&error.context(format!("the sandbox `{}`", self.sandbox)));
        }
    }
}

/// Ends units by force. As they cannot be started again, `Restart=` brings none of them back.
fn kill<'a>(units: impl Iterator<Item = &'a String>) {
    for unit in units {
        let _ = systemctl::run(&["kill", "--signal=SIGKILL", "--", unit]);
    }
}

/// Waits until something holds, at most so long; whether it does.
fn wait(longest: Duration, holds: impl Fn() -> bool) -> bool {
    let until = Instant::now() + longest;
    loop {
        if holds() {
            return true;
        }
        if Instant::now() > until {
            return false;
        }
        std::thread::sleep(Duration::from_millis(250));
    }
}

/// Begins to refuse sandboxes, each for its reason: all of them are being stopped before the first file is written.
pub(crate) fn begin(sandboxes: BTreeMap<String, String>) -> Vec<Refusal> {
    let mut refusals: Vec<Refusal> =
        sandboxes.into_iter().map(|(sandbox, reason)| Refusal::begin(&sandbox, reason)).collect();
    refusals.iter_mut().for_each(Refusal::write);
    if !refusals.is_empty()
        && let Err(error) = systemctl::run(&["daemon-reload"])
    {
        show::failure(&error);
    }
    refusals
}

/// Whether a unit has processes, or takes calls.
fn runs(unit: &str) -> bool {
    if unit.ends_with(".socket") {
        return systemctl::is_active(unit).unwrap_or(true);
    }
    let group = systemctl::property(unit, "ControlGroup").unwrap_or_default();
    !group.is_empty() && systemctl::populated(&group)
}

fn say(text: &str) {
    show::say(&show::plain(text));
}
