//! What the kernel says of the processes that run now, beside what a probe finds: the probe runs in a unit like the
//! service's, this is about the service itself.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use serde::Serialize;

use sandboxed_core::target::Netfilter;

use super::plan::Planned;
use crate::command::filter::sockets::Rules;
use crate::systemctl;

/// One thing that was looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    /// The unit that it is about.
    pub(crate) unit: String,
    /// What.
    pub(crate) what: &'static str,
    /// What the kernel says.
    pub(crate) found: String,
    /// Whether that is as planned.
    pub(crate) as_planned: bool,
}

/// Looks at all running units of a sandbox. A unit that does not run has nothing to look at, and says so.
///
/// # Errors
/// If systemctl cannot be run.
pub(super) fn look(planned: &Planned) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for unit in &planned.units {
        // A unit may be active without a main process, and have others that run: its control group knows.
        let main: u32 = systemctl::property(unit, "MainPID")?.parse().unwrap_or(0);
        let launched = planned.is_launched("processes-hidden");
        let processes = processes(unit, main, launched)?;
        if main == 0 && processes.is_empty() {
            // Not running is not a breach; the probe has run under the same directives.
            checks.push(Check {
                unit: unit.clone(),
                what: "processes",
                found: "it does not run".into(),
                as_planned: true,
            });
            continue;
        }
        let mut add = |what, found: String, as_planned| {
            checks.push(Check { unit: unit.clone(), what, found, as_planned });
        };
        let count = processes.len();
        add("processes of its own", count.to_string(), count > 0);
        // Of each thing that is looked at, what the first process says that is not as planned; else what all say.
        let mut all = |what, look: &dyn Fn(u32) -> (String, bool)| {
            let found = processes.iter().map(|pid| look(*pid));
            let wrong = found.reduce(|first, next| if first.1 { next } else { first });
            if let Some((found, as_planned)) = wrong {
                add(what, found, as_planned);
            }
        };
        let wanted = planned.directives.contains_key("SystemCallFilter");
        all("system call filter", &|pid| {
            let filter = Status::of(pid).field("Seccomp");
            let as_planned = !wanted || filter == "2";
            (filter, as_planned)
        });
        all("no new privileges", &|pid| {
            let no_new = Status::of(pid).field("NoNewPrivs");
            let as_planned = !planned.is_on("NoNewPrivileges") || no_new == "1";
            (no_new, as_planned)
        });
        let none_wanted = planned.keeps_wholly("no-capabilities");
        for (what, name) in [
            ("effective capabilities", "CapEff"),
            ("permitted capabilities", "CapPrm"),
            ("inheritable capabilities", "CapInh"),
            ("ambient capabilities", "CapAmb"),
            ("bounding set", "CapBnd"),
        ] {
            all(what, &|pid| {
                let set = Status::of(pid).field(name);
                let empty = u64::from_str_radix(&set, 16) == Ok(0);
                (set, !none_wanted || empty)
            });
        }
        for (what, kind, directives) in NAMESPACES {
            let host = namespace("self", kind);
            let by_launcher = launched && matches!(kind, "pid" | "user");
            let wanted = by_launcher || directives.iter().any(|directive| planned.is_on(directive));
            all(what, &|pid| {
                let own = namespace(&pid.to_string(), kind);
                // Unreadable is not equal: what cannot be shown does not count as kept.
                let apart = own.is_some() && own != host;
                let found = if apart { "its own" } else { "the machine's" };
                (found.into(), !wanted || apart)
            });
        }
        let member = if main == 0 { processes.first().copied().unwrap_or_default() } else { main };
        let group = fs::read_to_string(format!("/proc/{member}/cgroup")).unwrap_or_default();
        let group = group.lines().find_map(|line| line.strip_prefix("0::/")).unwrap_or_default().to_owned();
        // From within a container the path has the container's own group in front.
        let below = format!("{}/", planned.control_group);
        add("control group", group.clone(), format!("/{group}/").contains(&format!("/{below}")));
        if let Some(filter) = &planned.filter {
            let active = systemctl::is_active(&filter.unit)?;
            add("filter unit", if active { "active" } else { "not active" }.into(), active);
            let (found, leads) = element(planned);
            add("filter element", found, leads);
            if let Some(sockets) = &filter.sockets {
                let group = planned.control_group.as_ref();
                let (found, held) = match Rules::planned(sockets).and_then(|rules| rules.are_in_force(group))
                {
                    Ok(true) => ("as planned".into(), true),
                    Ok(false) => ("not those of the plan".into(), false),
                    Err(error) => (format!("{error:#}"), false),
                };
                add("what sockets may do", found, held);
            }
        }
    }
    Ok(checks)
}

