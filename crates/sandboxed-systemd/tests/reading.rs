//! The reader: what is in force over a fragment and its drop-ins, and what systemd would ignore or refuse.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use std::collections::BTreeSet;

use proptest::prelude::*;
use sandboxed_systemd::directive::Section::{self, Mount, Service, Socket, Timer, Unit};
use sandboxed_systemd::directive::{self, Merge};
use sandboxed_systemd::unit::{ExecCommand, MalformedWord, ParseError, ParsedUnit, ProblemKind, Selection};
use sandboxed_systemd::value::Privileges;

/// A unit of a fragment and drop-ins, each a section's lines.
fn service(files: &[&str]) -> ParsedUnit {
    let mut unit = ParsedUnit::new();
    for (index, lines) in files.iter().enumerate() {
        unit.append(&format!("/etc/{index}.conf"), &format!("[Service]\n{lines}\n")).unwrap();
    }
    unit
}

fn effective(name: &str, files: &[&str]) -> Vec<String> {
    service(files).effective(Service, name)
}

fn set(items: &[&str]) -> BTreeSet<String> {
    items.iter().map(ToString::to_string).collect()
}

fn selection(name: &str, files: &[&str]) -> Option<Selection> {
    service(files).selection(Service, name)
}

#[test]
fn scalars_take_the_last_value_and_fall_back_to_the_default() {
    assert_eq!(effective("User", &["User=a", "User=b"]), ["b"]);
    assert_eq!(effective("User", &["User=a", "User="]), [""; 0]);
    assert_eq!(effective("MemoryMax", &["MemoryMax=1G", "MemoryMax="]), [""; 0]);
    // An empty boolean, and a word that is none of the directive's, are not valid: systemd keeps what it had.
    assert_eq!(effective("PrivateDevices", &["PrivateDevices=on", "PrivateDevices="]), ["on"]);
    assert_eq!(effective("ProtectSystem", &["ProtectSystem=strict", "ProtectSystem=stric"]), ["strict"]);
    assert_eq!(effective("ProtectHome", &["ProtectHome=tmpfs", "ProtectHome=TRUE"]), ["TRUE"]);
    assert_eq!(effective("KillMode", &["KillMode=mixed", "KillMode=all"]), ["mixed"]);
    let unit = service(&["NoNewPrivileges=T\nPrivateTmp=disconnected"]);
    assert_eq!(unit.boolean(Service, "NoNewPrivileges"), Some(true));
    assert_eq!(unit.boolean(Service, "PrivateTmp"), None);
    assert_eq!(unit.boolean(Service, "PrivateDevices"), None);
}

#[test]
fn lists_add_up_until_they_are_emptied() {
    assert_eq!(
        effective("ReadWritePaths", &["ReadWritePaths=/a /b\nReadWritePaths=/c", "ReadWritePaths=/d"]),
        ["/a", "/b", "/c", "/d"]
    );
    assert_eq!(
        effective("ReadWritePaths", &["ReadWritePaths=/a", "ReadWritePaths=\nReadWritePaths=/d"]),
        ["/d"]
    );
    // The old name fills the same list.
    assert_eq!(effective("ReadWritePaths", &["ReadWriteDirectories=/a", "ReadWritePaths=/b"]), ["/a", "/b"]);
    assert_eq!(effective("ReadWriteDirectories", &["ReadWritePaths=/b"]), ["/b"]);
    assert_eq!(effective("Environment", &["Environment=A=1 \"B=x y\"", "Environment=A=2"]), ["B=x y", "A=2"]);
    assert_eq!(
        effective("DeviceAllow", &["DeviceAllow=/dev/a r", "DeviceAllow=/dev/b\nDeviceAllow=/dev/a rw"]),
        ["/dev/b", "/dev/a rw"]
    );
}

#[test]
fn either_directive_for_binds_empties_both() {
    let files = ["BindPaths=/a\nBindReadOnlyPaths=/b", "BindReadOnlyPaths=\nBindPaths=/c:/d:norbind"];
    assert_eq!(effective("BindPaths", &files), ["/c:/d:norbind"]);
    assert_eq!(effective("BindReadOnlyPaths", &files), [""; 0]);
    let unit = ParsedUnit::parse("[Unit]\nConditionPathExists=/a\nAssertUser=b\nConditionUser=").unwrap();
    assert_eq!(unit.effective(Unit, "ConditionPathExists"), [""; 0]);
    assert_eq!(unit.effective(Unit, "AssertUser"), ["b"]);
    let unit = ParsedUnit::parse("[Timer]\nOnBootSec=1\nOnCalendar=\nOnActiveSec=2").unwrap();
    assert_eq!(unit.effective(Timer, "OnBootSec"), [""; 0]);
    assert_eq!(unit.effective(Timer, "OnActiveSec"), ["2"]);
    let unit = ParsedUnit::parse("[Socket]\nListenStream=1\nListenDatagram=\nListenStream=/run/x y").unwrap();
    assert_eq!(unit.effective(Socket, "ListenStream"), ["/run/x y"]);
}

