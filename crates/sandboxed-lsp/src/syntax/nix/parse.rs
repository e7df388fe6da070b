//! The parser's state, attribute sets, and how it recovers.
#![allow(clippy::enum_glob_use, reason = "the token kinds are a vocabulary of their own, prefixed as such")]

use std::borrow::Cow;

use rnix::SyntaxKind::{self, *};

use super::super::{Attr, Binding, Entry, Expr, ExprKind, Inherit, Parsed, Set, Span};
use super::{Token, text};

/// Deeper nesting is not read: it would only exhaust the stack.
const MAX_DEPTH: usize = 200;

pub(super) struct Parser<'t, 'k> {
    pub(super) text: &'t str,
    tokens: &'k [Token],
    at: usize,
    errors: Vec<Span>,
    /// Indentation may tell where a bracket was left open.
    layout: bool,
    /// The brackets that are open here.
    open: Vec<Open>,
    depth: usize,
}

/// An open bracket (or `let`).
#[derive(Clone, Copy)]
struct Open {
    closer: SyntaxKind,
    /// Indentation of the line it is on.
    indent: usize,
}

impl<'t, 'k> Parser<'t, 'k> {
    pub(super) fn new(text: &'t str, tokens: &'k [Token], layout: bool) -> Self {
        Parser { text, tokens, at: 0, errors: Vec::new(), layout, open: Vec::new(), depth: 0 }
    }

