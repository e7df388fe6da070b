//! What the units that are to be sandboxed say, held against the policy.

pub(crate) mod control;
mod refused;
pub(crate) mod stopping;

use sandboxed_systemd::value::AbsPath;

use crate::areas::filesystem::{Root, below, visible};
use crate::diagnostic::Kind;
use crate::emit::DROP_IN;
use crate::plan::Settings;
use crate::planner::{Finding, Planner};
use crate::unit::Unit;

/// Lists of paths that a unit may ask for by itself. The sandbox replaces them all.
const ASKED: &[&str] =
    &["ReadWritePaths", "BindPaths", "BindReadOnlyPaths", "ExecPaths", "TemporaryFileSystem"];

/// Finds what in the units cannot work in the sandbox, or would not be in it.
pub(crate) fn examine(planner: &mut Planner<'_>) {
    if planner.base.is_empty() {
        let note = "the unit was not read, so nothing rests on its commands: --unit-text PATH gives it (what `systemctl cat` says)";
        planner.plan.notes.push(note.to_owned());
    }
    for (index, unit) in planner.base.iter().enumerate() {
        let named = planner.policy.units.iter().position(|name| name.as_str() == unit.name.as_str());
        let field = format!("/units/{}", named.unwrap_or(index));
        for (reason, help) in refused::all(planner, unit) {
            let kind = Kind::Unit { unit: unit.name.as_str().to_owned(), reason, help: help.to_owned() };
            planner.findings.push(Finding::new(kind, field.clone()));
        }
        programs(planner, unit, &field);
        credentials(planner, unit, &field);
        asked(planner, unit, &field);
    }
}

/// Finds what is said after the plan, once that is made: it would have the last word.
pub(crate) fn undone(planner: &mut Planner<'_>) {
    let mut findings = Vec::new();
    for (index, (unit, planned)) in planner.base.iter().zip(&planner.plan.units).enumerate() {
        for said in unit.said_after_ours() {
            let sets = |settings: &Settings| settings.get(said.section, &said.name).is_some();
            if !sets(&planner.plan.service) && !sets(&planned.settings) {
                continue;
            }
            let kind = Kind::Unit {
                unit: unit.name.as_str().to_owned(),
                reason: format!("{} sets {}= after the sandbox's own drop-in, {DROP_IN}, which it undoes", said.file, said.name),
                help: "take it out, or give the file a name that sorts before; what the service needs is named in the policy".to_owned(),
            };
            findings.push(Finding::new(kind, format!("/units/{index}")));
        }
    }
    planner.findings.extend(findings);
}

/// Programs that the sandbox would not show are found now, and not when the service starts.
fn programs(planner: &mut Planner<'_>, unit: &Unit, field: &str) {
    let filesystem = &planner.policy.filesystem;
    if filesystem.root == Root::Host {
        return;
    }
    let shown = visible(filesystem, planner.target, planner.closure);
    let mut missing: Vec<&str> = unit
        .programs()
        .filter(|program| program.starts_with('/') && !program.contains('%'))
        .filter(|program| !shown.iter().any(|shown| below(program, shown)))
        .collect();
    missing.sort_unstable();
    missing.dedup();
    for program in missing {
        let folder = AbsPath::new(program).ok().and_then(|path| path.parent());
        let folder = folder.map_or_else(|| program.to_owned(), |folder| folder.as_str().to_owned());
        let kind = Kind::Unit {
            unit: unit.name.as_str().to_owned(),
            reason: format!("it executes {program}, which the policy does not show it"),
            help: format!("add it, or what it belongs to, to `filesystem.executable`: `\"{folder}\"`"),
        };
        planner.findings.push(Finding::new(kind, field).related("/filesystem/executable", "not among these"));
    }
}

/// The unit asks for something that it does not get, unless the policy names it in an area.
fn wants(unit: &Unit, field: &str, wants: String, area: &str) -> Finding {
    let help = format!("if the service needs it, name it in `{area}`");
    Finding::new(Kind::UnitWants { unit: unit.name.as_str().to_owned(), wants, help }, field)
}

/// Credentials that the unit asks for and the policy does not name: files of the machine.
fn credentials(planner: &mut Planner<'_>, unit: &Unit, field: &str) {
    let secrets = &planner.policy.secrets;
    let named = |wanted: &str| {
        secrets.credentials.keys().chain(secrets.encrypted.keys()).any(|name| name.as_str() == wanted)
    };
    let mut findings = Vec::new();
    for directive in ["LoadCredential", "LoadCredentialEncrypted", "ImportCredential"] {
        for item in unit.list(directive) {
            let name = item.split(':').next().unwrap_or_default();
            if !named(name) {
                findings.push(wants(
                    unit,
                    field,
                    format!("the credential `{name}` ({directive}=)"),
                    "secrets",
                ));
            }
        }
    }
    planner.findings.extend(findings);
}

/// Paths that the unit asks for and the policy does not name.
fn asked(planner: &mut Planner<'_>, unit: &Unit, field: &str) {
    let filesystem = &planner.policy.filesystem;
    let named: Vec<&str> = filesystem
        .state
        .iter()
        .chain(&filesystem.writable)
        .chain(&filesystem.readable)
        .chain(&filesystem.executable)
        .chain(&planner.policy.ipc.sockets)
        .map(crate::scalar::HostPath::path)
        .chain(["/tmp", "/var/tmp", "/dev/shm"])
        .collect();
    let directories = unit.directories();
    let mut findings = Vec::new();
    for directive in ASKED {
        for item in unit.list(directive) {
            let path = item.trim_start_matches(['-', '+']).split(':').next().unwrap_or_default();
            let known = named.iter().any(|named| below(path, named))
                || directories.iter().any(|own| below(path, own));
            if !known && path.starts_with('/') {
                findings.push(wants(unit, field, format!("{path} ({directive}=)"), "filesystem"));
            }
        }
    }
    planner.findings.extend(findings);
}
