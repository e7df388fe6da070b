//! Units that would undo the sandbox from within are refused, each by name.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use sandboxed_core::emit::artifacts;
use sandboxed_core::json;
use sandboxed_core::language::Language;
use sandboxed_core::plan::{Plan, Status};
use sandboxed_core::planner::Finding;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::socket::Socket;
use sandboxed_core::target::Target;
use sandboxed_core::unit::Unit;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::value::Value;

const POLICY: &str = r#"{"version": 1, "name": "a", "units": ["a.service"]}"#;

/// The plan of a policy around a unit with this text, with its warnings; or what is wrong.
fn planned(policy: &str, text: &str) -> Result<(Plan, String), String> {
    let resolved = resolve(&json::parse(policy).unwrap()).unwrap();
    let target: Target = "debian-13".parse().unwrap();
    let unit = Unit::parse(UnitName::new("a.service").unwrap(), text).unwrap();
    let all = |findings: Vec<Finding>| {
        findings.iter().map(|finding| finding.kind.message(Language::Json)).collect()
    };
    match resolved.plan(&target, Surroundings { units: &[unit], ..Surroundings::default() }) {
        Ok((plan, warnings)) => Ok((plan, all(warnings))),
        Err(findings) => Err(all(findings)),
    }
}

/// What is found for a unit with this text; empty where it is planned.
fn found(text: &str) -> String {
    planned(POLICY, text).err().unwrap_or_default()
}

/// What became of a guarantee: its status and what stays open.
fn outcome(policy: &str, guarantee: &str) -> String {
    outcome_of(policy, "[Service]\nUser=a\nExecStart=/usr/bin/a\n", guarantee)
}

/// The same for a unit with this text.
fn outcome_of(policy: &str, text: &str, guarantee: &str) -> String {
    let (plan, _) = planned(policy, text).unwrap();
    let outcome = plan.outcomes.into_iter().find(|outcome| outcome.guarantee == guarantee).unwrap();
    match outcome.status {
        Status::Kept { exceptions, .. } => format!("kept {}", exceptions.join(" ")),
        Status::Weak { weakness, .. } => format!("weak {weakness}"),
        Status::Waived { reason } => format!("waived {reason}"),
    }
}

