//! One file a subcommand.

pub(crate) mod build;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod man;
pub(crate) mod presets;
pub(crate) mod schema;

/// The exit code for what a check refuses.
pub(crate) const REFUSED: u8 = 1;
/// The exit code for bad input or usage.
pub(crate) const BAD_INPUT: u8 = 2;
