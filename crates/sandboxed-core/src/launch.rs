//! Units whose commands `sandboxed-launch` starts: `docs/launcher.md`.
//!
//! Areas ask for its options as they ask for directives. When they are done, every command of the unit is written anew
//! with the launcher in front, and whatever systemd would forbid the launcher is left to it.

use sandboxed_systemd::Version;
use sandboxed_systemd::directive::Section;
use sandboxed_systemd::value::{AbsPath, Argument, ExecLine, Prefixes, Privileges, Value};

use crate::areas::processes::PidMechanism;
use crate::diagnostic::Kind;
use crate::guarantee::Guarantee;
use crate::plan::Setting;
use crate::planner::{Finding, Planner};
use crate::policy::Policy;
use crate::target::{OLDEST, Target};
use crate::unit::{Command, Unit};

/// The launcher of a target, and what it has been asked to do.
#[derive(Clone, Debug)]
pub struct Launcher {
    program: AbsPath,
    options: Vec<String>,
    serves: Vec<&'static str>,
}

/// What the launcher needs for itself, and gives up before it starts the program.
const CAPABILITIES: [&str; 2] = ["CAP_SYS_ADMIN", "CAP_SETPCAP"];

/// What it needs on top of that to make a user namespace that has root in it: user_namespaces(7), since Linux 5.12.
const ROOT_CAPABILITY: &str = "CAP_SETFCAP";

/// System calls that it needs beside those of any program; it forbids the first group itself in the end. By name, as
/// systemd 252 has no group for the others.
const SYSTEM_CALLS: [&str; 6] =
    ["@mount", "capset", "seccomp", "landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"];

/// Namespaces that it makes in any case, and one by an option of its own.
const NAMESPACES: [&str; 3] = ["mnt", "pid", "user"];
const CGROUP_NAMESPACE: (&str, &str) = ("--cgroup-namespace", "cgroup");

/// Namespaces of systemd's that the launcher makes itself, by its option, with the version since which the directive
/// exists. What the unit has of them it must not have twice: in systemd's user namespace a command beside the main process
/// may not mount the /proc that it needs to enter its own, and a process identifier of one PID namespace means another
/// process in the other.
const MADE_INSTEAD: [(&str, &str, Version); 2] =
    [("--user-namespace", "PrivateUsers", OLDEST), ("--pid-namespace", "PrivatePIDs", Version(257))];

/// Commands that speak to the main process by `$MAINPID`: they stay where it can be seen.
pub(crate) const BESIDE_MAIN: [&str; 4] = ["ExecStartPost", "ExecReload", "ExecReloadPost", "ExecStop"];

impl Launcher {
    /// The launcher of the target, for units that it can start.
    pub(crate) fn find(policy: &Policy, target: &Target, units: &[Unit]) -> Result<Self, String> {
        if !policy.processes.namespace {
            return Err("the policy wants no PID namespace".to_owned());
        }
        if policy.processes.mechanism != PidMechanism::Launcher {
            return Err("the policy wants its PID namespace without sandboxed-launch".to_owned());
        }
        let program = target.program("sandboxed-launch").and_then(|path| AbsPath::new(path.path()).ok());
        let program = program.ok_or("the target does not say where sandboxed-launch is")?;
        if units.len() != policy.units.len() {
            return Err(
                "the unit was not read, so its commands cannot be started by sandboxed-launch".to_owned()
            );
        }
        for unit in units {
            if let Some(reason) = cannot(unit) {
                return Err(format!("{}: {reason}", unit.name));
            }
        }
        Ok(Self { program, options: Vec::new(), serves: Vec::new() })
    }

    /// Adds options, for a guarantee.
    pub(crate) fn ask(&mut self, options: Vec<String>, guarantee: &'static Guarantee) {
        if !options.is_empty() && !self.serves.contains(&guarantee.id) {
            self.serves.push(guarantee.id);
        }
        for option in options {
            if !self.options.contains(&option) {
                self.options.push(option);
            }
        }
    }

    /// Whether it stands between the service and the service manager: as soon as the PID namespace has been asked for.
    pub(crate) fn looks_at_notifications(&self) -> bool {
        self.options.iter().any(|option| option == "--pid-namespace")
    }

