//! A PID namespace by util-linux's tools, where a policy asks for that: unshare(1) makes it and mounts its /proc, setpriv(1)
//! gives up what that took. `docs/launcher.md` says what it loses.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::value::{AbsPath, Argument, ExecLine, Prefixes, Value};

use crate::areas::privileges::{NO_CAPABILITIES, NO_NAMESPACES};
use crate::areas::processes::{PROCESSES_HIDDEN, PidMechanism};
use crate::areas::syscalls::SYSTEM_CALLS_LIMITED;
use crate::launch::{BESIDE_MAIN, cannot, rewrite};
use crate::plan::{Setting, Status};
use crate::planner::Planner;
use crate::policy::Policy;
use crate::target::Target;
use crate::unit::{Command, Unit};

/// The two programs.
#[derive(Clone, Debug)]
pub struct Chain {
    unshare: AbsPath,
    setpriv: AbsPath,
}

/// What unshare(1) is asked for: the namespaces, a /proc of theirs, and an end of the service with its parent's.
const UNSHARE: [&str; 6] = ["--ipc", "--pid", "--fork", "--mount-proc", "--kill-child=SIGTERM", "--"];

/// What setpriv(1) is asked for: no capability in any set.
const SETPRIV: [&str; 5] =
    ["--no-new-privs", "--inh-caps=-all", "--ambient-caps=-all", "--bounding-set=-all", "--"];

/// What the two need, and the service keeps. Without capabilities, in a PID namespace of its own, it can do little with it;
/// unshare(1) waits by a pidfd since util-linux 2.40.
const CAPABILITIES: [&str; 2] = ["CAP_SYS_ADMIN", "CAP_SETPCAP"];
const SYSTEM_CALLS: [&str; 4] = ["@mount", "capset", "pidfd_open", "pidfd_send_signal"];
const NAMESPACES: [&str; 3] = ["mnt", "pid", "ipc"];

/// What it loses beside the launcher.
const LOSSES: &str = "unshare(1) is no init and no supervisor: `kill -HUP $MAINPID` ends it instead of reloading, WATCHDOG_PID and \
    LISTEN_PID name it and not the service, MAINPID= names nothing, any process of the unit may notify (NotifyAccess=all), the \
    service is PID 1 of its namespace, so that it has to reap and gets no signal it does not handle, and nothing of \
    sandboxed-launch's (Landlock, the last system call filter) is there";

impl Chain {
    /// The chain of the target, for units that it can start.
    pub(crate) fn find(policy: &Policy, target: &Target, units: &[Unit]) -> Result<Self, String> {
        let program = |name: &str| {
            let path = target.program(name).and_then(|path| AbsPath::new(path.path()).ok());
            path.ok_or(format!("the target does not say where {name} is"))
        };
        if units.len() != policy.units.len() {
            return Err("the unit was not read, so its commands cannot be started by unshare(1)".to_owned());
        }
        if !policy.privileges.capabilities.is_empty() {
            return Err("the policy gives capabilities, which setpriv(1) takes".to_owned());
        }
        for unit in units {
            if let Some(reason) = cannot(unit).or_else(|| loses_too_much(policy, unit)) {
                return Err(format!("{}: {reason}", unit.name));
            }
        }
        Ok(Self { unshare: program("unshare")?, setpriv: program("setpriv")? })
    }

    fn wrap(&self, command: &Command) -> ExecLine {
        let line = &command.line;
        let literal =
            |words: &[&str]| words.iter().map(|&word| Argument::Literal(word.to_owned())).collect::<Vec<_>>();
        let beside = BESIDE_MAIN.contains(&command.directive);
        let mut arguments = Vec::new();
        if !beside {
            arguments.extend(literal(&UNSHARE));
            arguments.push(Argument::Literal(self.setpriv.as_str().to_owned()));
        }
        arguments.extend(literal(&SETPRIV));
        let program =
            if line.prefixes.no_variables { line.program.clone() } else { line.program.replace('$', "$$") };
        arguments.push(Argument::Expanded(program));
        // Neither tool gives a program another name than its own.
        let named = usize::from(line.prefixes.names_argv0);
        arguments.extend(line.arguments.iter().skip(named).cloned().map(Argument::Expanded));
        let prefixes = Prefixes { names_argv0: false, ..line.prefixes };
        let first = if beside { &self.setpriv } else { &self.unshare };
        ExecLine::new(first.clone(), arguments).with_prefixes(prefixes)
    }
}

/// What would not work under it at all.
fn loses_too_much(policy: &Policy, unit: &Unit) -> Option<String> {
    if unit.scalar("KillMode").is_some_and(|mode| matches!(mode, "mixed" | "process")) {
        return Some("unshare(1) keeps SIGTERM from the service, so that a stop with this KillMode= lasts until its timeout".to_owned());
    }
    if unit.scalar("WatchdogSec").is_some_and(|time| time != "0") {
        return Some("the watchdog asks for unshare(1), not for the service".to_owned());
    }
    (!policy.sockets.is_empty())
        .then(|| "sockets from activation are meant for unshare(1), not for the service".to_owned())
}

/// Writes the commands anew, where the policy asks for it and it can be had.
pub(crate) fn finish(planner: &mut Planner<'_>) {
    let (Ok(chain), PidMechanism::Unshare) = (planner.chain.clone(), planner.policy.processes.mechanism)
    else {
        return;
    };
    if !planner.keeps(&PROCESSES_HIDDEN) {
        return;
    }
    let serves = [PROCESSES_HIDDEN.id];
    rewrite(planner, &serves, "unshare(1)", &|command, _| chain.wrap(command));
    let setting = |name, value| Setting {
        section: Section::Service,
        name,
        value: Some(value),
        serves: serves.to_vec(),
    };
    for (unit, base) in planner.plan.units.iter_mut().zip(planner.base) {
        if base.notifies() {
            unit.settings.put(setting("NotifyAccess", Value::word("all")));
        }
        if base.boolean("PrivateUsers") {
            unit.settings.put(setting("PrivateUsers", Value::Bool(false)));
        }
    }
    for name in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        planner.plan.service.add(setting(name, Value::words(CAPABILITIES)));
    }
    planner.plan.service.allow(&SYSTEM_CALLS, &NAMESPACES);
    let left = |names: &[&str]| -> Vec<String> {
        names.iter().map(|name| format!("{name} (for unshare(1) and setpriv(1))")).collect()
    };
    for (promised, opened) in [
        (&SYSTEM_CALLS_LIMITED, left(&SYSTEM_CALLS)),
        (&NO_NAMESPACES, left(&NAMESPACES)),
        (
            &NO_CAPABILITIES,
            CAPABILITIES.map(|name| format!("{name} (unshare(1) itself, beside the service)")).to_vec(),
        ),
    ] {
        let outcome = planner.plan.outcomes.iter_mut().find(|outcome| outcome.guarantee == promised.id);
        if let Some(Status::Kept { exceptions, .. }) = outcome.map(|outcome| &mut outcome.status) {
            exceptions.extend(opened);
        }
    }
    planner.plan.notes.push(LOSSES.to_owned());
}
