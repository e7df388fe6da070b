//! The system calls that no safe wrapper exists for. Everything `unsafe` of the launcher is below this module.

pub(crate) mod message;
pub(crate) mod mount;
pub(crate) mod process;
pub(crate) mod signal;
pub(crate) mod time;
