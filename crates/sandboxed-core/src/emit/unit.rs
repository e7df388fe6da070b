//! Drop-ins, slices and helper units.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, Argument, ExecLine, Prefixes, Value};

use super::{Artifacts, EmitError, nft};
use crate::plan::{Plan, Setting};

/// The name of our drop-in: it sorts after `overrides.conf`, which NixOS writes its own changes to.
pub const DROP_IN: &str = "zz-sandboxed.conf";

/// Units of other packet filters. Ours comes after them, so that what they flush when they start is not ours; ordering
/// alone starts none of them, and none of them stops ours.
const FIREWALLS: &[&str] = &[
    "nftables.service",
    "firewalld.service",
    "ufw.service",
    "firewall.service",
    "iptables.service",
    "ip6tables.service",
    "netfilter-persistent.service",
    "shorewall.service",
];

pub(super) fn emit(plan: &Plan, files: &mut Artifacts) -> Result<(), EmitError> {
    let helper = plan.filter.is_some().then(|| helper_name(plan)).transpose()?;
    for unit in &plan.units {
        let mut text = drop_in(plan, helper.as_ref())?;
        text.set(Section::Service, "Slice", Value::UnitNames(vec![plan.slice.clone()]))?;
        let alone = |name: &str| unit.settings.get(Section::Service, name).is_some();
        for setting in plan.service.iter().filter(|setting| !alone(setting.name)).chain(unit.settings.iter())
        {
            write(&mut text, setting)?;
        }
        files.insert(path(&unit.name), text.to_string());
    }
    for socket in &plan.sockets {
        let mut text = drop_in(plan, helper.as_ref())?;
        text.set(Section::Socket, "Slice", Value::UnitNames(vec![plan.slice.clone()]))?;
        for setting in plan.socket_settings.iter() {
            write(&mut text, setting)?;
        }
        files.insert(path(socket), text.to_string());
    }
    files.insert(format!("systemd/system/{}", plan.slice.as_str()), slice(plan)?.to_string());
    if let Some(helper) = helper {
        files.insert(format!("systemd/system/{}", helper.as_str()), filter_unit(plan)?.to_string());
    }
    if let Some(root) = &plan.root {
        // tmpfiles.d(5). The name of a sandbox has no blank and no specifier, so nothing here needs quoting.
        let inside = plan.mount_points.iter().copied();
        let lines =
            [""].into_iter().chain(inside).map(|inside| format!("d {root}{inside} 0755 root root -\n"));
        files.insert(format!("tmpfiles.d/sandboxed-{}.conf", plan.name), lines.collect());
    }
    Ok(())
}

/// `sandboxed-NAME-filter.service`
pub(crate) fn helper_name(plan: &Plan) -> Result<UnitName, EmitError> {
    Ok(UnitName::new(&format!("sandboxed-{}-filter.service", plan.name))?)
}

fn path(unit: &UnitName) -> String {
    format!("systemd/system/{}/{DROP_IN}", unit.drop_in_directory())
}

fn header(plan: &Plan) -> UnitText {
    let mut text = UnitText::new();
    text.comment(&format!(
        "Made by sandboxed {} for the sandbox `{}` on systemd {}.",
        env!("CARGO_PKG_VERSION"),
        plan.name,
        plan.target.systemd
    ));
    text.comment("Change the policy instead of this file: it is written anew. Above each directive: the guarantees it serves.");
    text
}

/// What drop-ins of services and sockets begin with: without the filter the unit does not run.
fn drop_in(plan: &Plan, helper: Option<&UnitName>) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    if let Some(helper) = helper {
        for directive in ["Requires", "BindsTo", "After"] {
            text.set(Section::Unit, directive, Value::UnitNames(vec![helper.clone()]))?;
        }
    }
    Ok(text)
}

/// Writes a setting so that it holds whatever the unit and earlier drop-ins say.
fn write(text: &mut UnitText, setting: &Setting) -> Result<(), EmitError> {
    match &setting.value {
        None => text.reset(setting.section, setting.name)?,
        Some(Value::Binds(list)) if list.is_empty() => text.reset(setting.section, setting.name)?,
        Some(Value::Paths(list)) if list.is_empty() => text.reset(setting.section, setting.name)?,
        Some(value) => text.set_list_reset(setting.section, setting.name, value.clone())?,
    }
    if !setting.serves.is_empty() {
        text.comment_on(setting.section, setting.name, &setting.serves.join(", "));
    }
    Ok(())
}

