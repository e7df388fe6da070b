//! What systemd itself reads in the units that are written, and what it makes of text that the reader reads: its
//! manager is run in test mode, in which it loads units from a directory, prints what it understood, and starts
//! nothing. `SANDBOXED_TREE` names another Debian system whose systemd is asked instead; without, the tests are skipped
//! where systemd is not installed.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod common;

use std::process::Command;

use common::{Dump, arguments, is_here, samples, skip};
use proptest::prelude::*;
use sandboxed_systemd::directive::Section::{Service, Unit};
use sandboxed_systemd::name::{self, UnitName, slice_for};
use sandboxed_systemd::unit::{ExecCommand, ParsedUnit, UnitText};
use sandboxed_systemd::value::{AbsPath, Bind, Device, Directory, ExecLine, PathSpec, TmpFs, Value};

/// Text of characters that have a meaning somewhere.
fn hostile() -> impl Strategy<Value = String> {
    "([\\\\\"'%$;:~#=,+@!|\\[\\] abnstux01é-]|%%|\\$\\{A\\}|\\\\x41|\\\\\\\\|\\\\[abfnrtvs\"'u0]|:|:){0,10}"
}

fn path(text: &str) -> AbsPath {
    AbsPath::new(&format!("/p{text}")).unwrap()
}

#[test]
fn systemd_reads_what_was_written() {
    if !is_here("systemd_reads_what_was_written") {
        return;
    }
    let values: Vec<[String; 3]> = samples(60, [hostile(), hostile(), hostile()]);
    let mut services = Vec::new();
    for (index, [one, two, three]) in values.iter().enumerate() {
        let mut unit = UnitText::new();
        let variables = vec![("A".to_owned(), format!("{one}\n\t{two}")), ("B".to_owned(), three.clone())];
        let binds = vec![
            Bind::new(path(one)).to(path(two)).optional(),
            Bind { recursive: false, ..Bind::new(path(three)) },
        ];
        let tmpfs = vec![TmpFs { path: path(two), options: vec!["ro".to_owned(), "mode=0700".to_owned()] }];
        let paths = vec![PathSpec::new(path(one)).optional().in_root(), PathSpec::new(path(two))];
        let exec = ExecLine::new(AbsPath::new("/bin/true").unwrap(), [one, two, three, ";", "", "\u{1}\n"]);
        let state =
            vec![Directory::new(&format!("s{two}")).unwrap(), Directory::new(&format!("t{three}")).unwrap()];
        let device = Device { node: format!("/dev{}", path(three)), read: true, write: false, make: true };
        for (name, value) in [
            ("Environment", Value::Environment(variables)),
            ("BindReadOnlyPaths", Value::Binds(binds)),
            ("TemporaryFileSystem", Value::TmpFs(tmpfs)),
            ("ReadWritePaths", Value::Paths(paths)),
            ("StateDirectory", Value::Directories(state)),
            ("ExecStart", Value::Exec(vec![exec])),
            (
                "ExecSearchPath",
                // A blank at the end of a path is refused here, since systemd would strip it.
                Value::Paths([one, two].map(|text| PathSpec::new(path(&format!("{text}>")))).to_vec()),
            ),
            ("LoadCredential", Value::Credentials(vec![("key".to_owned(), path(&format!("{one}>")))])),
            ("DeviceAllow", Value::Devices(vec![device])),
            ("IOReadBandwidthMax", Value::Rates(vec![(path(&format!("{one}>")), 1000)])),
            ("RootDirectory", Value::Path(path(&format!("{one}>")))),
            ("Slice", Value::UnitNames(vec![slice_for(&format!("n{index}-{two}")).unwrap()])),
        ] {
            unit.set(Service, name, value).unwrap();
        }
        unit.set(Unit, "Description", Value::word(format!("<{three}>"))).unwrap();
        services.push((format!("w{index}.service"), unit.to_string()));
    }
    let dump = Dump::of(&services);
    assert_eq!(dump.messages(), [""; 0]);
    for (index, [one, two, three]) in values.iter().enumerate() {
        let (name, text) = &services[index];
        let read = dump.unit(name);
        let slice = slice_for(&format!("n{index}-{two}")).unwrap();
        for line in [
            format!("Description: <{three}>"),
            format!("Environment: A={one}\n\t{two}"),
            format!("Environment: B={three}"),
            format!("BindReadOnlyPaths: -{}:{}:rbind", path(one), path(two)),
            format!("BindReadOnlyPaths: {0}:{0}:norbind", path(three)),
            format!("TemporaryFileSystem: {}:ro,mode=0700", path(two)),
            format!("ReadWritePaths: -+{} {}", path(one), path(two)),
            format!("StateDirectory: s{two}"),
            format!("StateDirectory: t{three}"),
            format!("ExecSearchPath: {}> {}>", path(one), path(two)),
            format!("DeviceAllow: /dev{} rm", path(three)),
            format!("IOReadBandwidthMax: {}> 1000B", path(one)),
            format!("RootDirectory: {}>", path(one)),
            format!("Slice: {slice}"),
        ] {
            assert!(read.contains(&format!("\t{line}\n")), "no {line:?} in\n{text}\n{read}");
        }
        // Variables are expanded later, so they are still doubled.
        let expected: Vec<String> =
            [one, two, three, ";", "", "\u{1}\n"].iter().map(|text| text.replace('$', "$$")).collect();
        assert_eq!(arguments(read), Some(expected), "{text}");
        assert!(dump.unit(slice.as_str()).contains("\tSlice: sandboxed.slice\n"), "{slice} is nested");
    }
}

