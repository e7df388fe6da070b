//! What is wrong with an input, as a closed set of kinds. Places are attached from outside; rendering is the edge's.

use serde::Serialize;
use serde_json::Value;

use crate::document::Span;
use crate::guarantee::Guarantee;
use crate::language::Language;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is built.
    Error,
    /// It is built, and something about it should be known.
    Warning,
}

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// `null`
    Null,
    /// `true` or `false`
    Boolean,
    /// A number without a fraction.
    Integer,
    /// A number.
    Number,
    /// A number that is not whole.
    Fraction,
    /// A string.
    String,
    /// A list.
    List,
    /// An object, an attribute set in Nix.
    Object,
    /// Whatever an expression gives.
    Computed,
}

impl Type {
    /// The type of a value.
    pub fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(_) => Self::Number,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::List,
            Value::Object(_) => Self::Object,
        }
    }

    /// What the language calls it, with its article.
    fn name(self, language: Language) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "a boolean (true or false)",
            Self::Integer => "a whole number",
            Self::Number => "a number",
            Self::Fraction => "a number with a fraction",
            Self::String => "a string",
            Self::List => "a list",
            Self::Object => language.object(),
            Self::Computed => "a computed value",
        }
    }
}

/// What could stand at the place instead. The schema accepts it there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Instead {
    /// What was probably meant.
    Meant(Value),
    /// Something of the right form.
    Example(Value),
    /// One of these words, each with what it means.
    OneOf(Vec<(String, String)>),
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A file, or what it needs, cannot be read.
    Unreadable {
        /// Why not.
        reason: String,
    },
    /// The text is not what its format asks for.
    Syntax {
        /// Why.
        reason: String,
        /// What to change, where it can be told.
        help: Option<String>,
    },
    /// A field is given twice.
    DuplicateField {
        /// Its name.
        name: String,
    },
    /// A list names something twice.
    Duplicate {
        /// What.
        value: Value,
    },
    /// A field that nothing knows.
    UnknownField {
        /// Its name.
        name: String,
        /// The nearest name that is known.
        suggestion: Option<String>,
        /// Where else a field of this very name is known, if it was not mistyped: `resources.memory`.
        elsewhere: Vec<String>,
        /// Every name that is known there.
        known: Vec<String>,
        /// The value that was probably meant, where it is not what was written: of the suggested field, or of the whole
        /// object where no field is suggested.
        meant: Option<Value>,
    },
    /// A field that has to be there is not.
    MissingField {
        /// Its name.
        name: String,
        /// A value that it could have.
        example: Option<Value>,
    },
    /// A value of the wrong type.
    WrongType {
        /// What was expected: any of these.
        expected: Vec<Type>,
        /// What is there.
        found: Type,
        /// What could be there.
        instead: Option<Instead>,
    },
    /// A value of the right type that is not one of those allowed.
    WrongValue {
        /// The value.
        value: Value,
        /// What was expected.
        expected: String,
        /// What could be there.
        instead: Option<Instead>,
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
    /// Something is wrong with what the policy has from its preset, and does not show itself.
    OfPreset {
        /// The preset.
        preset: String,
        /// The field, as people write it: `network.listen`.
        field: String,
        /// The list that the field is, or is in, which the policy can empty.
        list: Option<String>,
        /// What is wrong.
        kind: Box<Kind>,
    },
}

