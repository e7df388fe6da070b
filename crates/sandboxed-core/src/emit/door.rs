//! Ports that are handed through between a network of a service's own and this machine, each by a socket unit and
//! systemd-socket-proxyd(8).
//!
//! The socket is on one side and the program on the other. It has no rights and no files, and reaches only where it leads. Both ends
//! may be hostile, and what they have it hold is the machine's: it has limits of its own, beside those of the sandbox's slice.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, Value};

use super::{Artifacts, EmitError, filter, network, unit::header};
use crate::plan::{Door, Namespace, Plan};

/// The most connections that a door holds at once, systemd-socket-proxyd(8): those that come later are closed. A service holds no
/// more than it may have files open.
const CONNECTIONS: u64 = 1024;

/// What a connection takes: a socket on each side, and two pipes between them.
const FILES: u64 = 6;

/// The program's own files, with some to spare.
const OWN_FILES: u64 = 64;

/// Its threads: it resolves addresses in up to 16, also those that are numbers.
const TASKS: u64 = 32;

/// Its memory, and what is buffered for a connection: an idle one has about 20 KiB, and a full pipe holds 64. Above the limit TCP
/// makes its windows smaller; where that is not enough the kernel ends this program, and nothing beside it.
const OWN_MEMORY: u64 = 64 << 20;
const MEMORY: u64 = 64 << 10;

/// The name of a door's units, without what comes after the dot.
fn stem(plan: &Plan, door: &Door) -> String {
    let port = door.to.port();
    match (door.inward, door.to.ip()) {
        (true, _) => format!("sandboxed-{}-listen-{port}", plan.name),
        // Colons are allowed in the names of units.
        (false, address) => format!("sandboxed-{}-allow-{address}-{port}", plan.name),
    }
}

fn doors(plan: &Plan) -> &[Door] {
    match &plan.namespace {
        Some(Namespace::Private(private)) => &private.doors,
        _ => &[],
    }
}

/// The socket units of a plan's doors.
pub(super) fn sockets(plan: &Plan) -> Result<Vec<UnitName>, EmitError> {
    let name = |door| UnitName::new(&format!("{}.socket", stem(plan, door)));
    Ok(doors(plan).iter().map(name).collect::<Result<_, _>>()?)
}

pub(super) fn emit(plan: &Plan, doors: &[Door], files: &mut Artifacts) -> Result<(), EmitError> {
    for door in doors {
        let stem = stem(plan, door);
        files.insert(format!("systemd/system/{stem}.socket"), socket(plan, door)?.to_string());
        files.insert(format!("systemd/system/{stem}.service"), service(plan, door, &stem)?.to_string());
    }
    Ok(())
}

/// Where the service's network is.
fn namespace(plan: &Plan) -> Result<Value, EmitError> {
    Ok(Value::Path(AbsPath::new(&format!("/run/netns/sandboxed-{}", plan.name))?))
}

fn described(plan: &Plan, door: &Door) -> Value {
    let way = if door.inward { "this machine to the" } else { "the" };
    let end = if door.inward { "" } else { " to this machine" };
    Value::word(format!("Port {} from {way} sandbox {}{end}", door.to.port(), plan.name))
}

fn socket(plan: &Plan, door: &Door) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    let network = Value::UnitNames(vec![network::own_unit(plan)?]);
    let shutdown = || UnitName::new("shutdown.target").map(|name| Value::UnitNames(vec![name]));
    text.set(Section::Unit, "Description", described(plan, door))?;
    // By default it would come before all services, and so before the network that it belongs to.
    text.set(Section::Unit, "DefaultDependencies", Value::Bool(false))?;
    text.set(Section::Unit, "Conflicts", shutdown()?)?;
    text.set(Section::Unit, "Before", shutdown()?)?;
    for directive in ["Requires", "BindsTo", "After"] {
        text.set(Section::Unit, directive, network.clone())?;
    }
    text.set(Section::Unit, "StopWhenUnneeded", Value::Bool(true))?;
    text.set(Section::Socket, "ListenStream", Value::words(door.listen.iter().map(ToString::to_string)))?;
    // IPv4 has a socket of its own.
    text.set(Section::Socket, "BindIPv6Only", Value::word("ipv6-only"))?;
    if !door.inward {
        text.set(Section::Socket, "NetworkNamespacePath", namespace(plan)?)?;
    }
    Ok(text)
}

