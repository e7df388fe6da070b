//! Quoting, for each of systemd's syntaxes: systemd.syntax(7), and `extract_first_word()` in its sources.

use std::borrow::Cow;

use super::ValueError;
use crate::directive::{Directive, Syntax};

/// What systemd strips and what separates words.
pub(crate) fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Whether a text is the same in every syntax: nothing in it is quoted, escaped, expanded or separates, anywhere. Nearly every
/// word of a unit is such a text.
fn is_plain(text: &str) -> bool {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'.' | b'_' | b'-' | b'@' | b'+');
    !text.is_empty() && text.bytes().all(plain)
}

/// Items with a blank between each two, each made by `one`.
pub(super) fn joined<'a, Item>(
    prefix: &str,
    items: &'a [Item],
    one: impl Fn(&'a Item) -> Result<Cow<'a, str>, ValueError>,
) -> Result<String, ValueError> {
    let mut text = prefix.to_owned();
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            text.push(' ');
        }
        text.push_str(&one(item)?);
    }
    Ok(text)
}

pub(super) fn within(length: usize, limit: usize) -> Result<(), ValueError> {
    if length > limit { Err(ValueError::TooLong { length, limit }) } else { Ok(()) }
}

/// Doubles `%` where it starts a specifier, systemd.unit(5) "Specifiers".
pub(super) fn specifiers<'a>(
    text: &'a str,
    directive: &'static Directive,
) -> Result<Cow<'a, str>, ValueError> {
    if !text.contains('%') {
        Ok(text.into())
    } else if directive.expands_specifiers() {
        Ok(text.replace('%', "%%").into())
    } else {
        Err(ValueError::Percent(text.to_owned(), directive.name))
    }
}

/// One word of the directive's syntax, or its whole line.
pub(super) fn word<'a>(
    text: Cow<'a, str>,
    directive: &'static Directive,
) -> Result<Cow<'a, str>, ValueError> {
    if text.is_empty() {
        return Err(ValueError::Empty);
    }
    let quoted = match directive.syntax() {
        Syntax::Exec
        | Syntax::Binds
        | Syntax::TmpFs
        | Syntax::Directories
        | Syntax::Colons
        | Syntax::Credential
        | Syntax::PathAndRest
        | Syntax::Images => Err(ValueError::Type(directive.name)),
        _ if is_plain(&text) => return Ok(text),
        Syntax::Line => line(&text),
        Syntax::BareWords => {
            bare(&text, "a word").map(|()| backslashed(&text, |character| character == '\\'))
        }
        Syntax::UnitNames => bare(&text, "the name of a unit").and_then(|()| line(&text)),
        Syntax::Words => return quoted(text),
        Syntax::EscapedWords => escaped(&text),
        Syntax::RawWords => raw(&text),
    };
    quoted.map(Cow::Owned)
}

/// Refuses what has no escape: systemd ends a line at a newline, a carriage return and a NUL.
pub(super) fn no_control(text: &str) -> Result<(), ValueError> {
    match text.chars().find(char::is_ascii_control) {
        None => Ok(()),
        Some('\0') => Err(ValueError::Nul),
        Some(character) => Err(ValueError::Control(character)),
    }
}

/// The rest of a line as it stands.
pub(super) fn line(text: &str) -> Result<String, ValueError> {
    no_control(text)?;
    if text.starts_with(is_blank) || text.ends_with(is_blank) {
        return Err(ValueError::OuterBlank(text.to_owned()));
    }
    if ends_in_escape(text) {
        return Err(ValueError::FinalBackslash(text.to_owned()));
    }
    Ok(text.to_owned())
}

/// Whether a line continues on the next one: its last character is a backslash that no other one escapes.
pub(crate) fn ends_in_escape(line: &str) -> bool {
    line.bytes().rev().take_while(|&byte| byte == b'\\').count() % 2 == 1
}

/// A word that cannot be quoted. A backslash would take a blank into it, but blanks at the end of a line are
/// stripped before that.
fn bare(text: &str, what: &'static str) -> Result<(), ValueError> {
    no_control(text)?;
    match text.chars().find(|&character| is_blank(character)) {
        Some(character) => Err(ValueError::Character { text: text.to_owned(), character, what }),
        None => Ok(()),
    }
}

