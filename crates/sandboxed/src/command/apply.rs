//! `sandboxed apply`: put sandboxes around services of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use sandboxed_core::diagnostic::Severity;
use sandboxed_core::emit::{self, Artifacts, Part, Together};
use sandboxed_core::plan::{Namespace, Plan};
use sandboxed_core::target::TargetError;
use sandboxed_systemd::name::UnitName;

use crate::cli::{Policies, Surroundings};
use crate::command::REFUSED;
use crate::input::{self, Source};
use crate::installed::{self, Difference};
use crate::refusal::{self, Refusal};
use crate::{host, output, show, systemctl};

/// Put sandboxes around services of this machine, or bring those that are there up to date.
///
/// The files go below /etc, each as a whole or not at all. A running service is in its sandbox from its next start on:
/// `--restart` restarts it now. After an upgrade of the service's package or of systemd every sandbox is planned anew by
/// `sandboxed-replan.path`, which this installs.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Policies in JSON (comments are allowed).
    #[arg(value_name = "POLICY", required_unless_present_any = ["presets", "all"])]
    files: Vec<std::path::PathBuf>,
    /// A preset, as it is.
    #[arg(long = "preset", value_name = "NAME")]
    presets: Vec<String>,
    /// Every sandbox that is installed, planned anew from the policy it was made of.
    #[arg(long, conflicts_with_all = ["files", "presets"])]
    all: bool,
    /// Restart the services whose sandbox changed.
    #[arg(long)]
    restart: bool,
    /// Show what would change, and change nothing.
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let _alone = (!options.dry_run).then(installed::lock).transpose()?;
    if options.all { all(options) } else { named(options) }
}

/// A sandbox that can be kept.
struct Planned {
    plan: Plan,
    part: Part,
    /// What it was planned from.
    policy: String,
}

impl Planned {
    fn new(plan: Plan, source: Source) -> Result<Self> {
        let part = Part::new(&plan)?;
        Ok(Self { plan, part, policy: source.text })
    }
}

/// Policies that the user names: all of them can be kept, or nothing changes.
fn named(options: &Options) -> Result<ExitCode> {
    let policies = Policies { files: options.files.clone(), presets: options.presets.clone() };
    let mut planned = Vec::new();
    let mut worst = None;
    let surroundings = Surroundings::host();
    let target = input::target(&surroundings.target)?;
    for source in input::sources(&policies)? {
        match input::plan(&source, &target, &surroundings)? {
            Ok(plan) => planned.push(Planned::new(plan, source)?),
            Err(code) => worst = worst.max(Some(code)),
        }
    }
    if let Some(code) = worst {
        return Ok(ExitCode::from(code));
    }
    // Together with those that are there: two sandboxes around one unit would fight.
    let ours: BTreeSet<String> = planned.iter().map(|one| one.plan.name.clone()).collect();
    let mut others = Vec::new();
    for name in installed::names()?.into_iter().filter(|name| !ours.contains(name)) {
        let source = Source { name: name.clone(), text: installed::policy(&name)? };
        // One whose unit is gone, or that can no longer be kept, must not keep this one from being applied.
        match input::outcome(&source, &target, &surroundings) {
            Ok(Ok((plan, _))) => others.push(Part::new(&plan)?),
            Ok(Err(_)) => {
                show::warn(&format!("the sandbox `{name}` can no longer be kept: see `sandboxed status`"));
            }
            Err(error) => show::warn(&format!("the sandbox `{name}` cannot be looked at: {error:#}")),
        }
    }
    let together = Together::of(planned.iter().map(|one| &one.part).chain(&others));
    for clash in together.clashes {
        if clash.clash().is_none_or(|names| names.iter().any(|name| ours.contains(*name))) {
            return Err(clash.into());
        }
        // Between others: what is asked for now changes nothing about it.
        show::warn(&clash.to_string());
    }
    for one in planned {
        let (summary, plan) = (show::summary(&one.plan), one.plan.clone());
        if let Some(change) = install(one, options)? {
            change.finish()?;
        }
        if !options.dry_run {
            show::print(&summary);
            for unit in outside(&plan)? {
                show::warn(&format!(
                    "{unit} runs outside of its sandbox until it is restarted (`--restart` does it)"
                ));
            }
        }
    }
    show::notes(&together.shared);
    Ok(ExitCode::SUCCESS)
}