/// The service's own processes: those in the unit's control group but for the launcher's two, the main process and the
/// init below it. They are told by their places and not by their program, which the service could execute as well.
fn processes(unit: &str, main: u32, launched: bool) -> Result<Vec<u32>> {
    let group = systemctl::property(unit, "ControlGroup")?;
    let mut groups = vec![format!("/sys/fs/cgroup{group}").into()];
    let mut processes = Vec::new();
    while let Some(group) = groups.pop() {
        let group: PathBuf = group;
        let list = fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        processes.extend(list.lines().filter_map(|pid| pid.parse::<u32>().ok()));
        let below = fs::read_dir(&group).into_iter().flatten().flatten();
        groups.extend(below.map(|entry| entry.path()).filter(|path| path.is_dir()));
    }
    if launched {
        let is_init = |pid: u32| {
            let status = Status::of(pid);
            let ids = status.field("NSpid");
            let is_first = ids.split_whitespace().last() == Some("1");
            // It outlives the main process, whose place another takes as its parent; a namespace below its own is the service's.
            let parent =
                if main == 0 { ids.split_whitespace().count() == 2 } else { status.parent() == main };
            parent && is_first
        };
        processes.retain(|pid| *pid != main && !is_init(*pid));
    }
    if main == 0 {
        // Commands that start or stop it, which may be those that run outside of the sandbox by the policy.
        let control: u32 = systemctl::property(unit, "ControlPID")?.parse().unwrap_or(0);
        processes.retain(|pid| control == 0 || !descends(*pid, control));
    }
    processes.sort_unstable();
    Ok(processes)
}

/// Whether a process is another or descends from it.
fn descends(pid: u32, from: u32) -> bool {
    let mut ancestors = std::iter::successors(Some(pid), |pid| Some(Status::of(*pid).parent()));
    ancestors.find(|pid| *pid <= 1 || *pid == from) == Some(from)
}

/// What, its name in /proc/PID/ns, and the directives which give a service one of its own.
const NAMESPACES: [(&str, &str, &[&str]); 6] = [
    ("mount namespace", "mnt", &["RootDirectory", "ProtectSystem", "TemporaryFileSystem", "PrivateTmp"]),
    ("network namespace", "net", &["PrivateNetwork", "NetworkNamespacePath"]),
    ("PID namespace", "pid", &["PrivatePIDs"]),
    ("IPC namespace", "ipc", &["PrivateIPC"]),
    ("user namespace", "user", &["PrivateUsers"]),
    ("UTS namespace", "uts", &["ProtectHostname"]),
];

fn namespace(process: &str, kind: &str) -> Option<String> {
    let link = fs::read_link(format!("/proc/{process}/ns/{kind}")).ok()?;
    Some(link.to_string_lossy().into_owned())
}

/// Whether a packet of the slice is led to the rules of the service.
fn element(planned: &Planned) -> (String, bool) {
    match planned.target.netfilter {
        Netfilter::Nftables => {
            // nft shows the path only while the number in the map is that of the group at this path; for a group that was
            // removed it shows the bare number.
            let path = format!("\"{}\"", planned.control_group);
            led("nft", &["list", "map", "inet", "sandboxed", "services"], |map| map.contains(&path))
        }
        Netfilter::Iptables => {
            // The rule keeps the group that it was made for; the helper's unit is bound to the slice, and makes it anew.
            let path = &planned.control_group;
            let spellings = [path.clone(), path.replace('\\', "\\\\")];
            let leads = |listing: &str| {
                let mut rules = listing.lines().filter(|line| line.starts_with("-A sandboxed "));
                rules.any(|rule| rule.split([' ', '"']).any(|word| spellings.iter().any(|path| word == path)))
            };
            let families = ["iptables-save", "ip6tables-save"];
            let found = families.map(|program| led(program, &["-t", "filter"], leads));
            let [first, second] = found;
            if first.1 { second } else { first }
        }
        Netfilter::None => ("the target had no packet filter".into(), false),
    }
}

/// Whether what a program lists leads to the rules, and the same in words.
fn led(program: &str, arguments: &[&str], leads: impl Fn(&str) -> bool) -> (String, bool) {
    match Command::new(program).args(arguments).output() {
        Ok(output) if output.status.success() => {
            let leads = leads(&String::from_utf8_lossy(&output.stdout));
            (if leads { "leads to the rules" } else { "absent or stale" }.into(), leads)
        }
        Ok(output) => (String::from_utf8_lossy(&output.stderr).trim().to_owned(), false),
        Err(error) => (format!("{program}: {error}"), false),
    }
}

/// `/proc/PID/status`
struct Status(String);

impl Status {
    fn of(pid: u32) -> Self {
        Self(fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default())
    }

    /// The parent's id; 0 if there is none.
    fn parent(&self) -> u32 {
        self.field("PPid").parse().unwrap_or(0)
    }

    fn field(&self, name: &str) -> String {
        let lines = self.0.lines().filter_map(|line| line.split_once(':'));
        lines
            .filter(|(key, _)| *key == name)
            .map(|(_, value)| value.trim().to_owned())
            .next()
            .unwrap_or_default()
    }
}