#[test]
fn dependencies_cannot_be_emptied() {
    let unit = ParsedUnit::parse("[Unit]\nAfter=a.service b.service\nAfter=\nAfter=c\\x2dd.service").unwrap();
    assert_eq!(unit.effective(Unit, "After"), ["a.service", "b.service", "c\\x2dd.service"]);
}

#[test]
fn the_first_kind_wins() {
    let families = |files: &[&str]| selection("RestrictAddressFamilies", files);
    let name = "RestrictAddressFamilies";
    assert_eq!(families(&[]), None);
    assert_eq!(
        families(&[&format!("{name}=AF_UNIX AF_INET"), &format!("{name}=~AF_UNIX")]),
        Some(Selection::Only(set(&["AF_INET"])))
    );
    assert_eq!(
        families(&[&format!("{name}=~AF_UNIX AF_INET"), &format!("{name}=AF_UNIX AF_PACKET")]),
        Some(Selection::AllBut(set(&["AF_INET"])))
    );
    assert_eq!(
        families(&[&format!("{name}=~AF_UNIX"), &format!("{name}=\n{name}=AF_INET")]),
        Some(Selection::Only(set(&["AF_INET"])))
    );
    assert_eq!(
        families(&[&format!("{name}=AF_INET"), &format!("{name}=none")]),
        Some(Selection::Only(set(&[])))
    );
    assert_eq!(families(&[&format!("{name}=AF_INET"), &format!("{name}=")]), None);
    assert_eq!(effective("SystemCallFilter", &["SystemCallFilter=~@mount keyctl"]), ["~@mount keyctl"]);
    // Emptied by what it denies, this one starts over.
    let name = "RestrictNetworkInterfaces";
    assert_eq!(
        selection(name, &[&format!("{name}=lo\n{name}=~lo\n{name}=~eth0")]),
        Some(Selection::AllBut(set(&["eth0"])))
    );
}

#[test]
fn capabilities_add_up_from_their_defaults() {
    let bounding =
        |lines: &str| selection("CapabilityBoundingSet", &[&lines.replace("C=", "CapabilityBoundingSet=")]);
    assert_eq!(bounding(""), None);
    assert_eq!(bounding("C=A B\nC=C"), Some(Selection::Only(set(&["A", "B", "C"]))));
    assert_eq!(bounding("C=A B\nC=~B"), Some(Selection::Only(set(&["A"]))));
    assert_eq!(bounding("C=~A\nC=~B"), Some(Selection::AllBut(set(&["A", "B"]))));
    assert_eq!(bounding("C=~A\nC=A"), Some(Selection::AllBut(set(&[]))));
    assert_eq!(bounding("C="), Some(Selection::Only(set(&[]))), "no capability is not the default");
    assert_eq!(bounding("C=A\nC=\nC=B"), Some(Selection::Only(set(&["B"]))));
    assert_eq!(bounding("C=A\nC=~"), Some(Selection::AllBut(set(&[]))));
    let ambient =
        |lines: &str| selection("AmbientCapabilities", &[&lines.replace("C=", "AmbientCapabilities=")]);
    assert_eq!(ambient("C=A\nC=\nC=~B"), Some(Selection::AllBut(set(&["B"]))));
    assert_eq!(ambient("C=A\nC=B"), Some(Selection::Only(set(&["A", "B"]))));
}

#[test]
fn namespaces_are_a_boolean_or_a_list() {
    let left = |lines: &str| selection("RestrictNamespaces", &[&lines.replace("N=", "RestrictNamespaces=")]);
    assert_eq!(left("N=yes"), Some(Selection::Only(set(&[]))));
    assert_eq!(left("N=no"), Some(Selection::AllBut(set(&[]))));
    assert_eq!(left("N=~user\nN=~net"), Some(Selection::AllBut(set(&["user", "net"]))));
    assert_eq!(left("N=user net\nN=~net"), Some(Selection::Only(set(&["user"]))));
    assert_eq!(left("N=user\nN=yes\nN=net"), Some(Selection::Only(set(&["net"]))));
    assert_eq!(left("N=yes\nN="), None);
}

