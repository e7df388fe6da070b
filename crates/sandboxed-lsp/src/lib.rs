//! Editor support for sandboxed policies in Nix and JSON.

pub mod ide;
mod sandboxes;
mod syntax;
