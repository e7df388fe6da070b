//! Paths and what is built of them: bind mounts, temporary file systems, directories, devices.

use std::fmt;
use std::str::FromStr;

use super::{ValueError, quote};
use crate::directive::{Directive, Group, Merge, Syntax, Takes};

/// `PATH_MAX` of the kernel, without the final NUL.
const LONGEST_PATH: usize = 4095;
/// `NAME_MAX` of the kernel.
const LONGEST_NAME: usize = 255;

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

/// A bind mount, `BindPaths=` in systemd.exec(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bind {
    /// `-`: ignored when the source does not exist.
    pub optional: bool,
    /// What is mounted, as the host sees it.
    pub source: AbsPath,
    /// Where it is mounted; at the path of the source if `None`.
    pub destination: Option<AbsPath>,
    /// Whether mounts below the source come along; they do by default.
    pub recursive: bool,
}

impl Bind {
    /// A bind mount of an existing path to the same path, with all mounts below.
    pub fn new(source: AbsPath) -> Self {
        Self { optional: false, source, destination: None, recursive: true }
    }

    /// The same, to another path.
    #[must_use]
    pub fn to(self, destination: AbsPath) -> Self {
        Self { destination: Some(destination), ..self }
    }

    /// The same, ignored when the source does not exist.
    #[must_use]
    pub fn optional(self) -> Self {
        Self { optional: true, ..self }
    }
}

/// A temporary file system, `TemporaryFileSystem=` in systemd.exec(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TmpFs {
    /// Where it is mounted.
    pub path: AbsPath,
    /// Mount options such as `ro` and `mode=0755`, mount(8).
    pub options: Vec<String>,
}

/// A directory that systemd makes for the unit, `StateDirectory=` in systemd.exec(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Directory(String);

