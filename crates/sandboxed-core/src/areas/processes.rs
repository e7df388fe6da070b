//! What the service sees of other processes, and what it can do to them.
//!
//! systemd.exec(5), `ProtectProc=`; pid_namespaces(7).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::filesystem::guarantees;
use crate::guarantee::Guarantee;

/// What the service sees of other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Processes")]
pub struct Processes {
    /// What the service may see of /proc beside the processes.
    #[schemars(title = "Visible part of /proc", extend("x-guarantee" = "kernel-information-hidden"))]
    pub proc: Proc,
}

/// What the service sees in /proc.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Proc {
    /// Its own processes only.
    Pid,
    /// The kernel's files too: /proc/meminfo, /proc/cpuinfo, /proc/loadavg and so on.
    All,
}

impl Default for Processes {
    fn default() -> Self {
        Self { proc: Proc::Pid }
    }
}

guarantees! { Processes;
    PROCESSES_HIDDEN = "processes-hidden", "",
        "cannot see other processes of the machine, their arguments or their environment";
    PROCESSES_UNTOUCHED = "processes-untouched", "",
        "cannot signal, trace or slow down other processes of the machine";
    KERNEL_INFORMATION_HIDDEN = "kernel-information-hidden", "/processes/proc",
        "cannot read what /proc tells of the machine beside its own processes";
}
