//! The target: what the artifacts will run on.

mod document;
mod text;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sandboxed_systemd::Version;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use crate::policy::present;
use crate::scalar::{Address, HostPath, PortRange};

pub use document::read;
pub use text::TargetError;

/// The oldest systemd that plans are made for (Ubuntu 22.04).
pub const OLDEST: Version = Version(249);
/// The newest systemd whose directives are known.
pub const NEWEST: Version = Version(262);

/// What leads into /usr where that is merged: to what has its name there, be it a directory or a link in its turn.
pub const BESIDE_USR: [(&str, &str); 6] = [
    ("/bin", "usr/bin"),
    ("/sbin", "usr/sbin"),
    ("/lib", "usr/lib"),
    ("/lib32", "usr/lib32"),
    ("/lib64", "usr/lib64"),
    ("/libx32", "usr/libx32"),
];

/// A program that our units run.
#[derive(Debug)]
struct Program {
    /// What it is called in a target.
    name: &'static str,
    /// Where distributions with /usr have it, and where ours are installed.
    usual: &'static str,
    /// Whether it is one of ours: it is where `usual` says if it has been installed at all.
    ours: bool,
    /// What it is needed for.
    purpose: &'static str,
}

const PROGRAMS: &[Program] = &[
    Program {
        name: "sandboxed",
        usual: "/usr/bin/sandboxed",
        ours: true,
        purpose: "Owns the packet filter's table, follows the uplinks, makes networks of services' own, verifies and plans anew.",
    },
    Program {
        name: "sandboxed-launch",
        usual: "/usr/lib/sandboxed/sandboxed-launch",
        ours: true,
        purpose: "Starts services in a PID namespace of their own and sets up Landlock and the last system call filter.",
    },
    Program { name: "nft", usual: "/usr/sbin/nft", ours: false, purpose: "Loads the packet filter, nft(8)." },
    Program {
        name: "ip",
        usual: "/usr/sbin/ip",
        ours: false,
        purpose: "Makes networks of services' own, ip(8).",
    },
    Program {
        name: "iptables-restore",
        usual: "/usr/sbin/iptables-restore",
        ours: false,
        purpose: "Loads the packet filter where there is no nft, iptables-restore(8).",
    },
    Program {
        name: "ip6tables-restore",
        usual: "/usr/sbin/ip6tables-restore",
        ours: false,
        purpose: "The same for IPv6.",
    },
    Program {
        name: "setpriv",
        usual: "/usr/bin/setpriv",
        ours: false,
        purpose: "Drops privileges for `processes.namespace: \"unshare\"`, setpriv(1).",
    },
    Program {
        name: "systemctl",
        usual: "/usr/bin/systemctl",
        ours: false,
        purpose: "Stops services whose network fails, systemctl(1).",
    },
    Program {
        name: "systemd-socket-proxyd",
        usual: "/usr/lib/systemd/systemd-socket-proxyd",
        ours: false,
        purpose: "Leads from localhost into networks of services' own, systemd-socket-proxyd(8).",
    },
    Program {
        name: "unshare",
        usual: "/usr/bin/unshare",
        ours: false,
        purpose: "Makes the PID namespace for `processes.namespace: \"unshare\"`, unshare(1).",
    },
];