fn slice(plan: &Plan) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    text.set(Section::Unit, "Description", Value::word(format!("Sandbox {}", plan.name)))?;
    for setting in plan.slice_settings.iter() {
        write(&mut text, setting)?;
    }
    Ok(text)
}

/// The helper that loads the filter before the service starts, and takes it out when the slice goes.
fn filter_unit(plan: &Plan) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    text.set(
        Section::Unit,
        "Description",
        Value::word(format!("Packet filter of the sandbox {}", plan.name)),
    )?;
    // The rules name the slice's control group by its number, which a recreated slice no longer has.
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, Value::UnitNames(vec![plan.slice.clone()]))?;
    }
    let firewalls: Result<Vec<UnitName>, _> = FIREWALLS.iter().map(|name| UnitName::new(name)).collect();
    text.add(Section::Unit, "After", Value::UnitNames(firewalls?))?;
    text.set(Section::Service, "Type", Value::word("oneshot"))?;
    text.set(Section::Service, "RemainAfterExit", Value::Bool(true))?;
    let nft = plan.target.program("nft").ok_or(EmitError::Program("nft"))?;
    let nft = AbsPath::new(nft.path())?;
    let load = |file: String| {
        let arguments = ["-f".to_owned(), format!("{}/{file}", plan.target.rules.path())];
        ExecLine::new(nft.clone(), arguments.map(Argument::Literal))
    };
    let start =
        vec![load("sandboxed.nft".to_owned()), load(nft::chains_file(plan)), load(nft::elements_file(plan))];
    // A reload brings changed rules into the table without a moment in which there are none.
    text.set(Section::Service, "ExecReload", Value::Exec(start.clone()))?;
    text.set(Section::Service, "ExecStart", Value::Exec(start))?;
    // Where the table is gone already there is nothing to take out of it.
    let stop =
        load(nft::remove_file(plan)).with_prefixes(Prefixes { ignore_failure: true, ..Prefixes::default() });
    text.set(Section::Service, "ExecStop", Value::Exec(vec![stop]))?;
    Ok(text)
}

/// The path unit that plans all sandboxes anew after upgrades: dpkg rewrites the first path, systemd's own upgrade the
/// second. Nothing in it varies, and the table of directives has none for path units, systemd.path(5).
const REPLAN: &str = "# Made by `sandboxed apply`: after an upgrade every sandbox is planned anew.
[Unit]
Description=Upgrades that sandboxes may have to follow

[Path]
PathChanged=/var/lib/dpkg/status
PathChanged=/usr/lib/systemd/systemd

[Install]
WantedBy=multi-user.target
";

/// The path unit and the service that plan all sandboxes anew after an upgrade.
///
/// # Errors
/// If the program's path is none that systemd takes.
pub fn replan(program: &str) -> Result<[String; 2], EmitError> {
    let mut service = UnitText::new();
    service.comment("Made by `sandboxed apply`: plans every sandbox anew.");
    service.set(Section::Unit, "Description", Value::word("Plan all sandboxes anew"))?;
    service.set(Section::Service, "Type", Value::word("oneshot"))?;
    let line = ExecLine::new(AbsPath::new(program)?, ["apply", "--all", "--restart"]);
    service.set(Section::Service, "ExecStart", Value::Exec(vec![line]))?;
    Ok([REPLAN.to_owned(), service.to_string()])
}

/// A drop-in that keeps a unit from starting while a file exists.
///
/// # Errors
/// If the file's path is none that systemd takes.
pub fn refusal(file: &str, reason: &str) -> Result<String, EmitError> {
    let mut text = UnitText::new();
    // `systemctl status` shows no failed assertion's path, but every unit's description.
    text.set(Section::Unit, "Description", Value::word(format!("Refused by sandboxed: {reason}")))?;
    text.set(Section::Unit, "AssertPathExists", Value::word(format!("!{file}")))?;
    Ok(text.to_string())
}
