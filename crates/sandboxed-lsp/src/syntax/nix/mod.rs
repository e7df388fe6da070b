//! Nix text to [`Parsed`], whatever state the text is in.
//!
//! A valid document is read exactly by Nix's grammar. Only where that fails is the text read again with what a reader would
//! use to make sense of it: indentation tells which bracket was left open, and a double quote left open ends with its line.
//! So recovery can never change the meaning of a valid document, with one exception: a dot at the end of a line is a path that
//! is being typed, though Nix would take the next line's key for the rest of it.

mod expr;
mod lex;
mod parse;
mod text;

#[cfg(test)]
mod tests;

use rnix::SyntaxKind;

use super::Parsed;
use lex::{Token, lex};
use parse::Parser;

/// Documents beyond this are not configuration that somebody types (4 MiB).
const MAX_LENGTH: usize = 4 << 20;

/// Reads a document.
pub(crate) fn parse(text: &str) -> Parsed<'_> {
    if text.len() > MAX_LENGTH {
        return Parsed { root: super::Expr::missing(0), errors: std::iter::once(0..text.len()).collect() };
    }
    let tokens = lex(text, None);
    let strict = Parser::new(text, &tokens, false).document();
    if strict.errors.is_empty() {
        return strict;
    }
    let lenient = Parser::new(text, &tokens, true).document();
    let Some(cut) = open_quote(text, &tokens) else { return lenient };
    let tokens = lex(text, Some(cut));
    let closed = Parser::new(text, &tokens, true).document();
    if closed.errors.len() < lenient.errors.len() { closed } else { lenient }
}

/// Where the first double-quoted string that runs over its line should have ended.
fn open_quote(text: &str, tokens: &[Token]) -> Option<usize> {
    tokens.iter().enumerate().find_map(|(index, token)| {
        let quote =
            token.kind == SyntaxKind::TOKEN_STRING_START && text.get(token.start..token.end) == Some("\"");
        if !quote {
            return None;
        }
        let body = match tokens.get(index + 1) {
            Some(next) if matches!(next.kind, SyntaxKind::TOKEN_STRING_CONTENT | SyntaxKind::TOKEN_ERROR) => {
                text.get(next.start..next.end)?
            }
            Some(next) if next.kind == SyntaxKind::TOKEN_STRING_END => return None,
            _ => "",
        };
        let line = body.find('\n')?;
        // What closes the statement on the same line stays outside of the string.
        let kept = body.get(..line)?.trim_end_matches([';', ' ', ']', '}', '\r']).len();
        Some(token.end + kept)
    })
}

/// What Nix's own grammar has against a document: the first error, since those after it often only follow from it.
pub(crate) fn errors(text: &str) -> Vec<(super::Span, String)> {
    if text.len() > MAX_LENGTH {
        return vec![(0..0, "the file is longer than 4 MiB".to_owned())];
    }
    let parsed = rnix::Root::parse(text);
    parsed.errors().iter().take(1).map(|error| describe(error, text.len())).collect()
}

fn describe(error: &rnix::ParseError, end: usize) -> (super::Span, String) {
    use rnix::ParseError as Error;
    let (range, reason) = match error {
        Error::Unexpected(range) | Error::UnexpectedExtra(range) => {
            (Some(*range), "this is not expected here".to_owned())
        }
        Error::UnexpectedWanted(_, range, wanted) => (Some(*range), format!("expected {}", kinds(wanted))),
        Error::UnexpectedDoubleBind(range) => (Some(*range), "the pattern is bound twice".to_owned()),
        Error::DuplicatedArgs(range, name) => (Some(*range), format!("the argument `{name}` is given twice")),
        Error::UnexpectedEOFWanted(wanted) => {
            (None, format!("the file ends where {} is expected", kinds(wanted)))
        }
        Error::RecursionLimitExceeded => (None, "expressions nest too deeply".to_owned()),
        _ => (None, "the file ends too early".to_owned()),
    };
    let span = range.map_or(end..end, |range| range.start().into()..range.end().into());
    (span, reason)
}

/// `;`, `}` or a name
fn kinds(wanted: &[SyntaxKind]) -> String {
    let names: Vec<&str> = wanted
        .iter()
        .map(|kind| match kind {
            SyntaxKind::TOKEN_ASSIGN => "`=`",
            SyntaxKind::TOKEN_SEMICOLON => "`;`",
            SyntaxKind::TOKEN_COLON => "`:`",
            SyntaxKind::TOKEN_L_BRACE => "`{`",
            SyntaxKind::TOKEN_R_BRACE | SyntaxKind::TOKEN_INTERPOL_END => "`}`",
            SyntaxKind::TOKEN_L_BRACK => "`[`",
            SyntaxKind::TOKEN_R_BRACK => "`]`",
            SyntaxKind::TOKEN_L_PAREN => "`(`",
            SyntaxKind::TOKEN_R_PAREN => "`)`",
            SyntaxKind::TOKEN_IN => "`in`",
            SyntaxKind::TOKEN_THEN => "`then`",
            SyntaxKind::TOKEN_ELSE => "`else`",
            SyntaxKind::TOKEN_REC => "`rec`",
            SyntaxKind::TOKEN_STRING_START | SyntaxKind::TOKEN_STRING_CONTENT => "a string",
            SyntaxKind::TOKEN_STRING_END => "the end of the string",
            SyntaxKind::TOKEN_INTERPOL_START => "`${`",
            SyntaxKind::TOKEN_ELLIPSIS => "`...`",
            _ => "a name",
        })
        .collect();
    match names.split_last() {
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => format!("{} or {last}", rest.join(", ")),
        None => "something else".to_owned(),
    }
}
