//! Drop-ins and slices.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, ExecLine, Value};

use super::{Artifacts, Directives, EmitError, Quoted, door, filter, network, quoted, verify};
use crate::plan::{Namespace, Plan, Setting, Skeleton};

/// The name of our drop-in: it sorts after `overrides.conf`, which NixOS writes its own changes to.
pub const DROP_IN: &str = "zz-sandboxed.conf";

pub(super) fn emit(plan: &Plan, directives: &Directives<'_>, files: &mut Artifacts) -> Result<(), EmitError> {
    let helper = plan.filter.is_some().then(|| filter::helper_name(plan)).transpose()?;
    let mut needed: Vec<UnitName> = helper.iter().cloned().collect();
    needed.extend(network::unit(plan)?);
    for unit in &plan.units {
        let mut text = drop_in(plan, &needed)?;
        if let Some(Namespace::Joined { unit: Some(unit) }) = &plan.namespace {
            // Another's unit may end by itself.
            text.set(Section::Unit, "BindsTo", Value::UnitNames(vec![unit.clone()]))?;
        }
        let doors = door::sockets(plan)?;
        if !doors.is_empty() {
            for directive in ["Requires", "After"] {
                text.add(Section::Unit, directive, Value::UnitNames(doors.clone()))?;
            }
        }
        if let Some(timer) = verify::timer(plan)? {
            text.add(Section::Unit, "Wants", Value::UnitNames(vec![timer]))?;
        }
        text.set(Section::Service, "Slice", Value::UnitNames(vec![plan.slice.clone()]))?;
        let alone = |name: &str| unit.settings.get(Section::Service, name).is_some();
        for setting in directives.service.iter().filter(|(setting, _)| !alone(setting.name)) {
            write(&mut text, setting)?;
        }
        for setting in &quoted(&unit.settings)? {
            write(&mut text, setting)?;
        }
        files.insert(path(&unit.name), text.to_string());
    }
    for socket in &plan.sockets {
        let mut text = drop_in(plan, helper.as_slice())?;
        text.set(Section::Socket, "Slice", Value::UnitNames(vec![plan.slice.clone()]))?;
        for setting in &quoted(&plan.socket_settings)? {
            write(&mut text, setting)?;
        }
        files.insert(path(socket), text.to_string());
    }
    files.insert(format!("systemd/system/{}", plan.slice.as_str()), slice(plan, directives)?.to_string());
    if let Some(helper) = helper {
        files.insert(format!("systemd/system/{}", helper.as_str()), filter::helper(plan)?.to_string());
    }
    if let Some(root) = &plan.root {
        // tmpfiles.d(5). The name of a sandbox has no blank and no specifier, so nothing here needs quoting.
        let line = |part: &Skeleton| match part {
            Skeleton::Directory(path) => format!("d {root}{path} 0755 root root -\n"),
            // systemd makes a directory of what an earlier plan mounted on.
            Skeleton::Link(path, to) => format!("L+ {root}{path} - - - - {to}\n"),
        };
        let lines = [Skeleton::Directory("")].iter().chain(&plan.skeleton).map(line).collect();
        files.insert(format!("tmpfiles.d/sandboxed-{}.conf", plan.name), lines);
    }
    Ok(())
}

fn path(unit: &UnitName) -> String {
    format!("systemd/system/{}/{DROP_IN}", unit.drop_in_directory())
}

pub(super) fn header(plan: &Plan) -> UnitText {
    let mut text = UnitText::new();
    text.comment(&format!(
        "Made by sandboxed {} for the sandbox `{}` on systemd {}.",
        env!("CARGO_PKG_VERSION"),
        plan.name,
        plan.target.systemd
    ));
    text.comment("Change the policy instead of this file: it is written anew.");
    text
}

/// The header of a file with directives that serve guarantees.
fn explained(plan: &Plan) -> UnitText {
    let mut text = header(plan);
    text.comment("Above each group of directives: the guarantees that it serves.");
    text
}

