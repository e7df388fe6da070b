//! A target as it is named on a command line: a release, or a list of keys.

use std::collections::BTreeSet;
use std::str::FromStr;

use sandboxed_systemd::Version;

use super::{Distribution, Kernel, NEWEST, OLDEST, PROGRAMS, Target};
use crate::scalar::HostPath;

/// Why a target cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// A key that nothing knows.
    #[error(
        "a list has no `{key}`; it has systemd, kernel, netfilter, distribution, cgroups and controllers (more can be said in a JSON file)"
    )]
    Key {
        /// The key.
        key: String,
    },
    /// A key that has two values.
    #[error("the target says `{key}` twice")]
    Twice {
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
    /// Control groups that nothing of ours works with.
    #[error(
        "control groups are not unified (cgroup v1): limits, the packet filter and what holds a service to its ports would do nothing; \
         boot with systemd.unified_cgroup_hierarchy=1"
    )]
    Legacy,
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

impl FromStr for Target {
    type Err = TargetError;

    /// Reads the name of a release (`debian-13`) or a list (`systemd=257,kernel=6.12,netfilter=nftables`). Such a machine has
    /// our programs.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Some((_, systemd, kernel, distribution)) = RELEASES.iter().find(|(name, ..)| *name == text) {
            let plain = Self::new(Version(*systemd), *kernel);
            return Ok(Self { distribution: *distribution, merged_usr: true, ..plain }.with_ours());
        }
        let (mut systemd, mut kernel, mut netfilter, mut distribution) = (None, None, None, None);
        let (mut cgroups, mut controllers) = (None, None);
        let mut said = BTreeSet::new();
        for part in text.split(',') {
            let (key, value) = part.split_once('=').ok_or_else(|| TargetError::Release(text.to_owned()))?;
            if !said.insert(key) {
                return Err(TargetError::Twice { key: key.to_owned() });
            }
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
                "cgroups" => {
                    cgroups = Some(word(value).ok_or_else(|| wrong("cgroups", "unified or legacy"))?);
                }
                "controllers" => {
                    let expected = "a list such as cpu+io+memory+pids, or empty";
                    let names = value.split('+').filter(|name| !name.is_empty());
                    let names = names.map(|name| word(name).ok_or_else(|| wrong("controllers", expected)));
                    controllers = Some(names.collect::<Result<Vec<_>, _>>()?);
                }
                _ => return Err(TargetError::Key { key: key.to_owned() }),
            }
        }
        let systemd = systemd.ok_or(TargetError::Missing("systemd"))?;
        let kernel = kernel.ok_or(TargetError::Missing("kernel"))?;
        let plain = Self::new(systemd, kernel);
        Self {
            netfilter: netfilter.unwrap_or_default(),
            distribution: distribution.unwrap_or_default(),
            cgroups: cgroups.unwrap_or_default(),
            controllers: controllers.unwrap_or_else(|| plain.controllers.clone()),
            ..plain
        }
        .with_ours()
        .supported()
    }
}

impl Target {
    /// With our own programs installed as README.md says: a machine that is only named has not been looked at, and where they
    /// turn out to be missing nothing starts. On NixOS they are in the store, where only its configuration knows.
    fn with_ours(mut self) -> Self {
        if self.distribution != Distribution::Nixos {
            let ours = PROGRAMS.iter().filter(|program| program.ours);
            self.programs.extend(ours.map(|one| (one.name.to_owned(), HostPath::literal(one.usual))));
        }
        self
    }
}

/// A word that one of our enums is written as.
fn word<T: serde::de::DeserializeOwned>(value: &str) -> Option<T> {
    serde_json::from_value(value.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::{Controller, Netfilter};

    #[test]
    fn targets_are_read_from_text() {
        let target: Target = "systemd=252,kernel=6.1.0-25-amd64,netfilter=iptables".parse().unwrap();
        assert_eq!(
            (target.systemd, target.kernel, target.netfilter),
            (Version(252), Kernel::new(6, 1), Netfilter::Iptables)
        );
        assert_eq!("debian-13".parse::<Target>().unwrap().systemd, Version(257));
        let controllers = |list: &str| {
            let target: Target = format!("systemd=257,kernel=6.12{list}").parse().unwrap();
            target.controllers
        };
        assert_eq!(controllers(",cgroups=unified"), "debian-13".parse::<Target>().unwrap().controllers);
        assert_eq!(controllers(",controllers=cpu+pids"), [Controller::Cpu, Controller::Pids]);
        assert_eq!(controllers(",controllers="), []);
        for bad in [
            "",
            "systemd=257,kernel=6.12,cgroups=legacy",
            "systemd=257,kernel=6.12,controllers=memory+colour",
            "debian-99",
            "systemd=257",
            "systemd=x,kernel=6.1",
            "systemd=257,kernel=6.1,colour=red",
            "systemd=200,kernel=6.1",
            "systemd=999,kernel=9.1",
            "systemd=257,systemd=252,kernel=6.1",
            "systemd=257,kernel=6.1,kernel=6.1",
        ] {
            assert!(bad.parse::<Target>().is_err(), "{bad}");
        }
    }
}
