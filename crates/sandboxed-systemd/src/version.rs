use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A major version of systemd: features appear with majors only.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub u16);

/// Not a version of systemd.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a version of systemd, such as 257 or 257.13")]
pub struct InvalidVersion(String);

impl FromStr for Version {
    type Err = InvalidVersion;

    /// Reads `257`, `v257`, `257.13`, `257~rc1`, `257-rc1` and what distributions add: `252.39-1~deb12u2`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix('v').unwrap_or(text);
        let major = digits.split_once(['.', '~', '-', '+']).map_or(digits, |(major, _)| major);
        match major.parse() {
            Ok(version) if version > 0 && major.bytes().all(|byte| byte.is_ascii_digit()) => {
                Ok(Self(version))
            }
            _ => Err(InvalidVersion(text.to_owned())),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_systemd_and_distributions_print() {
        for text in ["257", "v257", "257.13", "257~rc1", "257-rc1", "257.13-1~deb13u1", "257+suse"] {
            assert_eq!(text.parse(), Ok(Version(257)), "{text}");
        }
        for text in ["", "v", "0", "+257", "-1", "257a", "70000", " 257", "latest", "~257"] {
            assert!(text.parse::<Version>().is_err(), "{text}");
        }
        assert!(Version(99) < Version(252));
        assert_eq!(Version(262).to_string(), "262");
    }
}
