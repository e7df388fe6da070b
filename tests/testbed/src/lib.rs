//! A real systemd to test on.
//!
//! A [`Tree`] is a Debian system in a directory, made once by debootstrap and kept in the user's cache.
//! A [`Machine`] is such a tree booted with its own systemd as PID 1 by systemd-nspawn(1), on an overlay
//! that vanishes with it: any number of machines run at the same time, and none dirties the tree.
//! [`Machine::boot_vm`] boots it with a kernel of its own instead, for what a container can't give.
//!
//! ```no_run
//! use sandboxed_testbed::{Machine, Suite, Tree};
//!
//! # fn main() -> anyhow::Result<()> {
//! let machine = Machine::boot(&Tree::base(Suite::Trixie)?)?;
//! println!("{}", machine.check(["systemctl", "--version"])?);
//! # Ok(())
//! # }
//! ```

mod cache;
mod cgroup;
mod container;
mod engines;
mod host;
mod kernel;
mod machine;
mod nixos;
mod process;
mod suite;
mod synapse;
mod tree;
mod vm;

pub use cache::root as cache_root;
pub use host::{install_missing, why_no_vm, why_not};
pub use machine::{Machine, Outcome};
pub use suite::Suite;
pub use tree::{Layer, Tree};
