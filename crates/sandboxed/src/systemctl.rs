//! Talking to the system manager, systemctl(1).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sandboxed_core::emit::DROP_IN;
use sandboxed_core::plan::Plan;
use sandboxed_systemd::name::UnitName;

use crate::refusal;

/// Runs systemctl.
///
/// # Errors
/// With what it says, if it fails.
pub(crate) fn run(arguments: &[&str]) -> Result<()> {
    let output = Command::new("systemctl").args(arguments).output().context("cannot run systemctl")?;
    if !output.status.success() {
        bail!("systemctl {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

/// Does the same to several units, all at once, and waits for all of them.
///
/// # Errors
/// With what systemctl says, if it fails for any.
pub(crate) fn all(verb: &str, units: &[String]) -> Result<()> {
    if units.is_empty() {
        return Ok(());
    }
    run(&[verb, "--"].into_iter().chain(units.iter().map(String::as_str)).collect::<Vec<_>>())
}

/// Properties of a unit, in the order in which they are asked for.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn property(unit: &str, name: &str) -> Result<String> {
    let output = Command::new("systemctl")
        .args(["show", "--value", "--property", name, "--", unit])
        .output()
        .context("cannot run systemctl")?;
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Whether a unit is active, or on its way.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn is_active(unit: &str) -> Result<bool> {
    Ok(matches!(property(unit, "ActiveState")?.as_str(), "active" | "reloading" | "activating"))
}

/// Units as systemd has them: in the place of a template, which is none by itself, those of its instances that are loaded.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn expand(units: &[impl AsRef<str>]) -> Result<Vec<String>> {
    let mut expanded = Vec::new();
    for unit in units.iter().map(AsRef::as_ref) {
        match UnitName::new(unit) {
            Ok(template) if template.is_template() => expanded.extend(instances(&template)?),
            _ => expanded.push(unit.to_owned()),
        }
    }
    Ok(expanded)
}

/// The instances of a template that are loaded.
fn instances(template: &UnitName) -> Result<BTreeSet<String>> {
    // In a pattern a backslash would hide what follows it, and a question mark is whatever there is: glob(7).
    let pattern = format!("{}@*.{}", template.prefix().replace('\\', "?"), template.suffix());
    let output = Command::new("systemctl")
        .args(["list-units", "--all", "--plain", "--no-legend", "--full", "--no-pager", "--", &pattern])
        .output()
        .context("cannot run systemctl")?;
    Ok(instances_in(template, &String::from_utf8_lossy(&output.stdout)))
}

/// The instances of a template in a list of units, a line each.
fn instances_in(template: &UnitName, list: &str) -> BTreeSet<String> {
    // A mark may come before the name.
    let words = list.lines().flat_map(|line| line.split_whitespace().take(2));
    let units = words.filter_map(|word| UnitName::new(word).ok());
    let instances = units.filter(|unit| unit != template && unit.template().as_ref() == Some(template));
    instances.map(|unit| unit.as_str().to_owned()).collect()
}

/// Whether a unit is an instance that a socket has made for one connection: without that it has nobody to talk to.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn is_for_one_call(unit: &str) -> Result<bool> {
    let Some(template) = UnitName::new(unit).ok().and_then(|unit| unit.template()) else { return Ok(false) };
    // (That the one triggers the other systemd forgets when it reads its files anew.)
    Ok(property(&format!("{}.socket", template.prefix()), "Accept")? == "yes")
}

/// Whether there are processes in a control group, cgroups(7).
pub(crate) fn populated(group: &str) -> bool {
    let events = Path::new("/sys/fs/cgroup").join(group.trim_start_matches('/')).join("cgroup.events");
    std::fs::read_to_string(events).is_ok_and(|events| events.lines().any(|line| line == "populated 1"))
}

/// Whether an active unit has processes, or sockets, that are not in a slice. A service that only counts as active has none.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn is_outside(unit: &str, slice: &UnitName) -> Result<bool> {
    let group = property(unit, "ControlGroup")?;
    let inside = group.split('/').any(|part| part == slice.as_str());
    let nothing = group.is_empty() && !unit.ends_with(".socket");
    Ok(!inside && !nothing && is_active(unit)?)
}

/// Stops the timer that verifies a sandbox, if there is one: it would outlive its file.
///
/// # Errors
/// If it does not stop.
pub(crate) fn stop_verification(sandbox: &str) -> Result<()> {
    let timer = format!("sandboxed-{sandbox}-verify.timer");
    if is_active(&timer)? { run(&["stop", &timer]) } else { Ok(()) }
}

/// What may undo what a sandbox says: drop-ins of its units and sockets that systemd reads after ours (it sorts them by file
/// name), and all of its slice, which is ours as a whole (`systemctl set-property` makes such). Each is said in words.
///
/// # Errors
/// If systemctl cannot be run.
pub(crate) fn undone(plan: &Plan) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let units = plan.units.iter().map(|unit| &unit.name).chain(&plan.sockets).map(UnitName::as_str);
    for unit in expand(&units.collect::<Vec<_>>())? {
        let paths = property(&unit, "DropInPaths")?;
        let ours = |path: &&str| path.rsplit('/').next().is_some_and(|name| name == DROP_IN);
        let later = paths.split_whitespace().skip_while(|path| !ours(path)).skip(1);
        said.extend(
            later.filter(|path| !path.ends_with(refusal::DROP_IN)).map(|path| {
                format!("{path} is read after the sandbox's own drop-in and may undo what it says")
            }),
        );
    }
    let slice = plan.slice.as_str();
    let paths = property(slice, "DropInPaths")?;
    let changes = |path| format!("{path} changes {slice}, which is the sandbox's own");
    said.extend(paths.split_whitespace().map(changes));
    Ok(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_are_those_of_the_template() {
        let list = "tm@a.service loaded active running A\n\u{25cf} tm@b\\x2dc.service loaded failed failed B\n\
                    tm@.service loaded inactive dead C\ntmx@a.service loaded active running D\n\
                    tm@d.socket loaded active running E\ntm.service loaded active running tm@e.service\n\n";
        let template = UnitName::new("tm@.service").unwrap();
        let found: Vec<String> = instances_in(&template, list).into_iter().collect();
        assert_eq!(found, ["tm@a.service", "tm@b\\x2dc.service"]);
    }

    #[test]
    fn what_is_no_template_stays() {
        assert_eq!(expand(&["a.service", "a@b.service"]).unwrap(), ["a.service", "a@b.service"]);
    }
}
