//! Typed values: a value is quoted by its type and by its directive's syntax, and there is no way to put
//! raw text into a unit.
//!
//! systemd.syntax(7) describes one kind of quoting, but the parsers differ in what they unquote, which
//! escapes they know and whether they expand specifiers ([`Syntax`]); text that the directive at hand
//! cannot express is refused. A `%` is doubled where specifiers are expanded, and refused elsewhere.

mod exec;
mod path;
pub(crate) mod quote;

use crate::directive::{Directive, Merge, Syntax, Takes};
use crate::name::UnitName;

pub use exec::{Argument, ExecLine, Prefixes, Privileges};
pub use path::{AbsPath, Bind, Device, Directory, PathSpec, TmpFs};

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

/// Why a value cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValueError {
    /// A NUL character, which no string of a unit can hold.
    #[error("the text contains a NUL character")]
    Nul,
    /// A control character where there is no escape for it.
    #[error("the text contains the control character {}", .0.escape_default())]
    Control(char),
    /// A path that is not absolute.
    #[error("the path `{0}` is not absolute")]
    NotAbsolute(String),
    /// A path with a `..` component, which systemd refuses.
    #[error("the path `{0}` contains `..`")]
    Parent(String),
    /// Longer than the kernel or systemd take it.
    #[error("the text of {length} bytes is longer than the limit of {limit}")]
    TooLong {
        /// The length in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// An empty text where systemd would take it for a reset, or refuse it.
    #[error("the text is empty")]
    Empty,
    /// Blanks at an end, which systemd would strip.
    #[error("the text `{0}` begins or ends with a blank")]
    OuterBlank(String),
    /// A backslash at the end of the line, which would continue it.
    #[error("the text `{0}` ends with a backslash")]
    FinalBackslash(String),
    /// A `%` in a directive where specifiers are not expanded, so that doubling it is wrong.
    #[error("the text `{0}` contains a `%`, which {1}= cannot express")]
    Percent(String, &'static str),
    /// Both kinds of quotes where only one can be quoted by the other.
    #[error("the text `{0}` contains both kinds of quotes")]
    BothQuotes(String),
    /// A character that has another meaning at this place.
    #[error("`{text}` contains {character:?}, which cannot be part of {what}")]
    Character {
        /// The whole text.
        text: String,
        /// The first such character.
        character: char,
        /// What the text stands for.
        what: &'static str,
    },
    /// None of the words that the directive takes.
    #[error("{directive}= takes one of {}, not `{text}`", .keywords.join(", "))]
    Keyword {
        /// The directive.
        directive: &'static str,
        /// The word.
        text: String,
        /// The words it takes.
        keywords: &'static [&'static str],
    },
    /// A type of value that the directive does not take.
    #[error("{0}= does not take a value of this type")]
    Type(&'static str),
    /// An empty list that systemd would read as no restriction at all.
    #[error("an empty list for {0}= would lift the restriction")]
    Lifts(&'static str),
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
            Self::Word(text) => vec![word(text, directive)?],
            Self::Words(texts) => words(texts, directive)?,
            Self::Path(path) => vec![path::render(&[PathSpec::new(path.clone())], directive)?],
            Self::Paths(paths) => vec![path::render(paths, directive)?],
            Self::Binds(binds) => vec![path::render_binds(binds, directive)?],
            Self::TmpFs(mounts) => vec![path::render_tmpfs(mounts, directive)?],
            Self::Directories(names) => vec![path::render_directories(names, directive)?],
            Self::Devices(devices) => devices
                .iter()
                .map(|device| path::render_device(device, directive))
                .collect::<Result<_, _>>()?,
            Self::Deny(items) => vec![kind("~", items, directive)?],
            Self::Allow(items) => vec![kind("", items, directive)?],
            Self::Filter { allow, deny, except } => {
                let mut lines = vec![kind("", allow, directive)?];
                for (sign, items) in [("~", deny), ("", except)] {
                    if !items.is_empty() {
                        lines.push(kind(sign, items, directive)?);
                    }
                }
                lines
            }
            Self::Exec(lines) => exec::render(lines, directive)?,
            Self::UnitNames(names) => vec![unit_names(names, directive)?],
            Self::Environment(variables) => vec![environment(variables, directive)?],
            Self::Credentials(credentials) => path::render_credentials(credentials, directive)?,
            Self::Bool(_)
            | Self::Number(_)
            | Self::Signed(_)
            | Self::Bytes(_)
            | Self::Infinity
            | Self::Percent(_)
            | Self::Seconds(_)
            | Self::Microseconds(_)
            | Self::Mode(_)
            | Self::Limits(..) => vec![plain(&self.figure(), directive)?],
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

/// A boolean or number, which is spelled alike in all syntaxes of lines and words.
fn plain(text: &str, directive: &'static Directive) -> Result<String, ValueError> {
    match directive.takes() {
        Takes::Figures if !matches!(text, "yes" | "no") => Ok(text.to_owned()),
        Takes::Keywords(_) | Takes::Text => word(text, directive),
        _ => Err(ValueError::Type(directive.name)),
    }
}

/// One word, or the whole line.
fn word(text: &str, directive: &'static Directive) -> Result<String, ValueError> {
    match directive.takes() {
        Takes::Keywords(keywords) if keywords.contains(&text) => return Ok(text.to_owned()),
        Takes::Keywords(keywords) => {
            return Err(ValueError::Keyword { directive: directive.name, text: text.to_owned(), keywords });
        }
        Takes::Text => {}
        Takes::Figures | Takes::Paths | Takes::Units => return Err(ValueError::Type(directive.name)),
    }
    if matches!(directive.merge(), Merge::FirstKindWins | Merge::CapabilitySet | Merge::NamespaceSet)
        && text.starts_with('~')
    {
        return Err(ValueError::Character {
            text: text.to_owned(),
            character: '~',
            what: "an item of a list",
        });
    }
    let text = quote::specifiers(text, directive)?;
    quote::word(&text, directive)
}

fn words(texts: &[String], directive: &'static Directive) -> Result<Vec<String>, ValueError> {
    if texts.is_empty() {
        return match directive.merge() {
            Merge::FirstKindWins | Merge::NamespaceSet => Err(ValueError::Lifts(directive.name)),
            Merge::Strict | Merge::Dependencies => Err(ValueError::Empty),
            _ => Ok(vec![String::new()]),
        };
    }
    let items: Vec<String> = texts.iter().map(|text| word(text, directive)).collect::<Result<_, _>>()?;
    match directive.syntax() {
        Syntax::Line if items.len() > 1 => match directive.merge() {
            Merge::List | Merge::Grouped(_) => Ok(items),
            _ => Err(ValueError::Type(directive.name)),
        },
        _ => Ok(vec![items.join(" ")]),
    }
}

/// A list that allows or denies.
fn kind(prefix: &str, items: &[String], directive: &'static Directive) -> Result<String, ValueError> {
    match directive.merge() {
        // An empty list of what is allowed would be read as a reset; to deny nothing at all is no
        // restriction either, but says so.
        Merge::FirstKindWins | Merge::NamespaceSet if prefix.is_empty() && items.is_empty() => {
            return Err(ValueError::Lifts(directive.name));
        }
        Merge::FirstKindWins | Merge::NamespaceSet | Merge::CapabilitySet => {}
        _ => return Err(ValueError::Type(directive.name)),
    }
    let items: Vec<String> = items.iter().map(|item| word(item, directive)).collect::<Result<_, _>>()?;
    Ok(format!("{prefix}{}", items.join(" ")))
}

fn unit_names(names: &[UnitName], directive: &'static Directive) -> Result<String, ValueError> {
    match names {
        _ if directive.takes() != Takes::Units => Err(ValueError::Type(directive.name)),
        [] => Err(ValueError::Empty),
        // Slice= and the like take one.
        [_, _, ..] if directive.syntax() == Syntax::Line => Err(ValueError::Type(directive.name)),
        names => {
            let names: Vec<String> =
                names.iter().map(|name| quote::word(name.as_str(), directive)).collect::<Result<_, _>>()?;
            Ok(names.join(" "))
        }
    }
}

fn environment(variables: &[(String, String)], directive: &'static Directive) -> Result<String, ValueError> {
    if directive.merge() != Merge::Keyed('=') {
        return Err(ValueError::Type(directive.name));
    }
    let mut texts = Vec::with_capacity(variables.len());
    for (name, value) in variables {
        // environ(7), and what systemd takes for a name.
        let wrong = |character: &char| !(character.is_ascii_alphanumeric() || *character == '_');
        if let Some(character) = name.chars().find(wrong).or(name.chars().next().filter(char::is_ascii_digit))
        {
            let what = "the name of a variable";
            return Err(ValueError::Character { text: name.clone(), character, what });
        }
        if name.is_empty() {
            return Err(ValueError::Empty);
        }
        texts.push(word(&format!("{name}={value}"), directive)?);
    }
    Ok(texts.join(" "))
}
