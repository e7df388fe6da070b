//! The units that make a service's own network, and the rules for all such networks.
//!
//! One resident unit owns the table of rules and sees to the interfaces; when it ends, the networks and with them the services
//! end. Each service's network is made when the service starts, and goes when nothing needs it any more.

use sandboxed_netfilter::private;
use sandboxed_netfilter::script::Script;
use sandboxed_netfilter::table::Ownership;
use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{Directory, Value};

use super::filter::program;
use super::{Artifacts, EmitError, door, filter, unit::header};
use crate::plan::{Namespace, Plan, Private};
use crate::target::Target;

/// The unit that owns the table.
const HOLDER: &str = "sandboxed-network.service";
/// The file with the table.
const TABLE: &str = "sandboxed+private.nft";

/// The unit that makes the namespace of a plan, where the service is to stop with it.
pub(super) fn unit(plan: &Plan) -> Result<Option<UnitName>, EmitError> {
    Ok(match &plan.namespace {
        Some(Namespace::Private(_)) => Some(own_unit(plan)?),
        Some(Namespace::Joined { unit }) => unit.clone(),
        None => None,
    })
}

/// `sandboxed-NAME-network.service`
pub(super) fn own_unit(plan: &Plan) -> Result<UnitName, EmitError> {
    Ok(UnitName::new(&format!("sandboxed-{}-network.service", plan.name))?)
}

/// The service's own part: the unit, its rules, and what leads through the wall. Says whether there is any.
pub(super) fn emit(plan: &Plan, files: &mut Artifacts) -> Result<bool, EmitError> {
    let Some(Namespace::Private(private)) = &plan.namespace else { return Ok(false) };
    let rules = format!("sandboxed-{}+private.nft", plan.name);
    let name = own_unit(plan)?;
    files.insert(format!("systemd/system/{}", name.as_str()), helper(plan, private, &rules)?.to_string());
    files.insert(format!("nftables/{rules}"), private.chains.script().to_string());
    door::emit(plan, &private.doors, files)?;
    Ok(true)
}

/// What is the same for all services of a machine.
pub(super) fn shared(target: &Target, files: &mut Artifacts) -> Result<(), EmitError> {
    files.insert(format!("systemd/system/{HOLDER}"), holder(target)?.to_string());
    let table = Script::ensure(&private::table(Ownership::Owned));
    files.insert(format!("nftables/{TABLE}"), table.to_string());
    Ok(())
}

fn helper(plan: &Plan, private: &Private, rules: &str) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    text.set(Section::Unit, "Description", Value::word(format!("Network of the sandbox {}", plan.name)))?;
    filter::starts_when_needed(&mut text)?;
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, Value::UnitNames(vec![UnitName::new(HOLDER)?]))?;
    }
    text.set(Section::Unit, "StopWhenUnneeded", Value::Bool(true))?;
    text.set(Section::Service, "Type", Value::word("oneshot"))?;
    text.set(Section::Service, "RemainAfterExit", Value::Bool(true))?;
    filter::keeps_owner(&mut text)?;
    let sandboxed = program(&plan.target, "sandboxed")?;
    let ip = ["--ip".to_owned(), program(&plan.target, "ip")?];
    let rules = format!("{}/{rules}", plan.target.rules.path());
    let words = |action: &str| ["network", action].map(str::to_owned).into_iter();
    let up = words("up")
        .chain(ip.clone())
        .chain(["--nft".to_owned(), program(&plan.target, "nft")?])
        .chain(private.published.iter().map(|(protocol, port)| format!("--publish={protocol}/{port}")))
        .chain(private.interfaces.iter().map(|interface| format!("--interface={interface}")))
        .chain(private.prefixes.iter().map(|prefix| match prefix {
            ipnet::IpNet::V4(network) => format!("--network4={network}"),
            ipnet::IpNet::V6(network) => format!("--network6={network}"),
        }))
        .chain([plan.name.clone(), rules.clone()]);
    let down = words("down").chain(ip).chain([plan.name.clone()]);
    text.set(Section::Service, "ExecStart", Value::Exec(vec![filter::line(&sandboxed, up)?]))?;
    let reload = words("reload").chain([rules]);
    text.set(Section::Service, "ExecReload", Value::Exec(vec![filter::line(&sandboxed, reload)?]))?;
    // Also after a start that failed halfway.
    text.set(Section::Service, "ExecStopPost", Value::Exec(vec![filter::line(&sandboxed, down)?]))?;
    Ok(text)
}

/// It is the same for all sandboxes of a machine.
fn holder(target: &Target) -> Result<UnitText, EmitError> {
    let mut text = UnitText::new();
    text.comment(
        "Made by sandboxed: owns the rules of services with a network of their own for as long as it runs.",
    );
    text.set(Section::Unit, "Description", Value::word("Networks of all sandboxes"))?;
    filter::starts_when_needed(&mut text)?;
    text.set(Section::Unit, "After", Value::UnitNames(filter::firewalls()?))?;
    text.set(Section::Unit, "StopWhenUnneeded", Value::Bool(true))?;
    text.set(Section::Service, "Type", Value::word("notify"))?;
    let sandboxed = program(target, "sandboxed")?;
    let (ip, nft, systemctl) =
        (program(target, "ip")?, program(target, "nft")?, program(target, "systemctl")?);
    let hold = ["network", "hold", "--ip", &ip, "--nft", &nft, "--systemctl", &systemctl]
        .map(str::to_owned)
        .into_iter()
        .chain([format!("{}/{TABLE}", target.rules.path())]);
    text.set(Section::Service, "ExecStart", Value::Exec(vec![filter::line(&sandboxed, hold)?]))?;
    // Nobody follows the interfaces any more, so the machine stops passing packets on; also where it was killed.
    let restore = ["network", "restore", "--ip", &ip];
    let restore = vec![filter::line(&sandboxed, restore.map(str::to_owned))?];
    text.set(Section::Service, "ExecStop", Value::Exec(restore.clone()))?;
    text.set(Section::Service, "ExecStopPost", Value::Exec(restore))?;
    let folder = Value::Directories(vec![Directory::new("sandboxed-network")?]);
    text.set(Section::Service, "RuntimeDirectory", folder)?;
    text.set(Section::Service, "RuntimeDirectoryMode", Value::Mode(0o700))?;
    // It says what is still to be taken away after an end without order.
    text.set(Section::Service, "RuntimeDirectoryPreserve", Value::word("yes"))?;
    // Its end is the end of all these services.
    text.set(Section::Service, "OOMScoreAdjust", Value::Signed(-1000))?;
    Ok(text)
}
