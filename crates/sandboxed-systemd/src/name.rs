//! Unit names, systemd.unit(5), and the place of slices in the cgroup tree, systemd.slice(5).

use std::fmt;
use std::str::FromStr;

/// The longest name of a unit, in bytes.
const LONGEST: usize = 255;
/// The types of units, which are the suffixes of their names.
const TYPES: [&str; 11] = [
    "service",
    "mount",
    "swap",
    "socket",
    "target",
    "device",
    "automount",
    "timer",
    "path",
    "slice",
    "scope",
];
/// The parent of all slices, and the top of the cgroup tree.
const ROOT_SLICE: &str = "-.slice";

/// The name of a unit: `prefix.type`, `prefix@instance.type`, or, for a template, `prefix@.type`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct UnitName(String);

/// Not the name of a unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// Longer than 255 bytes.
    #[error("the unit name `{0}` is longer than {LONGEST} bytes")]
    TooLong(String),
    /// The name does not end in `.service` or another type.
    #[error("the unit name `{0}` does not end in the type of a unit, such as .service")]
    Type(String),
    /// Nothing before the `.` or `@`.
    #[error("the unit name `{0}` has nothing before its type or its `@`")]
    Prefix(String),
    /// A character that names of units cannot contain; [`escape`] hides it.
    #[error("the unit name `{0}` contains {1:?}")]
    Character(String, char),
    /// A template or instance, or dashes at an end or in a row, in the name of a slice.
    #[error("`{0}` is not the name of a slice: an `@`, or a dash with nothing to one of its sides")]
    Slice(String),
}

impl UnitName {
    /// Takes a name as systemd takes it.
    ///
    /// # Errors
    /// When systemd would refuse it.
    pub fn new(name: &str) -> Result<Self, InvalidName> {
        if name.len() > LONGEST {
            return Err(InvalidName::TooLong(name.to_owned()));
        }
        let (stem, kind) = name.rsplit_once('.').ok_or_else(|| InvalidName::Type(name.to_owned()))?;
        if !TYPES.contains(&kind) {
            return Err(InvalidName::Type(name.to_owned()));
        }
        if let Some(character) =
            stem.chars().find(|&character| !(is_plain(character) || "-\\@".contains(character)))
        {
            return Err(InvalidName::Character(name.to_owned(), character));
        }
        if stem.is_empty() || stem.starts_with('@') {
            return Err(InvalidName::Prefix(name.to_owned()));
        }
        let unit = Self(name.to_owned());
        if kind == "slice" && name != ROOT_SLICE && (stem.contains('@') || stem.split('-').any(str::is_empty))
        {
            return Err(InvalidName::Slice(unit.0));
        }
        Ok(unit)
    }

    /// The slice at the end of this path of slices: `["sandboxed", "a-b"]` is `sandboxed-a\x2db.slice`, which
    /// systemd places in `sandboxed.slice`. Dashes separate slices, so those within a component are escaped.
    ///
    /// # Errors
    /// When a component is empty or the name gets too long.
    pub fn slice(path: &[&str]) -> Result<Self, InvalidName> {
        if path.is_empty() {
            return Self::new(ROOT_SLICE);
        }
        // A `/` is escaped to a dash, which would add a level.
        if path.iter().any(|component| component.contains('/')) {
            return Err(InvalidName::Character(path.join("-"), '/'));
        }
        let stem = path.iter().map(|component| escape(component)).collect::<Vec<_>>().join("-");
        Self::new(&format!("{stem}.slice"))
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What precedes the `@` or the type.
    pub fn prefix(&self) -> &str {
        let stem = self.stem();
        stem.split_once('@').map_or(stem, |(prefix, _)| prefix)
    }

    /// What follows the `@`, escaped as it stands: empty for a template, `None` for a plain unit.
    pub fn instance(&self) -> Option<&str> {
        self.stem().split_once('@').map(|(_, instance)| instance)
    }

    /// The type, without the dot: `service`.
    pub fn suffix(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(_, kind)| kind)
    }

    /// Whether this is a template, `prefix@.type`.
    pub fn is_template(&self) -> bool {
        self.instance() == Some("")
    }

    /// The template of an instance, itself for a template; `None` for a plain unit.
    pub fn template(&self) -> Option<Self> {
        self.instance().map(|_| Self(format!("{}@.{}", self.prefix(), self.suffix())))
    }