/// What the artifacts will run on.
///
/// A key that is left out says the least that can be: a plan then rests on nothing that is not known to be there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Target of sandboxes", extend("examples" = [{ "systemd": "257.9", "kernel": "6.12" }]))]
pub struct Target {
    /// The schema that an editor completes this target from.
    #[serde(
        rename = "$schema",
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "String")]
    pub schema: Option<String>,
    /// The version of systemd, as `systemctl --version` and packages give it.
    #[serde(with = "as_text")]
    #[schemars(with = "String", regex(pattern = r"^v?0*[1-9][0-9]{0,3}([.~+-].*)?$"), extend("examples" = ["257", "252.39-1~deb12u2"]))]
    pub systemd: Version,
    /// The version of the kernel, as `uname -r` gives it.
    #[serde(with = "as_text")]
    #[schemars(with = "String", regex(pattern = r"^[0-9]{1,4}\.[0-9]{1,4}.*$"), extend("examples" = ["6.12", "6.1.0-25-amd64"]))]
    pub kernel: Kernel,
    /// Which packet filter there is.
    #[serde(default)]
    pub netfilter: Netfilter,
    /// Which distribution it is.
    #[serde(default)]
    pub distribution: Distribution,
    /// Where programs are that our units run. What is not named is where Debian has it, but on NixOS; `sandboxed` and
    /// `sandboxed-launch` are there only if they are named.
    #[serde(default)]
    #[schemars(schema_with = "programs")]
    pub programs: BTreeMap<String, HostPath>,
    /// Where the folder with the rules is, once installed.
    #[serde(default = "default_rules")]
    #[schemars(extend("examples" = ["/etc/nftables"]))]
    pub rules: HostPath,
    /// Whether /nix/store is a read-only mount of its own, as it is on NixOS.
    #[serde(default)]
    pub read_only_store: bool,
    /// Whether /bin, /sbin and /lib are links into /usr, file-hierarchy(7): then an own root has such links too, for which
    /// nothing has to be mounted.
    #[serde(default)]
    pub merged_usr: bool,
    /// Whether the kernel has Landlock switched on, as distributions have it; `lsm=` of its command line can leave it out.
    #[serde(default = "switched_on")]
    pub landlock: bool,
    /// Which hierarchy of control groups there is.
    #[serde(default)]
    pub cgroups: Hierarchy,
    /// The controllers of its control groups: /sys/fs/cgroup/cgroup.controllers, as distributions have it. `cgroup_disable=` of
    /// the kernel's command line takes some away, as some machines' makers do, and systemd then leaves limits out without a word.
    #[serde(default = "usual_controllers")]
    #[schemars(extend("examples" = [["cpu", "io", "memory", "pids"]]))]
    pub controllers: Vec<Controller>,
    /// Where file systems are mounted that have project quotas switched on, mount(8) `prjquota`.
    #[serde(default)]
    #[schemars(extend("examples" = [["/srv"]]))]
    pub project_quotas: Vec<HostPath>,
    /// The name servers in the machine's /etc/resolv.conf.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub name_servers: Vec<IpAddr>,
    /// Ports of this machine that its firewall opens to other machines, for `network.hostAddresses: "as-remote"`.
    #[serde(default)]
    pub firewall: Firewall,
}

fn programs(_: &mut SchemaGenerator) -> Schema {
    let known = PROGRAMS.iter().map(|program| {
        let mut described = Map::from_iter([
            ("type".to_owned(), Value::from("string")),
            ("pattern".to_owned(), <HostPath as crate::scalar::Lexical>::PATTERN.into()),
            ("description".to_owned(), program.purpose.into()),
        ]);
        let known = if program.ours { "examples" } else { "default" };
        let usual = Value::from(program.usual);
        described.insert(known.to_owned(), if program.ours { vec![usual].into() } else { usual });
        (program.name.to_owned(), Value::Object(described))
    });
    let known: Map<String, Value> = known.collect();
    json_schema!({ "type": "object", "properties": known, "additionalProperties": false })
}

fn default_rules() -> HostPath {
    HostPath::literal("/etc/nftables")
}

fn switched_on() -> bool {
    true
}

fn usual_controllers() -> Vec<Controller> {
    vec![Controller::Cpu, Controller::Io, Controller::Memory, Controller::Pids]
}

/// Ports that the firewall opens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Firewall {
    /// TCP ports.
    #[schemars(with = "Vec<PortRange>")]
    pub tcp: Vec<String>,
    /// UDP ports.
    #[schemars(with = "Vec<PortRange>")]
    pub udp: Vec<String>,
}

/// A version of Linux.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel {
    /// The first number.
    pub major: u16,
    /// The second number.
    pub minor: u16,
}

impl Kernel {
    /// Linux `major.minor`.
    pub const fn new(major: u16, minor: u16) -> Self {
        Self { major, minor }
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl FromStr for Kernel {
    type Err = TargetError;

    /// Reads `6.1`, and what `uname -r` prints: `6.12.48+deb13-amd64`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let number = |part: Option<&str>| {
            let digits: String = part.unwrap_or_default().chars().take_while(char::is_ascii_digit).collect();
            // None has such a number, but whoever says one says a version.
            (!digits.is_empty()).then(|| digits.parse::<u16>().unwrap_or(u16::MAX))
        };
        let mut parts = text.split('.');
        match (number(parts.next()), number(parts.next())) {
            (Some(major), Some(minor)) => Ok(Self { major, minor }),
            _ => Err(TargetError::Value {
                key: "kernel",
                value: text.to_owned(),
                expected: "a version such as 6.12",
            }),
        }
    }
}

