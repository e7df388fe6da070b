//! What is wrong with an input, as a closed set of kinds. Places are attached from outside; rendering is the edge's.

use std::fmt;

use serde::Serialize;

use crate::document::Span;
use crate::guarantee::Guarantee;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// It is built, and something about it should be known.
    Warning,
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// The text is not what its format asks for.
    Syntax {
        /// Why.
        reason: String,
    },
    /// A field is given twice.
    DuplicateField {
        /// Its name.
        name: String,
    },
    /// A field that nothing knows.
    UnknownField {
        /// Its name.
        name: String,
        /// The nearest name that is known.
        suggestion: Option<String>,
        /// Every name that is known there.
        known: Vec<String>,
    },
    /// A field that has to be there is not.
    MissingField {
        /// Its name.
        name: String,
    },
    /// A value of the wrong type.
    WrongType {
        /// What was expected.
        expected: String,
        /// What is there.
        found: &'static str,
    },
    /// A value of the right type that is not one of those allowed.
    WrongValue {
        /// The value.
        value: String,
        /// What was expected.
        expected: String,
        /// The nearest value that is allowed.
        suggestion: Option<String>,
    },
    /// A preset that does not exist.
    UnknownPreset {
        /// Its name.
        name: String,
        /// The nearest name that exists.
        suggestion: Option<String>,
    },
    /// The policy names no unit, and its preset does neither.
    NoUnit,
    /// The policy has no name, and no preset to take one from.
    NoName,
    /// A sandbox of a NixOS configuration that has settings but is not enabled.
    NotEnabled {
        /// Its name.
        name: String,
    },
    /// Two options that cannot both be.
    Conflict {
        /// Why not.
        reason: String,
        /// What to change.
        help: String,
    },
    /// An option that has no effect as things are.
    NoEffect {
        /// Why not.
        reason: String,
    },
    /// The target cannot keep a guarantee.
    TargetCannot {
        /// Which.
        guarantee: &'static Guarantee,
        /// Why not.
        reason: String,
    },
    /// A waiver for a guarantee that the plan keeps, or has no use for.
    NeedlessWaiver {
        /// Which.
        guarantee: &'static Guarantee,
        /// Why it is needless.
        reason: String,
    },
    /// The unit cannot run in the sandbox as it is.
    Unit {
        /// The unit.
        unit: String,
        /// Why not.
        reason: String,
        /// What to change.
        help: String,
    },
    /// The unit asks for something that the policy does not give.
    UnitWants {
        /// The unit.
        unit: String,
        /// What it asks for.
        wants: String,
        /// What to change if it is needed.
        help: String,
    },
}

