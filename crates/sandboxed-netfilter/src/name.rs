//! Names that end up in rule text: each has a type of its own, which can only hold what the tools accept.

use std::{fmt, str::FromStr};

/// Why a name can't be used in a rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NameError {
    /// The name is empty.
    #[error("a {what} may not be empty")]
    Empty {
        /// What kind of name it is.
        what: &'static str,
    },
    /// The name is longer than the kernel or the tools allow.
    #[error("the {what} {name:?} is {length} bytes long; at most {limit} are allowed")]
    TooLong {
        /// What kind of name it is.
        what: &'static str,
        /// The beginning of the name.
        name: String,
        /// Its length in bytes.
        length: usize,
        /// The most that is allowed, in bytes.
        limit: usize,
    },
    /// The name holds a character that can't be written.
    #[error("the {what} {name:?} may not hold {found:?}")]
    Character {
        /// What kind of name it is.
        what: &'static str,
        /// The beginning of the name.
        name: String,
        /// The first such character.
        found: char,
    },
    /// The name is a word of the rule language, or means something else there.
    #[error("{name:?} can't be a {what}: it is reserved")]
    Reserved {
        /// What kind of name it is.
        what: &'static str,
        /// The name.
        name: String,
    },
}

/// Declares the names within a table, each a function with its documentation, and tests that all of them are legal.
macro_rules! names {
    ($($(#[$doc:meta])* $name:ident = $text:literal;)*) => {
        $(
            $(#[$doc])*
            pub fn $name() -> $crate::name::Ident {
                $crate::name::Ident::literal($text)
            }
        )*

        #[cfg(test)]
        mod tests {
            #[test]
            fn the_names_within_the_table_are_legal() {
                for name in [$($text),*] {
                    $crate::name::Ident::new(name).unwrap();
                }
            }
        }
    };
}
pub(crate) use names;

/// Checks length and characters, the part that all names have in common.
fn check(what: &'static str, name: &str, limit: usize, allowed: fn(char) -> bool) -> Result<(), NameError> {
    // An error message must stay readable even if somebody passes a megabyte.
    let shown = || name.chars().take(64).collect::<String>();
    if name.is_empty() {
        return Err(NameError::Empty { what });
    }
    if name.len() > limit {
        return Err(NameError::TooLong { what, name: shown(), length: name.len(), limit });
    }
    match name.chars().find(|c| !allowed(*c)) {
        Some(found) => Err(NameError::Character { what, name: shown(), found }),
        None => Ok(()),
    }
}

macro_rules! name_traits {
    ($name:ident) => {
        impl $name {
            /// The name itself, unquoted.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = NameError;

            fn from_str(text: &str) -> Result<Self, NameError> {
                Self::new(text)
            }
        }
    };
}

/// The name of a table, chain, set or map: nft has no quotes for these, so it is restricted to what its scanner
/// reads as one word that is no keyword.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ident(String);

name_traits!(Ident);

impl Ident {
    /// The most bytes a name may have (`NFT_NAME_MAXLEN` counts the final NUL).
    pub const LIMIT: usize = 255;

    /// A name that is already a legal identifier.
    ///
    /// # Errors
    /// If nft would not read it as one plain word.
    pub fn new(name: &str) -> Result<Self, NameError> {
        const WHAT: &str = "name of a table, chain or set";
        check(WHAT, name, Self::LIMIT, |c| c.is_ascii_alphanumeric() || "/-_.".contains(c))?;
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || crate::keyword::is_keyword(name) {
            return Err(NameError::Reserved { what: WHAT, name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }

    /// An identifier made from any text: `prefix`, a dash, and the text with everything but ASCII letters, digits,
    /// `-`, `.` and `_` written as `/` and two hexadecimal digits a byte. Different texts give different identifiers,
    /// and the dash keeps them apart from nft's keywords.
    ///
    /// # Errors
    /// If the text is empty or the result too long.
    pub fn encoded(prefix: &Ident, text: &str) -> Result<Self, NameError> {
        const WHAT: &str = "name of a service";
        if text.is_empty() {
            return Err(NameError::Empty { what: WHAT });
        }
        let room = Self::LIMIT.saturating_sub(prefix.0.len() + 1);
        if text.len() > room {
            let name = text.chars().take(64).collect();
            return Err(NameError::TooLong { what: WHAT, name, length: text.len(), limit: room });
        }
        let mut name = format!("{}-", prefix.0);
        for byte in text.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._".contains(&byte) {
                name.push(char::from(byte));
            } else {
                let digit = |value: u8| char::from_digit(u32::from(value), 16).unwrap_or('0');
                name.extend(['/', digit(byte >> 4), digit(byte & 15)]);
            }
        }
        if name.len() > Self::LIMIT {
            let shown = text.chars().take(64).collect();
            return Err(NameError::TooLong {
                what: WHAT,
                name: shown,
                length: name.len(),
                limit: Self::LIMIT,
            });
        }
        Ok(Self(name))
    }

    /// For the names in this crate's own source, whose legality a test asserts.
    pub(crate) fn literal(name: &'static str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for Ident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The name of a network interface.
///
/// The kernel's rule (`dev_valid_name`) is wider: names with quotes, backslashes or a trailing `*` or `+` can't be
/// written in nft or mean a wildcard in iptables, and are refused. So are `all` and `default`, which are no single interface to
/// whoever writes settings, `/proc/sys/net/ipv4/conf/all`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Interface(String);

name_traits!(Interface);

impl Interface {
    /// The most bytes a name may have (`IFNAMSIZ` counts the final NUL).
    pub const LIMIT: usize = 15;

    /// An interface by name.
    ///
    /// # Errors
    /// If no interface can have the name, or the rule languages can't write it.
    pub fn new(name: &str) -> Result<Self, NameError> {
        const WHAT: &str = "name of a network interface";
        check(WHAT, name, Self::LIMIT, |c| c.is_ascii_graphic() && !"\"\\/:*;{}'$`".contains(c))?;
        // The settings of all interfaces, and of those to come, are in folders beside those of single ones.
        let settings = name == "all" || name == "default";
        if settings || name == "." || name == ".." || name.ends_with('+') || name.starts_with(['-', '!', '@'])
        {
            return Err(NameError::Reserved { what: WHAT, name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }
}

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

/// The path of a control group below the root of the unified tree: `sandboxed.slice/sandboxed-synapse.slice`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CgroupPath(String);

name_traits!(CgroupPath);

impl CgroupPath {
    /// The longest path that the tools take, in bytes: xtables has 512 with the final NUL (`xt_cgroup.h`), of which the
    /// leading slash takes one.
    pub const LIMIT: usize = 510;

    /// A path without leading or trailing slash, of components as systemd names units.
    ///
    /// # Errors
    /// If it is no such path.
    pub fn new(path: &str) -> Result<Self, NameError> {
        const WHAT: &str = "path of a control group";
        check(WHAT, path, Self::LIMIT, |c| c.is_ascii_alphanumeric() || ":_.-\\@/".contains(c))?;
        if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
            return Err(NameError::Reserved { what: WHAT, name: path.to_owned() });
        }
        Ok(Self(path.to_owned()))
    }

    /// How deep it lies: 1 for a child of the root. This is the number that `socket cgroupv2 level` wants.
    pub fn level(&self) -> u8 {
        // 510 bytes have at most 255 components.
        u8::try_from(self.0.split('/').count()).unwrap_or(u8::MAX)
    }

    /// The control group at `level` on the way down to this one, or `None` if this one is not as deep.
    pub fn ancestor(&self, level: u8) -> Option<Self> {
        let parts: Vec<&str> = self.0.split('/').take(usize::from(level)).collect();
        (level > 0 && parts.len() == usize::from(level)).then(|| Self(parts.join("/")))
    }
}

impl fmt::Display for CgroupPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // nft reads a backslash between quotes as itself, which systemd's escapes (`\x2d`) need.
        write!(f, "\"{}\"", self.0)
    }
}

/// A remark that is loaded with a rule and shown in listings.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Comment(String);

name_traits!(Comment);

impl Comment {
    /// The most bytes nft stores with a rule (`NFTNL_UDATA_COMMENT_MAXLEN`, 128 with the final NUL).
    pub const LIMIT: usize = 127;

    /// Any printable ASCII but the double quote, which nft can't escape, and the backslash, which iptables reads as an
    /// escape.
    ///
    /// # Errors
    /// If it is empty, too long or holds another character.
    pub fn new(text: &str) -> Result<Self, NameError> {
        check("comment", text, Self::LIMIT, |c| (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\')?;
        Ok(Self(text.to_owned()))
    }

    /// A comment out of any text: what can't be written becomes `?`, what is too long is cut.
    pub fn lossy(text: &str) -> Option<Self> {
        let clean: String = text
            .chars()
            .map(|c| if (c.is_ascii_graphic() || c == ' ') && c != '"' && c != '\\' { c } else { '?' })
            .take(Self::LIMIT)
            .collect();
        (!clean.is_empty()).then_some(Self(clean))
    }
}

impl fmt::Display for Comment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}