#[test]
fn the_reader_agrees_with_systemd() {
    if !is_here("the_reader_agrees_with_systemd") {
        return;
    }
    // Specifiers apart, which are for the running systemd to expand.
    let plain = || hostile().prop_map(|text| text.replace('%', ""));
    let values = samples(150, (plain(), prop::collection::vec(plain(), 1..3)));
    let services: Vec<_> = values
        .iter()
        .enumerate()
        .map(|(index, (exec, paths))| {
            let paths = paths.iter().map(|text| format!("/p{text}")).collect::<Vec<_>>().join(" ");
            (
                format!("r{index}.service"),
                format!("[Service]\nExecStart=/bin/true {exec}\nReadWritePaths={paths}\n"),
            )
        })
        .collect();
    let dump = Dump::of(&services);
    for (name, text) in &services {
        let read = dump.unit(name);
        let unit = ParsedUnit::parse(text).unwrap();
        let ours = unit.commands(Service, "ExecStart");
        let refused = read.contains("Unit Load State: bad-setting");
        let complained = || dump.messages().iter().any(|line| line.contains(&format!("/{name}:2:")));
        let nameless = |command: &ExecCommand| command.prefixes.names_argv0 && command.arguments.is_empty();
        match &ours {
            // systemd refuses the service, or, if it is in the first word, ignores the rest of the line.
            Err(_) => assert!(refused || complained(), "{ours:?}\n{text}\n{read}"),
            Ok(commands) if refused => {
                assert!(commands.iter().any(nameless), "{ours:?}\n{text}\n{read}");
            }
            Ok(_) => {}
        }
        if refused || ours.is_err() {
            continue;
        }
        let [ExecCommand { arguments: own, .. }] = ours.as_deref().unwrap() else {
            // Several commands: only the first is looked at.
            let first = ours.unwrap().into_iter().next().unwrap().arguments;
            assert_eq!(arguments(read), Some(first), "{text}\n{read}");
            continue;
        };
        assert_eq!(arguments(read).as_ref(), Some(own), "{text}\n{read}");
        let list = unit.list(Service, "ReadWritePaths");
        let simplified: Vec<_> =
            list.iter().filter(|path| path.starts_with('/')).map(String::as_str).collect();
        match simplified.as_slice() {
            [] => assert!(!read.contains("ReadWritePaths: "), "{text}\n{read}"),
            paths => {
                let line = format!("\tReadWritePaths: {}\n", paths.join(" "));
                assert!(read.contains(&line), "no {line:?} in\n{text}\n{read}");
            }
        }
    }
}

/// Assignments that add to each other, replace each other, or take each other back.
const ASSIGNMENTS: &[&str] = &[
    "BindPaths=/a /b:/c",
    "BindPaths=",
    "BindReadOnlyPaths=/d",
    "BindReadOnlyPaths=",
    "Environment=A=1 B=2",
    "Environment=A=3",
    "Environment=",
    "PrivateDevices=yes",
    "PrivateDevices=",
    "PrivateDevices=off",
    "ProtectHome=tmpfs",
    "ProtectHome=tmpf",
    "ProtectHome=yes",
    "KillMode=mixed",
    "KillMode=",
    "KillMode=some",
    "SupplementaryGroups=a b",
    "SupplementaryGroups=c",
    "SupplementaryGroups=",
    "RestrictNamespaces=user net",
    "RestrictNamespaces=~net",
    "RestrictNamespaces=yes",
    "RestrictNamespaces=no",
    "RestrictNamespaces=",
    "CapabilityBoundingSet=CAP_CHOWN CAP_KILL",
    "CapabilityBoundingSet=CAP_SETUID",
    // Never all of them in two steps: for systemd 252, unlike 262, that would be the default again.
    "CapabilityBoundingSet=~CAP_KILL CAP_SYSLOG",
    "CapabilityBoundingSet=",
    "AmbientCapabilities=CAP_CHOWN CAP_KILL",
    "AmbientCapabilities=~CAP_KILL CAP_SETUID",
    "AmbientCapabilities=",
    "ReadOnlyPaths=/a",
    "ReadOnlyDirectories=/b",
    "ReadOnlyPaths=",
];

