//! The table: spot checks against systemd's manual pages, and laws that all of it obeys.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use sandboxed_systemd::Version;
use sandboxed_systemd::directive::Section::{Install, Service, Slice, Socket, Timer, Unit};
use sandboxed_systemd::directive::{
    Directive, Group, Merge, Section, Status, Syntax, Takes, all, canonical_name, legacy, lookup, value_since,
};
use sandboxed_systemd::unit::{UnitText, WriteError};

fn service(name: &str) -> &'static Directive {
    lookup(Service, name).unwrap_or_else(|| panic!("{name}= is missing"))
}

#[test]
fn versions_are_those_of_the_manual_pages() {
    for (name, since) in [
        ("SocketBindDeny", Some(249)),
        ("PrivatePIDs", Some(257)),
        ("PrivateIPC", Some(248)),
        ("NoExecPaths", Some(248)),
        ("ProtectProc", Some(247)),
        ("RestrictFileSystems", Some(250)),
        ("RestrictNetworkInterfaces", Some(250)),
        ("NFTSet", Some(255)),
        ("BindLogSockets", Some(257)),
        ("BindPaths", Some(233)),
        ("User", None),
        ("ExecStart", None),
    ] {
        assert_eq!(service(name).since, since.map(Version), "{name}=");
    }
    assert!(service("PrivatePIDs").known_to(Version(257)));
    assert!(!service("PrivatePIDs").known_to(Version(256)));
    assert!(service("User").known_to(Version(1)));
    assert_eq!(value_since("PrivateTmp", "disconnected"), Some(Version(257)));
    assert_eq!(value_since("PrivateUsers", "full"), Some(Version(258)));
    assert_eq!(value_since("PrivateTmp", "yes"), None);
}

#[test]
fn directives_belong_to_their_sections() {
    assert!(lookup(Slice, "MemoryMax").is_some());
    assert!(lookup(Slice, "PrivateTmp").is_none());
    assert!(lookup(Socket, "ListenStream").is_some());
    assert!(lookup(Service, "ListenStream").is_none());
    assert!(lookup(Unit, "BindsTo").is_some());
    assert!(lookup(Install, "WantedBy").is_some());
    assert!(lookup(Service, "privatetmp").is_none());
    assert!(lookup(Service, "").is_none());
    // The article's mistake.
    assert!(lookup(Service, "TemporaryFileSystems").is_none());
    assert_eq!(service("ProtectSystem").manpage, "systemd.exec");
    assert_eq!(service("IPAddressDeny").manpage, "systemd.resource-control");
}

#[test]
fn merges_and_syntaxes_are_those_of_the_parsers() {
    for (name, merge, syntax) in [
        ("User", Merge::Scalar, Syntax::Line),
        ("PrivateDevices", Merge::Strict, Syntax::Line),
        ("ReadOnlyPaths", Merge::List, Syntax::Words),
        ("BindPaths", Merge::Grouped(Group::Binds), Syntax::Binds),
        ("BindReadOnlyPaths", Merge::Grouped(Group::Binds), Syntax::Binds),
        ("Environment", Merge::Keyed('='), Syntax::EscapedWords),
        ("ExecStartPre", Merge::ExecList, Syntax::Exec),
        ("SystemCallFilter", Merge::FirstKindWins, Syntax::BareWords),
        ("RestrictAddressFamilies", Merge::FirstKindWins, Syntax::Words),
        ("CapabilityBoundingSet", Merge::CapabilitySet, Syntax::Words),
        ("RestrictNamespaces", Merge::NamespaceSet, Syntax::Words),
        ("StateDirectory", Merge::List, Syntax::Directories),
        ("SocketBindDeny", Merge::List, Syntax::Line),
    ] {
        assert_eq!((service(name).merge(), service(name).syntax()), (merge, syntax), "{name}=");
    }
    let unit = |name| lookup(Unit, name).unwrap().merge();
    assert_eq!(unit("After"), Merge::Dependencies);
    assert_eq!(unit("ConditionUser"), Merge::Grouped(Group::Conditions));
    assert_eq!(unit("AssertUser"), Merge::Grouped(Group::Asserts));
    assert!(service("BindPaths").expands_specifiers());
    assert!(!service("SystemCallFilter").expands_specifiers());
    assert_eq!(service("NoNewPrivileges").takes(), Takes::Keywords(&["yes", "no"]));
}

#[test]
fn fail_modes_say_whether_the_service_runs_without() {
    let modes = |name| service(name).fail_modes;
    assert!(
        modes("SystemCallFilter").iter().any(|mode| mode.missing == "seccomp in kernel" && mode.is_open())
    );
    assert!(modes("TemporaryFileSystem").iter().all(|mode| !mode.is_open()));
    assert!(modes("ProtectSystem").iter().any(sandboxed_systemd::directive::FailMode::is_open));
    assert!(modes("User").is_empty());
}

#[test]
fn old_names_are_known_as_such() {
    assert_eq!(legacy(Service, "MemoryLimit"), Some(Status::Removed));
    assert_eq!(legacy(Service, "ReadOnlyDirectories"), Some(Status::Alias));
    assert_eq!(legacy(Service, "ReadOnlyPaths"), None);
    assert_eq!(canonical_name(Service, "ReadOnlyDirectories"), "ReadOnlyPaths");
    assert_eq!(canonical_name(Unit, "BindTo"), "BindsTo");
    assert_eq!(canonical_name(Service, "User"), "User");
}

#[test]
fn the_table_is_sorted_and_found_by_name() {
    let rows: Vec<_> = all().map(|row| (row.section, row.name)).collect();
    assert!(rows.len() > 1300);
    assert!(rows.is_sorted() && rows.windows(2).all(|pair| pair[0] != pair[1]));
    for row in all() {
        assert!(std::ptr::eq(lookup(row.section, row.name).unwrap(), row), "{}", row.name);
        assert_eq!(canonical_name(row.section, row.name), row.name);
        assert_eq!(legacy(row.section, row.name), None);
        // A group never spans directives of which only some can be emptied.
        assert!(row.manpage.starts_with("systemd."));
    }
    for section in Section::ALL {
        assert_eq!(Section::from_name(section.name()), Some(section));
    }
    // Without records, a directive cannot be said to exist on a target: it can be read but not written.
    assert!(lookup(Timer, "OnCalendar").is_none());
}

#[test]
fn what_can_be_emptied_is_and_what_cannot_says_so() {
    for row in all() {
        let mut unit = UnitText::new();
        match (row.merge(), unit.reset(row.section, row.name)) {
            (Merge::Strict | Merge::Dependencies, Err(WriteError::NotResettable { .. })) => {}
            (Merge::Strict | Merge::Dependencies, other) => panic!("{}: {other:?}", row.name),
            (_, reset) => {
                reset.unwrap();
                assert_eq!(unit.to_string(), format!("[{}]\n{}=\n", row.section, row.name));
            }
        }
    }
}
