//! One file a subcommand.

pub(crate) mod apply;
pub(crate) mod build;
pub(crate) mod channels;
pub(crate) mod check;
pub(crate) mod completions;
pub(crate) mod explain;
pub(crate) mod filter;
pub(crate) mod lsp;
pub(crate) mod man;
pub(crate) mod network;
pub(crate) mod presets;
pub(crate) mod remove;
pub(crate) mod schema;
pub(crate) mod status;
pub(crate) mod verify;

/// The exit code for what a check refuses.
pub(crate) const REFUSED: u8 = 1;
/// The exit code for bad input or usage.
pub(crate) const BAD_INPUT: u8 = 2;
