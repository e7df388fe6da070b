//! Editor support for sandboxed policies in Nix and JSON.

mod syntax;
mod sandboxes;
