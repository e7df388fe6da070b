//! Splitting values into words, as `extract_first_word()` of systemd does it for each [`Syntax`].

use crate::directive::Syntax;

/// Why the rest of a value is ignored by systemd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MalformedWord {
    /// A quote that is not closed.
    #[error("a quote is not closed")]
    Unbalanced,
    /// A backslash that starts no escape, or ends the value.
    #[error("a backslash starts no valid escape")]
    Escape,
    /// Escapes that make no UTF-8 text.
    #[error("escapes make a text that is not UTF-8")]
    NotText,
}

/// What quotes, backslashes and separators mean.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    quotes: bool,
    backslash: Backslash,
    separators: &'static str,
    /// Whether every separator ends a word, so that there are empty ones.
    every: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Backslash {
    /// The next character as it stands.
    Takes,
    /// One of C's escapes, anything else being an error.
    Escapes,
    /// As [`Backslash::Escapes`], and separators as they stand.
    EscapesOrSeparator,
    /// As [`Backslash::Escapes`], anything else being kept as it stands, with the backslash.
    EscapesOrNot,
    /// A character like others.
    Plain,
}

impl Rules {
    const WORDS: Self =
        Self { quotes: true, backslash: Backslash::Takes, separators: " \t\n\r", every: false };
    /// The parts of a bind mount, and bind mounts.
    const BINDS: Self = Self { separators: ": \t\n\r", every: true, ..Self::WORDS };
    /// Parts of a word that was unquoted before.
    const PARTS: Self = Self { quotes: false, separators: ":", every: true, ..Self::WORDS };
    const ESCAPED_PARTS: Self = Self { backslash: Backslash::EscapesOrSeparator, ..Self::PARTS };

    /// The words of a command line; `relaxed` keeps escapes that C does not know.
    pub(super) fn exec(relaxed: bool) -> Self {
        let backslash = if relaxed { Backslash::EscapesOrNot } else { Backslash::Escapes };
        Self { backslash, ..Self::WORDS }
    }

    fn of(syntax: Syntax) -> Self {
        match syntax {
            Syntax::BareWords => Self { quotes: false, ..Self::WORDS },
            Syntax::UnitNames => Self { quotes: false, backslash: Backslash::Plain, ..Self::WORDS },
            Syntax::RawWords | Syntax::Directories | Syntax::Images => {
                Self { backslash: Backslash::Plain, ..Self::WORDS }
            }
            Syntax::EscapedWords | Syntax::Exec => Self::exec(false),
            Syntax::Binds => Self::BINDS,
            Syntax::Colons => Self::PARTS,
            Syntax::Words | Syntax::TmpFs | Syntax::PathAndRest | Syntax::Line | Syntax::Credential => {
                Self::WORDS
            }
        }
    }
}

/// The items of a list; with what systemd ignores the rest for, if there is such a thing. The parts of an item
/// that has some are joined as [`parts`] splits them.
pub(super) fn items(value: &str, syntax: Syntax) -> (Vec<String>, Option<MalformedWord>) {
    match syntax {
        Syntax::Line | Syntax::Credential | Syntax::PathAndRest => (vec![value.to_owned()], None),
        Syntax::Binds => binds(value),
        _ => {
            let (mut words, mut error) = split(value, Rules::of(syntax));
            for word in &mut words {
                let inner = match syntax {
                    Syntax::TmpFs => first_part(word),
                    Syntax::Directories => match split(word, Rules::ESCAPED_PARTS) {
                        (parts, None) => Ok(joined(&parts)),
                        (_, Some(malformed)) => Err(malformed),
                    },
                    _ => continue,
                };
                match inner {
                    Ok(item) => *word = item,
                    Err(malformed) => error = Some(malformed),
                }
            }
            (words, error)
        }
    }
}

fn split(text: &str, rules: Rules) -> (Vec<String>, Option<MalformedWord>) {
    let mut words = Vec::new();
    let mut rest = text;
    loop {
        match next(&mut rest, rules) {
            Ok(None) => return (words, None),
            Ok(Some(word)) => words.push(word.text),
            Err(error) => return (words, Some(error)),
        }
    }
}

/// Bind mounts.
fn binds(value: &str) -> (Vec<String>, Option<MalformedWord>) {
    let mut items: Vec<String> = Vec::new();
    let mut rest = value;
    let mut continues = false;
    loop {
        match next(&mut rest, Rules::BINDS) {
            Ok(None) => return (items, None),
            Err(error) => return (items, Some(error)),
            Ok(Some(Word { text, separator })) => {
                let part = joined(&[text]);
                match items.last_mut() {
                    Some(item) if continues => {
                        item.push(':');
                        item.push_str(&part);
                    }
                    // Two blanks in a row: an empty path, which systemd ignores.
                    _ if part.is_empty() && separator != Some(':') => {}
                    _ => items.push(part),
                }
                continues = separator == Some(':');
            }
        }
    }
}

