//! Unit files: [`UnitText`] writes one, [`ParsedUnit`] reads one with its drop-ins.

mod command;
mod effective;
mod reader;
mod span;
mod words;
mod writer;

pub use command::ExecCommand;
pub use effective::{Selection, parse_boolean};
pub use reader::{Assignment, ParseError, ParsedUnit, Problem, ProblemKind};
pub use span::time_span;
pub use words::{MalformedWord, parts, resolve_percent};
pub use writer::{Rendered, UnitText, WriteError};
