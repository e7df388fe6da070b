//! Tries channels of interference from inside a sandbox.
//!
//! Three parts, of which the first two never run in the same process:
//! - [`channels`] lists what can be tried and [`run`](run::run) tries it, each channel in a child process with a time
//!   limit, so that a crash or a filter that kills is a verdict and not the end;
//! - [`plant`] makes harmless targets on the host's side for the channels to aim at;
//! - [`targets`] is what the one tells the other.
//!
//! Attempts are bounded, undo what they do, and touch nothing but what was planted for them.

pub mod channel;
pub mod channels;
pub mod cli;
pub mod guarantee;
mod judge;
pub mod plant;
pub mod report;
pub mod run;
mod sys;
pub mod targets;

pub use channel::{Attempt, Channel, Finding, Group, Shut, Verdict};
pub use guarantee::Guarantee;
pub use targets::Targets;
