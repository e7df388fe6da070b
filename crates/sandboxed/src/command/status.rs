//! `sandboxed status`: whether what was planned is what there is.

use std::process::{Command, ExitCode};

use anyhow::{Result, bail};
use clap::Args;
use sandboxed_core::emit;
use sandboxed_core::plan::{Namespace, Plan};
use serde::Serialize;

use crate::cli::Surroundings;
use crate::command::REFUSED;
use crate::command::filter::sockets::Rules;
use crate::input::{self, Source};
use crate::installed::{self, Difference};
use crate::{refusal, show, systemctl};

/// Say whether the sandboxes of this machine are what their policies ask for.
///
/// It notices when files, the unit, systemd or the kernel changed since the plan was made, and when the filter is gone.
/// The exit code is 1 if anything is amiss.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// The sandboxes; all where none is named.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    name: String,
    units: Vec<UnitState>,
    amiss: Vec<String>,
}

#[derive(Debug, Serialize)]
struct UnitState {
    unit: String,
    state: String,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() {
        bail!("whether the packet filter is there is told to root alone: run this as root");
    }
    let names = if options.names.is_empty() { installed::names()? } else { options.names.clone() };
    let reports = names.iter().map(|name| report(name)).collect::<Result<Vec<_>>>()?;
    if options.json {
        show::print(&format!("{}\n", serde_json::to_string_pretty(&reports)?));
    } else {
        for report in &reports {
            let state = if report.amiss.is_empty() { "as planned" } else { "not as planned" };
            let units = report.units.iter().map(|unit| format!("  {} is {}\n", unit.unit, unit.state));
            let amiss = report.amiss.iter().map(|what| format!("  ! {what}\n"));
            show::tell(&format!("{}: {state}\n{}", report.name, units.chain(amiss).collect::<String>()));
        }
    }
    Ok(if reports.iter().all(|report| report.amiss.is_empty()) {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(REFUSED)
    })
}

fn report(name: &str) -> Result<Report> {
    let text = installed::policy(name)?;
    let source = Source { name: installed::folder(name).join("policy.json").display().to_string(), text };
    let mut amiss = Vec::new();
    let mut units = Vec::new();
    for unit in installed::units(name)? {
        let loaded = systemctl::expand(&[&unit])?;
        if loaded.is_empty() {
            // A template of which nothing runs.
            units.push(UnitState { unit, state: "inactive".to_owned() });
        }
        for unit in loaded {
            let state = systemctl::property(&unit, "ActiveState")?;
            units.push(UnitState { unit, state });
        }
    }
    amiss.extend(refusal::reason(name));
    if installed::unfinished(name).exists() {
        amiss.push("an `apply` failed half-way; `sandboxed apply --all` finishes it".to_owned());
    }
    let surroundings = Surroundings::host();
    let planned =
        input::target(&surroundings.target).and_then(|target| input::plan(&source, &target, &surroundings));
    let planned = match planned {
        Ok(planned) => planned,
        Err(error) => {
            amiss.push(format!("it cannot be planned: {error:#}"));
            return Ok(Report { name: name.to_owned(), units, amiss });
        }
    };
    match planned {
        Err(_) => amiss.push("the policy can no longer be kept on this machine".to_owned()),
        Ok(plan) => {
            let artifacts = emit::artifacts(std::slice::from_ref(&plan))?;
            let files = installed::files(&plan, &artifacts, &source.text);
            for path in Difference::of(name, &files).changes.keys() {
                amiss.push(format!(
                    "{path} is not what the policy asks for now; `sandboxed apply --all` would change it"
                ));
            }
            amiss.extend(systemctl::undone(&plan)?);
            running(&plan, &units, &mut amiss)?;
        }
    }
    Ok(Report { name: name.to_owned(), units, amiss })
}