impl Directory {
    /// Takes a path relative to `/var/lib` and the like.
    ///
    /// # Errors
    /// When it is empty, absolute, contains `..` or a control character.
    pub fn new(name: &str) -> Result<Self, ValueError> {
        if name.starts_with('/') {
            return Err(ValueError::Character {
                text: name.to_owned(),
                character: '/',
                what: "a relative path",
            });
        }
        match AbsPath::new(&format!("/{name}"))?.0.strip_prefix('/') {
            None | Some("") => Err(ValueError::Empty),
            Some(normal) => Ok(Self(normal.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a service may do with a device, `DeviceAllow=` in systemd.resource-control(5).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Device {
    /// The path of a device node, or a class: `char-pts`, `block-loop`.
    pub node: String,
    /// May be read.
    pub read: bool,
    /// May be written.
    pub write: bool,
    /// May be made with mknod(2).
    pub make: bool,
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
    let mut texts = Vec::with_capacity(paths.len());
    for PathSpec { optional, in_root, path } in paths {
        // The order of the prefixes is fixed.
        let prefix = format!("{}{}", if *optional { "-" } else { "" }, if *in_root { "+" } else { "" });
        let text = format!("{prefix}{}", quote::specifiers(path.as_str(), directive)?);
        texts.push(match directive.syntax() {
            Syntax::Line => quote::line(&text)?,
            Syntax::Colons if prefix.is_empty() => {
                quote::line(&quote::backslashed(&text, |character| matches!(character, '\\' | ':')))?
            }
            Syntax::Colons => return Err(ValueError::Type(directive.name)),
            _ => quote::quoted(&text, "")?,
        });
    }
    Ok(texts.join(if directive.syntax() == Syntax::Colons { ":" } else { " " }))
}

pub(super) fn render_binds(binds: &[Bind], directive: &'static Directive) -> Result<String, ValueError> {
    if directive.syntax() != Syntax::Binds {
        return Err(ValueError::Type(directive.name));
    }
    let part = |prefix: &str, path: &AbsPath| {
        quote::quoted(&format!("{prefix}{}", quote::specifiers(path.as_str(), directive)?), ":")
    };
    let mut texts = Vec::with_capacity(binds.len());
    for Bind { optional, source, destination, recursive } in binds {
        let mut text = part(if *optional { "-" } else { "" }, source)?;
        // Options come third, so they need a destination.
        if destination.is_some() || !recursive {
            text.push(':');
            text.push_str(&part("", destination.as_ref().unwrap_or(source))?);
        }
        if !recursive {
            text.push_str(":norbind");
        }
        texts.push(text);
    }
    // One blank each: two would be read as an empty item.
    Ok(texts.join(" "))
}

pub(super) fn render_tmpfs(mounts: &[TmpFs], directive: &'static Directive) -> Result<String, ValueError> {
    if directive.syntax() != Syntax::TmpFs {
        return Err(ValueError::Type(directive.name));
    }
    let mut texts = Vec::with_capacity(mounts.len());
    for TmpFs { path, options } in mounts {
        // The path is split off within the word, where a backslash escapes once more.
        let path = quote::specifiers(path.as_str(), directive)?;
        let mut text = quote::backslashed(&path, |character| matches!(character, '\\' | ':'));
        for (index, option) in options.iter().enumerate() {
            let wrong =
                |&character: &char| !(character.is_ascii_alphanumeric() || "=_-./".contains(character));
            if let Some(character) = option.chars().find(wrong) {
                return Err(ValueError::Character {
                    text: option.clone(),
                    character,
                    what: "a mount option",
                });
            }
            if option.is_empty() {
                return Err(ValueError::Empty);
            }
            text.push(if index == 0 { ':' } else { ',' });
            text.push_str(option);
        }
        texts.push(quote::quoted(&text, "")?);
    }
    Ok(texts.join(" "))
}

pub(super) fn render_directories(
    names: &[Directory],
    directive: &'static Directive,
) -> Result<String, ValueError> {
    if directive.syntax() != Syntax::Directories {
        return Err(ValueError::Type(directive.name));
    }
    let mut texts = Vec::with_capacity(names.len());
    for Directory(name) in names {
        let name = quote::specifiers(name, directive)?;
        // Quotes are escaped for the inner parser, which knows C's escapes, so that the outer one, which
        // knows none, never sees them.
        let inner = quote::backslashed(&name, |character| matches!(character, '\\' | ':'));
        let inner = inner.replace('"', "\\x22").replace('\'', "\\x27");
        let needs = inner.contains(quote::is_blank) || inner.ends_with('\\');
        texts.push(if needs { format!("\"{inner}\"") } else { inner });
    }
    Ok(texts.join(" "))
}

pub(super) fn render_device(device: &Device, directive: &'static Directive) -> Result<String, ValueError> {
    if directive.name != "DeviceAllow" {
        return Err(ValueError::Type(directive.name));
    }
    let Device { node, read, write, make } = device;
    let class = node.strip_prefix("char-").or_else(|| node.strip_prefix("block-"));
    let node = match class {
        Some("") => return Err(ValueError::Empty),
        Some(_) => node.clone(),
        None => AbsPath::new(node)?.0,
    };
    let rights: String = [(*read, 'r'), (*write, 'w'), (*make, 'm')]
        .iter()
        .filter(|right| right.0)
        .map(|right| right.1)
        .collect();
    if rights.is_empty() {
        // Without any, systemd would give all three.
        return Err(ValueError::Empty);
    }
    Ok(format!("{} {rights}", quote::quoted(&quote::specifiers(&node, directive)?, "")?))
}

pub(super) fn render_credentials(
    credentials: &[(String, AbsPath)],
    directive: &'static Directive,
) -> Result<Vec<String>, ValueError> {
    if directive.merge() != Merge::Grouped(Group::LoadCredentials) {
        return Err(ValueError::Type(directive.name));
    }
    let mut lines = Vec::with_capacity(credentials.len());
    for (name, source) in credentials {
        let wrong = |&character: &char| !(character.is_ascii_alphanumeric() || "-_.".contains(character));
        if let Some(character) = name.chars().find(wrong) {
            let what = "the name of a credential";
            return Err(ValueError::Character { text: name.clone(), character, what });
        }
        if matches!(name.as_str(), "" | "." | "..") {
            return Err(ValueError::Empty);
        }
        quote::within(name.len(), LONGEST_NAME)?;
        lines.push(quote::line(&format!("{name}:{}", quote::specifiers(source.as_str(), directive)?))?);
    }
    Ok(lines)
}
