//! Typed values: a value is quoted by its type and by its directive's syntax, and there is no way to put
//! raw text into a unit.
//!
//! systemd.syntax(7) describes one kind of quoting, but the parsers differ in what they unquote, which
//! escapes they know and whether they expand specifiers ([`Syntax`](crate::directive::Syntax)); text that the directive at hand
//! cannot express is refused. A `%` is doubled where specifiers are expanded, and refused elsewhere.

mod credential;
mod device;
mod directory;
mod error;
mod exec;
mod mount;
mod path;
pub(crate) mod quote;
mod words;

use crate::directive::Directive;
use crate::name::UnitName;

pub use device::Device;
pub use directory::Directory;
pub use error::ValueError;
pub use exec::{Argument, ExecLine, Prefixes, Privileges};
pub use mount::{Bind, TmpFs};
pub use path::{AbsPath, PathSpec};

/// The longest line that systemd reads, in bytes: it refuses the whole unit beyond.
pub const LONGEST_LINE: usize = 1024 * 1024;

/// The value of a directive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `yes` or `no`.
    Bool(bool),
    /// One word; for a directive whose value is the whole rest of the line, that text, blanks included.
    Word(String),
    /// Several words; where a line holds one item only, each goes to a line of its own.
    Words(Vec<String>),
    /// A plain number.
    Number(u64),
    /// A number that may be negative, as `OOMScoreAdjust=` takes it.
    Signed(i64),
    /// A size in bytes.
    Bytes(u64),
    /// No limit.
    Infinity,
    /// A share in percent; more than 100 where several CPUs make it so.
    Percent(u16),
    /// A time span in seconds.
    Seconds(u64),
    /// A time span in microseconds.
    Microseconds(u64),
    /// Permission bits, printed in octal.
    Mode(u16),
    /// A soft and a hard resource limit, systemd.exec(5) "Process Properties".
    Limits(u64, u64),
    /// One path.
    Path(AbsPath),
    /// Paths with the prefixes `-` and `+`.
    Paths(Vec<PathSpec>),
    /// Bind mounts.
    Binds(Vec<Bind>),
    /// Temporary file systems.
    TmpFs(Vec<TmpFs>),
    /// Names below `/var/lib` and the like, as `StateDirectory=` takes them.
    Directories(Vec<Directory>),
    /// Device nodes or classes, and what may be done with each; one a line.
    Devices(Vec<Device>),
    /// Bytes per second of the disk that a path is on, `IOReadBandwidthMax=` in systemd.resource-control(5); one a line.
    Rates(Vec<(AbsPath, u64)>),
    /// A list of what is denied, written with a leading `~`.
    Deny(Vec<String>),
    /// A list of what is allowed, all else being denied.
    Allow(Vec<String>),
    /// What is allowed, what is taken from it again, and what is allowed all the same; a line each, where not empty.
    /// The first of them decides that the whole is a list of what is allowed.
    Filter {
        /// Allowed.
        allow: Vec<String>,
        /// Taken away.
        deny: Vec<String>,
        /// Put back.
        except: Vec<String>,
    },
    /// Command lines, one a line of the unit.
    Exec(Vec<ExecLine>),
    /// Names of units.
    UnitNames(Vec<UnitName>),
    /// Environment variables, name and value.
    Environment(Vec<(String, String)>),
    /// Credentials by name, and the file that each is loaded from; one a line.
    Credentials(Vec<(String, AbsPath)>),
}

impl Value {
    /// A value of one word.
    pub fn word(text: impl Into<String>) -> Self {
        Self::Word(text.into())
    }

    /// A value of several words.
    pub fn words<Text: Into<String>>(texts: impl IntoIterator<Item = Text>) -> Self {
        Self::Words(texts.into_iter().map(Into::into).collect())
    }

    /// A list of what is denied.
    pub fn deny<Text: Into<String>>(texts: impl IntoIterator<Item = Text>) -> Self {
        Self::Deny(texts.into_iter().map(Into::into).collect())
    }

    /// A list of what is allowed.
    pub fn allow<Text: Into<String>>(texts: impl IntoIterator<Item = Text>) -> Self {
        Self::Allow(texts.into_iter().map(Into::into).collect())
    }

    /// The text of the assignments that give this value to the directive, what follows `=`: one for most
    /// values, several for command lines and for lists of which a line holds one item.
    ///
    /// # Errors
    /// When the directive does not take such a value, or its syntax cannot express it.
    pub fn assignments(&self, directive: &'static Directive) -> Result<Vec<String>, ValueError> {
        let texts = match self {
            Self::Word(text) => vec![words::word(text, directive)?.into_owned()],
            Self::Words(texts) => words::words(texts, directive)?,
            Self::Path(path) => vec![path::render(&[PathSpec::new(path.clone())], directive)?],
            Self::Paths(paths) => vec![path::render(paths, directive)?],
            Self::Binds(binds) => vec![mount::render_binds(binds, directive)?],
            Self::TmpFs(mounts) => vec![mount::render_tmpfs(mounts, directive)?],
            Self::Directories(names) => vec![directory::render(names, directive)?],
            Self::Devices(devices) => device::render(devices, directive)?,
            Self::Rates(rates) => device::render_rates(rates, directive)?,
            Self::Deny(items) => vec![words::kind("~", items, directive)?],
            Self::Allow(items) => vec![words::kind("", items, directive)?],
            Self::Filter { allow, deny, except } => words::filter(allow, deny, except, directive)?,
            Self::Exec(lines) => exec::render(lines, directive)?,
            Self::UnitNames(names) => vec![words::unit_names(names, directive)?],
            Self::Environment(variables) => vec![words::environment(variables, directive)?],
            Self::Credentials(credentials) => credential::render(credentials, directive)?,
            Self::Bool(_)
            | Self::Number(_)
            | Self::Signed(_)
            | Self::Bytes(_)
            | Self::Infinity
            | Self::Percent(_)
            | Self::Seconds(_)
            | Self::Microseconds(_)
            | Self::Mode(_)
            | Self::Limits(..) => vec![words::plain(&self.figure(), directive)?],
        };
        for text in &texts {
            // `+ 1` for the `=`.
            quote::within(directive.name.len() + 1 + text.len(), LONGEST_LINE)?;
        }
        Ok(texts)
    }

    /// The text of a boolean or number, which means the same in every syntax.
    fn figure(&self) -> String {
        match self {
            Self::Bool(true) => "yes".to_owned(),
            Self::Bool(false) => "no".to_owned(),
            Self::Number(number) | Self::Bytes(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
            Self::Percent(share) => format!("{share}%"),
            Self::Seconds(span) => format!("{span}s"),
            Self::Microseconds(span) => format!("{span}us"),
            Self::Mode(bits) => format!("{bits:04o}"),
            Self::Limits(soft, hard) => format!("{soft}:{hard}"),
            _ => "infinity".to_owned(),
        }
    }
}