/// A word in double quotes if it needs them.
pub(super) fn quoted(text: Cow<'_, str>) -> Result<Cow<'_, str>, ValueError> {
    if is_plain(&text) {
        return Ok(text);
    }
    no_control(&text)?;
    let special = |character| is_blank(character) || matches!(character, '"' | '\'' | '\\');
    if text.is_empty() || text.contains(special) {
        Ok(format!("\"{}\"", backslashed(&text, |character| matches!(character, '"' | '\\'))).into())
    } else {
        Ok(text)
    }
}

/// A part of a bind mount, which systemd up to 261 takes as a word where a backslash takes the next character, and
/// systemd 262 as a raw word within which C's escapes and `\\:` are understood. This is for both: a `:` and a
/// backslash are escaped, and quotes, which the first of the two only knows escaped and the second does not, are
/// quoted by each other.
pub(super) fn part(text: Cow<'_, str>) -> Cow<'_, str> {
    if is_plain(&text) {
        return text;
    }
    let text = backslashed(&text, |character| matches!(character, '\\' | ':'));
    if !text.contains(|character| is_blank(character) || matches!(character, '"' | '\'')) {
        return text.into();
    }
    let runs = text.split_inclusive('"').flat_map(|run| match run.strip_suffix('"') {
        Some(before) => [before, "\""],
        None => [run, ""],
    });
    let quoted = runs.filter(|run| !run.is_empty()).map(|run| match run {
        "\"" => "'\"'".to_owned(),
        run => format!("\"{run}\""),
    });
    quoted.collect::<String>().into()
}

/// A word with C's escapes, in double quotes if it needs them.
pub(super) fn escaped(text: &str) -> Result<String, ValueError> {
    if is_plain(text) {
        return Ok(text.to_owned());
    }
    let mut inner = String::with_capacity(text.len() + 2);
    let mut needs = text.is_empty();
    for character in text.chars() {
        match character {
            '\0' => return Err(ValueError::Nul),
            '\n' => inner.push_str("\\n"),
            '\t' => inner.push_str("\\t"),
            '\r' => inner.push_str("\\r"),
            '"' | '\\' => inner.extend(['\\', character]),
            character if character.is_ascii_control() => {
                inner.extend(format!("\\x{:02x}", u32::from(character)).chars());
            }
            character => inner.push(character),
        }
        needs |= character.is_ascii_control() || matches!(character, ' ' | '"' | '\'' | '\\');
    }
    Ok(if needs { format!("\"{inner}\"") } else { inner })
}

/// A word where a backslash escapes nothing: only the other kind of quotes can quote one.
fn raw(text: &str) -> Result<String, ValueError> {
    no_control(text)?;
    // Unquoted, a word that ends with a backslash would continue the line.
    let needs =
        text.is_empty() || text.contains(|character| is_blank(character) || "\"'\\".contains(character));
    match (text.contains('"'), text.contains('\'')) {
        (true, true) => Err(ValueError::BothQuotes(text.to_owned())),
        (true, false) => Ok(format!("'{text}'")),
        _ if needs => Ok(format!("\"{text}\"")),
        _ => Ok(text.to_owned()),
    }
}

/// The text with a backslash before each such character.
pub(super) fn backslashed(text: &str, special: impl Fn(char) -> bool) -> String {
    let mut result = String::with_capacity(text.len());
    for character in text.chars() {
        if special(character) {
            result.push('\\');
        }
        result.push(character);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_plain_word_is_itself_in_every_syntax(text in "[A-Za-z0-9/._@+-]{1,20}") {
            prop_assert!(is_plain(&text));
            prop_assert_eq!(line(&text).unwrap(), text.clone());
            prop_assert_eq!(raw(&text).unwrap(), text.clone());
            prop_assert!(bare(&text, "").is_ok());
            prop_assert_eq!(text.replace('%', "%%"), text.clone());
            prop_assert!(!text.contains(|c| is_blank(c) || c.is_ascii_control() || "\"'\\:$;".contains(c)));
        }
    }
}