#[test]
fn what_is_in_force_is_what_systemd_says() {
    if !is_here("what_is_in_force_is_what_systemd_says") {
        return;
    }
    let assignment = prop::sample::select(ASSIGNMENTS);
    let services: Vec<_> = samples(150, prop::collection::vec(assignment, 1..30))
        .iter()
        .enumerate()
        .map(|(index, lines)| {
            let text = format!("[Service]\nExecStart=/bin/true\n{}\n", lines.join("\n"));
            (format!("m{index}.service"), text)
        })
        .collect();
    let dump = Dump::of(&services);
    for (name, text) in &services {
        let read = dump.unit(name);
        let lines = |directive: &str| -> Vec<String> {
            let lines =
                read.lines().filter_map(|line| line.trim_start().strip_prefix(directive)?.strip_prefix(": "));
            lines.map(str::to_owned).collect()
        };
        let words = |directive: &str| -> Vec<String> {
            lines(directive)
                .iter()
                .flat_map(|line| line.split(' '))
                .filter(|word| !word.is_empty())
                .map(str::to_owned)
                .collect()
        };
        let unit = ParsedUnit::parse(text).unwrap();
        let whole = |bind: String| match bind.split_once(':') {
            Some(_) => format!("{bind}:rbind"),
            None => format!("{bind}:{bind}:rbind"),
        };
        for directive in ["BindPaths", "BindReadOnlyPaths"] {
            let own: Vec<_> = unit.list(Service, directive).into_iter().map(whole).collect();
            assert_eq!(own, lines(directive), "{directive} in\n{text}");
        }
        let mut environment = unit.list(Service, "Environment");
        environment.sort();
        let mut theirs = lines("Environment");
        theirs.sort();
        assert_eq!(environment, theirs, "{text}");
        for directive in ["SupplementaryGroups", "ReadOnlyPaths"] {
            assert_eq!(unit.list(Service, directive), words(directive), "{directive} in\n{text}");
        }
        for (directive, default) in [("ProtectHome", "no"), ("KillMode", "control-group")] {
            assert_eq!(
                [unit.scalar(Service, directive).unwrap_or(default)],
                *lines(directive),
                "{directive} in\n{text}"
            );
        }
        let devices = unit.boolean(Service, "PrivateDevices").unwrap_or_default();
        assert_eq!([if devices { "yes" } else { "no" }], *lines("PrivateDevices"), "{text}");
        for (directive, items) in [
            ("RestrictNamespaces", ["user", "net", "pid"].as_slice()),
            ("CapabilityBoundingSet", &["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SYSLOG"]),
            ("AmbientCapabilities", &["CAP_CHOWN", "CAP_KILL", "CAP_SETUID", "CAP_SYSLOG"]),
        ] {
            // The default of ambient capabilities is none, elsewhere it is all; systemd prints no default.
            let selection = unit.selection(Service, directive);
            let theirs = words(directive);
            for item in items {
                let default = directive != "AmbientCapabilities";
                let own = selection.as_ref().map_or(default, |selection| selection.contains(item));
                let printed = lines(directive).is_empty() && default
                    || theirs.iter().any(|word| word.eq_ignore_ascii_case(item));
                assert_eq!(own, printed, "{item} of {directive} in\n{text}\n{theirs:?}");
            }
        }
    }
}

#[test]
fn escaping_is_that_of_the_tool() {
    const TEST: &str = "escaping_is_that_of_the_tool";
    let texts: Vec<String> = samples(200, prop_oneof![hostile(), "[^\0]{1,12}"])
        .into_iter()
        .filter(|text| !text.is_empty())
        .collect();
    let Ok(output) = Command::new("systemd-escape").arg("--").args(&texts).output() else {
        return skip(TEST, "there is no systemd-escape here");
    };
    let expected: Vec<String> = texts.iter().map(|text| name::escape(text)).collect();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim_end(), expected.join(" "));
    for text in expected {
        assert!(UnitName::new(&format!("a@{text}.service")).is_ok(), "{text}");
    }
}