#[test]
fn command_lines() {
    let one = |line: &str| ExecCommand::parse(line).unwrap().pop().unwrap();
    let command = one("  -@:/bin/a b\t'c d' \"\\x41\\n\\s\\101\\u00e9\" \\; \";\" e;f $MAINPID %i");
    assert!(command.prefixes.ignore_failure && command.prefixes.names_argv0 && command.prefixes.no_variables);
    assert_eq!(command.program, "/bin/a");
    assert_eq!(command.arguments, ["b", "c d", "A\n Aé", ";", ";", "e;f", "$MAINPID", "%i"]);
    assert_eq!(one("+/a").prefixes.privileges, Privileges::Full);
    assert_eq!(one("!/a").prefixes.privileges, Privileges::KeepUser);
    assert_eq!(one("!!-/a").prefixes.privileges, Privileges::AmbientFallback);
    assert_eq!(one("|-id -u").program, "id");
    // Each prefix counts once: the second one belongs to the path.
    assert_eq!(one("--/a").program, "-/a");
    assert_eq!(one("+!/a").program, "!/a");
    // An unknown escape is kept, with a warning; so is a quote within a word.
    assert_eq!(one("/a \\d\\.").arguments, ["\\d\\."]);
    assert_eq!(one("/a b'c 'd").arguments, ["bc d"]);
    let programs = |line| -> Vec<String> {
        ExecCommand::parse(line).unwrap().into_iter().map(|command| command.program).collect()
    };
    assert_eq!(programs("/a x ; /b ; ; -/c"), ["/a", "/b", "/c"]);
    assert_eq!(programs(""), [""; 0]);
    assert_eq!(ExecCommand::parse("/a 'b"), Err(MalformedWord::Unbalanced));
    assert_eq!(ExecCommand::parse("/a \"\\xff\""), Err(MalformedWord::NotText));
    let unit = service(&["ExecStart=/a\nExecStartPre=/p", "ExecStart=\nExecStart=/b\nExecStart=/c"]);
    let commands = unit.commands(Service, "ExecStart").unwrap();
    assert_eq!(commands.iter().map(|command| command.program.as_str()).collect::<Vec<_>>(), ["/b", "/c"]);
    assert!(one("/opt/%i/a").to_line().is_err());
    assert!(one("a").to_line().is_err());
    assert_eq!(one("-/a%%b $X").to_line().unwrap().program.as_str(), "/a%b");
}

#[test]
fn lines_comments_and_continuations() {
    let text = "# comment \\\n[Service]\n  User = a b \t\nExecStart=/bin/a \\\n  # not part of it\n; nor this\n\
                b \\\n\nGroup=x\\\\\r\nUMask=1\\\r\n\r\nNice=1\n";
    let unit = ParsedUnit::parse(text).unwrap();
    assert_eq!(unit.problems(), []);
    let read: Vec<_> =
        unit.assignments().iter().map(|line| (line.line, line.name.as_str(), line.value.as_str())).collect();
    assert_eq!(
        read,
        [
            (3, "User", "a b"),
            (4, "ExecStart", "/bin/a  b"),
            (9, "Group", "x\\\\"),
            (10, "UMask", "1"),
            (12, "Nice", "1")
        ]
    );
    assert_eq!(ParsedUnit::parse("\u{feff}[Service]\nUser=a").unwrap().effective(Service, "User"), ["a"]);
    // A carriage return ends a line too, so an assignment cannot hide behind one.
    assert_eq!(effective("User", &["Group=x\rUser=y"]), ["y"]);
}

#[test]
fn what_systemctl_cat_prints() {
    let text = "# /usr/lib/systemd/system/a.service\n# A comment.\n[Unit]\nDescription=A\n# /etc/passwd\n\n\
                [Service]\nUser=a\nExecStart=/a \\\n\n\n# /etc/systemd/system/a.service.d/10-x.conf\n\
                Group=lost\n# see /etc/x.conf\n[Service]\nUser=b\n";
    let unit = ParsedUnit::parse(text).unwrap();
    // The drop-in begins outside of any section, but here a section does not come next: no header, so the
    // assignment belongs to the section before.
    assert_eq!(unit.files().collect::<Vec<_>>(), ["/usr/lib/systemd/system/a.service"]);
    assert_eq!(unit.effective(Service, "Group"), ["lost"]);

    let unit = ParsedUnit::parse(&text.replace("Group=lost\n", "")).unwrap();
    let drop_in = "/etc/systemd/system/a.service.d/10-x.conf";
    assert_eq!(unit.files().collect::<Vec<_>>(), ["/usr/lib/systemd/system/a.service", drop_in]);
    assert_eq!(unit.effective(Service, "User"), ["b"]);
    assert_eq!(unit.effective(Service, "ExecStart"), ["/a"]);
    let last = unit.assignments().last().unwrap();
    assert_eq!((&*last.file, last.line), (drop_in, 15));
    let after = |file| unit.assignments_after(file).map(|line| line.value.as_str()).collect::<Vec<_>>();
    assert_eq!(after("/usr/lib/systemd/system/a.service"), ["b"]);
    assert_eq!(after(drop_in), [""; 0]);
}