    pub(super) fn document(mut self) -> Parsed<'t> {
        let first = self.expr();
        let mut parts = vec![first];
        while let Some(token) = self.token() {
            self.error(token.start..token.end);
            // A stray closing bracket; what follows may still be worth reading.
            self.at += 1;
            if self.peek().is_some() {
                parts.push(self.expr());
            }
        }
        let root = match parts.pop() {
            Some(only) if parts.is_empty() => only,
            last => {
                parts.extend(last);
                Expr { span: 0..self.text.len(), kind: ExprKind::Opaque(parts) }
            }
        };
        Parsed { root, errors: self.errors }
    }

    pub(super) fn token(&self) -> Option<Token> {
        self.tokens.get(self.at).copied()
    }

    pub(super) fn peek(&self) -> Option<SyntaxKind> {
        self.token().map(|token| token.kind)
    }

    pub(super) fn peek_after(&self, count: usize) -> Option<SyntaxKind> {
        self.tokens.get(self.at + count).map(|token| token.kind)
    }

    pub(super) fn bump(&mut self) -> Option<Token> {
        let token = self.token();
        self.at += usize::from(token.is_some());
        token
    }

    /// Takes the token if it is of this kind.
    pub(super) fn eat(&mut self, kind: SyntaxKind) -> bool {
        let found = self.peek() == Some(kind);
        self.at += usize::from(found);
        found
    }

    /// Takes the token, or notes that it is missing.
    pub(super) fn expect(&mut self, kind: SyntaxKind) -> bool {
        let found = self.eat(kind);
        if !found {
            self.missing();
        }
        found
    }

    pub(super) fn missing(&mut self) {
        let at = self.end();
        self.error(at..at);
    }

    pub(super) fn error(&mut self, span: Span) {
        self.errors.push(span);
    }

    /// Where the next token starts; at the end, the end of the text.
    pub(super) fn start(&self) -> usize {
        self.token().map_or(self.text.len(), |token| token.start)
    }

    /// Where the last token ended.
    pub(super) fn end(&self) -> usize {
        self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.end)
    }

    pub(super) fn slice(&self, token: Token) -> &'t str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }

    /// Runs `read` one level deeper; at the limit the token is skipped instead.
    pub(super) fn nested(&mut self, read: impl FnOnce(&mut Self) -> Expr<'t>) -> Expr<'t> {
        if self.depth >= MAX_DEPTH {
            let at = self.start();
            self.error(at..at);
            self.bump();
            return Expr { span: at..self.end().max(at), kind: ExprKind::Opaque(Vec::new()) };
        }
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    /// Runs `read` inside a bracket that `closer` closes.
    pub(super) fn within<T>(&mut self, closer: SyntaxKind, read: impl FnOnce(&mut Self) -> T) -> T {
        let indent =
            self.at.checked_sub(1).and_then(|last| self.tokens.get(last)).map_or(0, |token| token.indent);
        self.open.push(Open { closer, indent });
        let result = read(self);
        self.open.pop();
        result
    }

    /// The next token closes a bracket further out, so that the innermost was left open.
    pub(super) fn closes_outer(&self) -> bool {
        let Some(kind) = self.peek() else { return true };
        let outer = self.open.split_last().map_or(&[][..], |(_, outer)| outer);
        matches!(kind, TOKEN_R_BRACE | TOKEN_R_BRACK | TOKEN_R_PAREN | TOKEN_IN | TOKEN_INTERPOL_END)
            && outer.iter().any(|open| open.closer == kind)
    }

    /// By its indentation the next line belongs to an outer set.
    fn dedented(&self) -> bool {
        let (Some(token), [.., outer, inner]) = (self.token(), self.open.as_slice()) else { return false };
        if !self.layout || !token.leads || inner.indent <= outer.indent {
            return false;
        }
        match token.kind {
            TOKEN_R_BRACE | TOKEN_R_BRACK | TOKEN_R_PAREN => token.indent < inner.indent,
            _ => token.indent <= inner.indent,
        }
    }

    /// What follows is `a.b =`: it can only begin a binding, so that whatever came before ends here.
    pub(super) fn binding_ahead(&self) -> bool {
        let mut ahead = 0;
        loop {
            match self.peek_after(ahead) {
                Some(TOKEN_IDENT | TOKEN_OR) => ahead += 1,
                Some(TOKEN_STRING_START) => {
                    ahead += 1;
                    ahead += usize::from(self.peek_after(ahead) == Some(TOKEN_STRING_CONTENT));
                    if self.peek_after(ahead) != Some(TOKEN_STRING_END) {
                        return false;
                    }
                    ahead += 1;
                }
                _ => return false,
            }
            match self.peek_after(ahead) {
                Some(TOKEN_DOT) => ahead += 1,
                Some(TOKEN_ASSIGN) => return true,
                _ => return false,
            }
        }
    }

    /// After the opening brace: entries and the closing one.
    pub(super) fn set(&mut self, start: usize, recursive: bool) -> Expr<'t> {
        let body = self.end();
        let (entries, closed) = self.within(TOKEN_R_BRACE, |parser| {
            let entries = parser.entries(TOKEN_R_BRACE);
            (entries, parser.peek() == Some(TOKEN_R_BRACE) && !parser.dedented())
        });
        let inner_end = self.start().max(body);
        let set = Set { recursive, body: body..inner_end, entries };
        let end = if closed {
            self.bump();
            self.end()
        } else {
            self.missing();
            inner_end
        };
        Expr { span: start..end, kind: ExprKind::Set(set) }
    }

    /// The entries of a set or a `let`, up to `closer`, which is left.
    pub(super) fn entries(&mut self, closer: SyntaxKind) -> Vec<Entry<'t>> {
        let mut entries = Vec::new();
        while let Some(kind) = self.peek() {
            if self.dedented() || kind == closer || self.closes_outer() {
                break;
            }
            match kind {
                TOKEN_INHERIT => entries.push(Entry::Inherit(self.inherit())),
                TOKEN_IDENT | TOKEN_OR | TOKEN_STRING_START | TOKEN_INTERPOL_START => {
                    entries.push(Entry::Binding(self.binding()));
                }
                _ => {
                    if let Some(token) = self.bump() {
                        self.error(token.start..token.end);
                    }
                }
            }
        }
        entries
    }

    fn binding(&mut self) -> Binding<'t> {
        let start = self.start();
        let path = self.attrpath();
        if !self.eat(TOKEN_ASSIGN) {
            self.missing();
            self.eat(TOKEN_SEMICOLON);
            let end = self.end();
            return Binding { span: start..end, path, assigned: None, value: Expr::missing(end) };
        }
        let assigned = self.end();
        let value = if self.binding_ahead() || self.peek() == Some(TOKEN_SEMICOLON) {
            self.missing();
            Expr::missing(assigned)
        } else {
            self.expr()
        };
        let ended = self.expect(TOKEN_SEMICOLON);
        // While the value is missing, all the space before the next line's key is where it will be.
        let end = if ended || !matches!(value.kind, ExprKind::Missing) { self.end() } else { self.start() };
        Binding { span: start..end, path, assigned: Some(assigned), value }
    }

    fn inherit(&mut self) -> Inherit<'t> {
        self.bump();
        let from = self.eat(TOKEN_L_PAREN).then(|| {
            let from = self.within(TOKEN_R_PAREN, Self::expr);
            self.expect(TOKEN_R_PAREN);
            from
        });
        let mut names = Vec::new();
        while !self.binding_ahead()
            && matches!(self.peek(), Some(TOKEN_IDENT | TOKEN_OR | TOKEN_STRING_START | TOKEN_INTERPOL_START))
        {
            names.push(self.attr());
        }
        self.expect(TOKEN_SEMICOLON);
        Inherit { from, names }
    }

    pub(super) fn attrpath(&mut self) -> Vec<Attr<'t>> {
        let mut path = vec![self.attr()];
        while self.eat(TOKEN_DOT) {
            let continues = self.token().is_some_and(|next| {
                matches!(next.kind, TOKEN_IDENT | TOKEN_OR | TOKEN_STRING_START | TOKEN_INTERPOL_START)
                    && !next.leads
            });
            if !continues {
                self.missing();
                let at = self.end();
                path.push(Attr { span: at..at, name: Some(Cow::Borrowed("")) });
                break;
            }
            path.push(self.attr());
        }
        path
    }

    fn attr(&mut self) -> Attr<'t> {
        let start = self.start();
        let name = match self.peek() {
            Some(TOKEN_STRING_START) => {
                let string = self.string();
                match string.kind {
                    ExprKind::Str(string) => string.value.map(Cow::Owned),
                    _ => None,
                }
            }
            Some(TOKEN_INTERPOL_START) => {
                self.bump();
                self.within(TOKEN_INTERPOL_END, Self::expr);
                self.expect(TOKEN_INTERPOL_END);
                None
            }
            _ => self.bump().map(|token| Cow::Borrowed(self.slice(token))),
        };
        Attr { span: start..self.end().max(start), name }
    }

    /// The value of the one piece of a string.
    pub(super) fn cook(&self, quote: Token, body: &Span) -> String {
        let raw = self.text.get(body.clone()).unwrap_or_default();
        if self.slice(quote) == "\"" { text::quoted(raw) } else { text::indented(raw) }
    }
}