/// How often all sandboxes are planned in a row while packages change.
const ROUNDS: usize = 10;

/// Everything that is installed, after an upgrade. What changes while this runs starts nobody, systemd.path(5), so it is looked
/// at here. (Only what changes between the last look and the end of this program waits for the next upgrade.)
fn all(options: &Options) -> Result<ExitCode> {
    let mut busy = Busy::default();
    for _ in 0..ROUNDS {
        let before = host::upgrades();
        let skipped = !busy.names.is_empty();
        let mut sound = round(options, &mut busy)?;
        let changed = || !options.dry_run && host::upgrades() != before;
        sound &= busy.wait(&changed);
        // Once nothing changes any more, those that were left out for being busy have their turn.
        let again = changed() || skipped && busy.names.is_empty();
        if !again {
            return Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(REFUSED) });
        }
    }
    show::warn(&format!(
        "packages changed during each of {ROUNDS} rounds; once they no longer do, `sandboxed apply --all` follows the last change"
    ));
    Ok(ExitCode::from(REFUSED))
}

/// Sandboxes whose services are being restarted or stopped: one that takes its time must not keep the others waiting.
struct Busy {
    names: BTreeSet<String>,
    done: Sender<Done>,
    results: Receiver<Done>,
}

/// A sandbox, and what came of what was done for it.
type Done = (String, Result<()>);

impl Default for Busy {
    fn default() -> Self {
        let (done, results) = mpsc::channel();
        Self { names: BTreeSet::new(), done, results }
    }
}

impl Busy {
    /// Does something for a sandbox beside everything else.
    fn begin(&mut self, name: &str, work: impl FnOnce() -> Result<()> + Send + 'static) {
        let (name, done) = (name.to_owned(), self.done.clone());
        self.names.insert(name.clone());
        std::thread::spawn(move || done.send((name, work())));
    }

    /// Waits until nothing is being done any more, or until something changes; no longer than services may take. Whether
    /// all that was done has gone well.
    fn wait(&mut self, changed: &impl Fn() -> bool) -> bool {
        let until = Instant::now() + refusal::GRACE + refusal::GRACE;
        let mut sound = true;
        while !self.names.is_empty() && !changed() {
            match self.results.recv_timeout(Duration::from_millis(200)) {
                Ok((name, result)) => {
                    self.names.remove(&name);
                    if let Err(error) = result {
                        sound = false;
                        show::failure(&error);
                    }
                }
                Err(_) if Instant::now() > until => {
                    // Its services have their files, and are told to restart; what is not finished says so in its status.
                    let names = self.names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>();
                    show::failure(&anyhow!("still not restarted: the services of {}", names.join(", ")));
                    return false;
                }
                Err(_) => {}
            }
        }
        sound
    }
}

/// Plans every sandbox that is installed. Where one can no longer be planned, what it promised may not hold any more: the service
/// is stopped, and says why. Says whether all of them are as they should be.
fn round(options: &Options, busy: &mut Busy) -> Result<bool> {
    let mut sound = true;
    let mut planned = Vec::new();
    let mut refused: BTreeMap<String, String> = BTreeMap::new();
    for name in installed::names()?.into_iter().filter(|name| !busy.names.contains(name)) {
        match planned_anew(&name) {
            Ok(Ok(one)) => planned.push(one),
            Ok(Err(reason)) => drop(refused.insert(name, reason)),
            // The unit or systemd cannot be read: a package is being removed, or half installed. The sandbox that is
            // there stays in force.
            Err(error) => {
                sound = false;
                show::failure(&error.context(format!("the sandbox `{name}` stays as it is")));
            }
        }
    }
    // By an upgrade a unit may come to write where another's sandbox begins.
    for clash in Together::of(planned.iter().map(|one| &one.part)).clashes {
        show::failure(&anyhow!("{clash}"));
        for name in clash.clash().unwrap_or_default() {
            refused.entry(name.to_owned()).or_insert_with(|| clash.to_string());
        }
    }
    planned.retain(|one| !refused.contains_key(&one.plan.name));
    sound &= refused.is_empty();
    if options.dry_run {
        for name in refused.keys() {
            Refusal::tell(name);
        }
    }
    let refused = if options.dry_run { BTreeMap::new() } else { refused };
    for refusal in refusal::begin(refused) {
        busy.begin(&refusal.sandbox.clone(), move || {
            refusal.finish();
            Ok(())
        });
    }
    // What fails for one sandbox must not keep the others from being planned.
    for one in planned {
        match install(one, options) {
            Ok(Some(change)) => busy.begin(&change.plan.name.clone(), move || change.finish()),
            Ok(None) => {}
            Err(error) => {
                sound = false;
                show::failure(&error);
            }
        }
    }
    Ok(sound)
}

