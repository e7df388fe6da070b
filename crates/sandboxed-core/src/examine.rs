//! What the units that are to be sandboxed say, held against the policy.

use sandboxed_systemd::value::AbsPath;

use crate::areas::filesystem::{Root, below, visible};
use crate::diagnostic::Kind;
use crate::planner::{Finding, Planner};
use crate::unit::Unit;

/// Lists of paths that a unit may ask for by itself. The sandbox replaces them all.
const ASKED: &[&str] =
    &["ReadWritePaths", "BindPaths", "BindReadOnlyPaths", "ExecPaths", "TemporaryFileSystem"];

/// Targets that end or restart the machine, or everything on it, systemd.special(7).
const ENDS: &[&str] = &[
    "ctrl-alt-del.target",
    "emergency.target",
    "exit.target",
    "halt.target",
    "kexec.target",
    "poweroff.target",
    "reboot.target",
    "rescue.target",
    "runlevel0.target",
    "runlevel1.target",
    "runlevel6.target",
    "shutdown.target",
    "soft-reboot.target",
];

/// Finds what in the units cannot work in the sandbox, or would not be in it.
pub(crate) fn examine(planner: &mut Planner<'_>) {
    if planner.base.is_empty() {
        let note = "the unit was not read, so nothing rests on its commands: --unit-text PATH gives it (what `systemctl cat` says)";
        planner.plan.notes.push(note.to_owned());
    }
    for unit in planner.base {
        let index = planner
            .policy
            .units
            .iter()
            .position(|name| name.as_str() == unit.name.as_str())
            .unwrap_or_default();
        let field = format!("/units/{index}");
        let refuse = |reason: String, help: &str| {
            let kind = Kind::Unit { unit: unit.name.as_str().to_owned(), reason, help: help.to_owned() };
            Finding::new(kind, field.clone())
        };
        if unit.scalar("PAMName").is_some() {
            // The session moves the processes out of the slice, and so out of the filter.
            planner.findings.push(refuse(
                "PAMName= takes its processes out of the sandbox's slice".to_owned(),
                "take PAMName= out of the unit; a service needs no login session",
            ));
        }
        for image in [
            "RootImage",
            "RootDirectory",
            "RootMStack",
            "MountImages",
            "ExtensionImages",
            "ExtensionDirectories",
        ] {
            if unit.scalar(image).is_some() {
                planner.findings.push(refuse(
                    format!("{image}= gives it a root that the policy does not know"),
                    "take it out of the unit, and name in the policy what the service needs",
                ));
            }
        }
        for joined in ["NetworkNamespacePath", "IPCNamespacePath", "UserNamespacePath", "JoinsNamespaceOf"] {
            if unit.scalar(joined).is_some() || unit.joins(joined) {
                planner.findings.push(refuse(
                    format!("{joined}= puts it into a namespace that others share"),
                    "take it out of the unit: the sandbox gives it namespaces of its own",
                ));
            }
        }
        for lax in ["PermissionsStartOnly", "RootDirectoryStartOnly"] {
            if unit.boolean(lax) {
                planner.findings.push(refuse(
                    format!("{lax}= runs its other commands outside of the sandbox"),
                    "take it out of the unit",
                ));
            }
        }
        if unit.scalar("OpenFile").is_some() {
            planner.findings.push(refuse(
                "OpenFile= hands it a file of the host past the sandbox".to_owned(),
                "take it out of the unit, and name the file in `filesystem`",
            ));
        }
        for (directive, path) in streams(planner, unit) {
            planner.findings.push(refuse(
                format!("{directive}={path} is opened by systemd outside of the sandbox"),
                "use `journal`, or a file below what the policy lets it write",
            ));
        }
        for directive in ["OnFailure", "OnSuccess"] {
            if let Some(target) = unit.triggers(directive).iter().find(|name| ENDS.contains(&name.as_str())) {
                planner.findings.push(refuse(
                    format!("{directive}={target} lets it end the machine by failing or ending"),
                    "take it out of the unit",
                ));
            }
        }
        if unit.scalar("KillMode") == Some("none") {
            planner.findings.push(refuse(
                "KillMode=none leaves its processes behind when it stops".to_owned(),
                "take it out of the unit",
            ));
        }
        programs(planner, unit, &field);
        credentials(planner, unit, &field);
        asked(planner, unit, &field);
    }
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

/// Standard input, output and error that systemd opens as root before the sandbox closes (systemd.exec(5),
/// `StandardOutput=`), and that the policy does not let the service have.
fn streams(planner: &Planner<'_>, unit: &Unit) -> Vec<(&'static str, String)> {
    let filesystem = &planner.policy.filesystem;
    let written: Vec<&str> =
        filesystem.state.iter().chain(&filesystem.writable).map(crate::scalar::HostPath::path).collect();
    let directories = unit.directories();
    let may_write = |path: &str| {
        !path.contains("..")
            && (written.iter().any(|own| below(path, own)) || directories.iter().any(|own| below(path, own)))
    };
    let harmless = ["", "null", "journal", "syslog", "inherit", "socket", "data"];
    ["StandardInput", "StandardOutput", "StandardError"]
        .into_iter()
        .filter_map(|directive| Some((directive, unit.scalar(directive)?.to_owned())))
        .filter(|(_, value)| {
            let path = ["file:", "append:", "truncate:"].iter().find_map(|kind| value.strip_prefix(kind));
            !harmless.contains(&value.as_str()) && !value.starts_with("fd:") && !path.is_some_and(may_write)
        })
        .collect()
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