    /// The command with the launcher in front.
    fn wrap(&self, command: &Command, unit: &Unit, policy: &Policy) -> ExecLine {
        let line = &command.line;
        let beside = BESIDE_MAIN.contains(&command.directive);
        let options = self.options.iter().filter(|option| !(beside && *option == "--pid-namespace"));
        let mut arguments: Vec<Argument> = options.map(|option| Argument::Literal(option.clone())).collect();
        let mut add = |option: String| arguments.push(Argument::Literal(option));
        if !beside {
            for (directive, option) in [("KillMode", "kill-mode"), ("NotifyAccess", "notify-access")] {
                let value =
                    unit.scalar(directive).filter(|value| *value != "none" || option == "notify-access");
                if let Some(value) = value {
                    add(format!("--{option}={value}"));
                }
            }
        }
        let kept: Vec<&str> =
            policy.privileges.capabilities.iter().map(|capability| capability.name()).collect();
        if !kept.is_empty() {
            add(format!("--keep-capabilities={}", kept.join(",")));
        }
        let kinds: Vec<&str> = policy.privileges.namespaces.iter().map(|kind| kind.name()).collect();
        if !kinds.is_empty() {
            add(format!("--allow-namespaces={}", kinds.join(",")));
        }
        let mut own = line.arguments.iter().cloned().map(Argument::Expanded);
        if line.prefixes.names_argv0
            && let Some(Argument::Expanded(name)) = own.next()
        {
            arguments.push(Argument::Expanded(format!("--argv0={name}")));
        }
        arguments.push(Argument::Literal("--".to_owned()));
        // Specifiers are expanded in a program's path, variables are not.
        let program =
            if line.prefixes.no_variables { line.program.clone() } else { line.program.replace('$', "$$") };
        arguments.push(Argument::Expanded(program));
        arguments.extend(own);
        let prefixes = Prefixes { names_argv0: false, ..line.prefixes };
        ExecLine::new(self.program.clone(), arguments).with_prefixes(prefixes)
    }
}

/// A service that could have a PID namespace but for its type can be helped.
fn refuse_forking(planner: &mut Planner<'_>) {
    let launched = planner.policy.processes.mechanism == PidMechanism::Launcher;
    if !planner.policy.processes.namespace
        || !launched
        || planner.target.program("sandboxed-launch").is_none()
    {
        return;
    }
    for unit in planner.base.iter().filter(|unit| unit.service_type() == "forking") {
        let kind = Kind::Unit {
            unit: unit.name.as_str().to_owned(),
            reason: "Type=forking tells systemd its main process by a number that means nothing outside of a PID namespace"
                .to_owned(),
            help: "have the program stay in the foreground, with Type=notify or Type=exec; or set \
                   `processes.namespace` to false"
                .to_owned(),
        };
        planner.findings.push(Finding::new(kind, "/processes/namespace"));
    }
}

/// Why the launcher cannot start this unit.
pub(crate) fn cannot(unit: &Unit) -> Option<String> {
    if unit.service_type() == "forking" {
        return Some("its type is forking".to_owned());
    }
    if unit.scalar("StandardInput").is_some_and(|input| input.starts_with("tty")) {
        return Some("its main process owns a terminal".to_owned());
    }
    if unit.scalar("KillMode") == Some("none") {
        return Some("KillMode=none leaves processes running that nobody would reap".to_owned());
    }
    let shell = unit.commands().iter().find(|command| command.line.prefixes.shell)?;
    Some(format!("{}= is run by a shell (`|`)", shell.directive))
}

