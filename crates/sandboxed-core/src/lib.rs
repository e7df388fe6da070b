//! The pure core of `sandboxed`: from a policy and a target to a plan, and from the plan to artifacts.
//!
//! Nothing here reads a clock, the environment or a file; the same input gives the same bytes.

pub mod areas;
mod chain;
pub mod check;
pub mod diagnostic;
pub mod document;
pub mod emit;
mod examine;
pub mod filter;
pub mod guarantee;
mod instead;
pub mod json;
pub mod language;
pub mod launch;
pub mod lines;
pub mod neighbours;
mod number;
pub mod parallel;
pub mod plan;
pub mod planner;
pub mod policy;
pub mod preset;
pub mod reference;
pub mod resolve;
pub mod scalar;
pub mod schema;
pub mod socket;
pub mod target;
#[cfg(test)]
mod testing;
pub mod unit;