impl Kind {
    /// The name of this kind, for tools. It never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "syntax",
            Self::DuplicateField { .. } => "duplicate-field",
            Self::UnknownField { .. } => "unknown-field",
            Self::MissingField { .. } => "missing-field",
            Self::WrongType { .. } => "wrong-type",
            Self::WrongValue { .. } => "wrong-value",
            Self::UnknownPreset { .. } => "unknown-preset",
            Self::NoUnit => "no-unit",
            Self::NoName => "no-name",
            Self::NotEnabled { .. } => "not-enabled",
            Self::Conflict { .. } => "conflict",
            Self::NoEffect { .. } => "no-effect",
            Self::TargetCannot { .. } => "target-cannot",
            Self::NeedlessWaiver { .. } => "needless-waiver",
            Self::Unit { .. } => "unit",
            Self::UnitWants { .. } => "unit-wants",
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NotEnabled { .. }
            | Self::NoEffect { .. }
            | Self::NeedlessWaiver { .. }
            | Self::UnitWants { .. } => Severity::Warning,
            _ => Severity::Error,
        }
    }

    /// Whether the input is malformed (exit code 2) rather than refused by a check (exit code 1).
    pub fn is_bad_input(&self) -> bool {
        self.severity() == Severity::Error && !matches!(self, Self::TargetCannot { .. } | Self::Unit { .. })
    }

    /// What to do about it, where there is something to say.
    pub fn help(&self) -> Option<String> {
        match self {
            Self::UnknownField { suggestion, known, .. } => Some(match suggestion {
                Some(name) => format!("did you mean `{name}`?"),
                None => format!("known here: {}", list(known)),
            }),
            Self::WrongValue { suggestion: Some(value), .. } => Some(format!("did you mean `{value}`?")),
            Self::UnknownPreset { suggestion: Some(name), .. } => Some(format!("did you mean `{name}`?")),
            Self::UnknownPreset { .. } => Some("`sandboxed presets` lists them".to_owned()),
            Self::NoUnit => Some("add `\"units\": [\"example.service\"]`, or a preset".to_owned()),
            Self::NotEnabled { name } => Some(format!("add `services.sandboxed.{name}.enable = true;`")),
            Self::NoName => Some("add `\"name\": \"example\"`, or a preset".to_owned()),
            Self::Conflict { help, .. } | Self::Unit { help, .. } | Self::UnitWants { help, .. } => {
                Some(help.clone())
            }
            Self::TargetCannot { guarantee, .. } => Some(format!(
                "to do without it, add a reason: `\"accept\": {{ \"{}\": \"…\" }}`",
                guarantee.id
            )),
            _ => None,
        }
    }

    /// The replacement for the text at the place, where there is an obvious one.
    pub fn replacement(&self) -> Option<&str> {
        match self {
            Self::UnknownField { suggestion, .. }
            | Self::WrongValue { suggestion, .. }
            | Self::UnknownPreset { suggestion, .. } => suggestion.as_deref(),
            _ => None,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { reason } | Self::Conflict { reason, .. } | Self::NoEffect { reason } => {
                f.write_str(reason)
            }
            Self::DuplicateField { name } => write!(f, "`{name}` is given twice"),
            Self::UnknownField { name, .. } => write!(f, "unknown field `{name}`"),
            Self::MissingField { name } => write!(f, "the field `{name}` is missing"),
            Self::WrongType { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::WrongValue { value, expected, .. } => write!(f, "`{}` is not {expected}", short(value)),
            Self::UnknownPreset { name, .. } => write!(f, "there is no preset `{}`", short(name)),
            Self::NoUnit => f.write_str("the policy names no unit"),
            Self::NoName => f.write_str("the policy has no name"),
            Self::NotEnabled { name } => {
                write!(f, "the sandbox `{name}` is not enabled, so none of this applies")
            }
            Self::TargetCannot { guarantee, reason } => {
                write!(f, "`{}` cannot be kept (the service {}): {reason}", guarantee.id, guarantee.promise)
            }
            Self::NeedlessWaiver { guarantee, reason } => {
                write!(f, "`{}` need not be waived: {reason}", guarantee.id)
            }
            Self::Unit { unit, reason, .. } => write!(f, "{unit}: {reason}"),
            Self::UnitWants { unit, wants, .. } => {
                write!(f, "{unit} asks for {wants}, which the policy does not give")
            }
        }
    }
}

/// A kind with its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What is wrong.
    pub kind: Kind,
    /// Where.
    pub span: Span,
    /// Other places that belong to it, each with a remark.
    pub related: Vec<(Span, String)>,
}

impl Diagnostic {
    /// A diagnostic at a place.
    pub fn new(kind: Kind, span: Span) -> Self {
        Self { kind, span, related: Vec::new() }
    }

    /// The same, with another place that belongs to it.
    #[must_use]
    pub fn related(mut self, span: Span, remark: impl Into<String>) -> Self {
        self.related.push((span, remark.into()));
        self
    }
}

/// The nearest of the known names, if one is near.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<String> {
    known
        .into_iter()
        .map(|candidate| {
            (strsim::damerau_levenshtein(&name.to_lowercase(), &candidate.to_lowercase()), candidate)
        })
        .filter(|(distance, candidate)| *distance <= 1.max(candidate.len().max(name.len()) / 3))
        .min()
        .map(|(_, candidate)| candidate.to_owned())
}

/// `a`, `b` or `c`
pub fn list<S: AsRef<str>>(names: &[S]) -> String {
    match names {
        [] => String::new(),
        [one] => format!("`{}`", one.as_ref()),
        [head @ .., last] => {
            let head: Vec<String> = head.iter().map(|name| format!("`{}`", name.as_ref())).collect();
            format!("{} or `{}`", head.join(", "), last.as_ref())
        }
    }
}

/// At most sixty characters of a value, so that a message stays a line.
fn short(value: &str) -> String {
    let mut shown: String = value.chars().take(60).flat_map(char::escape_debug).collect();
    if value.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
