//! Credentials, systemd.exec(5) "Credentials".

use super::path::{AbsPath, LONGEST_NAME};
use super::{ValueError, quote};
use crate::directive::{Directive, Group, Merge};

pub(super) fn render(
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
