//! The same probe under every way to confine a service: what is open under each, and whether the service still works.
//!
//! [`Contender`]s are defined by text files, [`Scene`] tries one on a machine of either kind, [`Comparison`] is what came
//! out, and [`document`] shows it to people.

mod contender;
pub mod document;
mod reasons;
mod results;
mod scene;

pub use contender::{CONTENDERS, Contender, Definition, OURS, Piece, parse};
pub use reasons::{REASONS, Reason};
pub use results::{Comparison, Kind, Trial};
pub use scene::{Scene, static_probe};
