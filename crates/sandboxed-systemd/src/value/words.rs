//! Words and lists of them.

use std::borrow::Cow;

use super::{ValueError, quote};
use crate::directive::{Directive, Merge, Syntax, Takes};
use crate::name::UnitName;

/// A boolean or number, which is spelled alike in all syntaxes of lines and words.
pub(super) fn plain(text: &str, directive: &'static Directive) -> Result<String, ValueError> {
    match directive.takes() {
        Takes::Figures if !matches!(text, "yes" | "no") => Ok(text.to_owned()),
        Takes::Keywords(_) | Takes::Text => word(text, directive).map(Cow::into_owned),
        _ => Err(ValueError::Type(directive.name)),
    }
}

/// One word, or the whole line.
pub(super) fn word<'a>(text: &'a str, directive: &'static Directive) -> Result<Cow<'a, str>, ValueError> {
    match directive.takes() {
        Takes::Keywords(keywords) if keywords.contains(&text) => return Ok(text.into()),
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
    quote::word(quote::specifiers(text, directive)?, directive)
}

pub(super) fn words(texts: &[String], directive: &'static Directive) -> Result<Vec<String>, ValueError> {
    if texts.is_empty() {
        return match directive.merge() {
            Merge::FirstKindWins | Merge::NamespaceSet => Err(ValueError::Lifts(directive.name)),
            Merge::Strict | Merge::Dependencies => Err(ValueError::Empty),
            _ => Ok(vec![String::new()]),
        };
    }
    match directive.syntax() {
        Syntax::Line if texts.len() > 1 => match directive.merge() {
            Merge::List | Merge::Grouped(_) => {
                texts.iter().map(|text| word(text, directive).map(Cow::into_owned)).collect()
            }
            _ => Err(ValueError::Type(directive.name)),
        },
        _ => Ok(vec![quote::joined("", texts, |text| word(text, directive))?]),
    }
}

/// A list that allows or denies.
pub(super) fn kind(
    prefix: &str,
    items: &[String],
    directive: &'static Directive,
) -> Result<String, ValueError> {
    match directive.merge() {
        // An empty list of what is allowed would be read as a reset; to deny nothing at all is no
        // restriction either, but says so.
        Merge::FirstKindWins | Merge::NamespaceSet if prefix.is_empty() && items.is_empty() => {
            return Err(ValueError::Lifts(directive.name));
        }
        Merge::FirstKindWins | Merge::NamespaceSet | Merge::CapabilitySet => {}
        _ => return Err(ValueError::Type(directive.name)),
    }
    quote::joined(prefix, items, |item| word(item, directive))
}

/// Several of them, where not empty; the first one is never empty, for it decides what the others mean.
pub(super) fn filter(
    allow: &[String],
    deny: &[String],
    except: &[String],
    directive: &'static Directive,
) -> Result<Vec<String>, ValueError> {
    let mut lines = vec![kind("", allow, directive)?];
    for (sign, items) in [("~", deny), ("", except)] {
        if !items.is_empty() {
            lines.push(kind(sign, items, directive)?);
        }
    }
    Ok(lines)
}

pub(super) fn unit_names(names: &[UnitName], directive: &'static Directive) -> Result<String, ValueError> {
    match names {
        _ if directive.takes() != Takes::Units => Err(ValueError::Type(directive.name)),
        [] => Err(ValueError::Empty),
        // Slice= and the like take one.
        [_, _, ..] if directive.syntax() == Syntax::Line => Err(ValueError::Type(directive.name)),
        names => quote::joined("", names, |name| quote::word(name.as_str().into(), directive)),
    }
}

pub(super) fn environment(
    variables: &[(String, String)],
    directive: &'static Directive,
) -> Result<String, ValueError> {
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
        texts.push(word(&format!("{name}={value}"), directive)?.into_owned());
    }
    Ok(texts.join(" "))
}