/// Writes the commands of all units anew, each as `wrap` has it started.
pub(crate) fn rewrite(
    planner: &mut Planner<'_>,
    serves: &[&'static str],
    by: &str,
    wrap: &dyn Fn(&Command, &Unit) -> ExecLine,
) {
    let setting = |name, value| Setting {
        section: Section::Service,
        name,
        value: Some(value),
        serves: serves.to_vec(),
    };
    for (unit, base) in planner.plan.units.iter_mut().zip(planner.base) {
        // What is in the unit's settings already has lost its prefixes.
        let confined = |command: &Command| unit.settings.get(Section::Service, command.directive).is_some();
        let mut directives: Vec<(&'static str, Vec<ExecLine>)> = Vec::new();
        for command in base.commands() {
            let mut command = command.clone();
            if confined(&command) {
                command.line.prefixes.privileges = Privileges::Restricted;
            }
            let line = if command.line.prefixes.privileges == Privileges::Restricted {
                Ok(wrap(&command, base))
            } else {
                command.line.to_line()
            };
            match line {
                Ok(line) => match directives.iter_mut().find(|(name, _)| *name == command.directive) {
                    Some((_, lines)) => lines.push(line),
                    None => directives.push((command.directive, vec![line])),
                },
                Err(error) => {
                    let kind = Kind::Unit {
                        unit: base.name.as_str().to_owned(),
                        reason: format!("a command cannot be started by {by}: {error}"),
                        help: "change the command, or set `processes.namespace` to false".to_owned(),
                    };
                    planner.findings.push(Finding::new(kind, "/processes/namespace"));
                }
            }
        }
        for (name, lines) in directives {
            unit.settings.put(setting(name, Value::Exec(lines)));
        }
    }
}

/// Writes the commands anew, and gives the launcher what it needs.
pub(crate) fn finish(planner: &mut Planner<'_>) {
    refuse_forking(planner);
    let Ok(launcher) = planner.launcher.clone() else { return };
    if launcher.options.is_empty() {
        return;
    }
    let serves = launcher.serves.clone();
    let policy = planner.policy;
    rewrite(planner, &serves, "sandboxed-launch", &|command, unit| launcher.wrap(command, unit, policy));
    let setting =
        |name, value| Setting { section: Section::Service, name, value: Some(value), serves: serves.clone() };
    for (unit, base) in planner.plan.units.iter_mut().zip(planner.base) {
        for (option, name, since) in MADE_INSTEAD {
            let made = launcher.options.iter().any(|made| made == option);
            if made && planner.target.systemd >= since && base.scalar(name).is_some() {
                unit.settings.put(setting(name, Value::Bool(false)));
            }
        }
    }
    let root = planner.base.iter().any(Unit::runs_as_root).then_some(ROOT_CAPABILITY);
    let capabilities: Vec<&str> = CAPABILITIES.into_iter().chain(root).collect();
    for name in ["AmbientCapabilities", "CapabilityBoundingSet"] {
        planner.plan.service.add(setting(name, Value::words(capabilities.iter().copied())));
    }
    let cgroup =
        launcher.options.iter().any(|option| option == CGROUP_NAMESPACE.0).then_some(CGROUP_NAMESPACE.1);
    let namespaces: Vec<&str> = NAMESPACES.into_iter().chain(cgroup).collect();
    planner.plan.service.allow(&SYSTEM_CALLS, &namespaces);
    planner.plan.notes.push(format!(
        "{} are the launcher's alone, as are mounting and making namespaces: it gives them up before the service's program \
         runs, so systemd-analyze(1) reckons the unit as more exposed than it is",
        capabilities.join(" and ")
    ));
}

#[cfg(test)]
mod tests {
    use sandboxed_systemd::directive;
    use sandboxed_systemd::name::UnitName;

    use super::*;
    use crate::json;
    use crate::language::Language;
    use crate::resolve::{Surroundings, resolve};
    use crate::target::Kernel;

    const POLICY: &str = r#"{ "version": 1, "name": "a", "units": ["a.service"], "filesystem": { "executable": ["/opt"] },
        "privileges": { "privilegedCommands": "confine" } }"#;

    /// The values of a directive of the planned unit, and what was found.
    fn planned(policy: &str, unit: &str, installed: bool) -> Result<impl Fn(&str) -> Vec<String>, String> {
        planned_on(policy, unit, installed, &|_| ())
    }

    /// The same on another target.
    fn planned_on(
        policy: &str,
        unit: &str,
        installed: bool,
        change: &dyn Fn(&mut Target),
    ) -> Result<impl Fn(&str) -> Vec<String> + use<>, String> {
        let resolved = resolve(&json::parse(policy).unwrap()).unwrap();
        let mut target: Target = "debian-13".parse().unwrap();
        change(&mut target);
        if !installed {
            target.programs.clear();
        }
        let name = UnitName::new("a.service").unwrap();
        let units = [Unit::parse(name, &format!("[Service]\nUser=a\n{unit}")).unwrap()];
        let surroundings = Surroundings { units: &units, ..Surroundings::default() };
        match resolved.plan(&target, surroundings) {
            Err(findings) => {
                Err(findings.iter().map(|finding| finding.kind.message(Language::Json)).collect())
            }
            Ok((plan, _)) => Ok(move |name: &str| {
                let known = directive::lookup(Section::Service, name).unwrap();
                let settings = [&plan.units[0].settings, &plan.service];
                let setting = settings.into_iter().find_map(|settings| settings.get(Section::Service, name));
                let value = setting.and_then(|setting| setting.value.clone());
                value.map(|value| value.assignments(known).unwrap()).unwrap_or_default()
            }),
        }
    }

    #[test]
    fn every_command_is_started_by_the_launcher() {
        let unit = "Type=notify\nKillMode=mixed\nExecStartPre=+/usr/bin/pre\nExecStart=-@/usr/bin/a argv0 %i $X\n\
                    ExecReload=/bin/kill -HUP $MAINPID\n";
        let value = planned(POLICY, unit, true).unwrap();
        let launcher = "/usr/lib/sandboxed/sandboxed-launch --device-ioctl-only= --execute-only=-/usr \
                        --execute-only=/opt \
                        --internet-protocols=tcp,udp,icmp --tcp-bind-only=0 --scope=abstract-unix-socket";
        let confined = format!("{launcher} --pid-namespace --user-namespace --lock-core-limit");
        assert_eq!(value("ExecStartPre"), [format!("{confined} --kill-mode=mixed -- /usr/bin/pre")]);
        assert_eq!(
            value("ExecStart"),
            [format!("-{confined} --kill-mode=mixed --argv0=argv0 -- /usr/bin/a %i $X")]
        );
        assert_eq!(
            value("ExecReload"),
            [format!("{launcher} --user-namespace --lock-core-limit -- /bin/kill -HUP $MAINPID")]
        );
        assert_eq!(value("AmbientCapabilities"), ["CAP_SYS_ADMIN CAP_SETPCAP"]);
        assert_eq!(value("CapabilityBoundingSet"), ["CAP_SYS_ADMIN CAP_SETPCAP"]);
        assert_eq!(value("RestrictNamespaces"), ["mnt pid user"]);
        assert_eq!(value("PrivateUsers"), Vec::<String>::new());
        assert!(value("SystemCallFilter").last().unwrap().contains("@mount"));
    }

    /// What the kernel lacks is not asked for, and neither is what would keep the service from what it may.
    #[test]
    fn landlock_is_asked_for_what_the_kernel_has() {
        let unit = "ExecStart=/usr/bin/a\n";
        let asked = |change: &dyn Fn(&mut Target), policy: &str| {
            let value = planned_on(policy, unit, true, change).unwrap();
            let line = value("ExecStart").concat();
            ["execute-only", "tcp-bind-only", "device-ioctl-only", "scope"].map(|name| line.contains(name))
        };
        let kernel = |major, minor| move |target: &mut Target| target.kernel = Kernel::new(major, minor);
        assert_eq!(asked(&kernel(5, 15), POLICY), [false, false, false, false]);
        assert_eq!(asked(&kernel(6, 1), POLICY), [true, false, false, false]);
        assert_eq!(asked(&kernel(6, 7), POLICY), [true, true, false, false]);
        assert_eq!(asked(&kernel(6, 10), POLICY), [true, true, true, false]);
        assert_eq!(asked(&kernel(6, 12), POLICY), [true, true, true, true]);
        assert_eq!(asked(&|target| target.landlock = false, POLICY), [false; 4]);
        let mounts =
            POLICY.replace("\"privileges\": {", "\"privileges\": { \"namespaces\": [\"user\", \"mnt\"],");
        assert_eq!(asked(&kernel(6, 12), &mounts), [false, true, false, true]);
        let waived = POLICY
            .replace("\"privileges\"", "\"accept\": { \"ports-not-taken\": \"a test\" }, \"privileges\"");
        assert_eq!(asked(&kernel(6, 12), &waived), [true, false, true, true]);
    }

    #[test]
    fn no_namespace_is_made_twice() {
        let value =
            planned(POLICY, "ExecStart=/usr/bin/a\nPrivateUsers=yes\nPrivatePIDs=yes\n", true).unwrap();
        assert_eq!(value("PrivateUsers"), ["no"]);
        assert_eq!(value("PrivatePIDs"), ["no"]);
        let value = planned(POLICY, "ExecStart=/usr/bin/a\n", true).unwrap();
        assert_eq!(value("PrivatePIDs"), Vec::<String>::new());
    }

    #[test]
    fn root_needs_one_capability_more_to_be_in_a_user_namespace() {
        let policy = POLICY
            .replace("\"privileges\"", "\"accept\": { \"user-unprivileged\": \"a test\" }, \"privileges\"");
        let value = planned(&policy, "User=root\nExecStart=/usr/bin/a\n", true).unwrap();
        assert_eq!(value("AmbientCapabilities"), ["CAP_SYS_ADMIN CAP_SETPCAP CAP_SETFCAP"]);
    }

    #[test]
    fn without_a_launcher_nothing_is_left_to_it() {
        let unit = "ExecStart=/usr/bin/a\n";
        let without =
            POLICY.replace("\"privileges\"", "\"processes\": { \"namespace\": false }, \"privileges\"");
        for value in [planned(POLICY, unit, false).unwrap(), planned(&without, unit, true).unwrap()] {
            assert_eq!(value("ExecStart"), Vec::<String>::new());
            assert!(value("AmbientCapabilities").concat().is_empty());
            assert_eq!(value("RestrictNamespaces"), ["yes"]);
            assert_eq!(value("PrivateUsers"), ["yes"]);
            assert!(!value("SystemCallFilter").concat().contains("@mount"));
        }
    }

    #[test]
    fn forking_is_refused_with_advice() {
        let error = planned(POLICY, "Type=forking\nExecStart=/usr/bin/a\n", true).map(|_| ()).unwrap_err();
        assert!(error.contains("Type=forking"), "{error}");
        assert!(planned(POLICY, "Type=forking\nExecStart=/usr/bin/a\n", false).is_ok());
    }
}