/// How many connections a door of this plan holds.
fn connections(plan: &Plan) -> u64 {
    match plan.service.get(Section::Service, "LimitNOFILE").and_then(|setting| setting.value.as_ref()) {
        Some(Value::Number(files)) => CONNECTIONS.min(*files),
        _ => CONNECTIONS,
    }
}

/// The limits of a door. The slice has those that the target's control groups know, and no door gets more than it.
fn limits(plan: &Plan) -> Vec<(&'static str, Value)> {
    let sandbox = |name| plan.slice_settings.get(Section::Slice, name).and_then(|known| known.value.as_ref());
    let connections = connections(plan);
    let mut limits = vec![("LimitNOFILE", Value::Number(OWN_FILES + connections * FILES))];
    if let Some(memory) = sandbox("MemoryMax") {
        let enough = OWN_MEMORY + connections * MEMORY;
        let most = if let Value::Bytes(most) = memory { enough.min(*most) } else { enough };
        limits.push(("MemoryMax", Value::Bytes(most)));
        limits.push(("MemorySwapMax", Value::Bytes(0)));
    }
    if let Some(Value::Number(tasks)) = sandbox("TasksMax") {
        limits.push(("TasksMax", Value::Number(TASKS.min(*tasks))));
    }
    let shares = ["CPUWeight", "CPUQuota"].into_iter();
    limits.extend(shares.filter_map(|name| Some((name, sandbox(name)?.clone()))));
    limits
}

fn service(plan: &Plan, door: &Door, stem: &str) -> Result<UnitText, EmitError> {
    let mut text = header(plan);
    let socket = UnitName::new(&format!("{stem}.socket"))?;
    text.set(Section::Unit, "Description", described(plan, door))?;
    text.set(Section::Unit, "PartOf", Value::UnitNames(vec![socket.clone()]))?;
    text.set(Section::Unit, "After", Value::UnitNames(vec![socket, network::own_unit(plan)?]))?;
    // Whoever makes it fail again and again would close the door: systemd gives up the socket of such a service.
    text.set(Section::Unit, "StartLimitIntervalSec", Value::Number(0))?;
    // On systemd 252 it does not tell when it is ready.
    text.set(Section::Service, "Type", Value::word("exec"))?;
    let proxy = plan.target.program("systemd-socket-proxyd");
    let proxy = proxy.ok_or(EmitError::Program("systemd-socket-proxyd"))?;
    // It refuses those beyond one more than it is told (systemd 252 to 257).
    let most = connections(plan).saturating_sub(1).max(1);
    let line = filter::line(proxy.path(), [format!("--connections-max={most}"), door.to.to_string()])?;
    text.set(Section::Service, "ExecStart", Value::Exec(vec![line]))?;
    if door.inward {
        text.set(Section::Service, "NetworkNamespacePath", namespace(plan)?)?;
    }
    text.set(Section::Service, "DynamicUser", Value::Bool(true))?;
    for (directive, value) in [
        ("IPAddressAllow", Value::words([door.to.ip().to_string()])),
        ("IPAddressDeny", Value::words(["any"])),
        ("CapabilityBoundingSet", Value::words([""; 0])),
        ("PrivateDevices", Value::Bool(true)),
        ("PrivateUsers", Value::Bool(true)),
        ("ProtectHome", Value::Bool(true)),
        ("ProtectKernelTunables", Value::Bool(true)),
        ("ProtectKernelModules", Value::Bool(true)),
        ("ProtectControlGroups", Value::Bool(true)),
        ("RestrictAddressFamilies", Value::allow(["AF_UNIX", "AF_INET", "AF_INET6"])),
        ("RestrictNamespaces", Value::Bool(true)),
        ("MemoryDenyWriteExecute", Value::Bool(true)),
        ("SystemCallArchitectures", Value::words(["native"])),
        ("SystemCallFilter", Value::allow(["@system-service"])),
    ]
    .into_iter()
    .chain(limits(plan))
    {
        text.set(Section::Service, directive, value)?;
    }
    Ok(text)
}