    /// The instance of a template; the text is escaped.
    ///
    /// # Errors
    /// When this is not a template, the text is empty, or the name gets too long.
    pub fn with_instance(&self, instance: &str) -> Result<Self, InvalidName> {
        if !self.is_template() || instance.is_empty() {
            return Err(InvalidName::Prefix(self.0.clone()));
        }
        Self::new(&format!("{}@{}.{}", self.prefix(), escape(instance), self.suffix()))
    }

    /// The directory of its drop-ins: `synapse.service.d`.
    pub fn drop_in_directory(&self) -> String {
        format!("{}.d", self.0)
    }

    fn stem(&self) -> &str {
        self.0.rsplit_once('.').map_or("", |(stem, _)| stem)
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for UnitName {
    type Err = InvalidName;

    fn from_str(name: &str) -> Result<Self, InvalidName> {
        Self::new(name)
    }
}

/// What stands for itself in a name.
fn is_plain(character: char) -> bool {
    character.is_ascii_alphanumeric() || ":_.".contains(character)
}

/// Makes a part of a unit name of any text, as systemd-escape(1) does: `/` becomes `-`, all else that names
/// cannot contain, dashes and a leading dot included, `\xNN`.
pub fn escape(text: &str) -> String {
    let mut result = String::with_capacity(text.len());
    for (index, byte) in text.bytes().enumerate() {
        match char::from(byte) {
            '/' => result.push('-'),
            character if is_plain(character) && !(index == 0 && character == '.') => result.push(character),
            _ => result.extend(format!("\\x{byte:02x}").chars()),
        }
    }
    result
}

/// Undoes [`escape`]; `None` for what is not escaped text, or not text once unescaped.
pub fn unescape(escaped: &str) -> Option<String> {
    let mut result = Vec::with_capacity(escaped.len());
    let mut rest = escaped.bytes();
    while let Some(byte) = rest.next() {
        result.push(match byte {
            b'-' => b'/',
            b'\\' => {
                let digits = [rest.next().filter(|&byte| byte == b'x')?, rest.next()?, rest.next()?];
                let [_, high, low] = digits.map(|digit| char::from(digit).to_digit(16));
                u8::try_from(high? * 16 + low?).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(result).ok()
}

/// The slice of a sandboxed service, `sandboxed-NAME.slice`, always directly in `sandboxed.slice`.
///
/// # Errors
/// When the name is empty, contains a slash, or is too long.
pub fn slice_for(name: &str) -> Result<UnitName, InvalidName> {
    UnitName::slice(&["sandboxed", name])
}

/// The slices that a slice lies in, outermost first and itself last; empty for the root slice and for units
/// that are no slices.
pub fn ancestry(slice: &UnitName) -> Vec<UnitName> {
    if slice.suffix() != "slice" || slice.0 == ROOT_SLICE {
        return Vec::new();
    }
    let stem = slice.stem();
    let ends = stem.match_indices('-').map(|(end, _)| end).chain([stem.len()]);
    ends.filter_map(|end| stem.get(..end)).map(|stem| UnitName(format!("{stem}.slice"))).collect()
}

/// The path of a slice's cgroup below `/sys/fs/cgroup`, without a leading slash.
pub fn cgroup_path(slice: &UnitName) -> String {
    ancestry(slice).iter().map(|slice| cgroup_name(&slice.0)).collect::<Vec<_>>().join("/")
}

/// How deep in the cgroup tree a slice is; the root is at 0. This is the level of nft's `socket cgroupv2`.
pub fn level(slice: &UnitName) -> u32 {
    u32::try_from(ancestry(slice).len()).unwrap_or(u32::MAX)
}

/// The name of a unit's cgroup: its own, unless the kernel could take it for one of its files there.
fn cgroup_name(unit: &str) -> String {
    const CONTROLLERS: [&str; 14] = [
        "cpu",
        "cpuacct",
        "cpuset",
        "io",
        "blkio",
        "memory",
        "devices",
        "pids",
        "bpf-firewall",
        "bpf-devices",
        "bpf-foreign",
        "bpf-socket-bind",
        "bpf-restrict-network-interfaces",
        "bpf-bind-network-interface",
    ];
    let first = unit.split_once('.').map_or(unit, |(first, _)| first);
    if unit.starts_with(['_', '.']) || first == "cgroup" || CONTROLLERS.contains(&first) {
        format!("_{unit}")
    } else {
        unit.to_owned()
    }
}