/// An installed sandbox as it is to be now, or why it is refused; what is wrong with its policy is shown.
///
/// # Errors
/// If it cannot be told.
fn planned_anew(name: &str) -> Result<Result<Planned, String>> {
    let surroundings = Surroundings::host();
    let source = Source {
        name: installed::folder(name).join("policy.json").display().to_string(),
        text: installed::policy(name)?,
    };
    // The target is read for each: an upgrade may go on meanwhile.
    let target = match input::target(&surroundings.target) {
        Ok(target) => target,
        Err(error) => match error.downcast_ref::<TargetError>() {
            // Nobody knows what this systemd does with what was planned for another, or on control groups of another kind.
            Some(unsupported @ (TargetError::TooOld(_) | TargetError::TooNew(_) | TargetError::Legacy)) => {
                show::failure(&anyhow!("{unsupported}"));
                return Ok(Err(unsupported.to_string()));
            }
            _ => return Err(error),
        },
    };
    match input::outcome(&source, &target, &surroundings)? {
        Ok((plan, warnings)) => {
            show::diagnostics(&source, &warnings);
            Planned::new(plan, source).map(Ok)
        }
        Err(wrong) => {
            show::diagnostics(&source, &wrong);
            let first = wrong.iter().find(|one| one.kind.severity() == Severity::Error);
            let why =
                first.map_or_else(String::new, |one| format!(": {}", one.kind.message(source.language())));
            Ok(Err(format!("its sandbox can no longer be kept{why} (`sandboxed status {name}` says all)")))
        }
    }
}

/// A sandbox whose files are in force; what runs is not in it yet.
struct Change {
    plan: Plan,
    /// Helpers that are to be restarted.
    helpers: Vec<String>,
    /// Whether its services are to be restarted.
    restart: bool,
    /// Whether those that do not run stay so.
    only_running: bool,
    /// Instances of templates that ran before the sandbox was refused.
    instances: BTreeSet<String>,
}

/// Brings the files up to date, and what runs of its helpers. There is nothing to finish where nothing changed.
fn install(Planned { plan, part, policy }: Planned, options: &Options) -> Result<Option<Change>> {
    let artifacts = emit::join(vec![part])?;
    let mut files = installed::files(&plan, &artifacts, &policy);
    files.extend(replan(&plan)?);
    let difference = Difference::of(&plan.name, &files);
    if options.dry_run {
        show::tell(&difference.text());
        return Ok(None);
    }
    let was_refused = refusal::reason(&plan.name).is_some();
    let mut instances = BTreeSet::new();
    // An earlier call may have written everything and told systemd nothing.
    let unfinished = installed::unfinished(&plan.name);
    let again = unfinished.exists();
    let changed = again || was_refused || !difference.changes.is_empty();
    if !(changed || options.restart && !outside(&plan)?.is_empty()) {
        return Ok(None);
    }
    output::install(Path::new("/"), &Artifacts::from([(unfinished.display().to_string(), String::new())]))?;
    // Those of before as well: the policy may name others now.
    let mut units = installed::units(&plan.name).unwrap_or_default();
    difference.settle()?;
    if was_refused {
        instances = refusal::instances(&plan.name);
        units.extend(plan.units.iter().map(|unit| unit.name.as_str().to_owned()));
        refusal::lift(&plan.name, &units)?;
    }
    if plan.root.is_some() {
        let path = format!("/etc/tmpfiles.d/sandboxed-{}.conf", plan.name);
        let status = Command::new("systemd-tmpfiles").args(["--create", &path]).status();
        if !status.context("cannot run systemd-tmpfiles")?.success() {
            bail!("systemd-tmpfiles cannot make the root of the sandbox `{}`", plan.name);
        }
    }
    systemctl::run(&["daemon-reload"])?;
    for undone in systemctl::undone(&plan)? {
        show::warn(&undone);
    }
    if plan.verify.is_none() {
        systemctl::stop_verification(&plan.name)?;
    }
    // A helper that runs already has loaded the rules of before.
    let rules_changed = again || difference.changes.keys().any(|path| path.starts_with("/etc/nftables/"));
    let mut restarted = Vec::new();
    for helper in helpers(&plan) {
        if !systemctl::is_active(&helper)? {
            continue;
        }
        let unit_changed = difference.changes.keys().any(|path| path.ends_with(&format!("/{helper}")));
        if options.restart && unit_changed {
            restarted.push(helper);
        } else if rules_changed
            && let Err(error) = systemctl::run(&["reload", &helper])
            // It goes by itself with the last that needs it, and has nothing loaded then.
            && systemctl::is_active(&helper)?
        {
            return Err(error);
        }
    }
    systemctl::run(&["enable", "--quiet", "--now", "sandboxed-replan.path"])?;
    // An upgrade is no reason to start what somebody has stopped.
    let only_running = options.all && !was_refused;
    Ok(Some(Change { plan, helpers: restarted, restart: options.restart, only_running, instances }))
}

