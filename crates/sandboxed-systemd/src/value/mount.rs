//! Bind mounts and temporary file systems, systemd.exec(5) "Sandboxing".

use super::path::AbsPath;
use super::{ValueError, quote};
use crate::directive::{Directive, Syntax};

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

pub(super) fn render_binds(binds: &[Bind], directive: &'static Directive) -> Result<String, ValueError> {
    if directive.syntax() != Syntax::Binds {
        return Err(ValueError::Type(directive.name));
    }
    let mut line = String::new();
    for (index, Bind { optional, source, destination, recursive }) in binds.iter().enumerate() {
        // One blank each: two would be read as an empty item.
        if index > 0 {
            line.push(' ');
        }
        let path = quote::specifiers(source.as_str(), directive)?;
        line.push_str(&quote::part(if *optional { format!("-{path}").into() } else { path }));
        // Options come third, so they need a destination.
        if destination.is_some() || !recursive {
            let destination = destination.as_ref().unwrap_or(source);
            line.push(':');
            line.push_str(&quote::part(quote::specifiers(destination.as_str(), directive)?));
        }
        if !recursive {
            line.push_str(":norbind");
        }
    }
    Ok(line)
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
        texts.push(quote::quoted(text.into())?.into_owned());
    }
    Ok(texts.join(" "))
}
