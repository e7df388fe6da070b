//! Which system calls the service may make.
//!
//! systemd.exec(5), section SYSTEM CALL FILTERING; seccomp(2).

use sandboxed_systemd::system_call;
use sandboxed_systemd::value::Value;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::{Instead, Kind, nearest};
use crate::guarantee::guarantees;
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::scalar::SystemCall;

/// Which system calls the service may make. Others fail with `EPERM`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "System calls")]
pub struct Syscalls {
    /// The system calls and groups that the service may make.
    #[schemars(title = "Allowed system calls", extend("x-guarantee" = "system-calls-limited"), length(min = 1))]
    #[serde(deserialize_with = "some")]
    pub allow: Vec<SystemCall>,
    /// The system calls and groups that it may not make, taken from the allowed ones, beside those that no service may:
    /// `@privileged`, `@resources`, `@keyring`, io_uring, reading other processes' memory, files that are only in memory,
    /// watches and names of all of the machine, quotas, `bpf`, `perf_event_open`, `userfaultfd`.
    #[schemars(title = "Denied system calls", extend("x-guarantee" = "system-calls-limited", "examples" = [["sysinfo"]]))]
    pub deny: Vec<SystemCall>,
    /// System calls and groups that it may make although they are denied, or a denied group has them.
    #[schemars(title = "Exceptions", extend("x-guarantee" = "system-calls-limited", "examples" = [["mlock"]]))]
    pub except: Vec<SystemCall>,
}

/// What is denied to every service, whatever else a policy denies: a list of one's own must not open what these close.
const DENIED: [&str; 26] = [
    "@privileged",
    "@resources",
    "@keyring",
    // io_uring makes sockets and files behind the filter's back; systemd.exec(5) says so of RestrictAddressFamilies=.
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    // Reading or waking other processes' memory, and handing pages to them.
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    "pidfd_open",
    "pidfd_send_signal",
    // Takes from what all processes of the machine have together, /proc/sys/fs/aio-max-nr.
    "io_setup",
    // A file that no mount option covers: written, then executed.
    "memfd_create",
    "userfaultfd",
    "perf_event_open",
    "bpf",
    "vmsplice",
    // Names and watches of the whole machine.
    "name_to_handle_at",
    "open_by_handle_at",
    "fanotify_init",
    "fanotify_mark",
    "quotactl",
    "quotactl_fd",
    "lookup_dcookie",
];

impl Default for Syscalls {
    fn default() -> Self {
        Self { allow: vec![SystemCall::literal("@system-service")], deny: Vec::new(), except: Vec::new() }
    }
}

/// A list that names at least one.
fn some<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<SystemCall>, D::Error> {
    let list = Vec::<SystemCall>::deserialize(deserializer)?;
    if list.is_empty() {
        Err(serde::de::Error::custom("expected at least one system call or group"))
    } else {
        Ok(list)
    }
}

guarantees! { Syscalls;
    SYSTEM_CALLS_LIMITED = "system-calls-limited", "/syscalls/allow",
        "cannot make a system call that a daemon does not need";
    NATIVE_SYSTEM_CALLS = "native-system-calls", "",
        "cannot make system calls of another architecture";
    NO_WRITE_EXECUTE = "no-write-execute", "",
        "cannot make memory executable that it can write";
}

impl Syscalls {
    /// Plans this area.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        self.names(planner);
        // The first list decides the kind: what it allows is all there is, the second takes from it and the third puts
        // back (systemd.exec(5), SystemCallFilter=).
        let names = |calls: &[SystemCall]| calls.iter().map(ToString::to_string).collect::<Vec<_>>();
        let denied = DENIED.iter().map(ToString::to_string);
        let more = names(&self.deny).into_iter().filter(|call| !DENIED.contains(&call.as_str()));
        let filter = Value::Filter {
            allow: names(&self.allow),
            deny: denied.chain(more).collect(),
            except: names(&self.except),
        };
        guarantee(&SYSTEM_CALLS_LIMITED)
            .by(Mechanism::service("SystemCallFilter", filter)
                .and("SystemCallErrorNumber", Value::word("EPERM")))
            .except(names(&self.except))
            .keep(planner);
        guarantee(&NATIVE_SYSTEM_CALLS)
            .by(Mechanism::service("SystemCallArchitectures", Value::words(["native"])))
            .keep(planner);
        guarantee(&NO_WRITE_EXECUTE)
            .by(Mechanism::service("MemoryDenyWriteExecute", Value::Bool(true))
                .leaves_open(
                    "by /proc/self/mem it writes its own executable memory all the same, where the kernel is not started with \
                     `proc_mem.force_override=never` (Linux 6.12)",
                )
                .leaves_open_as_well(self.opens(MEMORY_FILES).map(|call| format!("a file that {call} makes can be mapped once to write and once to execute"))))
            .keep(planner);
    }
}

