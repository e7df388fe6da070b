//! Which privileges the service has over the machine.
//!
//! capabilities(7), user_namespaces(7); systemd.exec(5), sections CAPABILITIES, SECURITY and SANDBOXING.

use std::borrow::Cow;

use sandboxed_systemd::directive::{self, Section};
use sandboxed_systemd::value::Value;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize};

use super::network::PROTOCOLS_LIMITED;
use crate::diagnostic::Kind;
use crate::examine::stopping;
use crate::guarantee::guarantees;
use crate::planner::{Finding, Mechanism, Planner, guarantee};

/// Which privileges the service has. By default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Privileges")]
pub struct Privileges {
    /// The capabilities that the service keeps.
    #[schemars(title = "Capabilities", extend("x-guarantee" = "no-capabilities", "examples" = [["CAP_NET_BIND_SERVICE"]]))]
    pub capabilities: Vec<Capability>,
    /// The kinds of namespaces that the service may make and enter.
    #[schemars(title = "Namespaces", extend("x-guarantee" = "no-namespaces", "examples" = [["user"]]))]
    pub namespaces: Vec<NamespaceKind>,
    /// Run the service as a user that systemd makes for it (systemd.exec(5), `DynamicUser=`) instead of the unit's.
    #[schemars(title = "Dynamic user", extend("x-guarantee" = "user-unprivileged"))]
    pub dynamic_user: bool,
    /// What happens to commands of the unit that systemd starts outside of every restriction: those with `+`, `!` or
    /// `!!` in front (systemd.service(5), COMMAND LINES).
    #[schemars(title = "Privileged commands", extend("x-guarantee" = "commands-confined"))]
    pub privileged_commands: PrivilegedCommands,
}

/// What happens to commands that systemd would start outside of every restriction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PrivilegedCommands {
    /// Their presence is an error.
    #[default]
    Refuse,
    /// They lose their prefix and run inside the sandbox, as the service's user.
    Confine,
    /// They stay as they are; the plan names them as a weakness.
    Keep,
}

/// A kind of namespace, namespaces(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum NamespaceKind {
    /// cgroup_namespaces(7)
    Cgroup,
    /// ipc_namespaces(7)
    Ipc,
    /// network_namespaces(7)
    Net,
    /// mount_namespaces(7)
    Mnt,
    /// pid_namespaces(7)
    Pid,
    /// user_namespaces(7)
    User,
    /// uts_namespaces(7)
    Uts,
}

impl NamespaceKind {
    /// The name that `RestrictNamespaces=` knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cgroup => "cgroup",
            Self::Ipc => "ipc",
            Self::Net => "net",
            Self::Mnt => "mnt",
            Self::Pid => "pid",
            Self::User => "user",
            Self::Uts => "uts",
        }
    }
}

/// A capability, capabilities(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Capability(&'static str);

impl Capability {
    /// The name, as capabilities(7) has it.
    pub fn name(self) -> &'static str {
        self.0
    }

    /// The capability of this name.
    pub fn parse(name: &str) -> Option<Self> {
        CAPABILITIES.iter().copied().find(|known| *known == name).map(Self)
    }
}

/// Every capability of Linux 5.9 and later, capabilities(7).
pub const CAPABILITIES: &[&str] = &[
    "CAP_AUDIT_CONTROL",
    "CAP_AUDIT_READ",
    "CAP_AUDIT_WRITE",
    "CAP_BLOCK_SUSPEND",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_KILL",
    "CAP_LEASE",
    "CAP_LINUX_IMMUTABLE",
    "CAP_MAC_ADMIN",
    "CAP_MAC_OVERRIDE",
    "CAP_MKNOD",
    "CAP_NET_ADMIN",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_RAW",
    "CAP_PERFMON",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYSLOG",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_CHROOT",
    "CAP_SYS_MODULE",
    "CAP_SYS_NICE",
    "CAP_SYS_PACCT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_WAKE_ALARM",
];

