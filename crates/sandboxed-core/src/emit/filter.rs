//! The units that load the packet filter.
//!
//! Where the target says where this program is, one resident unit owns the table of all sandboxes: nobody else can flush or
//! delete it, and when it ends, the helpers and with them the services end. Elsewhere the helpers load the rules themselves.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::{self, UnitName};
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, Argument, Directory, ExecLine, Prefixes, Value};

use super::{EmitError, iptables, nft, unit::header};
use crate::areas::network::OtherPorts;
use crate::plan::{Plan, Sockets};
use crate::target::Target;

/// The unit that owns the table.
pub(super) const HOLDER: &str = "sandboxed-filter.service";

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

/// `sandboxed-NAME-filter.service`
pub(super) fn helper_name(plan: &Plan) -> Result<UnitName, EmitError> {
    Ok(UnitName::new(&format!("sandboxed-{}-filter.service", plan.name))?)
}

/// The program that owns the table, where there is to be one.
pub(super) fn holder_program(target: &Target) -> Option<String> {
    // Owned tables came before `socket cgroupv2`, which every plan with a filter relies on, so any kernel has them here.
    Some(target.program("sandboxed")?.path().to_owned())
}

/// A program with its arguments.
pub(super) fn line(
    program: &str,
    arguments: impl IntoIterator<Item = String>,
) -> Result<ExecLine, EmitError> {
    Ok(ExecLine::new(AbsPath::new(program)?, arguments.into_iter().map(Argument::Literal)))
}

/// Where a program is.
pub(super) fn program(target: &Target, name: &'static str) -> Result<String, EmitError> {
    Ok(target.program(name).ok_or(EmitError::Program(name))?.path().to_owned())
}

/// The commands that load files in this order. `options` are for the one that asks the owner of the table.
fn load(target: &Target, options: &[String], files: &[String]) -> Result<Vec<ExecLine>, EmitError> {
    let paths = files.iter().map(|file| format!("{}/{file}", target.rules.path()));
    if let Some(holder) = holder_program(target) {
        let words = ["filter", "load"].into_iter().map(str::to_owned).chain(options.iter().cloned());
        return Ok(vec![line(&holder, words.chain(paths))?]);
    }
    let nft = program(target, "nft")?;
    paths.map(|path| line(&nft, ["-f".to_owned(), path])).collect()
}

/// The command that holds the sockets of the slice to what the plan says, where another program loads the rules. What it leaves
/// with the slice's control group goes with that.
pub(super) fn hold_sockets(plan: &Plan) -> Result<Option<ExecLine>, EmitError> {
    let Some(sockets) = sockets(plan) else { return Ok(None) };
    let words = ["filter", "sockets"].into_iter().map(str::to_owned).chain(socket_options(sockets));
    let words = words.chain([name::cgroup_path(&plan.slice)]);
    line(&program(&plan.target, "sandboxed")?, words).map(Some)
}

/// The options that have the rules' loader do the same.
fn holding_sockets(plan: &Plan) -> Vec<String> {
    let Some(sockets) = sockets(plan) else { return Vec::new() };
    let group = format!("--sockets-of={}", name::cgroup_path(&plan.slice));
    std::iter::once(group).chain(socket_options(sockets)).collect()
}

fn sockets(plan: &Plan) -> Option<&Sockets> {
    plan.filter.as_ref()?.sockets.as_ref()
}

fn socket_options(sockets: &Sockets) -> Vec<String> {
    let mut options = Vec::new();
    if let Some(binds) = &sockets.binds {
        options.push("--hold-ports".to_owned());
        options.extend(binds.ports.iter().map(|port| format!("--port={port}")));
        options.extend((binds.other_udp_ports == OtherPorts::Replaced).then(|| "--replace-udp".to_owned()));
    }
    options.extend(sockets.open_sockets.map(|most| format!("--open-sockets={most}")));
    options
}

/// The rules of a sandbox for iptables, where the target has nothing better.
pub(super) fn by_iptables(plan: &Plan) -> Option<&sandboxed_netfilter::iptables::Service> {
    plan.filter.as_ref()?.iptables.as_ref()
}

