//! Unit files: [`UnitText`] writes one, [`ParsedUnit`] reads one with its drop-ins.

mod writer;

pub use writer::{UnitText, WriteError};
