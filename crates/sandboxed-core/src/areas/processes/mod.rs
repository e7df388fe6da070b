//! What the service sees of other processes, and what it can do to them.
//!
//! systemd.exec(5), `ProtectProc=`; pid_namespaces(7).

mod host;

use sandboxed_systemd::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::Mode;
use crate::guarantee::guarantees;
use crate::planner::{Mechanism, Planner, guarantee};

/// What the service sees of other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Processes")]
pub struct Processes {
    /// Give the service a PID namespace of its own, by starting it with `sandboxed-launch` where the target says that it
    /// is installed. Without it other users' processes are hidden, but not those of the service's own user.
    #[schemars(title = "Own processes", extend("x-guarantee" = "processes-hidden"))]
    pub namespace: bool,
    /// What the service may see of /proc beside the processes.
    #[schemars(title = "Visible part of /proc", extend("x-guarantee" = "kernel-information-hidden"))]
    pub proc: Proc,
    /// What the service may see of /sys.
    #[schemars(title = "Visible part of /sys", extend("x-guarantee" = "host-hidden"))]
    pub sys: Sys,
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

/// What the service sees in /sys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Sys {
    /// The processors, the settings of memory and its own control groups.
    Own,
    /// The machine's disks, buses, devices, drivers and firmware too, sysfs(5).
    All,
}

impl Default for Processes {
    fn default() -> Self {
        Self { namespace: true, proc: Proc::Pid, sys: Sys::Own }
    }
}

guarantees! { Processes;
    PROCESSES_HIDDEN = "processes-hidden", "",
        "cannot see other processes of the machine, their arguments or their environment";
    PROCESSES_UNTOUCHED = "processes-untouched", "",
        "cannot signal, trace or slow down other processes of the machine";
    KERNEL_INFORMATION_HIDDEN = "kernel-information-hidden", "/processes/proc",
        "cannot read what /proc tells of the machine beside its own processes";
    HOST_HIDDEN = "host-hidden", "/processes/sys",
        "cannot learn from /sys or by system calls which machine it runs on, and how busy that is";
}

impl Processes {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        // `hidepid` has no effect on root, nor on those who may trace others (systemd.exec(5), ProtectProc=).
        let powerful = planner
            .policy
            .privileges
            .capabilities
            .iter()
            .any(|capability| capability.name() == "CAP_SYS_PTRACE")
            .then(|| "the policy gives CAP_SYS_PTRACE, which sees every process".to_owned());
        let namespace = || Mechanism::launcher("--pid-namespace", "a PID namespace of its own");
        guarantee(&PROCESSES_HIDDEN)
            .by(namespace().and("ProtectProc", Value::word("invisible")).unless(powerful.clone()))
            .or(Mechanism::service("ProtectProc", Value::word("invisible"))
                .unless(powerful)
                .leaves_open("processes of the same user outside of the service are seen"))
            .keep(planner);
        guarantee(&PROCESSES_UNTOUCHED)
            .by(namespace())
            .or(Mechanism::service("PrivateUsers", Value::Bool(true))
                // As for `users-mapped`: capabilities are worthless in a user namespace.
                .unless((!planner.policy.privileges.capabilities.is_empty()).then(|| {
                    "the policy gives capabilities, which a user namespace would make worthless".to_owned()
                }))
                .summary("a user namespace in which no other user exists")
                .leaves_open("processes of the same user outside of the service can be signalled by number"))
            .keep(planner);
        let all = match self.proc {
            // A process shows the network that it is in, proc(5), and that is the machine's.
            Proc::Pid if planner.policy.network.mode == Mode::Filtered => {
                Mechanism::service("ProcSubset", Value::word("pid")).leaves_open(
                    "/proc/self/net shows the machine's sockets, addresses and neighbours; in the mode `private` its own",
                )
            }
            Proc::Pid => Mechanism::service("ProcSubset", Value::word("pid")),
            Proc::All => Mechanism::named("nothing")
                .leaves_open("the policy shows the service the kernel's files in /proc"),
        };
        guarantee(&KERNEL_INFORMATION_HIDDEN).by(all).keep(planner);
        self.host(planner);
    }
}
