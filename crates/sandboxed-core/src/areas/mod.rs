//! The areas of the promise: one file or folder each, with its options, its guarantees, and how they are planned.

pub mod filesystem;
pub mod ipc;
pub mod network;
pub mod privileges;
pub mod processes;
pub mod resources;
pub mod secrets;
pub mod syscalls;

use std::fmt;

use serde::Serialize;

use crate::examine;
use crate::guarantee::Guarantee;
use crate::planner::Planner;
use crate::socket;

/// The areas, in the order in which plans and reports show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum AreaName {
    /// [`filesystem`]
    Filesystem,
    /// [`network`]
    Network,
    /// [`processes`]
    Processes,
    /// [`ipc`]
    Ipc,
    /// [`privileges`]
    Privileges,
    /// [`syscalls`]
    Syscalls,
    /// [`resources`]
    Resources,
    /// [`secrets`]
    Secrets,
}

impl fmt::Display for AreaName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filesystem => "filesystem",
            Self::Network => "network",
            Self::Processes => "processes",
            Self::Ipc => "ipc",
            Self::Privileges => "privileges",
            Self::Syscalls => "syscalls",
            Self::Resources => "resources",
            Self::Secrets => "secrets",
        })
    }
}

/// Every guarantee, area by area.
pub fn guarantees() -> impl Iterator<Item = &'static Guarantee> {
    [
        filesystem::GUARANTEES,
        network::GUARANTEES,
        processes::GUARANTEES,
        ipc::GUARANTEES,
        privileges::GUARANTEES,
        syscalls::GUARANTEES,
        resources::GUARANTEES,
        secrets::GUARANTEES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

/// Plans all areas, in their order.
pub(crate) fn plan(planner: &mut Planner<'_>) {
    let policy = planner.policy;
    examine::examine(planner);
    socket::examine(planner);
    policy.filesystem.plan(planner);
    policy.network.plan(planner);
    policy.processes.plan(planner);
    policy.ipc.plan(planner);
    policy.privileges.plan(planner);
    policy.syscalls.plan(planner);
    policy.resources.plan(planner);
    policy.secrets.plan(planner);
}
