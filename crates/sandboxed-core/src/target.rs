//! The target: what the artifacts will run on.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use sandboxed_systemd::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::scalar::HostPath;

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

/// What the artifacts will run on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Target {
    /// The version of systemd.
    #[serde(with = "as_text")]
    pub systemd: Version,
    /// The version of the kernel.
    #[serde(with = "as_text")]
    pub kernel: Kernel,
    /// Which packet filter there is.
    #[serde(default)]
    pub netfilter: Netfilter,
    /// Which distribution it is.
    #[serde(default)]
    pub distribution: Distribution,
    /// Where programs are that our units run, by name (`nft`, `sandboxed`, `sandboxed-launch`, …).
    #[serde(default)]
    pub programs: BTreeMap<String, HostPath>,
    /// Where the folder with the rules is, once installed.
    #[serde(default = "default_rules")]
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
    /// Where file systems are mounted that have project quotas switched on, mount(8) `prjquota`.
    #[serde(default)]
    pub project_quotas: Vec<HostPath>,
    /// The name servers in the machine's /etc/resolv.conf.
    #[serde(default)]
    pub name_servers: Vec<IpAddr>,
    /// Ports of this machine that its firewall opens to other machines.
    #[serde(default)]
    pub firewall: Firewall,
}

fn default_rules() -> HostPath {
    HostPath::literal("/etc/nftables")
}

fn switched_on() -> bool {
    true
}

/// Ports that the firewall opens, each a port or a range such as `8000-8010`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Firewall {
    /// TCP ports.
    pub tcp: Vec<String>,
    /// UDP ports.
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
            digits.parse::<u16>().ok()
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// The distribution: where it has its programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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

/// Why a target cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A key that nothing knows.
    #[error("a target has no `{key}`; it has systemd, kernel, netfilter and distribution")]
    Key {
        /// The key.
        key: String,
    },
    /// A value that is none.
    #[error("`{value}` is not {expected} (in `{key}` of the target)")]
    Value {
        /// The key.
        key: &'static str,
        /// The value.
        value: String,
        /// What was expected.
        expected: &'static str,
    },
    /// Something that has to be said is not.
    #[error("the target does not say `{0}`")]
    Missing(&'static str),
    /// A release that nothing knows, and no key either.
    #[error("`{0}` is neither a release ({known}) nor a list such as systemd=257,kernel=6.12", known = releases())]
    Release(String),
    /// A systemd that is too old.
    #[error("systemd {0} is older than {OLDEST}, the oldest that plans are made for")]
    TooOld(Version),
    /// A systemd that is too new.
    #[error("systemd {0} is newer than {NEWEST}, the newest whose directives are known here")]
    TooNew(Version),
}

/// Releases that a target can be named by: systemd, kernel, distribution. All of them have /bin and its like in /usr.
const RELEASES: &[(&str, u16, Kernel, Distribution)] = &[
    ("debian-12", 252, Kernel::new(6, 1), Distribution::Debian),
    ("debian-13", 257, Kernel::new(6, 12), Distribution::Debian),
    ("ubuntu-22.04", 249, Kernel::new(5, 15), Distribution::Debian),
    ("ubuntu-24.04", 255, Kernel::new(6, 8), Distribution::Debian),
];

fn releases() -> String {
    RELEASES.iter().map(|(name, ..)| *name).collect::<Vec<_>>().join(", ")
}

impl Target {
    /// A target with nothing known but the versions.
    pub fn new(systemd: Version, kernel: Kernel) -> Self {
        Self {
            systemd,
            kernel,
            netfilter: Netfilter::default(),
            distribution: Distribution::default(),
            programs: BTreeMap::new(),
            rules: default_rules(),
            read_only_store: false,
            merged_usr: false,
            landlock: true,
            project_quotas: Vec::new(),
            name_servers: Vec::new(),
            firewall: Firewall::default(),
        }
    }

    /// Where a program is: as the target says, or where distributions with /usr have it.
    pub fn program(&self, name: &str) -> Option<HostPath> {
        let usual = match name {
            "nft" => "/usr/sbin/nft",
            "ip" => "/usr/sbin/ip",
            "unshare" => "/usr/bin/unshare",
            "setpriv" => "/usr/bin/setpriv",
            "systemctl" => "/usr/bin/systemctl",
            "systemd-socket-proxyd" => "/usr/lib/systemd/systemd-socket-proxyd",
            "iptables-restore" => "/usr/sbin/iptables-restore",
            "ip6tables-restore" => "/usr/sbin/ip6tables-restore",
            _ => "",
        };
        let known = self.programs.get(name).cloned();
        known.or_else(|| HostPath::new(usual).filter(|_| self.distribution != Distribution::Nixos))
    }

    /// The target, if plans can be made for it.
    ///
    /// # Errors
    /// If its systemd is outside of the known range.
    pub fn supported(self) -> Result<Self, TargetError> {
        match self.systemd {
            version if version < OLDEST => Err(TargetError::TooOld(version)),
            version if version > NEWEST => Err(TargetError::TooNew(version)),
            _ => Ok(self),
        }
    }
}

impl FromStr for Target {
    type Err = TargetError;

    /// Reads the name of a release (`debian-13`) or a list (`systemd=257,kernel=6.12,netfilter=nftables`).
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, systemd, kernel, distribution)) = RELEASES.iter().find(|(name, ..)| *name == text) {
            let plain = Self::new(Version(*systemd), *kernel);
            return Ok(Self { distribution: *distribution, merged_usr: true, ..plain });
        }
        let (mut systemd, mut kernel, mut netfilter, mut distribution) = (None, None, None, None);
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| TargetError::Release(text.to_owned()))?;
            let wrong = |key, expected| TargetError::Value { key, value: value.to_owned(), expected };
            match key {
                "systemd" => {
                    systemd = Some(value.parse().map_err(|_| wrong("systemd", "a version such as 257"))?);
                }
                "kernel" => kernel = Some(value.parse()?),
                "netfilter" => {
                    netfilter =
                        Some(word(value).ok_or_else(|| wrong("netfilter", "nftables, iptables or none"))?);
                }
                "distribution" => {
                    let known = word(value).ok_or_else(|| wrong("distribution", "debian, nixos or other"))?;
                    distribution = Some(known);
                }
                _ => return Err(TargetError::Key { key: key.to_owned() }),
            }
        }
        let systemd = systemd.ok_or(TargetError::Missing("systemd"))?;
        let kernel = kernel.ok_or(TargetError::Missing("kernel"))?;
        Self {
            netfilter: netfilter.unwrap_or_default(),
            distribution: distribution.unwrap_or_default(),
            ..Self::new(systemd, kernel)
        }
        .supported()
    }
}

/// A word that one of our enums is written as.
fn word<T: serde::de::DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_value(value.into()).ok()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_read_from_text() {
        let target: Target = "systemd=252,kernel=6.1.0-25-amd64,netfilter=iptables".parse().unwrap();
        assert_eq!(
            (target.systemd, target.kernel, target.netfilter),
            (Version(252), Kernel::new(6, 1), Netfilter::Iptables)
        );
        assert_eq!("debian-13".parse::<Target>().unwrap().systemd, Version(257));
        for bad in [
            "",
            "debian-99",
            "systemd=257",
            "systemd=x,kernel=6.1",
            "systemd=257,kernel=6.1,colour=red",
            "systemd=200,kernel=6.1",
            "systemd=999,kernel=9.1",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