/// The helper that loads the filter before the service starts, and takes it out when the slice goes.
pub(super) fn helper(plan: &Plan) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    text.set(
        Section::Unit,
        "Description",
        Value::word(format!("Packet filter of the sandbox {}", plan.name)),
    )?;
    starts_when_needed(&mut text)?;
    if by_iptables(plan).is_some() {
        iptables::helper(plan, &mut text)?;
        return Ok(text);
    }
    // The rules name the slice's control group by its number, which a recreated slice no longer has.
    let mut needed = vec![plan.slice.clone()];
    if holder_program(&plan.target).is_some() {
        needed.push(UnitName::new(HOLDER)?);
    }
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, Value::UnitNames(needed.clone()))?;
    }
    text.add(Section::Unit, "After", Value::UnitNames(firewalls()?))?;
    text.set(Section::Service, "Type", Value::word("oneshot"))?;
    text.set(Section::Service, "RemainAfterExit", Value::Bool(true))?;
    let files = ["sandboxed.nft".to_owned(), nft::chains_file(plan), nft::elements_file(plan)];
    let options = [vec!["--keep".to_owned()], holding_sockets(plan)].concat();
    let start = load(&plan.target, &options, &files)?;
    text.set(Section::Service, "ExecStart", Value::Exec(start.clone()))?;
    // A reload brings changed rules into the table without a moment in which there are none.
    text.set(Section::Service, "ExecReload", Value::Exec(start))?;
    // Where the table is gone already there is nothing to take out of it.
    let ignoring = Prefixes { ignore_failure: true, ..Prefixes::default() };
    let mut stop = load(&plan.target, &[], &[nft::remove_file(plan)])?;
    if let Some(holder) = holder_program(&plan.target) {
        stop.push(line(&holder, ["filter", "release"].map(str::to_owned))?);
        keeps_owner(&mut text)?;
    }
    let stop = stop.into_iter().map(|line| line.with_prefixes(ignoring)).collect();
    text.set(Section::Service, "ExecStop", Value::Exec(stop))?;
    Ok(text)
}

/// It may be started as often as services need it: how often one is started in vain is limited by that one's own unit.
pub(super) fn starts_when_needed(text: &mut UnitText) -> Result<(), EmitError> {
    text.set(Section::Unit, "StartLimitIntervalSec", Value::Number(0))?;
    Ok(())
}

/// The service manager keeps the table's owner, a socket, until this unit has stopped, which is after the service has ended.
/// Then the rules stay in force that long, whoever is killed.
pub(super) fn keeps_owner(text: &mut UnitText) -> Result<(), EmitError> {
    text.set(Section::Service, "NotifyAccess", Value::word("all"))?;
    text.set(Section::Service, "FileDescriptorStoreMax", Value::Number(1))?;
    Ok(())
}

/// The unit that owns the table, where there is to be one. It is the same for all sandboxes of a machine.
pub(super) fn holder(target: &Target) -> Result<Option<String>, EmitError> {
    let Some(holder) = holder_program(target) else { return Ok(None) };
    let mut text = UnitText::new();
    text.comment("Made by sandboxed: owns the packet filter's table for as long as it runs.");
    text.set(Section::Unit, "Description", Value::word("Packet filter of all sandboxes"))?;
    starts_when_needed(&mut text)?;
    text.set(Section::Unit, "After", Value::UnitNames(firewalls()?))?;
    text.set(Section::Service, "Type", Value::word("notify"))?;
    let table = format!("{}/sandboxed.nft", target.rules.path());
    let nft = program(target, "nft")?;
    let arguments = ["filter".to_owned(), "hold".to_owned(), "--nft".to_owned(), nft, table];
    text.set(Section::Service, "ExecStart", Value::Exec(vec![line(&holder, arguments)?]))?;
    text.set(
        Section::Service,
        "RuntimeDirectory",
        Value::Directories(vec![Directory::new("sandboxed-filter")?]),
    )?;
    text.set(Section::Service, "RuntimeDirectoryMode", Value::Mode(0o700))?;
    // Its end is the end of all sandboxed services.
    text.set(Section::Service, "OOMScoreAdjust", Value::Signed(-1000))?;
    Ok(Some(text.to_string()))
}

pub(super) fn firewalls() -> Result<Vec<UnitName>, EmitError> {
    Ok(FIREWALLS.iter().map(|name| UnitName::new(name)).collect::<Result<_, _>>()?)
}
