//! Absolute paths.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, quote};
use crate::directive::{Directive, Merge, Syntax, Takes};

/// `PATH_MAX` of the kernel, without the final NUL.
const LONGEST_PATH: usize = 4095;
/// `NAME_MAX` of the kernel.
pub(super) const LONGEST_NAME: usize = 255;

/// An absolute path in its normal form: no `.`, no `..`, no doubled or final slash, no control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AbsPath(String);

impl AbsPath {
    /// The root directory.
    pub fn root() -> Self {
        Self("/".to_owned())
    }

    /// Takes an absolute path and brings it into its normal form.
    ///
    /// # Errors
    /// When it is not absolute, contains `..` or a control character, or is longer than the kernel takes it.
    pub fn new(path: &str) -> Result<Self, ValueError> {
        quote::no_control(path)?;
        if !path.starts_with('/') {
            return Err(ValueError::NotAbsolute(path.to_owned()));
        }
        quote::within(path.len(), LONGEST_PATH)?;
        let mut normal = String::with_capacity(path.len());
        for component in path.split('/').filter(|component| !matches!(*component, "" | ".")) {
            if component == ".." {
                return Err(ValueError::Parent(path.to_owned()));
            }
            quote::within(component.len(), LONGEST_NAME)?;
            normal.push('/');
            normal.push_str(component);
        }
        if normal.is_empty() {
            normal.push('/');
        }
        Ok(Self(normal))
    }

    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this path is `ancestor` or lies below it.
    pub fn is_below(&self, ancestor: &Self) -> bool {
        ancestor.0 == "/"
            || self.0.strip_prefix(&ancestor.0).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }

    /// The directory that holds it; `None` for the root directory.
    pub fn parent(&self) -> Option<Self> {
        match self.0.rsplit_once('/')? {
            (_, "") => None,
            ("", _) => Some(Self::root()),
            (parent, _) => Some(Self(parent.to_owned())),
        }
    }

    /// The path of something below this one.
    ///
    /// # Errors
    /// As [`AbsPath::new`].
    pub fn join(&self, relative: &str) -> Result<Self, ValueError> {
        Self::new(&format!("{}/{relative}", self.0))
    }
}

impl fmt::Display for AbsPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for AbsPath {
    type Err = ValueError;

    fn from_str(path: &str) -> Result<Self, ValueError> {
        Self::new(path)
    }
}

/// A path with the prefixes that systemd.exec(5) "Sandboxing" knows.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PathSpec {
    /// `-`: ignored when it does not exist.
    pub optional: bool,
    /// `+`: relative to the root directory of the unit.
    pub in_root: bool,
    /// The path.
    pub path: AbsPath,
}

impl PathSpec {
    /// A path that must exist, as the host sees it.
    pub fn new(path: AbsPath) -> Self {
        Self { optional: false, in_root: false, path }
    }

    /// The same, ignored when it does not exist.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }

    /// The same, relative to the root directory of the unit.
    #[must_use]
    pub fn in_root(self) -> Self {
        Self { in_root: true, ..self }
    }
}

pub(super) fn render(paths: &[PathSpec], directive: &'static Directive) -> Result<String, ValueError> {
    // Text may well be a path, as in ListenStream=.
    let one = match (directive.takes(), directive.syntax()) {
        (Takes::Paths | Takes::Text, Syntax::Line) => true,
        (Takes::Paths, Syntax::Words | Syntax::Colons) => false,
        _ => return Err(ValueError::Type(directive.name)),
    };
    if paths.is_empty() && matches!(directive.merge(), Merge::Dependencies | Merge::Strict) {
        return Err(ValueError::Empty);
    }
    if one && (paths.len() > 1 || paths.iter().any(|spec| spec.in_root)) {
        return Err(ValueError::Type(directive.name));
    }
    let separator = if directive.syntax() == Syntax::Colons { ':' } else { ' ' };
    let mut line = String::new();
    for (index, PathSpec { optional, in_root, path }) in paths.iter().enumerate() {
        // The order of the prefixes is fixed.
        let prefix = match (optional, in_root) {
            (false, false) => "",
            (true, false) => "-",
            (false, true) => "+",
            (true, true) => "-+",
        };
        let path = quote::specifiers(path.as_str(), directive)?;
        let text = if prefix.is_empty() { path } else { format!("{prefix}{path}").into() };
        if index > 0 {
            line.push(separator);
        }
        line.push_str(&match directive.syntax() {
            Syntax::Line => quote::line(&text)?.into(),
            Syntax::Colons if prefix.is_empty() => {
                quote::line(&quote::backslashed(&text, |character| matches!(character, '\\' | ':')))?.into()
            }
            Syntax::Colons => return Err(ValueError::Type(directive.name)),
            _ => quote::quoted(text)?,
        });
    }
    Ok(line)
}
