//! What a unit must not say, since no plan takes it back.

use super::control::{controlled, controlled_on_the_way};
use crate::areas::filesystem::belongs_to_others;
use crate::planner::Planner;
use crate::target::Distribution;
use crate::unit::Unit;

/// What is wrong, and what to do.
type Refusal = (String, &'static str);

/// Units that end, stop or restart the machine, or everything on it, systemd.special(7).
const ENDS: &[&str] = &[
    "ctrl-alt-del.target",
    "emergency.target",
    "exit.target",
    "halt.target",
    "hibernate.target",
    "hybrid-sleep.target",
    "initrd-switch-root.target",
    "kexec.target",
    "poweroff.target",
    "reboot.target",
    "rescue.target",
    "runlevel0.target",
    "runlevel1.target",
    "runlevel6.target",
    "shutdown.target",
    "sleep.target",
    "soft-reboot.target",
    "suspend-then-hibernate.target",
    "suspend.target",
    "systemd-halt.service",
    "systemd-hibernate.service",
    "systemd-hybrid-sleep.service",
    "systemd-kexec.service",
    "systemd-poweroff.service",
    "systemd-reboot.service",
    "systemd-soft-reboot.service",
    "systemd-suspend-then-hibernate.service",
    "systemd-suspend.service",
];

/// What else of systemd's own reach whom the service has nothing to do with.
const REACHES: &[(&str, &str)] = &[
    ("OpenFile", "hands it a file of the host past the sandbox"),
    ("TTYPath", "has systemd open a terminal for it"),
    ("NFTSet", "puts it into sets of the machine's packet filter"),
    ("BPFProgram", "attaches programs to it that the sandbox does not know"),
];

/// Everything that is wrong with a unit.
pub(super) fn all(planner: &Planner<'_>, unit: &Unit) -> Vec<Refusal> {
    let mut refused = places(unit);
    refused.extend(files(planner, unit));
    refused.extend(others(unit));
    refused.extend(left_running(planner, unit));
    refused
}

/// What has a new sandbox take effect at some later time only, of which nobody is told.
fn left_running(planner: &Planner<'_>, unit: &Unit) -> Option<Refusal> {
    let said = unit.outlives_a_switch().filter(|_| planner.target.distribution == Distribution::Nixos)?;
    Some((
        format!("{said} has a switch leave it running as it was, without the sandbox or with an older one"),
        "have the switch restart it: `restartIfChanged = lib.mkForce true` and `reloadIfChanged = lib.mkForce false` of the service, \
         or without what else says so",
    ))
}

/// What puts its processes elsewhere than into the sandbox.
fn places(unit: &Unit) -> Vec<Refusal> {
    let mut refused: Vec<Refusal> = Vec::new();
    if unit.scalar("PAMName").is_some() {
        // The session moves the processes out of the slice, and so out of the filter.
        refused.push((
            "PAMName= takes its processes out of the sandbox's slice".to_owned(),
            "take PAMName= out of the unit; a service needs no login session",
        ));
    }
    for image in
        ["RootImage", "RootDirectory", "RootMStack", "MountImages", "ExtensionImages", "ExtensionDirectories"]
    {
        if unit.scalar(image).is_some() {
            refused.push((
                format!("{image}= gives it a root that the policy does not know"),
                "take it out of the unit, and name in the policy what the service needs",
            ));
        }
    }
    for joined in ["NetworkNamespacePath", "IPCNamespacePath", "UserNamespacePath", "JoinsNamespaceOf"] {
        if unit.scalar(joined).is_some() || unit.joins(joined) {
            refused.push((
                format!("{joined}= puts it into a namespace that others share"),
                "take it out of the unit: the sandbox gives it namespaces of its own",
            ));
        }
    }
    for lax in ["PermissionsStartOnly", "RootDirectoryStartOnly"] {
        if unit.boolean(lax) {
            refused.push((
                format!("{lax}= runs its other commands outside of the sandbox"),
                "take it out of the unit",
            ));
        }
    }
    refused
}

/// What systemd, as root, opens, reads, makes or deletes for it.
fn files(planner: &Planner<'_>, unit: &Unit) -> Vec<Refusal> {
    let mut refused: Vec<Refusal> = Vec::new();
    for (directive, what) in REACHES {
        if unit.scalar(directive).is_some_and(|value| !value.is_empty()) || !unit.list(directive).is_empty() {
            refused.push((
                format!("{directive}= {what}"),
                "take it out of the unit; files are named in `filesystem`",
            ));
        }
    }
    for (directive, directory) in unit.own_directories() {
        let wrong = match directory {
            None => Some("names a directory by what is not known before the service starts".to_owned()),
            Some(directory) => {
                belongs_to_others(&directory).map(|owner| format!("gives it {directory}, which is {owner}"))
            }
        };
        if let Some(wrong) = wrong {
            let help = "give it a directory of its own name in the unit";
            refused.push((format!("{directive}= {wrong}"), help));
        }
    }
    for (directive, path, written) in followed(planner, unit) {
        refused.push((
            format!("{directive}={path} is used by systemd as root, below {written}, where the service can put links to any file"),
            "name a place that the service does not write",
        ));
    }
    for (directive, path) in streams(planner, unit) {
        refused.push((
            format!("{directive}={path} is opened by systemd outside of the sandbox"),
            "use `journal`; what the service writes to files, it can open by itself",
        ));
    }
    refused
}

/// What it does to other units, or leaves behind.
fn others(unit: &Unit) -> Vec<Refusal> {
    let mut refused: Vec<Refusal> = Vec::new();
    for directive in ["OnFailure", "OnSuccess"] {
        if let Some(target) = unit.triggers(directive).iter().find(|name| ENDS.contains(&name.as_str())) {
            refused.push((
                format!("{directive}={target} lets it end the machine by failing or ending"),
                "take it out of the unit",
            ));
        }
        let mode = unit.about(&format!("{directive}JobMode")).unwrap_or_default();
        if matches!(mode, "isolate" | "flush") {
            refused.push((
                format!("{directive}JobMode={mode} lets it stop other units by failing or ending"),
                "take it out of the unit",
            ));
        }
    }
    if let Some(other) = unit.triggers("PropagatesStopTo").first() {
        refused.push((
            format!("PropagatesStopTo={other} lets it stop another unit by failing or ending"),
            "take it out of the unit; `PartOf=` in the other one is for what belongs to it",
        ));
    }
    if unit.scalar("KillMode") == Some("none") {
        refused.push((
            "KillMode=none leaves its processes behind when it stops".to_owned(),
            "take it out of the unit",
        ));
    }
    refused
}
/// Standard input, output and error that systemd opens as root before the sandbox closes (systemd.exec(5),
/// `StandardOutput=`), and that the policy does not let the service have: only what it names itself, since below a directory
/// that the service writes it may be a link.
fn streams(planner: &Planner<'_>, unit: &Unit) -> Vec<(&'static str, String)> {
    let filesystem = &planner.policy.filesystem;
    let may_write = |path: &str| {
        let named = filesystem.state.iter().chain(&filesystem.writable).any(|own| own.path() == path);
        named && controlled(planner, path).is_none()
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

/// Files that systemd reads or deletes as root where the service may have put a link, with the directory that it writes.
fn followed(planner: &Planner<'_>, unit: &Unit) -> Vec<(&'static str, String, String)> {
    let environment = unit.list("EnvironmentFile").into_iter().filter_map(|file| {
        let path = file.trim_start_matches('-').to_owned();
        let written = controlled(planner, &path)?;
        Some(("EnvironmentFile", path, written))
    });
    let number = unit.scalar("PIDFile").and_then(|file| {
        let path = if file.starts_with('/') { file.to_owned() } else { format!("/run/{file}") };
        let written = controlled_on_the_way(planner, &path)?;
        Some(("PIDFile", path, written))
    });
    environment.chain(number).collect()
}