impl<'de> Deserialize<'de> for Capability {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&name).ok_or_else(|| serde::de::Error::custom("expected a capability of capabilities(7)"))
    }
}

impl JsonSchema for Capability {
    fn schema_name() -> Cow<'static, str> {
        "Capability".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "title": "Capability",
            "description": "A capability, capabilities(7).",
            "type": "string",
            "enum": CAPABILITIES,
        })
    }
}

guarantees! { Privileges;
    USER_UNPRIVILEGED = "user-unprivileged", "/privileges/dynamicUser",
        "cannot act as root";
    NO_CAPABILITIES = "no-capabilities", "/privileges/capabilities",
        "cannot use a capability that the policy does not name";
    NO_NEW_PRIVILEGES = "no-new-privileges", "",
        "cannot gain privileges by executing a program";
    USERS_MAPPED = "users-mapped", "",
        "cannot be, or act on what belongs to, another user of the machine";
    NO_SETUID_FILES = "no-setuid-files", "",
        "cannot leave set-user-ID or set-group-ID files behind";
    NO_NAMESPACES = "no-namespaces", "/privileges/namespaces",
        "cannot make or enter a namespace of a kind that the policy does not name";
    NO_REALTIME = "no-realtime", "",
        "cannot take the processors by real-time scheduling";
    PERSONALITY_LOCKED = "personality-locked", "",
        "cannot change the execution domain, personality(2)";
    KERNEL_TUNABLES_READ_ONLY = "kernel-tunables-read-only", "",
        "cannot change settings of the kernel in /proc and /sys";
    KERNEL_MODULES_CLOSED = "kernel-modules-closed", "",
        "cannot load or unload kernel modules";
    KERNEL_LOG_CLOSED = "kernel-log-closed", "",
        "cannot read or write the kernel's log";
    CONTROL_GROUPS_READ_ONLY = "control-groups-read-only", "",
        "cannot change the control groups that limit it";
    CLOCK_UNCHANGED = "clock-unchanged", "",
        "cannot set the clock";
    HOSTNAME_UNCHANGED = "hostname-unchanged", "",
        "cannot change the host's name";
    MACHINE_KEPT_RUNNING = "machine-kept-running", "",
        "cannot restart or switch off the machine by failing or ending";
    COMMANDS_CONFINED = "commands-confined", "/privileges/privilegedCommands",
        "has no command of its unit run outside of the sandbox";
}

/// What a unit may have systemd do when it fails, ends or takes too long, systemd.unit(5).
const ACTIONS: [&str; 4] = ["FailureAction", "SuccessAction", "StartLimitAction", "JobTimeoutAction"];

