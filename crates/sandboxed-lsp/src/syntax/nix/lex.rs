//! Nix tokens without comments and white space, each with its place and the indentation of its line.

use rnix::SyntaxKind;

/// A token that means something.
#[derive(Debug, Clone, Copy)]
pub(super) struct Token {
    pub(super) kind: SyntaxKind,
    /// Byte offset of its start.
    pub(super) start: usize,
    /// Byte offset after its end.
    pub(super) end: usize,
    /// Columns of white space before the first token of its line.
    pub(super) indent: usize,
    /// It is the first token of its line.
    pub(super) leads: bool,
}

/// Reads `text`; where `cut` is given, a string that is open there ends there.
pub(super) fn lex(text: &str, cut: Option<usize>) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(text.len() / 4);
    match cut.and_then(|at| text.split_at_checked(at)) {
        None => push(text, 0, &mut tokens),
        Some((before, after)) => {
            push(before, 0, &mut tokens);
            if let Some(unterminated) =
                tokens.last_mut().filter(|token| token.kind == SyntaxKind::TOKEN_ERROR)
            {
                unterminated.kind = SyntaxKind::TOKEN_STRING_CONTENT;
            }
            let at = before.len();
            tokens.push(Token {
                kind: SyntaxKind::TOKEN_STRING_END,
                start: at,
                end: at,
                indent: 0,
                leads: false,
            });
            push(after, at, &mut tokens);
        }
    }
    tokens
}

fn push(text: &str, mut offset: usize, tokens: &mut Vec<Token>) {
    let mut indent = 0;
    let mut leads = true;
    for (kind, piece) in rnix::tokenize(text) {
        let start = offset;
        offset += piece.len();
        if kind == SyntaxKind::TOKEN_WHITESPACE {
            if let Some((_, last_line)) = piece.rsplit_once('\n') {
                indent = last_line.len();
                leads = true;
            } else if leads && start == 0 {
                indent = piece.len();
            }
            continue;
        }
        if kind == SyntaxKind::TOKEN_COMMENT {
            continue;
        }
        tokens.push(Token { kind, start, end: offset, indent, leads });
        leads = false;
        if kind == SyntaxKind::TOKEN_STRING_CONTENT
            && let Some((_, last_line)) = piece.rsplit_once('\n')
        {
            indent = last_line.len() - last_line.trim_start().len();
        }
    }
}