/// What drop-ins of services and sockets begin with: without the filter or the network the unit does not run.
///
/// Not `BindsTo=`: our units end only by being stopped, which `Requires=` hands on; and systemd would stop a running service
/// as soon as it reads the new drop-in, as what it is bound to is not there yet (run on 252 and 257).
fn drop_in(plan: &Plan, needed: &[UnitName]) -> Result<UnitText, EmitError> {
    let mut text = explained(plan);
    if !needed.is_empty() {
        for directive in ["Requires", "After"] {
            text.set(Section::Unit, directive, Value::UnitNames(needed.to_vec()))?;
        }
    }
    Ok(text)
}

/// Writes a setting so that it holds whatever the unit and earlier drop-ins say.
fn write(text: &mut UnitText, (setting, rendered): &Quoted<'_>) -> Result<(), EmitError> {
    let Setting { section, name, value, .. } = setting;
    let empty = match value {
        Some(Value::Binds(list)) => list.is_empty(),
        Some(Value::Paths(list)) => list.is_empty(),
        _ => false,
    };
    match rendered {
        Some(value) if !empty => text.reset_and_assign(value.clone())?,
        _ => text.reset(*section, name)?,
    }
    if !setting.serves.is_empty() {
        text.comment_on(setting.section, setting.name, &setting.serves.join(", "));
    }
    Ok(())
}

fn slice(plan: &Plan, directives: &Directives<'_>) -> Result<UnitText, EmitError> {
    let mut text = explained(plan);
    text.set(Section::Unit, "Description", Value::word(format!("Sandbox {}", plan.name)))?;
    for setting in &directives.slice {
        write(&mut text, setting)?;
    }
    Ok(text)
}

/// What changes when sandboxes may have to follow: dpkg rewrites the first path, systemd's own upgrade the second.
pub const UPGRADED: [&str; 2] = ["/var/lib/dpkg/status", "/usr/lib/systemd/systemd"];

/// The path unit that plans all sandboxes anew after upgrades. The table of directives has none for path units, systemd.path(5).
fn watch() -> String {
    let paths: String = UPGRADED.iter().flat_map(|path| ["PathChanged=", path, "\n"]).collect();
    format!(
        "# Made by `sandboxed apply`: after an upgrade every sandbox is planned anew.
[Unit]
Description=Upgrades that sandboxes may have to follow

[Path]
{paths}
[Install]
WantedBy=multi-user.target
"
    )
}

/// The path unit and the service that plan all sandboxes anew after an upgrade.
///
/// # Errors
/// If the program's path is none that systemd takes.
pub fn replan(program: &str) -> Result<[String; 2], EmitError> {
    let mut service = UnitText::new();
    service.comment("Made by `sandboxed apply`: plans every sandbox anew.");
    service.set(Section::Unit, "Description", Value::word("Plan all sandboxes anew"))?;
    // dpkg rewrites its file many times a run. Were there too many starts for systemd, its path unit would end for good.
    service.set(Section::Unit, "StartLimitIntervalSec", Value::Number(0))?;
    service.set(Section::Service, "Type", Value::word("oneshot"))?;
    let line = ExecLine::new(AbsPath::new(program)?, ["apply", "--all", "--restart"]);
    service.set(Section::Service, "ExecStart", Value::Exec(vec![line]))?;
    Ok([watch(), service.to_string()])
}

/// A drop-in that keeps a unit from starting while any of these files exists.
///
/// # Errors
/// If a file's path is none that systemd takes.
pub fn refusal(files: &[String], reason: &str) -> Result<String, EmitError> {
    let mut text = UnitText::new();
    // `systemctl status` shows no failed assertion's path, but every unit's description.
    text.set(Section::Unit, "Description", Value::word(format!("Refused by sandboxed: {reason}")))?;
    for file in files {
        text.add(Section::Unit, "AssertPathExists", Value::word(format!("!{file}")))?;
    }
    Ok(text.to_string())
}
