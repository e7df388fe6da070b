//! Expressions. Operators are kept apart only where a policy can be built with them: `//` and `++`.
#![allow(clippy::enum_glob_use, reason = "the token kinds are a vocabulary of their own, prefixed as such")]

use rnix::SyntaxKind::{self, *};

use super::super::{Expr, ExprKind, List, Str};
use super::parse::Parser;

impl<'t> Parser<'t, '_> {
    /// Any expression.
    pub(super) fn expr(&mut self) -> Expr<'t> {
        self.nested(|parser| {
            let start = parser.start();
            match parser.peek() {
                Some(TOKEN_LET) if parser.peek_after(1) != Some(TOKEN_L_BRACE) => parser.let_in(start),
                Some(TOKEN_WITH) => {
                    parser.bump();
                    let namespace = Box::new(parser.expr());
                    parser.expect(TOKEN_SEMICOLON);
                    let body = Box::new(parser.expr());
                    Expr { span: start..body.span.end, kind: ExprKind::With { namespace, body } }
                }
                Some(TOKEN_ASSERT) => {
                    parser.bump();
                    parser.expr();
                    parser.expect(TOKEN_SEMICOLON);
                    let body = Box::new(parser.expr());
                    Expr { span: start..body.span.end, kind: ExprKind::Inside(body) }
                }
                Some(TOKEN_IF) => {
                    parser.bump();
                    parser.expr();
                    parser.expect(TOKEN_THEN);
                    let yes = parser.expr();
                    parser.expect(TOKEN_ELSE);
                    let no = parser.expr();
                    Expr { span: start..no.span.end, kind: ExprKind::If { branches: vec![yes, no] } }
                }
                _ if parser.at_lambda() => parser.lambda(start),
                _ => parser.operation(),
            }
        })
    }

    fn let_in(&mut self, start: usize) -> Expr<'t> {
        self.bump();
        let entries = self.within(TOKEN_IN, |parser| parser.entries(TOKEN_IN));
        self.expect(TOKEN_IN);
        let body = Box::new(self.expr());
        Expr { span: start..body.span.end, kind: ExprKind::Let { entries, body } }
    }

    fn at_lambda(&self) -> bool {
        match (self.peek(), self.peek_after(1)) {
            (Some(TOKEN_IDENT), Some(TOKEN_COLON | TOKEN_AT))
            | (Some(TOKEN_L_BRACE), Some(TOKEN_ELLIPSIS)) => true,
            (Some(TOKEN_L_BRACE), Some(TOKEN_R_BRACE)) => {
                matches!(self.peek_after(2), Some(TOKEN_COLON | TOKEN_AT))
            }
            (Some(TOKEN_L_BRACE), Some(TOKEN_IDENT | TOKEN_OR)) => match self.peek_after(2) {
                Some(TOKEN_COMMA | TOKEN_QUESTION) => true,
                Some(TOKEN_R_BRACE) => matches!(self.peek_after(3), Some(TOKEN_COLON | TOKEN_AT)),
                _ => false,
            },
            _ => false,
        }
    }

    fn lambda(&mut self, start: usize) -> Expr<'t> {
        let mut parameters = Vec::new();
        loop {
            match self.peek() {
                Some(TOKEN_IDENT) => parameters.extend(self.bump().map(|token| self.slice(token))),
                Some(TOKEN_L_BRACE) => self.pattern(&mut parameters),
                _ => break,
            }
            if !self.eat(TOKEN_AT) {
                break;
            }
        }
        self.expect(TOKEN_COLON);
        let body = Box::new(self.expr());
        Expr { span: start..body.span.end, kind: ExprKind::Lambda { parameters, body } }
    }

    fn pattern(&mut self, parameters: &mut Vec<&'t str>) {
        self.bump();
        loop {
            match self.peek() {
                Some(TOKEN_IDENT | TOKEN_OR) => {
                    parameters.extend(self.bump().map(|token| self.slice(token)));
                    if self.eat(TOKEN_QUESTION) {
                        self.within(TOKEN_R_BRACE, Self::expr);
                    }
                }
                Some(TOKEN_ELLIPSIS) => {
                    self.bump();
                }
                _ => {}
            }
            if !self.eat(TOKEN_COMMA) {
                break;
            }
        }
        self.expect(TOKEN_R_BRACE);
    }

    /// Operands with operators between them.
    fn operation(&mut self) -> Expr<'t> {
        let first = self.operand();
        let mut operators = Vec::new();
        let mut operands = vec![first];
        while let Some(operator) = self.peek().filter(|kind| is_operator(*kind)) {
            self.bump();
            operators.push(operator);
            if operator == TOKEN_QUESTION {
                self.attrpath();
            } else {
                operands.push(self.operand());
            }
        }
        if operators.is_empty()
            && let Some(only) = operands.pop()
        {
            return only;
        }
        let start = operands.first().map_or(0, |operand| operand.span.start);
        let kind = if operators.iter().all(|kind| *kind == TOKEN_UPDATE) {
            ExprKind::Update(operands)
        } else if operators.iter().all(|kind| *kind == TOKEN_CONCAT) {
            ExprKind::Concat(operands)
        } else {
            ExprKind::Opaque(operands)
        };
        Expr { span: start..self.end().max(start), kind }
    }

    /// An application, with a sign or a negation before it.
    fn operand(&mut self) -> Expr<'t> {
        let start = self.start();
        let mut signs = 0_usize;
        let mut negated = false;
        while let Some(kind @ (TOKEN_SUB | TOKEN_INVERT)) = self.peek() {
            self.bump();
            signs += 1;
            negated |= kind == TOKEN_INVERT;
        }
        let operand = match self.peek() {
            // Nix wants parentheses here; a reader does not.
            Some(TOKEN_LET | TOKEN_WITH | TOKEN_IF | TOKEN_ASSERT) => self.expr(),
            _ => self.application(),
        };
        let span = start..operand.span.end;
        match &operand.kind {
            _ if signs == 0 => operand,
            ExprKind::Number(_) if signs == 1 && !negated => {
                let text = self.text.get(span.clone()).unwrap_or_default();
                Expr { span, kind: ExprKind::Number(text) }
            }
            _ => Expr { span, kind: ExprKind::Opaque(vec![operand]) },
        }
    }

    fn application(&mut self) -> Expr<'t> {
        let function = self.simple();
        let mut arguments = Vec::new();
        while self.peek().is_some_and(starts_simple) && !self.binding_ahead() {
            arguments.push(self.simple());
        }
        let Some(last) = arguments.last() else { return function };
        let span = function.span.start..last.span.end;
        Expr { span, kind: ExprKind::Apply { function: Box::new(function), arguments } }
    }

    /// An expression that needs no parentheses in a list, with the attributes selected from it.
    fn simple(&mut self) -> Expr<'t> {
        let base = self.nested(Self::atom);
        let start = base.span.start;
        if self.peek() == Some(TOKEN_DOT) {
            self.bump();
            let named = self.peek().is_some_and(|kind| {
                matches!(kind, TOKEN_IDENT | TOKEN_OR | TOKEN_STRING_START | TOKEN_INTERPOL_START)
            });
            let path = if named {
                self.attrpath()
            } else {
                self.missing();
                Vec::new()
            };
            if self.eat(TOKEN_OR) {
                self.nested(Self::simple);
            }
            let kind = ExprKind::Select { base: Box::new(base), path };
            return Expr { span: start..self.end(), kind };
        }
        base
    }

    fn atom(&mut self) -> Expr<'t> {
        let start = self.start();
        let Some(token) = self.token() else {
            self.missing();
            return Expr::missing(self.end());
        };
        let leaf = |kind| Expr { span: token.start..token.end, kind };
        match token.kind {
            TOKEN_IDENT | TOKEN_STRING_START if self.binding_ahead() => {
                self.missing();
                Expr::missing(self.end())
            }
            TOKEN_L_BRACE => {
                self.bump();
                self.set(start, false)
            }
            TOKEN_REC => {
                self.bump();
                self.expect(TOKEN_L_BRACE);
                self.set(start, true)
            }
            // The old `let { …; body = …; }`.
            TOKEN_LET => {
                self.bump();
                self.bump();
                self.set(start, true);
                Expr { span: start..self.end(), kind: ExprKind::Opaque(Vec::new()) }
            }
            TOKEN_L_BRACK => {
                self.bump();
                self.list(start)
            }
            TOKEN_L_PAREN => {
                self.bump();
                let inner = self.within(TOKEN_R_PAREN, Self::expr);
                self.expect(TOKEN_R_PAREN);
                Expr { span: start..self.end(), kind: ExprKind::Inside(Box::new(inner)) }
            }
            TOKEN_STRING_START => self.string(),
            TOKEN_IDENT | TOKEN_OR => {
                self.bump();
                leaf(ExprKind::Ident(self.slice(token)))
            }
            TOKEN_INTEGER | TOKEN_FLOAT => {
                self.bump();
                leaf(ExprKind::Number(self.slice(token)))
            }
            TOKEN_URI => {
                self.bump();
                let value = Some(self.slice(token).to_owned());
                leaf(ExprKind::Str(Str { body: token.start..token.end, value }))
            }
            TOKEN_PATH_ABS | TOKEN_PATH_REL | TOKEN_PATH_HOME | TOKEN_PATH_SEARCH => self.path(start),
            TOKEN_CUR_POS => {
                self.bump();
                leaf(ExprKind::Opaque(Vec::new()))
            }
            kind => {
                // What closes or ends something is left to whoever waits for it.
                let left = matches!(
                    kind,
                    TOKEN_SEMICOLON
                        | TOKEN_R_BRACE
                        | TOKEN_R_BRACK
                        | TOKEN_R_PAREN
                        | TOKEN_INTERPOL_END
                        | TOKEN_IN
                        | TOKEN_THEN
                        | TOKEN_ELSE
                        | TOKEN_INHERIT
                );
                if left {
                    self.missing();
                    return Expr::missing(self.end());
                }
                self.bump();
                self.error(token.start..token.end);
                leaf(ExprKind::Opaque(Vec::new()))
            }
        }
    }

    fn path(&mut self, start: usize) -> Expr<'t> {
        let mut interpolated = false;
        loop {
            match self.token() {
                Some(token)
                    if token.start == self.end().max(start)
                        && matches!(
                            token.kind,
                            TOKEN_PATH_ABS | TOKEN_PATH_REL | TOKEN_PATH_HOME | TOKEN_PATH_SEARCH
                        ) =>
                {
                    self.bump();
                }
                Some(token) if token.start == self.end() && token.kind == TOKEN_INTERPOL_START => {
                    interpolated = true;
                    self.bump();
                    self.within(TOKEN_INTERPOL_END, Self::expr);
                    self.expect(TOKEN_INTERPOL_END);
                }
                _ => break,
            }
        }
        let kind = if interpolated { ExprKind::Opaque(Vec::new()) } else { ExprKind::Path };
        Expr { span: start..self.end(), kind }
    }

    fn list(&mut self, start: usize) -> Expr<'t> {
        let body = self.end();
        let items = self.within(TOKEN_R_BRACK, |parser| {
            let mut items = Vec::new();
            while let Some(kind) = parser.peek() {
                if kind == TOKEN_R_BRACK || parser.closes_outer() || parser.binding_ahead() {
                    break;
                }
                if kind == TOKEN_SEMICOLON {
                    break;
                }
                let before = parser.start();
                items.push(parser.simple());
                if parser.start() == before
                    && let Some(token) = parser.bump()
                {
                    parser.error(token.start..token.end);
                }
            }
            items
        });
        let inner_end = self.start();
        if !self.expect(TOKEN_R_BRACK) {
            let end = self.end();
            return Expr {
                span: start..end,
                kind: ExprKind::List(List { body: body..end.max(body), items }),
            };
        }
        Expr { span: start..self.end(), kind: ExprKind::List(List { body: body..inner_end, items }) }
    }

    /// A string, with whatever it interpolates skipped.
    pub(super) fn string(&mut self) -> Expr<'t> {
        let start = self.start();
        let Some(quote) = self.bump() else { return Expr::missing(start) };
        let body = self.end();
        let mut interpolated = false;
        loop {
            match self.peek() {
                // `rnix` calls the inside of a string without an end an error.
                Some(TOKEN_STRING_CONTENT | TOKEN_ERROR) => {
                    self.bump();
                }
                Some(TOKEN_INTERPOL_START) => {
                    interpolated = true;
                    self.bump();
                    self.within(TOKEN_INTERPOL_END, Self::expr);
                    self.skip_interpolation();
                }
                _ => break,
            }
        }
        let body = body..self.end();
        self.expect(TOKEN_STRING_END);
        let value = (!interpolated).then(|| self.cook(quote, &body));
        Expr { span: start..self.end(), kind: ExprKind::Str(Str { body, value }) }
    }

    /// To after the end of the interpolation.
    fn skip_interpolation(&mut self) {
        if self.eat(TOKEN_INTERPOL_END) {
            return;
        }
        self.missing();
        while let Some(kind) = self.peek() {
            if kind == TOKEN_STRING_END {
                break;
            }
            self.bump();
            if kind == TOKEN_INTERPOL_END {
                break;
            }
        }
    }
}