impl Change {
    /// Restarts what is to be in the sandbox as it is now, and waits for it.
    fn finish(self) -> Result<()> {
        for helper in &self.helpers {
            // With it the services restart, and find what it makes as it is now.
            systemctl::run(&["restart", helper])?;
        }
        if self.restart {
            self.restart()?;
        }
        let unfinished = installed::unfinished(&self.plan.name);
        std::fs::remove_file(&unfinished)
            .with_context(|| format!("cannot take away {}", unfinished.display()))
    }

    /// Restarts the units of a sandbox, or only those that run. A socket keeps the control group that it was made in, so those
    /// that are handed to the service are made anew; and before that nothing must be running that they would activate.
    fn restart(&self) -> Result<()> {
        let (mut stopped, mut started) = (Vec::new(), Vec::new());
        for unit in self.plan.sockets.iter().chain(self.plan.units.iter().map(|unit| &unit.name)) {
            for one in systemctl::expand(&[unit.as_str()])? {
                let instance = one != unit.as_str();
                if !(self.only_running || instance) || systemctl::is_active(&one)? {
                    if !systemctl::is_for_one_call(&one)? {
                        started.push(one.clone());
                    }
                    stopped.push(one);
                }
            }
        }
        let missing: Vec<&String> = self.instances.iter().filter(|one| !started.contains(one)).collect();
        started.extend(missing.into_iter().cloned());
        if self.plan.sockets.is_empty() {
            return systemctl::all("restart", &started);
        }
        systemctl::all("stop", &stopped)?;
        systemctl::all("start", &started)
    }
}

/// The units that load a sandbox's rules.
fn helpers(plan: &Plan) -> Vec<String> {
    let filter = plan.filter.is_some().then(|| format!("sandboxed-{}-filter.service", plan.name));
    let private = matches!(plan.namespace, Some(Namespace::Private(_)));
    let network = private.then(|| format!("sandboxed-{}-network.service", plan.name));
    filter.into_iter().chain(network).collect()
}

/// The units of the sandbox that run outside of its slice, or as they were before their files changed.
fn outside(plan: &Plan) -> Result<Vec<String>> {
    let units = plan.units.iter().map(|unit| &unit.name).chain(&plan.sockets).map(UnitName::as_str);
    let mut found = Vec::new();
    for unit in systemctl::expand(&units.collect::<Vec<_>>())? {
        if systemctl::is_outside(&unit, &plan.slice)?
            || systemctl::property(&unit, "NeedDaemonReload")? == "yes"
        {
            found.push(unit);
        }
    }
    Ok(found)
}

/// The units that plan all sandboxes anew when packages changed: dpkg and systemd itself leave their mark on these paths.
fn replan(plan: &Plan) -> Result<Artifacts> {
    let program = plan.target.program("sandboxed").map(|path| path.path().to_owned());
    let program = program.map_or_else(
        || {
            std::env::current_exe()
                .context("cannot tell where this program is")
                .map(|path| path.display().to_string())
        },
        Ok,
    )?;
    emit::replan(&program)
        .map_err(Into::into)
        .map(|units| installed::REPLAN.iter().map(ToString::to_string).zip(units).collect())
}
