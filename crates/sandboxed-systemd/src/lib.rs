//! systemd's unit files: which directives there are, how their values are quoted, how repeated
//! assignments merge, and a reader and a writer for the text.
//!
//! This crate knows systemd and no policy. It decides nothing; it makes sure that what others decide
//! reaches systemd unchanged, or is refused. systemd itself ignores what it does not understand, with a
//! warning at most, so each of these is an error here: an unknown directive, a value of the wrong type,
//! text that the directive's syntax cannot express.
//!
//! - [`directive`] — the table: since when, where documented, how parsed, what happens without kernel support
//! - [`value`] — typed values, the only way to put text into a unit
//! - [`name`] — unit names, escaping, slices and their place in the cgroup tree
//! - [`system_call`] — the system calls and groups that `SystemCallFilter=` knows
//! - [`mod@unit`] — [`unit::UnitText`] writes units, [`unit::ParsedUnit`] reads them with their drop-ins

pub mod directive;
pub mod name;
pub mod system_call;
pub mod unit;
pub mod value;
mod version;

pub use version::{InvalidVersion, Version};
