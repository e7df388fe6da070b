//! Directories of a service, systemd.exec(5) "Sandboxing".

use super::path::AbsPath;
use super::{ValueError, quote};
use crate::directive::{Directive, Syntax};

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
        match AbsPath::new(&format!("/{name}"))?.as_str().strip_prefix('/') {
            None | Some("") => Err(ValueError::Empty),
            Some(normal) => Ok(Self(normal.to_owned())),
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

pub(super) fn render(names: &[Directory], directive: &'static Directive) -> Result<String, ValueError> {
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
