//! `sandboxed apply`: put sandboxes around services of this machine.

use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use sandboxed_core::emit::{self, Artifacts};
use sandboxed_core::plan::{Namespace, Plan};
use sandboxed_systemd::name::UnitName;

use crate::cli::{Policies, Surroundings};
use crate::command::REFUSED;
use crate::input::{self, Source};
use crate::installed::{self, Difference};
use crate::{output, show, systemctl};

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

/// Policies that the user names: all of them can be kept, or nothing changes.
fn named(options: &Options) -> Result<ExitCode> {
    let policies = Policies { files: options.files.clone(), presets: options.presets.clone() };
    let mut planned = Vec::new();
    let mut worst = None;
    let surroundings = Surroundings::host();
    let target = input::target(&surroundings.target)?;
    for source in input::sources(&policies)? {
        match input::plan(&source, &target, &surroundings)? {
            Ok(plan) => planned.push((plan, source)),
            Err(code) => worst = worst.max(Some(code)),
        }
    }
    if let Some(code) = worst {
        return Ok(ExitCode::from(code));
    }
    // Together with those that are there: two sandboxes around one unit would fight.
    let mut together: Vec<Plan> = planned.iter().map(|(plan, _)| plan.clone()).collect();
    for name in
        installed::names()?.into_iter().filter(|name| !planned.iter().any(|(plan, _)| plan.name == *name))
    {
        let source = Source { name: name.clone(), text: installed::policy(&name)? };
        // One whose unit is gone, or that can no longer be kept, must not keep this one from being applied.
        match input::outcome(&source, &target, &surroundings) {
            Ok(Ok((plan, _))) => together.push(plan),
            Ok(Err(_)) => {
                eprintln!("warning: the sandbox `{name}` can no longer be kept: see `sandboxed status`");
            }
            Err(error) => eprintln!("warning: the sandbox `{name}` cannot be looked at: {error:#}"),
        }
    }
    emit::artifacts(&together)?;
    for (plan, source) in &planned {
        install(plan, &source.text, options)?;
        if !options.dry_run {
            show::print(&show::summary(plan));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Everything that is installed, after an upgrade. Where a sandbox can no longer be planned, what it promised may not
/// hold any more: the service is stopped, and says why.
fn all(options: &Options) -> Result<ExitCode> {
    let surroundings = Surroundings::host();
    let mut refused = false;
    for name in installed::names()? {
        let source = Source {
            name: format!("{}", installed::folder(&name).join("policy.json").display()),
            text: installed::policy(&name)?,
        };
        // The target is read for each: an upgrade may go on meanwhile.
        let outcome = input::target(&surroundings.target)
            .and_then(|target| input::plan(&source, &target, &surroundings));
        match outcome {
            // What fails for one sandbox must not keep the others from being planned.
            Ok(Ok(plan)) => {
                if let Err(error) = install(&plan, &source.text, options) {
                    refused = true;
                    show::failure(&error);
                }
            }
            Ok(Err(_)) => {
                refused = true;
                let reason = "its sandbox can no longer be kept: see `sandboxed apply --all`";
                if let Err(error) = refuse(&name, reason, options) {
                    show::failure(&error);
                }
            }
            // The unit or systemd cannot be read: a package is being removed, or half installed. The sandbox that is
            // there stays in force.
            Err(error) => {
                refused = true;
                show::failure(&error.context(format!("the sandbox `{name}` stays as it is")));
            }
        }
    }
    Ok(if refused { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
}

fn install(plan: &Plan, policy: &str, options: &Options) -> Result<()> {
    let artifacts = emit::artifacts(std::slice::from_ref(plan))?;
    let mut files = installed::files(plan, &artifacts, policy);
    files.extend(replan(plan)?);
    let difference = Difference::of(&plan.name, &files);
    if options.dry_run {
        show::tell(&difference.text());
        return Ok(());
    }
    let was_refused = installed::refusal(&plan.name).exists();
    // An earlier call may have written everything and told systemd nothing.
    let unfinished = installed::unfinished(&plan.name);
    let again = unfinished.exists();
    let changed = again || was_refused || !difference.changes.is_empty();
    if !(changed || options.restart && outside(plan)?) {
        return Ok(());
    }
    output::install(Path::new("/"), &Artifacts::from([(unfinished.display().to_string(), String::new())]))?;
    difference.settle()?;
    if was_refused {
        for path in refusal_files(&plan.name, plan.units.iter().map(|unit| unit.name.as_str())) {
            let _ = std::fs::remove_file(path);
        }
    }
    if plan.root.is_some() {
        let path = format!("/etc/tmpfiles.d/sandboxed-{}.conf", plan.name);
        let status = Command::new("systemd-tmpfiles").args(["--create", &path]).status();
        if !status.context("cannot run systemd-tmpfiles")?.success() {
            bail!("systemd-tmpfiles cannot make the root of the sandbox `{}`", plan.name);
        }
    }
    systemctl::run(&["daemon-reload"])?;
    for undone in systemctl::undone(plan)? {
        eprintln!("warning: {}", show::plain(&undone));
    }
    if plan.verify.is_none() {
        systemctl::stop_verification(&plan.name)?;
    }
    // A helper that runs already has loaded the rules of before.
    let rules_changed = again || difference.changes.keys().any(|path| path.starts_with("/etc/nftables/"));
    for helper in helpers(plan) {
        if !systemctl::is_active(&helper)? {
            continue;
        }
        let unit_changed = difference.changes.keys().any(|path| path.ends_with(&format!("/{helper}")));
        if options.restart && unit_changed {
            // With it the services restart, and find what it makes as it is now.
            systemctl::run(&["restart", &helper])?;
        } else if rules_changed {
            systemctl::run(&["reload", &helper])?;
        }
    }
    systemctl::run(&["enable", "--quiet", "--now", "sandboxed-replan.path"])?;
    if options.restart {
        // An upgrade is no reason to start what somebody has stopped.
        restart(plan, options.all && !was_refused)?;
    }
    std::fs::remove_file(&unfinished).with_context(|| format!("cannot take away {}", unfinished.display()))
}

/// Restarts the units of a sandbox, or only those that run. A socket keeps the control group that it was made in, so those
/// that are handed to the service are made anew; and before that nothing must be running that they would activate.
fn restart(plan: &Plan, only_running: bool) -> Result<()> {
    let units: Vec<&str> = plan.units.iter().map(|unit| unit.name.as_str()).collect();
    let sockets: Vec<&str> = plan.sockets.iter().map(UnitName::as_str).collect();
    if sockets.is_empty() {
        let verb = if only_running { "try-restart" } else { "restart" };
        return units.iter().try_for_each(|unit| systemctl::run(&[verb, unit]));
    }
    let mut again = Vec::new();
    for unit in sockets.iter().chain(&units) {
        if !only_running || systemctl::is_active(unit)? {
            again.push(*unit);
        }
    }
    for verb in ["stop", "start"] {
        if !again.is_empty() {
            systemctl::run(&[&[verb], again.as_slice()].concat())?;
        }
    }
    Ok(())
}

/// The units that load a sandbox's rules.
fn helpers(plan: &Plan) -> Vec<String> {
    let filter = plan.filter.is_some().then(|| format!("sandboxed-{}-filter.service", plan.name));
    let private = matches!(plan.namespace, Some(Namespace::Private(_)));
    let network = private.then(|| format!("sandboxed-{}-network.service", plan.name));
    filter.into_iter().chain(network).collect()
}

/// Whether a unit of the sandbox runs outside of its slice, or as it was before its files changed.
fn outside(plan: &Plan) -> Result<bool> {
    for unit in plan.units.iter().map(|unit| &unit.name).chain(&plan.sockets) {
        let unit = unit.as_str();
        let group = systemctl::property(unit, "ControlGroup")?;
        let inside = group.split('/').any(|part| part == plan.slice.as_str());
        if systemctl::is_active(unit)? && !inside || systemctl::property(unit, "NeedDaemonReload")? == "yes" {
            return Ok(true);
        }
    }
    Ok(false)
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

fn refusal_files<'a>(name: &str, units: impl Iterator<Item = &'a str>) -> Vec<std::path::PathBuf> {
    let drop_ins = units.map(|unit| {
        std::path::PathBuf::from(format!("/etc/systemd/system/{unit}.d/{}", systemctl::REFUSED_DROP_IN))
    });
    drop_ins.chain([installed::refusal(name)]).collect()
}

/// Stops the units of a sandbox and keeps them from starting, with the reason where `systemctl status` shows it.
fn refuse(name: &str, reason: &str, options: &Options) -> Result<()> {
    let units = installed::units(name)?;
    eprintln!("the sandbox `{name}` is refused; {} stopped", units.join(", "));
    if options.dry_run {
        return Ok(());
    }
    let refusal = installed::refusal(name);
    let drop_in = emit::refusal(&refusal.display().to_string(), reason)?;
    let mut files = Artifacts::from([(refusal.display().to_string(), format!("{reason}\n"))]);
    for unit in &units {
        files.insert(format!("/etc/systemd/system/{unit}.d/{}", systemctl::REFUSED_DROP_IN), drop_in.clone());
    }
    output::install(Path::new("/"), &files)?;
    systemctl::run(&["daemon-reload"])?;
    for unit in &units {
        systemctl::run(&["stop", unit])?;
    }
    Ok(())
}
