//! What the cases share: which of them run where, and what a machine needs around it.

pub mod comparison;
pub mod harness;
pub mod matrix;
pub mod neighbour;
pub mod sandbox;