/// The packet filter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Netfilter {
    /// nftables, nft(8).
    #[default]
    Nftables,
    /// Only iptables, iptables(8).
    Iptables,
    /// None: nothing can be filtered.
    None,
}

/// The hierarchy of control groups, cgroups(7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Hierarchy {
    /// The unified one, cgroup v2.
    #[default]
    Unified,
    /// cgroup v1, alone or with a unified one beside it that has no controllers. No plans are made for it: limits, the packet
    /// filter and what holds a service to its ports all rest on the unified one.
    Legacy,
}

/// A controller of control groups, cgroups(7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// Shares and limits of processor time.
    Cpu,
    /// Which processors are used.
    Cpuset,
    /// Shares and limits of disks.
    Io,
    /// Limits of memory and swap space.
    Memory,
    /// Limits of the number of tasks.
    Pids,
}

impl Controller {
    /// The one that a directive does nothing without, systemd.resource-control(5).
    pub(crate) fn of(directive: &str) -> Option<Self> {
        Some(match directive {
            "CPUWeight" | "StartupCPUWeight" | "CPUQuota" | "CPUQuotaPeriodSec" => Self::Cpu,
            "AllowedCPUs" | "AllowedMemoryNodes" => Self::Cpuset,
            "IOWeight" | "IOReadBandwidthMax" | "IOWriteBandwidthMax" => Self::Io,
            "MemoryMin" | "MemoryLow" | "MemoryHigh" | "MemoryMax" | "MemorySwapMax" => Self::Memory,
            "TasksMax" => Self::Pids,
            _ => return None,
        })
    }

    /// Those of a file such as cgroup.controllers that plans know.
    pub fn known(names: &str) -> Vec<Self> {
        let read = |name: &str| serde_json::from_value(name.into()).ok();
        names.split_whitespace().filter_map(read).collect()
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// The distribution: where it has its programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Distribution {
    /// Debian and what derives from it.
    #[default]
    Debian,
    /// NixOS.
    Nixos,
    /// Another, with programs below /usr.
    Other,
}

impl Target {
    /// A target with nothing known but the versions.
    pub fn new(systemd: Version, kernel: Kernel) -> Self {
        Self {
            schema: None,
            systemd,
            kernel,
            netfilter: Netfilter::default(),
            distribution: Distribution::default(),
            programs: BTreeMap::new(),
            rules: default_rules(),
            read_only_store: false,
            merged_usr: false,
            landlock: true,
            cgroups: Hierarchy::default(),
            controllers: usual_controllers(),
            project_quotas: Vec::new(),
            name_servers: Vec::new(),
            firewall: Firewall::default(),
        }
    }

    /// Where a program is: as the target says, or where distributions with /usr have it.
    pub fn program(&self, name: &str) -> Option<HostPath> {
        let usual = PROGRAMS.iter().find(|program| program.name == name && !program.ours);
        let usual = usual.filter(|_| self.distribution != Distribution::Nixos);
        let known = self.programs.get(name).cloned();
        known.or_else(|| usual.map(|program| HostPath::literal(program.usual)))
    }

    /// The target, if plans can be made for it.
    ///
    /// # Errors
    /// If its systemd is outside of the known range, or its control groups are not unified.
    pub fn supported(self) -> Result<Self, TargetError> {
        if self.cgroups == Hierarchy::Legacy {
            return Err(TargetError::Legacy);
        }
        match self.systemd {
            version if version < OLDEST => Err(TargetError::TooOld(version)),
            version if version > NEWEST => Err(TargetError::TooNew(version)),
            _ => Ok(self),
        }
    }
}

/// Versions are strings in JSON, as packages and `uname` give them.
mod as_text {
    use super::{Deserialize, Deserializer, FromStr, Serializer, fmt};

    pub(super) fn serialize<T: fmt::Display, S: Serializer>(
        value: &T,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