impl Kind {
    /// The name of this kind, for tools. It never changes.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "unreadable",
            Self::Syntax { .. } => "syntax",
            Self::DuplicateField { .. } => "duplicate-field",
            Self::Duplicate { .. } => "duplicate",
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
            Self::OfPreset { kind, .. } => kind.code(),
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        match self {
            Self::NotEnabled { .. }
            | Self::NoEffect { .. }
            | Self::NeedlessWaiver { .. }
            | Self::UnitWants { .. } => Severity::Warning,
            Self::OfPreset { kind, .. } => kind.severity(),
            _ => Severity::Error,
        }
    }

    /// Whether the input is malformed (exit code 2) rather than refused by a check (exit code 1).
    pub fn is_bad_input(&self) -> bool {
        self.severity() == Severity::Error && !matches!(self, Self::TargetCannot { .. } | Self::Unit { .. })
    }

    /// What to do about it, where there is something to say, as it is written in the policy's language.
    pub fn help(&self, language: Language) -> Option<String> {
        match self {
            Self::Syntax { help, .. } => help.clone(),
            Self::UnknownField { name, elsewhere, .. } if !elsewhere.is_empty() => {
                let own = elsewhere.first().is_some_and(|place| place == name);
                let place = if own { "at the top of the policy" } else { "elsewhere" };
                Some(format!("it belongs {place}: {}", list(elsewhere)))
            }
            Self::UnknownField { suggestion, known, meant, .. } => Some(match (suggestion, meant) {
                (Some(name), Some(value)) => meant_by(&language.member(name, value)),
                (Some(name), None) => meant_by(name),
                (None, Some(value)) => meant_by(&language.value(value)),
                (None, None) if known.len() > LISTED => {
                    let some: Vec<String> = known.iter().take(3).map(|name| format!("`{name}`")).collect();
                    let (some, others) = (some.join(", "), known.len() - 3);
                    format!(
                        "known here are {some} and {others} others: `sandboxed schema --markdown` has all"
                    )
                }
                (None, None) => format!("known here: {}", list(known)),
            }),
            Self::OfPreset { field, list, kind, .. } => kind.help(language).map(|help| {
                let way = match list {
                    Some(name) => format!("write `{}`", language.member(name, &Value::Array(Vec::new()))),
                    None => format!("give `{field}` a value of the policy's own"),
                };
                if help.contains(LEFT_OUT) {
                    help.replace(LEFT_OUT, &way)
                } else {
                    format!("{help}; to do without what the preset says, {way}")
                }
            }),
            Self::MissingField { name, example: Some(value) } => Some(match language {
                Language::Json => format!("write `{},` after this `{{`", language.member(name, value)),
                Language::Nix => format!("add `{}`", language.member(name, value)),
            }),
            Self::DuplicateField { .. } | Self::Duplicate { .. } => Some("keep one of them".to_owned()),
            // The quotes are what is missing.
            Self::WrongType { instead: Some(Instead::Meant(value)), .. } => {
                Some(meant_by(&language.value(value)))
            }
            Self::WrongType { instead: Some(instead), .. }
            | Self::WrongValue { instead: Some(instead), .. } => Some(instead.help(language)),
            Self::UnknownPreset { suggestion: Some(name), .. } => Some(meant_by(name)),
            Self::UnknownPreset { .. } => Some("`sandboxed presets` lists them".to_owned()),
            Self::NoUnit => {
                let units = language.member("units", &Value::from(vec!["example.service"]));
                Some(format!(
                    "name at least one: `{units}`; a preset names its own where `units` is left out"
                ))
            }
            Self::NotEnabled { name } => {
                Some(format!("add `services.sandboxed.{}.enable = true;`", language.key(name)))
            }
            Self::NoName => {
                Some(format!("add `{}`, or a preset", language.member("name", &"example".into())))
            }
            Self::Conflict { help, .. } | Self::Unit { help, .. } | Self::UnitWants { help, .. } => {
                Some(help.clone())
            }
            Self::TargetCannot { guarantee, .. } => Some(format!(
                "to do without it, add a reason: `{}`",
                match language {
                    Language::Json => format!("\"accept\": {{ \"{}\": \"…\" }}", guarantee.id),
                    Language::Nix => format!("accept.{} = \"…\";", guarantee.id),
                }
            )),
            _ => None,
        }
    }

    /// The name that should replace the one at the place, where there is an obvious one.
    pub fn replacement(&self) -> Option<&str> {
        match self {
            Self::UnknownField { suggestion, .. } | Self::UnknownPreset { suggestion, .. } => {
                suggestion.as_deref()
            }
            Self::WrongValue { instead: Some(Instead::Meant(Value::String(text))), .. } => Some(text),
            _ => None,
        }
    }

    /// The value that should replace the one at the place, where what was meant can be told.
    pub fn value_meant(&self) -> Option<&Value> {
        match self {
            Self::WrongType { instead: Some(Instead::Meant(value)), .. }
            | Self::WrongValue { instead: Some(Instead::Meant(value)), .. } => Some(value),
            _ => None,
        }
    }

    /// What is wrong, in words, for a policy in this language.
    pub fn message(&self, language: Language) -> String {
        match self {
            Self::Unreadable { reason }
            | Self::Syntax { reason, .. }
            | Self::Conflict { reason, .. }
            | Self::NoEffect { reason } => reason.clone(),
            Self::DuplicateField { name } => format!("`{name}` is given twice"),
            Self::Duplicate { value } => {
                let text = value.as_str().map_or_else(|| language.value(value), str::to_owned);
                format!("`{}` is named twice", short(&text))
            }
            Self::UnknownField { name, .. } => format!("unknown field `{}`", short(name)),
            Self::MissingField { name, .. } => format!("the field `{name}` is missing"),
            Self::WrongType { expected, found, .. } => {
                let expected: Vec<&str> = expected.iter().map(|kind| kind.name(language)).collect();
                format!("expected {}, found {}", expected.join(" or "), found.name(language))
            }
            Self::WrongValue { value: Value::String(text), expected, .. } => {
                format!("`{}` is not {expected}", short(text))
            }
            // Its digits are not kept beyond what a number of JSON is sure to hold; they are underlined.
            Self::WrongValue { value: Value::Number(number), expected, .. }
                if number.as_f64().is_some_and(|float| float.abs() > 9_007_199_254_740_992.0) =>
            {
                format!("this number is not {expected}")
            }
            Self::WrongValue { value, expected, .. } => {
                format!("`{}` is not {expected}", short(&language.value(value)))
            }
            Self::UnknownPreset { name, .. } => format!("there is no preset `{}`", short(name)),
            Self::NoUnit => "the policy names no unit".to_owned(),
            Self::NoName => "the policy has no name".to_owned(),
            Self::NotEnabled { name } => {
                format!("the sandbox `{name}` is not enabled, so none of this applies")
            }
            Self::TargetCannot { guarantee, reason } => {
                format!("`{}` cannot be kept (the service {}): {reason}", guarantee.id, guarantee.promise)
            }
            Self::NeedlessWaiver { guarantee, reason } => {
                format!("`{}` need not be waived: {reason}", guarantee.id)
            }
            Self::Unit { unit, reason, .. } => format!("{unit}: {reason}"),
            Self::UnitWants { unit, wants, .. } => {
                format!("{unit} asks for {wants}, which the policy does not give")
            }
            Self::OfPreset { preset, field, kind, .. } => {
                format!("`{field}` (from the preset `{preset}`): {}", kind.message(language))
            }
        }
    }
}

/// What is said of a field that the policy can do without. What comes from a preset cannot be left out.
const LEFT_OUT: &str = "leave this out";

/// The most names that are listed in a message.
const LISTED: usize = 24;

fn meant_by(text: &str) -> String {
    format!("did you mean `{text}`?")
}

impl Instead {
    fn help(&self, language: Language) -> String {
        match self {
            Self::Meant(Value::String(text)) => meant_by(text),
            Self::Meant(value) => meant_by(&language.value(value)),
            Self::Example(value) => format!("for example: `{}`", language.value(value)),
            Self::OneOf(words) => {
                let lines: Vec<String> =
                    words.iter().map(|(word, meaning)| format!("`{word}`: {meaning}")).collect();
                lines.join("\n")
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
    let mut shown = String::new();
    for c in value.chars().take(60) {
        if matches!(c, '"' | '\'') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if value.chars().nth(60).is_some() {
        shown.push('…');
    }
    shown
}
