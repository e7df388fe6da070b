//! The directives of unit files: since when they exist, where they are documented, how they are parsed,
//! and what systemd does when the kernel lacks what they need.
//!
//! The tables are generated at build time from `data/*.json`, which hold facts from systemd's manual
//! pages and sources; look-ups are binary searches in static tables.

mod parser;

use std::fmt;

pub use parser::{Group, Merge, Syntax, Takes};

use crate::Version;
pub(crate) use parser::Parser;

include!(concat!(env!("OUT_DIR"), "/tables.rs"));

/// A section of a unit file, systemd.unit(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "the names are systemd's own")]
pub enum Section {
    // In alphabetical order: the generated tables are searched by it.
    Automount,
    Install,
    Mount,
    Path,
    Scope,
    Service,
    Slice,
    Socket,
    Swap,
    Timer,
    Unit,
}

impl Section {
    /// All sections, in the order in which they are declared.
    pub const ALL: [Self; 11] = [
        Self::Automount,
        Self::Install,
        Self::Mount,
        Self::Path,
        Self::Scope,
        Self::Service,
        Self::Slice,
        Self::Socket,
        Self::Swap,
        Self::Timer,
        Self::Unit,
    ];

    /// The name between the brackets of the section's header.
    pub fn name(self) -> &'static str {
        match self {
            Self::Automount => "Automount",
            Self::Install => "Install",
            Self::Mount => "Mount",
            Self::Path => "Path",
            Self::Scope => "Scope",
            Self::Service => "Service",
            Self::Slice => "Slice",
            Self::Socket => "Socket",
            Self::Swap => "Swap",
            Self::Timer => "Timer",
            Self::Unit => "Unit",
        }
    }

    /// The section of this name, which systemd compares with case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|section| section.name() == name)
    }
}

impl fmt::Display for Section {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A directive of a section that systemd documents.
#[derive(Debug)]
pub struct Directive {
    /// The section it stands in; several sections share most of their directives.
    pub section: Section,
    /// Its name, without the `=`.
    pub name: &'static str,
    /// The first version of systemd that knows it; `None` when it is older than systemd's own records.
    pub since: Option<Version>,
    /// The manual page that documents it, without the number: all of them are in section 5.
    pub manpage: &'static str,
    /// What systemd does when something that the directive needs is missing; empty when nothing can be.
    pub fail_modes: &'static [FailMode],
    parser: &'static Parser,
}

impl Directive {
    /// How repeated assignments, of one file or of several, combine to the value in force.
    pub fn merge(&self) -> Merge {
        self.parser.merge
    }

    /// How a value is spelled.
    pub fn syntax(&self) -> Syntax {
        self.parser.syntax
    }

    /// Whether `%` starts a specifier in its value, systemd.unit(5) "Specifiers".
    pub fn expands_specifiers(&self) -> bool {
        self.parser.specifiers
    }

    /// Whether systemd of this version knows the directive. An older one ignores it with a warning.
    pub fn known_to(&self, version: Version) -> bool {
        self.since.is_none_or(|since| since <= version)
    }

    /// What kind of values it takes.
    pub fn takes(&self) -> Takes {
        self.parser.takes
    }
}

/// What systemd does with a directive when something is missing at run time.
#[derive(Debug, PartialEq, Eq)]
pub struct FailMode {
    /// What the directive needs: `seccomp in kernel`, `cgroup BPF`.
    pub missing: &'static str,
    /// `skip`: the service runs without; `refuse`: it does not start.
    pub behaviour: &'static str,
    /// The level of the message, `debug` for most; empty when the sources do not say.
    pub log: &'static str,
}

impl FailMode {
    /// Whether the service runs without what the directive promises.
    pub fn is_open(&self) -> bool {
        self.behaviour != "refuse"
    }
}

/// The directive of this name in this section, if systemd documents it.
pub fn lookup(section: Section, name: &str) -> Option<&'static Directive> {
    let index = DIRECTIVES.binary_search_by(|row| (row.section, row.name).cmp(&(section, name))).ok()?;
    DIRECTIVES.get(index)
}

/// How systemd reads a directive, documented or not; `None` when it does not know it.
pub(crate) fn parser(section: Section, name: &str) -> Option<&'static Parser> {
    if let Some(directive) = lookup(section, name) {
        return Some(directive.parser);
    }
    let index = OTHERS.binary_search_by(|row| (row.0, row.1).cmp(&(section, name))).ok()?;
    OTHERS.get(index).map(|row| row.2)
}

/// All directives, by section and name.
pub fn all() -> impl Iterator<Item = &'static Directive> {
    DIRECTIVES.iter()
}

/// The first version of systemd that knows this value of a directive; `None` when the value is as old as
/// the directive, or its age is not recorded.
pub fn value_since(name: &str, value: &str) -> Option<Version> {
    let index = VALUES.binary_search_by(|row| (row.0, row.1).cmp(&(name, value))).ok()?;
    VALUES.get(index).map(|row| row.2)
}

/// What became of a directive that systemd no longer documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Still read, under a newer name.
    Alias,
    /// Ignored.
    Removed,
}

/// What became of a directive that systemd no longer documents; `None` for all others.
pub fn legacy(section: Section, name: &str) -> Option<Status> {
    let index = LEGACY.binary_search_by(|row| (row.0, row.1).cmp(&(section, name))).ok()?;
    LEGACY.get(index).map(|row| row.2)
}

/// The newer name of a directive that systemd still reads under its old one, with the same values.
pub fn canonical_name(section: Section, name: &str) -> &str {
    match (section, name) {
        (Section::Unit, "BindTo") => "BindsTo",
        (Section::Unit, "PropagateReloadFrom") => "ReloadPropagatedFrom",
        (Section::Unit, "PropagateReloadTo") => "PropagatesReloadTo",
        (Section::Unit, "RequiresOverridable") => "Requires",
        (Section::Unit, "RequisiteOverridable") => "Requisite",
        (Section::Unit, "StartLimitInterval") => "StartLimitIntervalSec",
        (_, "InaccessibleDirectories") => "InaccessiblePaths",
        (_, "ReadOnlyDirectories") => "ReadOnlyPaths",
        (_, "ReadWriteDirectories") => "ReadWritePaths",
        _ => name,
    }
}