/// What holds for the processes that run now.
fn running(plan: &Plan, units: &[UnitState], amiss: &mut Vec<String>) -> Result<()> {
    let active = units.iter().filter(|unit| unit.state == "active");
    let mut any = false;
    for UnitState { unit, .. } in active {
        if systemctl::property(unit, "NeedDaemonReload")? == "yes" {
            amiss.push(format!("{unit} changed on disk; `systemctl daemon-reload` reads it anew"));
        }
        if systemctl::is_outside(unit, &plan.slice)? {
            // All else that is not as planned for it has this cause.
            amiss.push(format!("{unit} runs outside of its sandbox: it was not restarted since"));
        } else {
            any = true;
        }
    }
    for socket in &plan.sockets {
        if systemctl::is_outside(socket.as_str(), &plan.slice)? {
            amiss.push(format!(
                "{socket} was made outside of {}, and stays there until it is restarted",
                plan.slice.as_str()
            ));
        }
    }
    if matches!(plan.namespace, Some(Namespace::Private(_))) && any {
        let helper = format!("sandboxed-{}-network.service", plan.name);
        if !systemctl::is_active(&helper)? {
            amiss.push(format!("{helper} is not active"));
        }
    }
    if plan.filter.is_some() && any {
        let helper = format!("sandboxed-{}-filter.service", plan.name);
        if !systemctl::is_active(&helper)? {
            amiss.push(format!("{helper} is not active"));
        }
        if !filtered(plan) {
            amiss.push(
                "the packet filter is gone: the table `inet sandboxed` does not lead the slice to its rules"
                    .to_owned(),
            );
        }
        if let Some(sockets) = plan.filter.as_ref().and_then(|filter| filter.sockets.as_ref()) {
            let group = sandboxed_systemd::name::cgroup_path(&plan.slice);
            match Rules::planned(sockets).and_then(|rules| rules.are_in_force(group.as_ref())) {
                Ok(true) => {}
                Ok(false) => amiss.push(
                    "the service's sockets are not held to what the plan says: the kernel asks other programs".to_owned(),
                ),
                Err(error) => {
                    amiss.push(format!("it cannot be told what the service's sockets may do: {error:#}"));
                }
            }
        }
        for chain in changed_chains(plan) {
            amiss.push(format!("the packet filter is not as planned: `{chain}` has other rules"));
        }
    }
    Ok(())
}

/// Whether the map leads from the slice, as it is now, to rules: nft looks its path up, so a slice that was recreated has no
/// element any more. (To list the map takes nft minutes where there are a thousand sandboxes.)
fn filtered(plan: &Plan) -> bool {
    // Where rules are iptables', whoever watches over them ends with them, and the helper with that.
    if plan.filter.as_ref().is_some_and(|filter| filter.iptables.is_some()) {
        return true;
    }
    let element = format!("{{ \"{}\" }}", sandboxed_systemd::name::cgroup_path(&plan.slice));
    nft(plan, &["get", "element", "inet", "sandboxed", "services", &element]).is_some()
}

/// The chains of the sandbox that are gone, or have more or fewer rules than planned. (nft prints rules in words of its own,
/// which differ by version.)
fn changed_chains(plan: &Plan) -> Vec<&str> {
    let by_nft = plan.filter.iter().filter(|filter| filter.iptables.is_none());
    let chains = by_nft.flat_map(|filter| filter.service.chains());
    let changed = chains.filter(|chain| {
        let arguments = ["-a", "-t", "list", "chain", "inet", "sandboxed", chain.name.as_str()];
        let listing = nft(plan, &arguments).unwrap_or_default();
        // With -a every rule ends in its handle, as the chain's and the table's own lines may.
        let rule = |line: &&str| {
            let line = line.trim_start();
            line.contains("# handle ") && !line.starts_with("table ") && !line.starts_with("chain ")
        };
        listing.lines().filter(rule).count() != chain.rules.len()
    });
    changed.map(|chain| chain.name.as_str()).collect()
}

/// What nft prints, if it does what it is told.
fn nft(plan: &Plan, arguments: &[&str]) -> Option<String> {
    let nft = plan.target.program("nft").map_or_else(|| "nft".to_owned(), |path| path.path().to_owned());
    let output = Command::new(nft).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}
