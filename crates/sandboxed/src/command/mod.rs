//! One file a subcommand.

pub mod build;
pub mod check;
pub mod completions;
pub mod explain;
pub mod man;
pub mod presets;
pub mod schema;

/// The exit code for what a check refuses.
pub const REFUSED: u8 = 1;
/// The exit code for bad input or usage.
pub const BAD_INPUT: u8 = 2;