/// A temporary file system, whose options are all that follows the path.
fn first_part(word: &str) -> Result<String, MalformedWord> {
    let mut rest = word;
    match next(&mut rest, Rules::PARTS)? {
        Some(Word { text, separator: Some(_) }) => Ok(joined(&[text, rest.to_owned()])),
        Some(Word { text, separator: None }) => Ok(joined(&[text])),
        None => Ok(String::new()),
    }
}

fn joined(parts: &[String]) -> String {
    parts.iter().map(|part| part.replace('\\', "\\\\").replace(':', "\\:")).collect::<Vec<_>>().join(":")
}

/// The parts of an item that [`super::ParsedUnit::list`] gives for bind mounts (source, destination, options),
/// temporary file systems (path, options) and directories (name, link, flags): `:` is between them, and a
/// backslash before a `:` or backslash within them.
pub fn parts(item: &str) -> Vec<String> {
    split(item, Rules::PARTS).0
}

pub(super) struct Word {
    pub(super) text: String,
    /// What ended it; `None` at the end of the value.
    separator: Option<char>,
}

/// Takes the next word off the value; `None` when there is none.
pub(super) fn next(rest: &mut &str, rules: Rules) -> Result<Option<Word>, MalformedWord> {
    let separates = |character: char| rules.separators.contains(character);
    if !rules.every {
        *rest = rest.trim_start_matches(separates);
    }
    if rest.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    let mut quote = None;
    let mut characters = rest.chars();
    let mut separator = None;
    while let Some(character) = characters.next() {
        match (character, quote) {
            ('\\', _) if rules.backslash != Backslash::Plain => {
                let escape = characters.as_str();
                characters = unescape(escape, rules, &mut bytes)?.chars();
            }
            ('"' | '\'', None) if rules.quotes => quote = Some(character),
            (_, Some(open)) if character == open => quote = None,
            (_, None) if separates(character) => {
                separator = Some(character);
                break;
            }
            _ => bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    if quote.is_some() {
        return Err(MalformedWord::Unbalanced);
    }
    *rest = characters.as_str();
    if !rules.every {
        *rest = rest.trim_start_matches(separates);
    }
    let text = String::from_utf8(bytes).map_err(|_| MalformedWord::NotText)?;
    Ok(Some(Word { text, separator }))
}

/// Reads what follows a backslash; returns the text after it.
fn unescape<'text>(text: &'text str, rules: Rules, bytes: &mut Vec<u8>) -> Result<&'text str, MalformedWord> {
    let mut characters = text.chars();
    let first = characters.next().ok_or(MalformedWord::Escape)?;
    let after = characters.as_str();
    let mut plain = |character: char| {
        bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        Ok(after)
    };
    match rules.backslash {
        Backslash::Takes => return plain(first),
        Backslash::EscapesOrSeparator if rules.separators.contains(first) => return plain(first),
        _ => {}
    }
    // systemd.syntax(7), "Supported escapes".
    let (digits, radix) = match first {
        'a' => return plain('\x07'),
        'b' => return plain('\x08'),
        'f' => return plain('\x0c'),
        'n' => return plain('\n'),
        'r' => return plain('\r'),
        't' => return plain('\t'),
        'v' => return plain('\x0b'),
        's' => return plain(' '),
        '\\' | '"' | '\'' => return plain(first),
        'x' => (after.get(..2), 16),
        'u' => (after.get(..4), 16),
        'U' => (after.get(..8), 16),
        '0'..='7' => (text.get(..3), 8),
        _ => (None, 0),
    };
    let code = digits.filter(|digits| digits.chars().all(|digit| digit.is_digit(radix)));
    let code = code.and_then(|digits| u32::from_str_radix(digits, radix).ok()).filter(|&code| code != 0);
    let encoded = match (first, code) {
        (_, None) => None,
        // Bytes, which make text together with others.
        ('x' | '0'..='7', Some(code)) => u8::try_from(code).ok().map(|byte| vec![byte]),
        (_, Some(code)) => char::from_u32(code).map(|character| character.to_string().into_bytes()),
    };
    match (encoded, rules.backslash) {
        (Some(encoded), _) => {
            bytes.extend(encoded);
            let length = digits.map_or(0, str::len);
            let from = if radix == 8 { text } else { after };
            from.get(length..).ok_or(MalformedWord::Escape)
        }
        (None, Backslash::EscapesOrNot) => {
            bytes.push(b'\\');
            bytes.extend_from_slice(first.encode_utf8(&mut [0; 4]).as_bytes());
            Ok(after)
        }
        (None, _) => Err(MalformedWord::Escape),
    }
}

/// The text with `%%` read as `%`; `None` if another specifier is in it, whose value only the running systemd
/// knows, systemd.unit(5) "Specifiers".
pub fn resolve_percent(text: &str) -> Option<String> {
    let mut result = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character == '%' && characters.next() != Some('%') {
            return None;
        }
        result.push(character);
    }
    Some(result)
}
