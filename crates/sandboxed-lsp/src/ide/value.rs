//! Values that make sense for an option, from the schema and from what is known of units.

use sandboxed_core::preset::PRESETS;
use sandboxed_core::schema;
use serde_json::Value;

use super::option::{OptionInfo, Shape, pointer};
use super::{Analysis, Language};
use crate::sandboxes::Step;
use crate::sandboxes::context::Context;

/// A value that could be meant.
pub(super) struct Suggestion {
    pub(super) value: Value,
    pub(super) detail: String,
    pub(super) documentation: String,
}

impl Suggestion {
    fn text(value: impl Into<String>, documentation: impl Into<String>) -> Self {
        Self { value: Value::from(value.into()), detail: String::new(), documentation: documentation.into() }
    }
}

/// The values for the place, best first.
pub(super) fn suggestions(
    analysis: &Analysis,
    context: &Context,
    path: &[Step],
    info: Option<&OptionInfo>,
) -> Vec<Suggestion> {
    let mut found = allowed(path, info);
    let field = path.iter().rev().find_map(|step| match step {
        Step::Key(name) => Some(name.as_str()),
        Step::Item => None,
    });
    let sandbox = match context.path.get(1) {
        Some(Step::Key(name)) if !name.is_empty() => name.as_str(),
        _ => "example",
    };
    match OptionInfo::definition(path) {
        Some("SystemCall") => {
            found.extend(SYSTEM_CALL_GROUPS.iter().map(|(name, about)| Suggestion::text(*name, *about)));
        }
        Some("HostPath") => found.extend(paths(field.unwrap_or_default(), sandbox)),
        Some("EtcPath") => found.extend(default_elements(path)),
        Some("UnitName") => found.extend(units(analysis)),
        Some("SandboxName") if field == Some("preset") => {
            let about = |value: &Value| {
                value.get("description").and_then(Value::as_str).unwrap_or_default().to_owned()
            };
            found.extend(PRESETS.iter().map(|preset| Suggestion::text(preset.name, about(preset.value()))));
        }
        Some("Memory") => found.extend(
            ["256M", "512M", "1G", "2G", "4G", "25%", "50%", "infinity"]
                .map(|size| Suggestion::text(size, "")),
        ),
        Some("Size") => found.extend(["64M", "256M", "1G"].map(|size| Suggestion::text(size, ""))),
        Some("Endpoint") => {
            found.extend(ENDPOINTS.iter().map(|(endpoint, about)| Suggestion::text(*endpoint, *about)));
        }
        _ if field == Some("unit") && analysis.language == Language::Nix => found.extend(units(analysis)),
        _ => {}
    }
    found
}

/// What the schema allows, the default named.
fn allowed(path: &[Step], info: Option<&OptionInfo>) -> Vec<Suggestion> {
    let default = info.and_then(|info| info.default.as_ref());
    let named = |value: &Value| if Some(value) == default { "default".to_owned() } else { String::new() };
    if info.is_some_and(|info| info.shape == Shape::Bool) {
        let both = [true, false].map(Value::from);
        return both
            .map(|value| Suggestion { detail: named(&value), value, documentation: String::new() })
            .into();
    }
    let Some(here) = schema::policy().meant_at(&pointer(path)) else { return Vec::new() };
    let listed = |key: &str| here.get(key).and_then(Value::as_array).into_iter().flatten();
    let documented = listed("oneOf").filter_map(|one| {
        let value = one.get("const")?.clone();
        let about = one.get("description").and_then(Value::as_str).unwrap_or_default().to_owned();
        Some(Suggestion { detail: named(&value), value, documentation: about })
    });
    let plain = listed("enum").map(|value| {
        let about = value.as_str().and_then(capability).unwrap_or_default().to_owned();
        Suggestion { detail: named(value), value: value.clone(), documentation: about }
    });
    documented.chain(plain).collect()
}

fn default_elements(path: &[Step]) -> Vec<Suggestion> {
    let list = path.split_last().and_then(|(_, list)| schema::policy().at(&pointer(list)));
    let default = list.and_then(|list| list.get("default")).and_then(Value::as_array).into_iter().flatten();
    default.filter_map(Value::as_str).map(|name| Suggestion::text(name, "Visible by default.")).collect()
}

/// Units that the document configures, then those of presets.
fn units(analysis: &Analysis) -> Vec<Suggestion> {
    let here = analysis.document.services.iter();
    let configured = here.map(|name| Suggestion::text(format!("{name}.service"), "Configured in this file."));
    let of_presets = PRESETS.iter().flat_map(|preset| {
        let units = preset.value().get("units").and_then(Value::as_array).into_iter().flatten();
        let about = format!("The unit of the preset `{}`.", preset.name);
        units.filter_map(Value::as_str).map(move |unit| Suggestion::text(unit, about.clone()))
    });
    configured.chain(of_presets).collect()
}

/// Where services keep things: file-hierarchy(7).
fn paths(field: &str, sandbox: &str) -> Vec<Suggestion> {
    let named = |paths: &[&str]| -> Vec<Suggestion> {
        paths.iter().map(|path| Suggestion::text(path.replace("NAME", sandbox), "")).collect()
    };
    match field {
        "state" => named(&["/var/lib/NAME"]),
        "writable" => named(&["/var/cache/NAME", "/var/log/NAME", "-/var/log/NAME"]),
        "readable" => named(&["/etc/NAME", "-/etc/NAME", "-/etc/default/NAME"]),
        "executable" => named(&["/opt/NAME", "-/opt/NAME"]),
        "devices" => named(&["/dev/dri", "/dev/net/tun", "/dev/fuse", "/dev/kvm", "/dev/snd"]),
        "sockets" => SOCKETS.iter().map(|(path, about)| Suggestion::text(*path, *about)).collect(),
        _ => Vec::new(),
    }
}