#[test]
fn what_systemd_ignores_is_told() {
    let text = "User=a\n[Service]\nTemporaryFileSystems=/:ro\nnonsense\n=x\nX-Own=1\nMemoryLimit=1G\n[Servce]\nUser=b\n\
                [X-Own]\nUser=c\n[service]\n[Service]\nUser=d\n";
    let unit = ParsedUnit::parse(text).unwrap();
    assert_eq!(unit.effective(Service, "User"), ["d"]);
    let problems: Vec<_> =
        unit.problems().iter().map(|problem| (problem.line, problem.kind.clone())).collect();
    assert_eq!(
        problems,
        [
            (1, ProblemKind::OutsideSection),
            (3, ProblemKind::UnknownDirective(Service, "TemporaryFileSystems".into())),
            (4, ProblemKind::NoAssignment),
            (5, ProblemKind::NoAssignment),
            (7, ProblemKind::Removed(Service, "MemoryLimit".into())),
            (8, ProblemKind::UnknownSection("Servce".into())),
            (12, ProblemKind::UnknownSection("service".into())),
        ]
    );
    // Sections without records of their directives' age are read all the same.
    let unit = ParsedUnit::parse("[Mount]\nWhat=/dev/a\nPrivateTmp=yes\n[Timer]\nOnBootSec=1").unwrap();
    assert_eq!(unit.problems(), []);
    assert_eq!(unit.effective(Mount, "What"), ["/dev/a"]);
}

#[test]
fn what_systemd_refuses_is_an_error() {
    for header in ["[Service", "[]", "[a\"b]", "[Ser\\vice]"] {
        let error = ParsedUnit::parse(&format!("[Unit]\n{header}\nUser=a")).unwrap_err();
        assert!(matches!(error, ParseError::Section { line: 2, .. }), "{error}");
    }
    let long = format!("[Service]\nUser={}\n", "x".repeat(1024 * 1024));
    assert!(matches!(ParsedUnit::parse(&long), Err(ParseError::TooLong { line: 2, .. })));
    let long = format!("[Service]\nUser={}b\n", "a\\\n".repeat(600 * 1024));
    assert!(matches!(ParsedUnit::parse(&long), Err(ParseError::TooLong { .. })));
}

/// Text with the shape of a unit file.
fn unit_like() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        prop::sample::select(Section::ALL.to_vec()).prop_map(|section| format!("[{section}]")),
        (prop::sample::select(directive::all().collect::<Vec<_>>()), "[ -~\u{80}-\u{ffff}]{0,24}")
            .prop_map(|(directive, value)| format!("{}={value}", directive.name)),
        "[\\[\\]#;=\\\\ \"'%:a-z/\t\r\0]{0,16}",
        Just("# /etc/systemd/system/a.service".to_owned()),
        any::<String>(),
    ];
    prop::collection::vec(line, 0..24).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_or_refused(text in unit_like()) {
        let Ok(unit) = ParsedUnit::parse(&text) else { return Ok(()) };
        for assignment in unit.assignments() {
            let (section, name) = (assignment.section, assignment.name.as_str());
            prop_assert!(assignment.value.trim_matches([' ', '\t', '\n', '\r']) == assignment.value);
            prop_assert!(!assignment.value.contains(['\n', '\r', '\0']));
            let in_force = unit.in_force(section, name);
            prop_assert!(in_force.iter().all(|line| line.section == section && line.name == name));
            unit.effective(section, name);
            unit.list(section, name);
            unit.selection(section, name);
            _ = unit.commands(section, name);
        }
        for problem in unit.problems() {
            prop_assert!(problem.line <= text.len() + 1, "{problem}");
        }
    }

    #[test]
    fn an_emptied_list_forgets_what_was_before(
        directive in prop::sample::select(directive::all().collect::<Vec<_>>()),
        before in "[ -~]{0,24}",
        after in "[a-z/]{1,24}",
    ) {
        let (section, name) = (directive.section, directive.name);
        let read = |lines: &[&str]| {
            let text = lines.iter().fold(format!("[{section}]\n"), |text, value| format!("{text}{name}={value}\n"));
            ParsedUnit::parse(&text).unwrap().effective(section, name)
        };
        let before = before.trim_end_matches('\\');
        match directive.merge() {
            // An empty value is ignored.
            Merge::Strict | Merge::Dependencies => prop_assert_eq!(read(&[before, "", &after]), read(&[before, &after])),
            // Which is not how they start.
            Merge::CapabilitySet | Merge::Delegate => {
                prop_assert_eq!(read(&[before, "", &after]), read(&["", &after]));
            }
            _ => prop_assert_eq!(read(&[before, "", &after]), read(&[&after])),
        }
    }
}
