//! Parts of the kernel that a daemon has no business with.

mod calls;
mod families;
mod files;
mod memory;
mod namespaces;

pub(super) use calls::{CALLS, performance_counter};
pub(super) use families::{FAMILIES, PROTOCOLS};
pub(super) use files::FILES;
pub(crate) use files::PATHS;
pub(super) use memory::MEMORY;
pub(super) use namespaces::NAMESPACES;
