//! The packet filter where there is iptables only: text for iptables-restore and ip6tables-restore, and the units that load it.
//!
//! One unit puts the chain that all sandboxes share below one rule of OUTPUT; where the target says where this program is, it
//! then watches over the rules, which anybody may flush: when they are gone it ends, and the sandboxed services with it. Each
//! sandbox's helper adds its chain. What is added is taken away when the units end, however they end.

use sandboxed_netfilter::iptables::{Restore, Service, Shared};
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, Argument, ExecLine, Prefixes, Value};

use super::filter::{self, HOLDER, firewalls};
use super::{Artifacts, EmitError};
use crate::plan::Plan;
use crate::target::Target;

/// The programs for the two families, with how their files end.
const FAMILIES: [(&str, &str); 2] = [("iptables-restore", "v4"), ("ip6tables-restore", "v6")];
/// The stem of the files that all sandboxes share. No sandbox's name has a `+`.
const SHARED: &str = "sandboxed";
/// Seconds to wait for others who change rules.
const PATIENCE: &str = "10";

fn shared() -> Result<Shared, EmitError> {
    Ok(Shared::new(CgroupPath::new("sandboxed.slice")?))
}

fn stem(plan: &Plan) -> String {
    format!("sandboxed-{}", plan.name)
}

/// The files of a sandbox with these rules.
pub(super) fn emit(plan: &Plan, service: &Service, files: &mut Artifacts) {
    let texts = [
        ("add", service.add()),
        ("update", service.update()),
        ("remove", service.remove()),
        ("purge", service.purge()),
    ];
    write(&stem(plan), texts, files);
}

/// The files and the unit that all sandboxes of a machine share.
pub(super) fn emit_shared(target: &Target, files: &mut Artifacts) -> Result<(), EmitError> {
    let shared = shared()?;
    let texts = [("add", shared.add()?), ("remove", shared.remove()), ("purge", shared.purge())];
    write(SHARED, texts, files);
    let mut text = UnitText::new();
    text.comment("Made by sandboxed: the rules that all sandboxes share, and whoever watches over them.");
    text.set(Section::Unit, "Description", Value::word("Packet filter of all sandboxes"))?;
    filter::starts_when_needed(&mut text)?;
    // The rule names the slice's control group, which must exist, and by a number that a recreated one no longer has.
    let slice = vec![UnitName::new("sandboxed.slice")?];
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, Value::UnitNames(slice.clone()))?;
    }
    text.add(Section::Unit, "After", Value::UnitNames(firewalls()?))?;
    let add = load(target, SHARED, "add", false)?;
    let leave = [load(target, SHARED, "remove", true)?, load(target, SHARED, "purge", true)?].concat();
    if let Some(program) = target.program("sandboxed") {
        text.set(Section::Service, "Type", Value::word("exec"))?;
        text.set(Section::Service, "ExecStartPre", Value::Exec([leave.clone(), add].concat()))?;
        let mut words = vec!["filter".to_owned(), "watch".to_owned()];
        for (restore, _) in FAMILIES {
            words.push(saving(target, restore)?);
        }
        text.set(Section::Service, "ExecStart", Value::Exec(vec![line(program.path(), words)?]))?;
        text.set(Section::Service, "OOMScoreAdjust", Value::Signed(-1000))?;
    } else {
        text.set(Section::Service, "Type", Value::word("oneshot"))?;
        text.set(Section::Service, "RemainAfterExit", Value::Bool(true))?;
        text.set(Section::Service, "ExecStartPre", Value::Exec(leave.clone()))?;
        text.set(Section::Service, "ExecStart", Value::Exec(add))?;
    }
    // Not where it ends by itself because rules are missing: then the others are still needed, until the services have been
    // stopped. They are taken away before it starts again.
    text.set(Section::Service, "ExecStop", Value::Exec(leave))?;
    files.insert(format!("systemd/system/{HOLDER}"), text.to_string());
    Ok(())
}

/// What the helper of a sandbox does. It is bound to the unit above, so it goes when that does.
pub(super) fn helper(plan: &Plan, text: &mut UnitText) -> Result<(), EmitError> {
    let stem = stem(plan);
    let needed = vec![plan.slice.clone(), UnitName::new(HOLDER)?];
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, Value::UnitNames(needed.clone()))?;
    }
    text.set(Section::Service, "Type", Value::word("oneshot"))?;
    text.set(Section::Service, "RemainAfterExit", Value::Bool(true))?;
    // Chains that somebody flushed are no longer led to, and are taken away by themselves.
    let leave =
        [load(&plan.target, &stem, "remove", true)?, load(&plan.target, &stem, "purge", true)?].concat();
    text.set(Section::Service, "ExecStartPre", Value::Exec(leave.clone()))?;
    for (directive, what) in [("ExecStart", "add"), ("ExecReload", "update")] {
        let mut commands: Vec<ExecLine> = filter::hold_sockets(plan)?.into_iter().collect();
        commands.extend(load(&plan.target, &stem, what, false)?);
        text.set(Section::Service, directive, Value::Exec(commands))?;
    }
    text.set(Section::Service, "ExecStopPost", Value::Exec(leave))?;
    Ok(())
}

fn write<const N: usize>(stem: &str, texts: [(&str, Restore); N], files: &mut Artifacts) {
    for (what, Restore { v4, v6 }) in texts {
        for ((_, end), text) in FAMILIES.into_iter().zip([v4, v6]) {
            files.insert(format!("nftables/{stem}+{what}.{end}"), text);
        }
    }
}

/// The commands that load a text for both families, each as one transaction.
fn load(target: &Target, stem: &str, what: &str, ignore_failure: bool) -> Result<Vec<ExecLine>, EmitError> {
    let prefixes = Prefixes { ignore_failure, ..Prefixes::default() };
    let one = |(program, end): (&'static str, &str)| {
        let file = format!("{}/{stem}+{what}.{end}", target.rules.path());
        let words = ["--noflush", "--wait", PATIENCE].map(str::to_owned).into_iter().chain([file]);
        Ok(line(&filter::program(target, program)?, words)?.with_prefixes(prefixes))
    };
    FAMILIES.into_iter().map(one).collect()
}

/// The program that lists what the other one loads: it lies beside it.
fn saving(target: &Target, restore: &'static str) -> Result<String, EmitError> {
    let path = filter::program(target, restore)?;
    Ok(path.strip_suffix("-restore").map_or_else(|| path.clone(), |start| format!("{start}-save")))
}

fn line(program: &str, words: impl IntoIterator<Item = String>) -> Result<ExecLine, EmitError> {
    Ok(ExecLine::new(AbsPath::new(program)?, words.into_iter().map(Argument::Literal)))
}
