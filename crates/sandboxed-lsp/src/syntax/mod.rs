//! The part of a document's syntax that can hold a policy: attribute sets, lists, strings and what wraps them.
//!
//! The compilers' own parsers answer "is this text valid"; an editor asks "what does this text mean while half of a line is
//! missing". So both languages are read into one small tree that exists for every text, in which what is missing is
//! [`ExprKind::Missing`] and what cannot hold a policy (arithmetic, interpolation, …) is [`ExprKind::Opaque`].
//! Nix is tokenised by `rnix`; JSON (with comments) is a small language of its own.

pub(crate) mod json;
pub(crate) mod nix;

use std::ops::Range;

/// Byte offsets in the source text.
pub(crate) type Span = Range<usize>;

/// A parsed document.
#[derive(Debug)]
pub(crate) struct Parsed<'t> {
    /// The whole text as one expression.
    pub(crate) root: Expr<'t>,
    /// Where something was missing or not understood, in the order of the text. Empty for a valid document.
    pub(crate) errors: Vec<Span>,
}

/// An expression and its place.
#[derive(Debug)]
pub(crate) struct Expr<'t> {
    /// From its first byte to after its last, brackets and quotes included.
    pub(crate) span: Span,
    /// What it is.
    pub(crate) kind: ExprKind<'t>,
}

/// What an expression is, as far as a policy can depend on it.
#[derive(Debug)]
pub(crate) enum ExprKind<'t> {
    /// Nothing is written here yet.
    Missing,
    /// `{ … }`, `rec { … }`, a JSON object.
    Set(Set<'t>),
    /// `[ … ]`.
    List(List<'t>),
    /// A string in quotes.
    Str(Str),
    /// A number as the document writes it.
    Number(&'t str),
    /// A path literal, `/var/lib` without quotes.
    Path,
    /// A name: a variable, but also `true`, `false` and `null`.
    Ident(&'t str),
    /// `base.a.b`, or with `or default`.
    Select { base: Box<Expr<'t>>, path: Vec<Attr<'t>> },
    /// `function argument …`, flattened.
    Apply { function: Box<Expr<'t>>, arguments: Vec<Expr<'t>> },
    /// `parameters: body`.
    Lambda { parameters: Vec<&'t str>, body: Box<Expr<'t>> },
    /// `let entries in body`.
    Let { entries: Vec<Entry<'t>>, body: Box<Expr<'t>> },
    /// `with namespace; body`.
    With { namespace: Box<Expr<'t>>, body: Box<Expr<'t>> },
    /// `if … then … else …`: the two branches.
    If { branches: Vec<Expr<'t>> },
    /// `( … )` and `assert …; …`: means what its inside means.
    Inside(Box<Expr<'t>>),
    /// `a // b // c`.
    Update(Vec<Expr<'t>>),
    /// `a ++ b ++ c`.
    Concat(Vec<Expr<'t>>),
    /// Anything else, with the operands that could still contain whole modules.
    Opaque(Vec<Expr<'t>>),
}

/// An attribute set or object.
#[derive(Debug)]
pub(crate) struct Set<'t> {
    /// Its entries refer to each other (`rec`).
    pub(crate) recursive: bool,
    /// Between the braces.
    pub(crate) body: Span,
    /// What it binds, in the order of the text.
    pub(crate) entries: Vec<Entry<'t>>,
}

/// A list.
#[derive(Debug)]
pub(crate) struct List<'t> {
    /// Between the brackets.
    pub(crate) body: Span,
    /// Its elements.
    pub(crate) items: Vec<Expr<'t>>,
}

/// A string literal.
#[derive(Debug)]
pub(crate) struct Str {
    /// Between the quotes.
    pub(crate) body: Span,
    /// What it evaluates to; none if it interpolates.
    pub(crate) value: Option<String>,
}

/// One line of an attribute set.
#[derive(Debug)]
pub(crate) enum Entry<'t> {
    /// `path = value;`
    Binding(Binding<'t>),
    /// `inherit (from) names;`
    Inherit(Inherit<'t>),
}

/// `path = value;`
#[derive(Debug)]
pub(crate) struct Binding<'t> {
    /// From the first key to after the `;` (or where it should be).
    pub(crate) span: Span,
    /// The keys; never empty.
    pub(crate) path: Vec<Attr<'t>>,
    /// After the `=`, if there is one.
    pub(crate) assigned: Option<usize>,
    /// The value; [`ExprKind::Missing`] while it is being typed.
    pub(crate) value: Expr<'t>,
}

/// `inherit (from) names;`
#[derive(Debug)]
pub(crate) struct Inherit<'t> {
    /// The set inherited from; the enclosing scope if none.
    pub(crate) from: Option<Expr<'t>>,
    /// The inherited names.
    pub(crate) names: Vec<Attr<'t>>,
}

/// One key of an attribute path.
#[derive(Debug)]
pub(crate) struct Attr<'t> {
    /// With its quotes.
    pub(crate) span: Span,
    /// The key; none where it is computed.
    pub(crate) name: Option<std::borrow::Cow<'t, str>>,
}

impl Attr<'_> {
    /// The key if it is literal.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl Expr<'_> {
    /// Nothing, at `offset`.
    pub(crate) fn missing(offset: usize) -> Self {
        Expr { span: offset..offset, kind: ExprKind::Missing }
    }

    /// The expression without the parentheses and assertions around it.
    pub(crate) fn peeled(&self) -> &Self {
        let mut expr = self;
        while let ExprKind::Inside(inner) = &expr.kind {
            expr = inner;
        }
        expr
    }
}
