//! JSON text, comments and trailing commas allowed, to [`Parsed`], whatever state the text is in.

use std::borrow::Cow;

use super::{Attr, Binding, Entry, Expr, ExprKind, List, Parsed, Set, Span, Str};

/// Deeper nesting is not read: it would only exhaust the stack.
const MAX_DEPTH: usize = 200;

/// Reads a document.
pub(crate) fn parse(text: &str) -> Parsed<'_> {
    let mut parser = Parser { text, at: 0, errors: Vec::new(), depth: 0 };
    let root = parser.value();
    parser.skip();
    if parser.at < text.len() {
        parser.errors.push(parser.at..text.len());
    }
    Parsed { root, errors: parser.errors }
}

struct Parser<'t> {
    text: &'t str,
    at: usize,
    errors: Vec<Span>,
    depth: usize,
}

impl<'t> Parser<'t> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    /// White space and comments.
    fn skip(&mut self) {
        loop {
            let rest = self.rest();
            let trimmed = rest.trim_start();
            self.at += rest.len() - trimmed.len();
            let comment = if trimmed.starts_with("//") {
                trimmed.find('\n').unwrap_or(trimmed.len())
            } else if trimmed.starts_with("/*") {
                trimmed.find("*/").map_or(trimmed.len(), |end| end + 2)
            } else {
                return;
            };
            self.at += comment;
        }
    }

    fn eat(&mut self, c: char) -> bool {
        self.skip();
        let found = self.peek() == Some(c);
        self.at += if found { c.len_utf8() } else { 0 };
        found
    }

    fn missing(&mut self) {
        self.errors.push(self.at..self.at);
    }

    fn value(&mut self) -> Expr<'t> {
        self.skip();
        let start = self.at;
        match self.peek() {
            Some('{' | '[') if self.depth >= MAX_DEPTH => {
                self.errors.push(start..self.text.len());
                self.at = self.text.len();
                Expr { span: start..self.at, kind: ExprKind::Opaque(Vec::new()) }
            }
            Some('{') => self.nested(Self::object),
            Some('[') => self.nested(Self::array),
            Some('"') => self.string(),
            Some(c) if c.is_ascii_alphanumeric() || c == '-' => self.word(),
            _ => {
                self.missing();
                Expr::missing(start)
            }
        }
    }

    fn nested(&mut self, read: fn(&mut Self) -> Expr<'t>) -> Expr<'t> {
        self.depth += 1;
        let expr = read(self);
        self.depth -= 1;
        expr
    }

    fn object(&mut self) -> Expr<'t> {
        let start = self.at;
        self.at += 1;
        let body = self.at;
        let mut entries = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None | Some('}' | ']') => break,
                Some(c) if c == '"' || c.is_ascii_alphabetic() => entries.push(Entry::Binding(self.member())),
                Some(c) => {
                    self.errors.push(self.at..self.at + c.len_utf8());
                    self.at += c.len_utf8();
                }
            }
        }
        let set = Set { recursive: false, body: body..self.at, entries };
        if !self.eat('}') {
            self.missing();
        }
        Expr { span: start..self.at, kind: ExprKind::Set(set) }
    }

    fn member(&mut self) -> Binding<'t> {
        let start = self.at;
        let key = if self.peek() == Some('"') { self.string() } else { self.word() };
        let name = match key.kind {
            ExprKind::Str(Str { value: Some(value), .. }) => Some(Cow::Owned(value)),
            _ => self.text.get(key.span.clone()).map(Cow::Borrowed),
        };
        let path = vec![Attr { span: key.span, name }];
        let end = self.at;
        if !self.eat(':') {
            self.at = end;
            self.missing();
            self.eat(',');
            return Binding { span: start..end, path, assigned: None, value: Expr::missing(end) };
        }
        let assigned = self.at;
        let value = if self.key_ahead() {
            self.missing();
            Expr::missing(assigned)
        } else {
            self.value()
        };
        let end = value.span.end.max(assigned);
        if !self.eat(',') && !matches!(self.peek(), Some('}') | None) {
            self.missing();
        }
        Binding { span: start..end, path, assigned: Some(assigned), value }
    }

    /// A string and a colon: the value before it has not been typed yet.
    fn key_ahead(&mut self) -> bool {
        let (at, errors) = (self.at, self.errors.len());
        self.skip();
        let key = self.peek() == Some('"') && {
            self.string();
            self.eat(':')
        };
        self.at = at;
        self.errors.truncate(errors);
        key
    }

    fn array(&mut self) -> Expr<'t> {
        let start = self.at;
        self.at += 1;
        let body = self.at;
        let mut items = Vec::new();
        loop {
            self.skip();
            match self.peek() {
                None | Some(']' | '}') => break,
                Some(',') => {
                    self.missing();
                    self.at += 1;
                }
                Some(c) => {
                    if self.key_ahead() {
                        break;
                    }
                    let before = self.at;
                    let item = self.value();
                    if self.at == before {
                        self.at += c.len_utf8();
                        continue;
                    }
                    items.push(item);
                    if !self.eat(',') && !matches!(self.peek(), Some(']') | None) {
                        self.missing();
                    }
                }
            }
        }
        let list = List { body: body..self.at, items };
        if !self.eat(']') {
            self.missing();
        }
        Expr { span: start..self.at, kind: ExprKind::List(list) }
    }

    /// A string; one that is left open ends with its line.
    fn string(&mut self) -> Expr<'t> {
        let start = self.at;
        self.at += 1;
        let rest = self.rest();
        let mut escaped = false;
        let end = rest.char_indices().find(|(_, c)| {
            let ends = !escaped && matches!(c, '"' | '\n');
            escaped = !escaped && *c == '\\';
            ends
        });
        let closed = matches!(end, Some((_, '"')));
        let length = end.map_or(rest.len(), |(at, _)| at);
        let raw = rest.get(..length).unwrap_or_default();
        let raw = if closed { raw } else { raw.trim_end_matches([',', ' ', '}', ']', '\r']) };
        let body = self.at..self.at + raw.len();
        self.at = body.end;
        if closed {
            self.at += 1;
        } else {
            self.missing();
        }
        let value = serde_json::from_str(&format!("\"{raw}\"")).ok();
        if closed && value.is_none() {
            self.errors.push(body.clone());
        }
        Expr { span: start..self.at, kind: ExprKind::Str(Str { body, value }) }
    }

    /// A number, `true`, `false`, `null`, or what is on its way to becoming one.
    fn word(&mut self) -> Expr<'t> {
        let start = self.at;
        let rest = self.rest();
        let word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '+' | '.' | '_' | '$');
        let length = rest.find(|c| !word(c)).unwrap_or(rest.len());
        let text = rest.get(..length).unwrap_or_default();
        self.at += length.max(usize::from(length == 0));
        let kind = match text.parse::<serde_json::Number>() {
            Ok(_) => ExprKind::Number(text),
            Err(_) => ExprKind::Ident(text),
        };
        Expr { span: start..self.at, kind }
    }
}