impl Privileges {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        self.user(planner);
        let names: Vec<&str> = self.capabilities.iter().map(|capability| capability.name()).collect();
        let set = || (!names.is_empty()).then(|| Value::words(names.iter().copied()));
        guarantee(&NO_CAPABILITIES)
            .by(Mechanism::service("CapabilityBoundingSet", set()).and("AmbientCapabilities", set()))
            .except(names.iter().map(|&name| name.to_owned()))
            .keep(planner);
        guarantee(&NO_NEW_PRIVILEGES)
            .by(Mechanism::service("NoNewPrivileges", Value::Bool(true))
                .and("SecureBits", Value::word("noroot noroot-locked")))
            .keep(planner);
        // In a user namespace of its own the service has its capabilities over that namespace only.
        let outside = (!self.capabilities.is_empty())
            .then(|| "the policy gives capabilities, which a user namespace would make worthless".to_owned());
        guarantee(&USERS_MAPPED)
            .by(Mechanism::launcher("--user-namespace", "a user namespace in which no other user exists")
                .unless(outside.clone()))
            .or(if planner.policy.processes.is_unshared() {
                Mechanism::named("nothing")
                    .leaves_open("unshare(1) cannot mount the /proc of its namespace in a user namespace")
                    .unless(outside)
            } else {
                Mechanism::service("PrivateUsers", Value::Bool(true)).unless(outside)
            })
            .keep(planner);
        guarantee(&NO_SETUID_FILES)
            .by(Mechanism::service("RestrictSUIDSGID", Value::Bool(true))
                .leaves_open_as_well(planner.policy.syscalls.unseen("looks at the mode that a file gets")))
            .keep(planner);
        let kinds: Vec<&str> = self.namespaces.iter().map(|kind| kind.name()).collect();
        let restrict = if kinds.is_empty() { Value::Bool(true) } else { Value::allow(kinds.iter().copied()) };
        guarantee(&NO_NAMESPACES)
            .by(Mechanism::service("RestrictNamespaces", restrict))
            .except(kinds.iter().map(|&kind| kind.to_owned()))
            .keep(planner);
        kernel(planner);
        self.commands(planner);
    }

    fn user(&self, planner: &mut Planner<'_>) {
        if self.dynamic_user {
            guarantee(&USER_UNPRIVILEGED)
                .by(Mechanism::service("DynamicUser", Value::Bool(true)).unless(
                    planner.base.iter().find(|unit| unit.names_root()).map(|unit| {
                        format!("{} has a `User=` that is root, which systemd would take", unit.name)
                    }),
                ))
                .keep(planner);
            return;
        }
        let root = planner.base.iter().find(|unit| unit.runs_as_root()).map(|unit| {
            format!("{} runs as root; give the unit a `User=`, or set `privileges.dynamicUser`", unit.name)
        });
        let unknown = planner.base.is_empty();
        let mechanism = Mechanism::named("the unit's own user").unless(root);
        let mechanism = if unknown {
            mechanism.leaves_open("the unit was not read: this holds if it has a `User=` other than root")
        } else {
            mechanism
        };
        guarantee(&USER_UNPRIVILEGED).by(mechanism).keep(planner);
    }

    /// What outlives its unit has no packet filter any more: systemd.kill(5).
    fn end_with_the_unit(planner: &Planner<'_>, mechanism: Mechanism) -> Mechanism {
        let is_false = |value: &str| matches!(value, "no" | "n" | "false" | "f" | "off" | "0");
        let not_the_last = |signal: &str| !matches!(signal, "" | "SIGKILL" | "KILL" | "9");
        let left = planner.base.iter().any(|unit| unit.scalar("KillMode") == Some("process"));
        mechanism
            .and_where(planner.may_ask("SendSIGKILL", is_false), "SendSIGKILL", Value::Bool(true))
            .and_where(
                planner.may_ask("FinalKillSignal", not_the_last),
                "FinalKillSignal",
                Value::word("SIGKILL"),
            )
            .and_where(left, "KillMode", Value::word("mixed"))
    }

    /// Commands with `+`, `!` and `!!` run outside of the sandbox.
    fn commands(&self, planner: &mut Planner<'_>) {
        let outside: Vec<String> =
            planner.base.iter().flat_map(crate::unit::Unit::privileged_commands).collect();
        let named = outside.join(", ");
        let mechanism = match self.privileged_commands {
            _ if planner.base.is_empty() => Mechanism::named("nothing")
                .leaves_open("the unit was not read: commands with `+` or `!` in front would run outside of the sandbox"),
            _ if outside.is_empty() => Mechanism::named("the unit has no such command"),
            PrivilegedCommands::Refuse => Mechanism::named("none").unless(Some(format!(
                "the unit has commands that run outside of every restriction: {named}; set `privileges.privilegedCommands`"
            ))),
            PrivilegedCommands::Confine => Mechanism::named(format!("their prefixes are taken away: {named}")),
            PrivilegedCommands::Keep => Mechanism::named("nothing")
                .leaves_open(format!("the policy lets these run outside of the sandbox: {named}")),
        };
        let confine = self.privileged_commands == PrivilegedCommands::Confine;
        if !guarantee(&COMMANDS_CONFINED).by(Self::end_with_the_unit(planner, mechanism)).keep(planner) {
            return;
        }
        // Past every limit of the unit's.
        if let Some(why) = planner.heard_as_it_speaks() {
            planner.plan.notes.push(format!(
                "{why}, the service can extend the time that it has to stop without an end (EXTEND_TIMEOUT_USEC=), as long as it ignores SIGTERM"
            ));
        }
        let target = planner.target;
        let known = |name: &str| {
            directive::lookup(Section::Service, name)
                .is_some_and(|directive| directive.known_to(target.systemd))
        };
        for (unit, base) in planner.plan.units.iter_mut().zip(planner.base) {
            base.forgo_others(&mut unit.settings, known);
            planner.plan.notes.extend(stopping::bound(base, &mut unit.settings));
        }
        if confine {
            for (unit, base) in planner.plan.units.iter_mut().zip(planner.base) {
                if let Err(error) = base.confine(&mut unit.settings) {
                    let kind = Kind::Unit {
                        unit: base.name.as_str().to_owned(),
                        reason: format!("a command cannot be confined: {error}"),
                        help: "change the command, or set `privileges.privilegedCommands` to `keep`"
                            .to_owned(),
                    };
                    planner.findings.push(Finding::new(kind, "/privileges/privilegedCommands"));
                }
            }
        }
    }
}

