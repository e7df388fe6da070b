//! The Debian releases that the testbed knows, each for the systemd it carries.

use std::fmt;
use std::str::FromStr;

use anyhow::{Error, bail};

/// A Debian release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suite {
    /// Debian 12: systemd 252, Python 3.11.
    Bookworm,
    /// Debian 13: systemd 257, Python 3.13.
    Trixie,
    /// Debian unstable: the newest systemd. A canary: its tree may fail to build through no fault of ours.
    Sid,
}

impl Suite {
    /// Every release, oldest first.
    pub const ALL: [Self; 3] = [Self::Bookworm, Self::Trixie, Self::Sid];
    /// The releases that must work: all but the canary.
    pub const STABLE: [Self; 2] = [Self::Bookworm, Self::Trixie];

    /// The release's code name, as debootstrap(8) and sources.list(5) spell it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
            Self::Sid => "sid",
        }
    }

    /// The major version of systemd in the release; `None` for the canary, where it moves.
    pub fn systemd(self) -> Option<u16> {
        match self {
            Self::Bookworm => Some(252),
            Self::Trixie => Some(257),
            Self::Sid => None,
        }
    }
}

impl fmt::Display for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Suite {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        match Self::ALL.into_iter().find(|suite| suite.name() == name) {
            Some(suite) => Ok(suite),
            None => bail!("unknown suite `{name}`: expected bookworm, trixie or sid"),
        }
    }
}
