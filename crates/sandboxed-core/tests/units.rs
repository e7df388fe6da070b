//! Units that would undo the sandbox from within are refused, each by name.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod planned;

use planned::{POLICY, found, outcome, outcome_of, planned};
use sandboxed_core::emit::artifacts;
use sandboxed_core::json;
use sandboxed_core::language::Language;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::socket::Socket;
use sandboxed_core::target::Target;
use sandboxed_core::unit::Unit;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::value::Value;

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
