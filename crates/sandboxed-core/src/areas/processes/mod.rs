//! What the service sees of other processes, and what it can do to them.
//!
//! systemd.exec(5), `ProtectProc=`; pid_namespaces(7).

mod host;

use sandboxed_systemd::Version;
use sandboxed_systemd::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::network::Mode;
use crate::guarantee::guarantees;
use crate::launch::BESIDE_MAIN;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::unit::Unit;

/// What the service sees of other processes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Processes")]
pub struct Processes {
    /// Give the service a PID namespace of its own, by starting it with `sandboxed-launch` where the target says that it
    /// is installed. Without it other users' processes are hidden, but not those of the service's own user.
    #[schemars(title = "Own processes", extend("x-guarantee" = "processes-hidden"))]
    pub namespace: bool,
    /// By what the service gets its PID namespace. What is not the launcher loses something, which the plan names.
    #[schemars(title = "Mechanism")]
    pub mechanism: PidMechanism,
    /// What the service may see of /proc beside the processes.
    #[schemars(title = "Visible part of /proc", extend("x-guarantee" = "kernel-information-hidden"))]
    pub proc: Proc,
    /// What the service may see of /sys.
    #[schemars(title = "Visible part of /sys", extend("x-guarantee" = "host-hidden"))]
    pub sys: Sys,
}

/// By what a service gets its PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum PidMechanism {
    /// `sandboxed-launch`, which is the init of the namespace: reloads, notifications, the watchdog, sockets and clean stops
    /// work as without it.
    Launcher,
    /// `PrivatePIDs=` of systemd, where that is known to let services clean up when they stop: since 262. Without the launcher
    /// there is no Landlock; the service is PID 1 of its namespace, so that it has to reap.
    PrivatePids,
    /// `unshare --ipc --pid --fork --mount-proc --kill-child=SIGTERM` and setpriv(1), util-linux's tools: no reloads by `kill`,
    /// no watchdog, no sockets by activation, no user namespace, a /proc that shows the kernel's files, no Landlock.
    Unshare,
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
        Self { namespace: true, mechanism: PidMechanism::Launcher, proc: Proc::Pid, sys: Sys::Own }
    }
}

/// Since when a stop under `PrivatePIDs=` lets the service end by itself: the case `launcher::private_pids_stops` makes 200.
const CLEAN_STOPS: Version = Version(262);

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
        let namespace = |planner: &Planner<'_>| self.namespace(planner);
        let hidden = guarantee(&PROCESSES_HIDDEN)
            .by(namespace(planner).and("ProtectProc", Value::word("invisible")).unless(powerful.clone()));
        let untouched = guarantee(&PROCESSES_UNTOUCHED).by(namespace(planner));
        // What a policy asks for by name is had or refused.
        let (hidden, untouched) = if self.mechanism == PidMechanism::Launcher {
            let hidden = hidden.or(Mechanism::service("ProtectProc", Value::word("invisible"))
                .unless(powerful)
                .leaves_open("processes of the same user outside of the service are seen"));
            let untouched = untouched.or(Mechanism::service("PrivateUsers", Value::Bool(true))
                // As for `users-mapped`: capabilities are worthless in a user namespace.
                .unless((!planner.policy.privileges.capabilities.is_empty()).then(|| {
                    "the policy gives capabilities, which a user namespace would make worthless".to_owned()
                }))
                .summary("a user namespace in which no other user exists")
                .leaves_open("processes of the same user outside of the service can be signalled by number"));
            (hidden, untouched)
        } else {
            (hidden, untouched)
        };
        let beside = || Self::beside(planner);
        let (hidden, untouched) = (hidden.except(beside()), untouched.except(beside()));
        hidden.keep(planner);
        untouched.keep(planner);
        let all = match self.proc {
            Proc::Pid if self.is_unshared() => Mechanism::named("nothing")
                .leaves_open("the /proc that unshare(1) mounts shows all of the kernel's files"),
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
        if self.namespace && self.mechanism == PidMechanism::PrivatePids && planner.keeps(&PROCESSES_HIDDEN) {
            planner.plan.notes.push(
                "PrivatePIDs=: the service is PID 1 of its namespace, so that it has to reap and gets no signal it does not \
                 handle, its own included; MAINPID= is refused, and nothing of sandboxed-launch's (Landlock, the last system \
                 call filter) is there"
                    .to_owned(),
            );
        }
        self.host(planner);
    }

    /// The commands that speak to the main process, and so are where other processes of the same user are seen.
    fn beside(planner: &Planner<'_>) -> Vec<String> {
        let commands = planner.base.iter().flat_map(Unit::commands);
        let beside = commands.filter(|command| BESIDE_MAIN.contains(&command.directive));
        beside.map(|command| format!("{}={}", command.directive, command.line.program)).collect()
    }

    /// Whether unshare(1) makes the namespace, and mounts a /proc without what systemd does to it.
    pub(super) fn is_unshared(&self) -> bool {
        self.namespace && self.mechanism == PidMechanism::Unshare
    }

    /// The PID namespace, by the mechanism that the policy asks for.
    fn namespace(&self, planner: &Planner<'_>) -> Mechanism {
        let unwanted = (!self.namespace).then(|| "the policy wants no PID namespace".to_owned());
        match self.mechanism {
            PidMechanism::Launcher => Mechanism::launcher("--pid-namespace", "a PID namespace of its own"),
            PidMechanism::PrivatePids => {
                let systemd = planner.target.systemd;
                let early = (systemd < CLEAN_STOPS).then(|| {
                    format!(
                        "under PrivatePIDs= systemd {systemd} is not known to let services clean up when they stop (257 kills \
                         half of them), {CLEAN_STOPS} is; set `processes.mechanism` to `launcher`"
                    )
                });
                let forking = planner.base.iter().find(|unit| unit.service_type() == "forking");
                let forking = forking.map(|unit| format!("{}: its type is forking", unit.name));
                Mechanism::service("PrivatePIDs", Value::Bool(true))
                    .unless(unwanted)
                    .unless(early)
                    .unless(forking)
            }
            PidMechanism::Unshare => {
                Mechanism::named("a PID namespace of its own, by unshare(1) and setpriv(1)")
                    .unless(unwanted)
                    .unless(planner.chain.as_ref().err().cloned())
            }
        }
    }
}
