//! Netfilter without policy: typed rules, and the text of them that `nft` and `iptables-restore` read.
//!
//! There is no way to put raw text into a rule. Names have types that hold only what the tools accept ([`name`]), values
//! are numbers and addresses ([`value`]), and a [`Table`](table::Table) or a [`Script`](script::Script) prints itself.

pub mod expression;
pub mod filter;
pub mod iptables;
pub mod model;
pub mod name;
pub mod private;
pub mod rule;
pub mod script;
pub mod set;
pub mod table;
pub mod value;

mod keyword;
mod nft;