/// Where common services listen on this machine.
const SOCKETS: [(&str, &str); 5] = [
    ("/run/postgresql/.s.PGSQL.5432", "PostgreSQL"),
    ("/run/mysqld/mysqld.sock", "MariaDB or MySQL"),
    ("/run/redis/redis.sock", "Redis"),
    ("/run/memcached/memcached.sock", "memcached"),
    ("/run/systemd/resolve/io.systemd.Resolve", "systemd-resolved"),
];

/// Common local services by port.
const ENDPOINTS: [(&str, &str); 7] = [
    ("tcp 127.0.0.1:5432", "PostgreSQL"),
    ("tcp 127.0.0.1:3306", "MariaDB or MySQL"),
    ("tcp 127.0.0.1:6379", "Redis"),
    ("tcp 127.0.0.1:11211", "memcached"),
    ("tcp 127.0.0.1:25", "a mail server, SMTP"),
    ("udp 127.0.0.53:53", "systemd-resolved's stub"),
    ("tcp [::1]:5432", "PostgreSQL over IPv6"),
];

/// systemd.exec(5), "SystemCallFilter=": the predefined groups.
const SYSTEM_CALL_GROUPS: [(&str, &str); 29] = [
    ("@system-service", "What an ordinary system service needs: a reasonable set to start from."),
    ("@aio", "Asynchronous I/O: io_setup(2), io_submit(2) and the like."),
    ("@basic-io", "Reading, writing, seeking, duplicating and closing file descriptors."),
    ("@chown", "Changing the ownership of files."),
    ("@clock", "Changing the system's clocks."),
    ("@cpu-emulation", "CPU emulation, such as vm86(2)."),
    ("@debug", "Debugging, performance monitoring and tracing, such as ptrace(2)."),
    ("@file-system", "File system operations: opening, making and removing files and directories."),
    ("@io-event", "Event loops: poll(2), select(2), epoll(7), eventfd(2)."),
    ("@ipc", "Pipes, SysV IPC and POSIX message queues."),
    ("@keyring", "The kernel's key rings, keyctl(2)."),
    ("@known", "Every system call that this systemd knows."),
    ("@memlock", "Locking memory into RAM, mlock(2)."),
    ("@module", "Loading and unloading kernel modules."),
    ("@mount", "Mounting and unmounting file systems, and chroot(2)."),
    ("@network-io", "Sockets, also local ones."),
    ("@obsolete", "Unusual, obsolete or unimplemented system calls."),
    ("@pkey", "Memory protection keys, pkeys(7)."),
    ("@privileged", "What needs superuser capabilities, capabilities(7)."),
    ("@process", "Making and controlling processes and namespaces."),
    ("@raw-io", "Raw I/O port access."),
    ("@reboot", "Rebooting and preparing for it."),
    ("@resources", "Changing resource limits, memory and scheduling parameters."),
    ("@sandbox", "Sandboxing oneself: seccomp(2) and Landlock."),
    ("@setuid", "Changing user and group identities."),
    ("@signal", "Handling and sending signals."),
    ("@swap", "Enabling and disabling swap devices."),
    ("@sync", "Writing files and memory back to disk, fsync(2)."),
    ("@timer", "Scheduling by time, alarm(2) and timerfd_create(2)."),
];

/// capabilities(7), for those that services ask for.
fn capability(name: &str) -> Option<&'static str> {
    Some(match name {
        "CAP_NET_BIND_SERVICE" => "Bind ports below 1024. A socket unit does it without.",
        "CAP_NET_RAW" => "Raw and packet sockets: forge and see packets.",
        "CAP_NET_ADMIN" => "Change interfaces, routes and firewall.",
        "CAP_SYS_ADMIN" => "Nearly everything; as good as root.",
        "CAP_SYS_PTRACE" => "Trace and read any process.",
        "CAP_SYS_MODULE" => "Load kernel modules; as good as root.",
        "CAP_SYS_RAWIO" => "Access hardware directly; as good as root.",
        "CAP_SYS_NICE" => "Raise priorities, set scheduling of any process.",
        "CAP_SYS_RESOURCE" => "Override resource limits and quotas.",
        "CAP_SYS_TIME" => "Set the clock.",
        "CAP_SYS_CHROOT" => "chroot(2), and enter mount namespaces.",
        "CAP_SYS_BOOT" => "Reboot, and load a new kernel.",
        "CAP_SYSLOG" => "Read the kernel's log and addresses.",
        "CAP_BPF" => "Load BPF programs.",
        "CAP_PERFMON" => "Monitor the performance of any process.",
        "CAP_CHOWN" => "Change the owner of any file.",
        "CAP_DAC_OVERRIDE" => "Read, write and execute any file.",
        "CAP_DAC_READ_SEARCH" => "Read any file.",
        "CAP_FOWNER" => "Act as the owner of any file.",
        "CAP_KILL" => "Signal any process.",
        "CAP_SETUID" => "Become any user.",
        "CAP_SETGID" => "Become any group.",
        "CAP_SETPCAP" => "Change the capabilities of its children.",
        "CAP_SETFCAP" => "Set file capabilities.",
        "CAP_IPC_LOCK" => "Lock memory.",
        "CAP_MKNOD" => "Make device files.",
        "CAP_AUDIT_WRITE" => "Write to the audit log.",
        "CAP_BLOCK_SUSPEND" | "CAP_WAKE_ALARM" => "Keep the machine from sleeping, or wake it.",
        _ => return None,
    })
}