/// What makes files that are only in memory, and on no mount.
pub(super) const MEMORY_FILES: &str = "memfd_create";

/// What does the work of other calls where no filter sees it.
pub(super) const URING: &str = "io_uring_setup";

impl Syscalls {
    /// The call, where the service may make it: what rests on that it may not is weak then.
    pub(super) fn opens(&self, call: &'static str) -> Option<&'static str> {
        let has =
            |names: &[SystemCall]| names.iter().any(|name| system_call::expand(name.as_str()).contains(call));
        let denied = has(&self.deny) || DENIED.iter().any(|name| system_call::expand(name).contains(call));
        (has(&self.except) || has(&self.allow) && !denied).then_some(call)
    }

    /// Why a filter that looks at how a call is made holds no more, if it does not.
    pub(super) fn unseen(&self, what: &str) -> Option<String> {
        self.opens(URING).map(|call| {
            format!("{call} is allowed: what is asked for by a ring is not seen by the filter that {what}")
        })
    }

    /// Finds names that systemd does not know, which it would leave out with a warning.
    fn names(&self, planner: &mut Planner<'_>) {
        for (list, calls) in [("allow", &self.allow), ("deny", &self.deny), ("except", &self.except)] {
            for (index, call) in calls.iter().enumerate() {
                let field = format!("/syscalls/{list}/{index}");
                let name = call.as_str();
                if system_call::expand(name).is_empty() {
                    planner.find(Finding::new(unknown(name), field));
                } else if let Some(since) =
                    system_call::since(name).filter(|since| *since > planner.target.systemd)
                {
                    let reason = format!(
                        "the group {name} needs systemd {since}, and an older one leaves it out with a warning"
                    );
                    let kind = Kind::TargetCannot { guarantee: &SYSTEM_CALLS_LIMITED, reason };
                    planner.find(Finding::new(kind, field));
                }
            }
        }
    }
}

/// A name that is none, and the nearest one that is: the same with or without the sign of a group, else one that is like it.
fn unknown(name: &str) -> Kind {
    let other = name.strip_prefix('@').map_or_else(|| format!("@{name}"), str::to_owned);
    let other = (!system_call::expand(&other).is_empty()).then_some(other);
    let (expected, near) = if name.starts_with('@') {
        ("a group of system calls that systemd knows", nearest(name, system_call::groups()))
    } else {
        ("a system call that systemd knows", nearest(name, system_call::calls()))
    };
    let instead = other.or(near).map(|near| Instead::Meant(near.into()));
    Kind::WrongValue { value: name.into(), expected: expected.to_owned(), instead }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::resolve::{Surroundings, resolve};
    use crate::target::Target;
    use crate::testing;

    /// The lists of the filter that a policy gets.
    fn filter(syscalls: &str) -> (Vec<String>, Vec<String>) {
        let policy =
            format!(r#"{{ "version": 1, "name": "a", "units": ["a.service"], "syscalls": {syscalls} }}"#);
        let target: Target = "debian-13".parse().unwrap();
        let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
        let (plan, _) = resolved.plan(&target, Surroundings::default()).unwrap();
        let section = sandboxed_systemd::directive::Section::Service;
        match plan.service.get(section, "SystemCallFilter").and_then(|setting| setting.value.clone()) {
            Some(Value::Filter { deny, except, .. }) => (deny, except),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_of_ones_own_adds_to_what_is_denied_to_all() {
        let (all, _) = filter("{}");
        assert!(all.contains(&"memfd_create".to_owned()), "{all:?}");
        let (more, _) = filter(r#"{ "deny": ["sysinfo", "bpf"] }"#);
        assert_eq!(more, [all, vec!["sysinfo".to_owned()]].concat());
    }

    #[test]
    fn only_an_exception_takes_back() {
        let (deny, except) = filter(r#"{ "deny": [], "except": ["memfd_create"] }"#);
        assert!(deny.contains(&"memfd_create".to_owned()), "{deny:?}");
        assert_eq!(except, ["memfd_create"]);
    }

    /// What is found in a policy with these lists, by field.
    fn found(syscalls: &str, target: &str) -> Vec<(String, String, Option<String>)> {
        let policy =
            format!(r#"{{ "version": 1, "name": "a", "units": ["a.service"], "syscalls": {syscalls} }}"#);
        let target: Target = target.parse().unwrap();
        let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
        let findings = match resolved.plan(&target, Surroundings::default()) {
            Ok(_) => Vec::new(),
            Err(findings) => findings,
        };
        let meant = |kind: &Kind| kind.value_meant().and_then(|value| value.as_str().map(str::to_owned));
        let about = |one: &Finding| (one.field.clone(), one.kind.code().to_owned(), meant(&one.kind));
        findings.iter().map(about).collect()
    }

    #[test]
    fn a_name_that_systemd_would_leave_out_is_an_error() {
        let wrong = |field: &str, meant: Option<&str>| {
            (format!("/syscalls/{field}"), "wrong-value".to_owned(), meant.map(str::to_owned))
        };
        assert_eq!(
            found(
                r#"{ "allow": ["@system-servic", "opne", "open"], "deny": ["opne", "@mlock"], "except": ["qqqqqqq", "mount"] }"#,
                "debian-13"
            ),
            [
                wrong("allow/0", Some("@system-service")),
                wrong("allow/1", Some("open")),
                wrong("deny/0", Some("open")),
                wrong("deny/1", Some("mlock")),
                wrong("except/0", None),
            ]
        );
        // A call that has the name of a group, and a group without its sign.
        assert_eq!(
            found(r#"{ "deny": ["sync", "keyring"] }"#, "debian-13"),
            [wrong("deny/1", Some("@keyring"))]
        );
        assert_eq!(found(r#"{ "deny": ["@sandbox"] }"#, "debian-13"), []);
        let old = found(r#"{ "deny": ["@sandbox"] }"#, "debian-12");
        assert_eq!(old, [("/syscalls/deny/0".to_owned(), "target-cannot".to_owned(), None)]);
        assert!(DENIED.iter().all(|name| !system_call::expand(name).is_empty()));
    }

    /// The guarantees that are weak with these lists and a reason that has this in it.
    fn weak(syscalls: &str, reason: &str) -> Vec<&'static str> {
        let target: Target = "debian-13".parse().unwrap();
        let plan = testing::plan(&format!(r#", "syscalls": {syscalls}"#), "", &target, None);
        let weak = plan.outcomes.iter().filter(|outcome| outcome.status.weakness().contains(reason));
        weak.map(|outcome| outcome.guarantee).collect()
    }

    #[test]
    fn what_rests_on_a_denied_call_is_weak_where_it_is_allowed() {
        assert_eq!(weak("{}", "/proc/self/mem"), ["no-write-execute"]);
        for closed in ["{}", r#"{ "deny": [] }"#, r#"{ "allow": ["@known"] }"#, r#"{ "except": ["mlock"] }"#]
        {
            assert_eq!(weak(closed, "memfd_create"), [""; 0], "{closed}");
            assert_eq!(weak(closed, "io_uring_setup"), [""; 0], "{closed}");
        }
        for open in [r#"["memfd_create"]"#, r#"["@ipc"]"#, r#"["@system-service"]"#] {
            let list = format!(r#"{{ "except": {open} }}"#);
            assert_eq!(weak(&list, "memfd_create"), ["programs-fixed", "no-write-execute"], "{open}");
        }
        for open in [r#"["io_uring_setup"]"#, r#"["@aio"]"#] {
            let list = format!(r#"{{ "except": {open} }}"#);
            let unseen = weak(&list, "io_uring_setup is allowed");
            assert_eq!(
                unseen,
                ["address-families-limited", "protocols-limited", "no-setuid-files"],
                "{open}"
            );
        }
    }
}