fn starts_simple(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        TOKEN_L_BRACE
            | TOKEN_REC
            | TOKEN_L_BRACK
            | TOKEN_L_PAREN
            | TOKEN_STRING_START
            | TOKEN_IDENT
            | TOKEN_OR
            | TOKEN_INTEGER
            | TOKEN_FLOAT
            | TOKEN_URI
            | TOKEN_PATH_ABS
            | TOKEN_PATH_REL
            | TOKEN_PATH_HOME
            | TOKEN_PATH_SEARCH
            | TOKEN_CUR_POS
    )
}

fn is_operator(kind: SyntaxKind) -> bool {
    matches!(
        kind,
        TOKEN_UPDATE
            | TOKEN_CONCAT
            | TOKEN_ADD
            | TOKEN_SUB
            | TOKEN_MUL
            | TOKEN_DIV
            | TOKEN_EQUAL
            | TOKEN_NOT_EQUAL
            | TOKEN_LESS
            | TOKEN_LESS_OR_EQ
            | TOKEN_MORE
            | TOKEN_MORE_OR_EQ
            | TOKEN_AND_AND
            | TOKEN_OR_OR
            | TOKEN_IMPLICATION
            | TOKEN_QUESTION
            | TOKEN_PIPE_LEFT
            | TOKEN_PIPE_RIGHT
    )
}
