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
        return Parsed { root: super::Expr::missing(0), errors: vec![0..text.len()] };
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