/// The guarantees about the kernel and the machine as a whole, each a directive of systemd.exec(5).
fn kernel(planner: &mut Planner<'_>) {
    let yes = || Value::Bool(true);
    let one =
        |planner: &mut Planner<'_>, promised, mechanism| guarantee(promised).by(mechanism).keep(planner);
    // systemd sets what the unit asks for before it installs the filter.
    // It takes numbers as well as names.
    let realtime =
        planner.may_ask("CPUSchedulingPolicy", |policy| !matches!(policy, "" | "other" | "batch" | "idle"));
    let restricted = Mechanism::service("RestrictRealtime", yes());
    one(planner, &NO_REALTIME, restricted.and_where(realtime, "CPUSchedulingPolicy", Value::word("other")));
    guarantee(&MACHINE_KEPT_RUNNING)
        .by(ACTIONS.into_iter().fold(Mechanism::named("no action of the unit's"), |mechanism, action| {
            mechanism.and_unit(action, Value::word("none"))
        }))
        .keep(planner);
    one(planner, &PERSONALITY_LOCKED, Mechanism::service("LockPersonality", yes()));
    let tunables = Mechanism::service("ProtectKernelTunables", yes());
    let tunables = if planner.policy.processes.is_unshared() {
        tunables.leaves_open("the /proc that unshare(1) mounts is not read-only: its modes alone protect it")
    } else {
        tunables
    };
    one(planner, &KERNEL_TUNABLES_READ_ONLY, tunables);
    let modules = Mechanism::service("ProtectKernelModules", yes());
    // The kernel loads what a socket asks for, whoever asks.
    let rare = !planner.keeps(&PROTOCOLS_LIMITED);
    let modules = if rare {
        modules.leaves_open(
            "a socket of a rare transport protocol (SCTP, DCCP) makes the kernel load its module, unless modprobe.d(5) denies it",
        )
    } else {
        modules
    };
    one(planner, &KERNEL_MODULES_CLOSED, modules);
    one(planner, &KERNEL_LOG_CLOSED, Mechanism::service("ProtectKernelLogs", yes()));
    guarantee(&CONTROL_GROUPS_READ_ONLY)
        .by(Mechanism::service("ProtectControlGroups", Value::word("strict")))
        .or(Mechanism::service("ProtectControlGroups", yes()))
        .keep(planner);
    one(planner, &CLOCK_UNCHANGED, Mechanism::service("ProtectClock", yes()));
    guarantee(&HOSTNAME_UNCHANGED)
        .by(Mechanism::service("ProtectHostname", Value::word("private")))
        .or(Mechanism::service("ProtectHostname", yes()))
        .keep(planner);
}