#[test]
fn nothing_is_executed_from_the_directories_of_the_unit() {
    let resolved = resolve(&json::parse(r#"{"version": 1, "name": "a", "units": ["a.service"]}"#).unwrap());
    let text = "[Service]\nUser=a\nStateDirectory=a b\nRuntimeDirectory=a\nExecStart=/usr/bin/a\n";
    let unit = Unit::parse(UnitName::new("a.service").unwrap(), text).unwrap();
    let target: Target = "debian-13".parse().unwrap();
    let surroundings = Surroundings { units: &[unit], ..Surroundings::default() };
    let (plan, _) = resolved.unwrap().plan(&target, surroundings).unwrap();
    let files = artifacts(&[plan]).unwrap();
    let drop_in = &files["systemd/system/a.service.d/zz-sandboxed.conf"];
    let line = "NoExecPaths=+/ -+/run -+/run/a -+/var/lib/a -+/var/lib/b\n";
    assert!(drop_in.contains(line), "{drop_in}");
}

#[test]
fn a_plain_unit_is_planned() {
    assert_eq!(found("[Service]\nUser=a\nExecStart=/usr/bin/a\n"), "");
}

#[test]
fn directives_that_lead_around_the_sandbox_are_refused() {
    for (section, line) in [
        ("Service", "PermissionsStartOnly=yes"),
        ("Service", "RootDirectoryStartOnly=yes"),
        ("Service", "OpenFile=/run/docker.sock"),
        ("Service", "IPCNamespacePath=/run/ns"),
        ("Service", "PAMName=login"),
        ("Service", "RootImage=/a.raw"),
        ("Service", "KillMode=none"),
        ("Service", "StandardError=truncate:/etc/cron.d/x"),
        ("Service", "StandardOutput=append:/var/log/../../etc/x"),
        ("Service", "StandardOutput=kmsg+console"),
        ("Service", "StandardInput=tty-force"),
        ("Unit", "OnFailure=reboot.target"),
        ("Unit", "OnSuccess=mail.service poweroff.target"),
        ("Unit", "JoinsNamespaceOf=b.service"),
        ("Unit", "OnFailure=systemd-poweroff.service"),
        ("Unit", "OnSuccess=suspend.target"),
        ("Unit", "OnFailureJobMode=isolate\nOnFailure=multi-user.target"),
        ("Unit", "PropagatesStopTo=b.service"),
        ("Service", "TTYPath=/dev/tty1"),
        ("Service", "NFTSet=cgroup:inet:filter:trusted"),
        ("Service", "BPFProgram=egress:/sys/fs/bpf/x"),
        // What is below a directory that the service writes may be a link to anything.
        ("Service", "StandardOutput=append:/var/lib/a/log\nStateDirectory=a"),
        ("Service", "StandardError=truncate:/var/log/a/log\nLogsDirectory=a"),
        ("Service", "StandardInput=file:/var/lib/a/in\nStateDirectory=a"),
        ("Service", "EnvironmentFile=-/var/lib/a/env\nStateDirectory=a"),
        ("Service", "EnvironmentFile=/var/run/a/x/../env\nRuntimeDirectory=a"),
        ("Service", "PIDFile=/run/a/run/a.pid\nRuntimeDirectory=a"),
        ("Service", "PIDFile=a/run/a.pid\nRuntimeDirectory=a"),
        // A directory of its own that is another's.
        ("Service", "StateDirectory=%t"),
        ("Service", "RuntimeDirectory=dbus"),
        ("Service", "RuntimeDirectory=docker"),
        ("Service", "ConfigurationDirectory=ssh"),
        ("Service", "StateDirectory=systemd/timers"),
    ] {
        let text = format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n[{section}]\n{line}\n");
        let name = line.split('=').next().unwrap();
        assert!(found(&text).contains(name), "{line}: {}", found(&text));
    }
}

/// Paths of the policy that systemd follows as root, below what the service writes.
#[test]
fn what_the_service_could_make_a_link_is_not_followed() {
    let unit = "[Service]\nUser=a\nRuntimeDirectory=a\nExecStart=/usr/bin/a\n";
    let with = |fields: &str| POLICY.replace("]}", &format!("], {fields}}}"));
    let state = r#""filesystem": {"state": ["/var/lib/a"], "writable": ["/var/log/a.log"]"#;
    for fields in [
        format!(r#"{state}, "readable": ["-/var/lib/a/static"]}}"#),
        format!(r#"{state}, "readable": ["/run/a/static"]}}"#),
        r#""filesystem": {"state": ["/var/lib/a"], "writable": ["/var/lib/a/up"]}"#.to_owned(),
        r#""filesystem": {"state": ["/var/lib/a", "/var/lib/a/up"]}"#.to_owned(),
        format!(r#"{state}}}, "ipc": {{"sockets": ["/var/lib/a/s"]}}"#),
        format!(r#"{state}}}, "secrets": {{"credentials": {{"x": "/var/lib/a/x"}}}}"#),
        format!(r#"{state}}}, "secrets": {{"encrypted": {{"x": "/run/a/x"}}}}"#),
    ] {
        let refused = planned(&with(&fields), unit).err().unwrap_or_default();
        assert!(refused.contains("where the service can put links"), "{fields}: {refused}");
    }
    let beside =
        format!(r#"{state}, "readable": ["/var/lib/ab", "/srv"]}}, "ipc": {{"sockets": ["/run/b/s"]}}"#);
    planned(&with(&beside), &format!("{unit}StandardOutput=append:/var/log/a.log\n")).unwrap();
}

/// Nothing that is said or added after the plan counts.
#[test]
fn later_words_do_not_undo_the_sandbox() {
    let unit = "# /etc/systemd/system/a.service\n[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let (plan, _) = planned(POLICY, unit).unwrap();
    let emptied = plan.units[0].settings.iter().filter(|setting| setting.value.is_none());
    let emptied: Vec<_> = emptied.map(|setting| setting.name).collect();
    for command in ["ExecStartPre", "ExecStartPost", "ExecReload", "ExecStop", "ExecStopPost"] {
        assert!(emptied.contains(&command), "{emptied:?}");
    }
    let and = |name: &str, line: &str| {
        format!("{unit}\n# /etc/systemd/system/a.service.d/{name}\n[Service]\n{line}\n")
    };
    assert!(
        found(&and("zzz-local.conf", "NoNewPrivileges=no")).contains("zzz-local.conf sets NoNewPrivileges=")
    );
    assert!(found(&and("zzz-local.conf", "ExecStop=/bin/a")).contains("sets ExecStop="));
    assert_eq!(found(&and("zzz-local.conf", "Environment=A=b")), "");
    assert_eq!(found(&and("local.conf", "NoNewPrivileges=no")), "");
}

/// NixOS' switch restarts what changed, unless the unit says otherwise.
#[test]
fn what_a_switch_would_leave_running_is_refused_on_nixos() {
    let found = |distribution: &str, section: &str, line: &str| {
        let resolved = resolve(&json::parse(POLICY).unwrap()).unwrap();
        let target: Target = format!("systemd=257,kernel=6.12,distribution={distribution}").parse().unwrap();
        let target = Target { programs: "debian-13".parse::<Target>().unwrap().programs, ..target };
        let text = format!("[Service]\nUser=a\nExecStart=/nix/store/a/bin/a\n[{section}]\n{line}\n");
        let unit = Unit::parse(UnitName::new("a.service").unwrap(), &text).unwrap();
        let plan = resolved.plan(&target, Surroundings { units: &[unit], ..Surroundings::default() });
        let findings = plan.err().unwrap_or_default();
        findings.iter().map(|finding| finding.kind.message(Language::Json)).collect::<Vec<_>>().join("\n")
    };
    for (section, line) in [
        ("Service", "X-RestartIfChanged=false"),
        ("Service", "X-RestartIfChanged=no"),
        ("Service", "X-ReloadIfChanged=true"),
        ("Unit", "RefuseManualStop=yes"),
        ("Unit", "X-OnlyManualStart=true"),
    ] {
        let said = found("nixos", section, line);
        assert!(said.contains("leave it running as it was"), "{line}: {said}");
        assert!(!found("debian", section, line).contains("leave it running"), "{line}");
    }
    for line in [
        "X-RestartIfChanged=true",
        "X-StopIfChanged=false",
        "X-RestartIfChanged=false\nX-RestartIfChanged=true",
    ] {
        assert!(!found("nixos", "Service", line).contains("leave it running"), "{line}");
    }
}

#[test]
fn whatever_outlives_its_unit_is_killed() {
    for (asked, directive, given) in [
        ("SendSIGKILL=no", "SendSIGKILL", "yes"),
        ("FinalKillSignal=SIGCONT", "FinalKillSignal", "SIGKILL"),
        ("KillMode=process", "KillMode", "mixed"),
    ] {
        let text = format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n{asked}\n");
        assert_eq!(planned(POLICY, &text).unwrap().0.lines(directive), [given]);
    }
}

#[test]
fn every_stop_has_an_end() {
    let lines = |asked: &str, name: &str| {
        let text = format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n{asked}\n");
        planned(POLICY, &text).unwrap().0.units[0]
            .settings
            .iter()
            .find(|setting| setting.name == name)
            .map(|setting| setting.value.clone())
    };
    for asked in [
        "TimeoutStopSec=infinity",
        "TimeoutSec=0",
        "TimeoutStopSec=20\nTimeoutSec=infinity",
        "TimeoutStopSec=infinity\nTimeoutStopSec=what",
        "TimeoutStopSec=1y",
    ] {
        let given = lines(asked, "TimeoutStopSec");
        assert_eq!(given, Some(Some(Value::Seconds(90))), "{asked}");
    }
    assert_eq!(lines("TimeoutAbortSec=infinity", "TimeoutAbortSec"), Some(Some(Value::Seconds(90))));
    for asked in
        ["TimeoutStopSec=15min", "TimeoutSec=infinity\nTimeoutStopSec=20", "TimeoutStartSec=infinity"]
    {
        assert_eq!(lines(asked, "TimeoutStopSec"), None, "{asked}");
    }
    let text = "[Service]\nUser=a\nExecStart=/usr/bin/a\nTimeoutStopSec=infinity\n";
    let notes = planned(POLICY, text).unwrap().0.notes.join("\n");
    assert!(notes.contains("a.service: with TimeoutStopSec=infinity the service could refuse"), "{notes}");
}

/// What a service says of itself is looked at by the launcher, where there is one and systemd listens.
#[test]
fn notifications_that_nobody_looks_at_are_named() {
    let without = POLICY.replace(r#""version": 1,"#, r#""version": 1, "processes": { "namespace": false },"#);
    let own =
        |policy: &str| policy.replace(r#""version": 1,"#, r#""version": 1, "ipc": { "ownJournal": true },"#);
    assert_ne!(without, POLICY);
    for notifies in ["Type=notify", "Type=notify-reload", "NotifyAccess=all", "WatchdogSec=5"] {
        let text = format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n{notifies}\n");
        for (guarantee, says) in [
            ("journal-unforged", "as PID 1's own words"),
            ("journal-kept", "as PID 1's own words"),
            ("processors-shared", "PID 1 work without a limit"),
        ] {
            let weak = outcome_of(&own(&without), &text, guarantee);
            assert!(weak.starts_with("weak") && weak.contains(says), "{notifies} {guarantee}: {weak}");
            let kept = outcome_of(&own(POLICY), &text, guarantee);
            assert!(kept.starts_with("kept"), "{notifies} {guarantee}: {kept}");
        }
    }
    for guarantee in ["journal-unforged", "journal-kept", "processors-shared"] {
        let silent = outcome(&own(&without), guarantee);
        assert!(silent.starts_with("kept"), "{guarantee}: {silent}");
    }
    // Without a PID namespace the launcher becomes the service, and nothing stands between.
    let waived = POLICY.replace(
        r#""version": 1,"#,
        r#""version": 1, "accept": { "processes-hidden": "a test", "processes-untouched": "a test" },"#,
    );
    let text = "[Service]\nUser=a\nExecStart=/usr/bin/a\nType=notify\n";
    let notes = |policy: &str| planned(policy, text).unwrap().0.notes.join("\n");
    assert!(notes(&without).contains("EXTEND_TIMEOUT_USEC="), "{}", notes(&without));
    assert!(!notes(POLICY).contains("EXTEND_TIMEOUT_USEC="), "{}", notes(POLICY));
    let weak = outcome_of(&waived, text, "processors-shared");
    assert!(weak.starts_with("weak"), "{weak}");
}

#[test]
fn harmless_streams_and_triggers_are_planned() {
    for line in [
        "StandardOutput=journal",
        "PIDFile=/run/a/a.pid\nRuntimeDirectory=a",
        "EnvironmentFile=-/etc/default/a",
        "StateDirectory=%p %N/media",
        "StandardInput=null",
        "StandardError=inherit",
        "[Unit]\nOnFailure=mail.service",
    ] {
        assert_eq!(found(&format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n{line}\n")), "", "{line}");
    }
}

#[test]
fn a_sandbox_around_one_unit_has_its_name() {
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let (plan, _) = planned(r#"{"version": 1, "units": ["a.service"]}"#, unit).unwrap();
    assert_eq!(plan.name, "a");
    let two = json::parse(r#"{"version": 1, "units": ["a.service", "b.service"]}"#).unwrap();
    assert_eq!(resolve(&two).unwrap_err().first().unwrap().kind.code(), "no-name");
}

#[test]
fn root_is_refused_however_it_is_written() {
    for user in ["", "User=root\n", "User=0\n", "User=00\n", "User=%i\n", "User=root\nDynamicUser=yes\n"] {
        let text = format!("[Service]\n{user}ExecStart=/usr/bin/a\n");
        assert!(found(&text).contains("user-unprivileged"), "{user:?}: {}", found(&text));
    }
}

#[test]
fn more_than_its_share_is_taken_back() {
    for (asked, directive, given) in [
        ("CPUSchedulingPolicy=fifo", "CPUSchedulingPolicy", "other"),
        ("Nice=-20", "Nice", "0"),
        ("IOSchedulingClass=realtime", "IOSchedulingClass", "best-effort"),
        ("IOSchedulingClass=0x1", "IOSchedulingClass", "best-effort"),
        ("CPUSchedulingPolicy=1", "CPUSchedulingPolicy", "other"),
        ("OOMScoreAdjust=-1000", "OOMScoreAdjust", "0"),
    ] {
        let text = |line: &str| format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n{line}\n");
        assert_eq!(planned(POLICY, &text(asked)).unwrap().0.lines(directive), [given], "{asked}");
        let modest = asked.replace(['-'], "").replace("fifo", "batch").replace("realtime", "idle");
        let modest = modest.replace("=0x1", "=2").replace("Policy=1", "Policy=idle");
        let lines = planned(POLICY, &text(&modest)).unwrap().0.lines(directive);
        assert!(lines.is_empty(), "{modest}: {lines:?}");
    }
}

#[test]
fn no_unit_switches_the_machine_off() {
    let text = "[Unit]\nFailureAction=reboot-force\n[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let (plan, _) = planned(POLICY, text).unwrap();
    for action in ["FailureAction", "SuccessAction", "StartLimitAction", "JobTimeoutAction"] {
        assert_eq!(plan.lines(action), ["none"], "{action}");
    }
}

#[test]
fn credentials_are_those_of_the_policy() {
    let text = "[Service]\nUser=a\nExecStart=/usr/bin/a\nLoadCredential=key:/etc/ssl/private/key.pem\n";
    let (plan, warnings) = planned(POLICY, text).unwrap();
    assert!(warnings.contains("the credential `key` (LoadCredential=)"), "{warnings}");
    assert!(plan.service.iter().any(|setting| setting.name == "LoadCredential" && setting.value.is_none()));
    let named =
        POLICY.replace("]}", r#"], "secrets": {"credentials": {"key": "/etc/ssl/private/key.pem"}}}"#);
    let (plan, warnings) = planned(&named, text).unwrap();
    assert_eq!(
        (plan.lines("LoadCredential"), warnings.as_str()),
        (vec!["key:/etc/ssl/private/key.pem".to_owned()], "")
    );
}

/// What a unit has systemd read into its environment is told with the secrets that the policy hands it.
#[test]
fn files_of_variables_are_named_with_the_secrets() {
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    assert_eq!(outcome_of(POLICY, unit, "secrets-unshared"), "kept ");
    let files = format!(
        "{unit}EnvironmentFile=/etc/gone\nEnvironmentFile=\nEnvironmentFile=-/etc/default/a\nEnvironmentFile=/run/secrets/a.env\n"
    );
    let named = outcome_of(POLICY, &files, "secrets-unshared");
    assert!(
        named.contains("the variables in /etc/default/a,") && named.contains("in /run/secrets/a.env,"),
        "{named}"
    );
    assert!(!named.contains("/etc/gone"), "{named}");
}

#[test]
fn sockets_that_open_a_guarantee_are_named_by_it() {
    let with = |fields: &str| POLICY.replace("]}", &format!("], {fields}}}"));
    assert_eq!(outcome(POLICY, "message-bus-closed"), "kept ");
    let bus = with(r#""ipc": {"sockets": ["/run/dbus/system_bus_socket"]}"#);
    assert!(outcome(&bus, "message-bus-closed").starts_with("weak the policy shows"));
    let journal = with(r#""filesystem": {"readable": ["/run/systemd/journal"]}"#);
    assert!(outcome(&journal, "journal-unforged").starts_with("weak the policy shows"));
    let home = with(r#""filesystem": {"readable": ["/home/alice/site"]}"#);
    assert_eq!(outcome(&home, "homes-hidden"), "kept /home/alice/site");
}

#[test]
fn a_journal_of_its_own_is_the_policys_or_the_units() {
    let unit = "[Service]\nUser=a\nLogNamespace=b\nExecStart=/usr/bin/a\n";
    assert!(outcome(POLICY, "journal-kept").starts_with("weak what the service prints"));
    assert_eq!(outcome_of(POLICY, unit, "journal-kept"), "kept ");
    assert!(outcome_of(POLICY, &unit.replace("=b", "="), "journal-kept").starts_with("weak"));
    let own = POLICY.replace("]}", r#"], "ipc": {"ownJournal": true}}"#);
    let (plan, _) = planned(&own, unit).unwrap();
    assert_eq!(plan.lines("LogNamespace"), ["sandboxed-a"]);
    assert_eq!(outcome(&own, "journal-kept"), "kept ");
}

#[test]
fn paths_that_give_the_machine_away_are_refused() {
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    for (fields, why) in [
        (r#""ipc": {"sockets": ["/run/docker.sock"]}"#, "what root can"),
        (r#""filesystem": {"readable": ["/run/podman"]}"#, "what root can"),
        (r#""filesystem": {"state": ["/usr/lib/a"]}"#, "no service changes"),
        (r#""filesystem": {"writable": ["/boot/efi"]}"#, "no service changes"),
        (r#""filesystem": {"readable": ["/home"]}"#, "belongs to the whole machine"),
        (r#""filesystem": {"readable": ["/run/dbus"]}"#, "belongs to the whole machine"),
    ] {
        let policy = POLICY.replace("]}", &format!("], {fields}}}"));
        let error = planned(&policy, unit).map(|_| ()).unwrap_err();
        assert!(error.contains(why), "{fields}: {error}");
    }
    let waived = POLICY.replace(
        "]}",
        r#"], "ipc": {"sockets": ["/run/docker.sock"]}, "accept": {"runtime-hidden": "it manages the containers"}}"#,
    );
    assert!(planned(&waived, unit).is_ok());
}

/// Without a controller systemd leaves its limits out, and says so to nobody.
#[test]
fn limits_without_a_controller_are_not_planned() {
    let document = |fields: &str| json::parse(&POLICY.replace("]}", &format!("]{fields}}}"))).unwrap();
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let plan = |fields: &str, controllers: &str| {
        let target: Target = format!("systemd=257,kernel=6.12,controllers={controllers}").parse().unwrap();
        let unit = Unit::parse(UnitName::new("a.service").unwrap(), unit).unwrap();
        let resolved = resolve(&document(fields)).unwrap();
        resolved.plan(&target, Surroundings { units: &[unit], ..Surroundings::default() })
    };
    assert!(plan("", "cpu+io+memory+pids").is_ok() && plan("", "pids+memory+io+cpuset+cpu").is_ok());
    for (controllers, lacking, guarantee, directives) in [
        ("cpu+io+pids", "memory", "memory-limited", "Memory"),
        ("cpu+io+memory", "pids", "tasks-limited", "Tasks"),
        ("io+memory+pids", "cpu", "processors-shared", "CPU"),
        ("cpu+memory+pids", "io", "disks-shared", "IO"),
    ] {
        let findings = plan("", controllers).unwrap_err();
        let said: Vec<_> = findings.iter().map(|finding| finding.kind.message(Language::Json)).collect();
        let reason = format!("needs the control group controller `{lacking}`");
        assert!(
            matches!(said.as_slice(), [one] if one.contains(guarantee) && one.contains(&reason)),
            "{said:?}"
        );
        let accept = format!(r#", "accept": {{ "{guarantee}": "no controller" }}"#);
        let (plan, _) = plan(&accept, controllers).unwrap();
        assert!(!plan.slice_settings.iter().any(|setting| setting.name.starts_with(directives)));
    }
    let all = plan("", "").unwrap_err();
    assert_eq!(all.len(), 4);
}

/// What others rely on is no service's to write, whichever root it has; what it may read of their secrets is said.
#[test]
fn what_belongs_to_others_is_not_written() {
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let with =
        |fields: &str| planned(&POLICY.replace("]}", &format!(r#"], "filesystem": {{{fields}}}}}"#)), unit);
    for path in [
        "/",
        "/etc",
        "/var",
        "/var/lib",
        "/var/run",
        "/run",
        "/home",
        "/srv",
        "/root",
        "/nix",
        "/mnt",
        "/opt",
        "/var/cache",
        "/var/spool",
    ] {
        for (root, list) in [("own", "state"), ("own", "writable"), ("host", "state"), ("host", "writable")] {
            let error = with(&format!(r#""root": "{root}", "{list}": ["{path}"]"#))
                .map(drop)
                .err()
                .unwrap_or_default();
            assert!(error.contains("belongs to the whole machine"), "{path} {root} {list}: {error}");
        }
    }
    for path in [
        "/var/lib/dpkg",
        "/var/lib/dpkg/info",
        "/var/lib/systemd",
        "-/etc/systemd/system",
        "/etc/sandboxed",
        "/etc/nftables",
        "/run/systemd/system",
        "/var/run/systemd/system",
        "/var/spool/cron",
        "/etc/cron.d",
        "/root/a",
        "/var/lib/private",
        "/var/lib/docker",
        "/etc/ld.so.preload",
        "/etc/passwd",
        "/sys/fs/cgroup",
        "/proc/sys",
        "/etc/ssl/certs",
        "/nix/var/nix/profiles",
    ] {
        for root in ["own", "host"] {
            let error = with(&format!(r#""root": "{root}", "writable": ["{path}"]"#))
                .map(drop)
                .err()
                .unwrap_or_default();
            assert!(error.contains("on which others rely"), "{path} {root}: {error}");
        }
    }
    for path in [
        "/srv/a",
        "/var/spool/a",
        "/var/cache/a",
        "/etc/a",
        "/etc/ssl/a",
        "/run/a",
        "/run/lock/a",
        "/home/a",
        "/opt/a",
        "/tmp",
    ] {
        let error = with(&format!(r#""writable": ["{path}"]"#)).map(drop).err().unwrap_or_default();
        assert!(!error.contains("rely") && !error.contains("belongs to"), "{path}: {error}");
    }
    for path in [
        "/etc/ssh",
        "/root/a",
        "/etc/shadow",
        "/var/lib/docker",
        "/var/lib/private/b",
        "/etc/ssl/private",
        "/run/secrets/a",
    ] {
        let (plan, _) = with(&format!(r#""readable": ["{path}"]"#)).unwrap();
        assert!(plan.notes.join(" ").contains("what is secret of"), "{path}: {:?}", plan.notes);
    }
    let (plan, _) = with(r#""readable": ["/etc/a", "/srv", "/var/lib/b"], "state": ["/var/lib/a"]"#).unwrap();
    assert!(!plan.notes.join(" ").contains("secret"), "{:?}", plan.notes);
}

/// A network of its own is refused by name where the target cannot make one.
#[test]
fn a_private_network_needs_nftables() {
    let document = json::parse(
        r#"{ "version": 1, "name": "a", "units": ["a.service"], "network": { "mode": "private" } }"#,
    );
    let resolved = resolve(&document.unwrap()).unwrap();
    let plan = |target: &str| {
        let target: Target = target.parse().unwrap();
        resolved.plan(&target, Surroundings::default())
    };
    assert!(plan("systemd=257,kernel=6.18").is_ok());
    for lacking in ["systemd=257,kernel=6.18,netfilter=iptables", "systemd=257,kernel=6.18,netfilter=none"] {
        let findings = format!("{:?}", plan(lacking).unwrap_err());
        assert!(findings.contains("needs nftables"), "{findings}");
    }
}

/// A socket that nobody looked for is not taken for one that is not there.
#[test]
fn socket_units_that_nobody_looked_for_are_named() {
    let unit = || {
        Unit::parse(UnitName::new("a.service").unwrap(), "[Service]\nUser=a\nExecStart=/usr/bin/a\n").unwrap()
    };
    let notes = |units: &[Unit], sockets: Option<&[Socket]>| {
        let resolved = resolve(&json::parse(POLICY).unwrap()).unwrap();
        let surroundings = Surroundings { units, sockets, ..Surroundings::default() };
        resolved.plan(&"debian-13".parse().unwrap(), surroundings).unwrap().0.notes.join("\n")
    };
    let unsought = "nobody looked for socket units of a.service";
    assert!(notes(&[], None).contains(unsought) && notes(&[unit()], None).contains(unsought));
    assert!(!notes(&[unit()], Some(&[])).contains(unsought));
    let other = Socket::parse(UnitName::new("b.socket").unwrap(), "[Socket]\nListenStream=80\n").unwrap();
    assert!(!notes(&[unit()], Some(&[other])).contains(unsought));
}

/// What leads into a network of the service's own is the machine's, and both of its ends may be hostile.
#[test]
fn doors_have_limits_within_those_of_the_sandbox() {
    let service = |fields: &str, target: &str| {
        let policy = POLICY.replace(
            "]}",
            &format!(r#"], "network": {{ "mode": "private", "listen": [{{ "port": 80 }}], "allow": ["tcp 127.0.0.1:5432"] }}{fields}}}"#),
        );
        let unit =
            Unit::parse(UnitName::new("a.service").unwrap(), "[Service]\nUser=a\nExecStart=/usr/bin/a\n");
        let surroundings = Surroundings { units: &[unit.unwrap()], ..Surroundings::default() };
        let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
        let (plan, _) = resolved.plan(&target.parse().unwrap(), surroundings).unwrap();
        let files = artifacts(&[plan]).unwrap();
        let outward = files["systemd/system/sandboxed-a-allow-127.0.0.1-5432.service"].clone();
        (files["systemd/system/sandboxed-a-listen-80.service"].clone(), outward)
    };
    let has = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(&format!("\n{line}\n")), "no {line} in:\n{text}");
        }
    };
    let (inward, outward) = service("", "debian-13");
    for door in [&inward, &outward] {
        has(
            door,
            &[
                "LimitNOFILE=6208",
                "MemoryMax=134217728",
                "MemorySwapMax=0",
                "TasksMax=32",
                "CPUWeight=100",
                "StartLimitIntervalSec=0",
            ],
        );
        assert!(door.contains("--connections-max=1023 127.0.0.1:"), "{door}");
    }
    let tight = r#", "resources": { "memory": "48M", "tasks": 20, "cpuQuota": 50, "cpuWeight": 20, "openFiles": 100 }"#;
    has(
        &service(tight, "debian-12").0,
        &["LimitNOFILE=664", "MemoryMax=50331648", "TasksMax=20", "CPUWeight=20", "CPUQuota=50%"],
    );
    // What the target has no controller for is not written.
    let waived = r#", "accept": { "memory-limited": "no controller", "tasks-limited": "no controller" }"#;
    let (without, _) = service(waived, "systemd=257,kernel=6.12,controllers=cpu+io");
    assert!(!without.contains("MemoryMax=") && !without.contains("TasksMax="), "{without}");
}

/// With the host's tree in sight, groups open files of others.
#[test]
fn the_groups_of_a_unit_are_named_where_they_open_something() {
    let policy = POLICY.replace("]}", r#"], "filesystem": { "root": "host" }}"#);
    let text =
        "[Service]\nUser=a\nSupplementaryGroups=shadow\nSupplementaryGroups=adm\nExecStart=/usr/bin/a\n";
    let weak = outcome_of(&policy, text, "host-files-unreadable");
    assert!(weak.contains("its user and the groups adm, shadow that the unit names could read"), "{weak}");
    assert!(!outcome(&policy, "host-files-unreadable").contains("groups"));
    assert!(outcome_of(POLICY, text, "host-files-unreadable").starts_with("kept"));
}
