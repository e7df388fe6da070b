//! Inter-process communication other than the network.

mod objects;
mod sockets;

pub(super) use objects::OBJECTS;
pub(crate) use sockets::PATHS;
pub(super) use sockets::{SOCKETS, talk};
