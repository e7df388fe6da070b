//! The units that load the packet filter.
//!
//! Where the target says where this program is, one resident unit owns the table of all sandboxes: nobody else can flush or
//! delete it, and when it ends, the helpers and with them the services end. Elsewhere the helpers load the rules themselves.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, Argument, Directory, ExecLine, Prefixes, Value};

use super::{EmitError, iptables, nft, unit::header};
use crate::plan::Plan;

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
pub(super) fn holder_program(plan: &Plan) -> Option<String> {
    // Owned tables came before `socket cgroupv2`, which every plan with a filter relies on, so any kernel has them here.
    Some(plan.target.program("sandboxed")?.path().to_owned())
}

/// A program with its arguments.
pub(super) fn line(
    program: &str,
    arguments: impl IntoIterator<Item = String>,
) -> Result<ExecLine, EmitError> {
    Ok(ExecLine::new(AbsPath::new(program)?, arguments.into_iter().map(Argument::Literal)))
}

pub(super) fn nft_program(plan: &Plan) -> Result<String, EmitError> {
    Ok(plan.target.program("nft").ok_or(EmitError::Program("nft"))?.path().to_owned())
}

/// The commands that load files in this order. `options` are for the one that asks the owner of the table.
fn load(plan: &Plan, options: &[&str], files: &[String]) -> Result<Vec<ExecLine>, EmitError> {
    let paths = files.iter().map(|file| format!("{}/{file}", plan.target.rules.path()));
    if let Some(holder) = holder_program(plan) {
        let words = ["filter", "load"].into_iter().chain(options.iter().copied()).map(str::to_owned);
        return Ok(vec![line(&holder, words.chain(paths))?]);
    }
    let nft = nft_program(plan)?;
    paths.map(|path| line(&nft, ["-f".to_owned(), path])).collect()
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
    if by_iptables(plan).is_some() {
        iptables::helper(plan, &mut text)?;
        return Ok(text);
    }
    // The rules name the slice's control group by its number, which a recreated slice no longer has.
    let mut needed = vec![plan.slice.clone()];
    if holder_program(plan).is_some() {
        needed.push(UnitName::new(HOLDER)?);
    }
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, Value::UnitNames(needed.clone()))?;
    }
    text.add(Section::Unit, "After", Value::UnitNames(firewalls()?))?;
    text.set(Section::Service, "Type", Value::word("oneshot"))?;
    text.set(Section::Service, "RemainAfterExit", Value::Bool(true))?;
    let files = ["sandboxed.nft".to_owned(), nft::chains_file(plan), nft::elements_file(plan)];
    let start = load(plan, &["--keep"], &files)?;
    // A reload brings changed rules into the table without a moment in which there are none.
    text.set(Section::Service, "ExecReload", Value::Exec(start.clone()))?;
    text.set(Section::Service, "ExecStart", Value::Exec(start))?;
    // Where the table is gone already there is nothing to take out of it.
    let ignoring = Prefixes { ignore_failure: true, ..Prefixes::default() };
    let mut stop = load(plan, &[], &[nft::remove_file(plan)])?;
    if let Some(holder) = holder_program(plan) {
        stop.push(line(&holder, ["filter", "release"].map(str::to_owned))?);
        keeps_owner(&mut text)?;
    }
    let stop = stop.into_iter().map(|line| line.with_prefixes(ignoring)).collect();
    text.set(Section::Service, "ExecStop", Value::Exec(stop))?;
    Ok(text)
}

/// The service manager keeps the table's owner, a socket, until this unit has stopped, which is after the service has ended.
/// Then the rules stay in force that long, whoever is killed.
pub(super) fn keeps_owner(text: &mut UnitText) -> Result<(), EmitError> {
    text.set(Section::Service, "NotifyAccess", Value::word("all"))?;
    text.set(Section::Service, "FileDescriptorStoreMax", Value::Number(1))?;
    Ok(())
}

/// The unit that owns the table, where there is to be one. It is the same for all sandboxes of a machine.
pub(super) fn holder(plan: &Plan) -> Result<Option<String>, EmitError> {
    let Some(program) = holder_program(plan) else { return Ok(None) };
    let mut text = UnitText::new();
    text.comment("Made by sandboxed: owns the packet filter's table for as long as it runs.");
    text.set(Section::Unit, "Description", Value::word("Packet filter of all sandboxes"))?;
    text.set(Section::Unit, "After", Value::UnitNames(firewalls()?))?;
    text.set(Section::Service, "Type", Value::word("notify"))?;
    let table = format!("{}/sandboxed.nft", plan.target.rules.path());
    let arguments = ["filter".to_owned(), "hold".to_owned(), "--nft".to_owned(), nft_program(plan)?, table];
    text.set(Section::Service, "ExecStart", Value::Exec(vec![line(&program, arguments)?]))?;
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
