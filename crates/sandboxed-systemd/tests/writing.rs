//! The text of units, and what is refused because systemd would ignore it.

#![allow(clippy::unwrap_used, reason = "tests fail by panicking")]

use sandboxed_systemd::directive::Section::{Service, Unit};
use sandboxed_systemd::name::{UnitName, slice_for};
use sandboxed_systemd::unit::UnitText;
use sandboxed_systemd::value::{AbsPath, Bind, ExecLine, PathSpec, Value};

fn path(text: &str) -> AbsPath {
    AbsPath::new(text).unwrap()
}

#[test]
fn writes_sections_comments_and_values_in_order() {
    let mut unit = UnitText::new();
    unit.comment("Made by a test.\n\nDo not edit.");
    unit.set(Unit, "After", Value::UnitNames(vec![UnitName::new("a.service").unwrap()])).unwrap();
    unit.set(Service, "PrivateTmp", "disconnected").unwrap();
    unit.set(Service, "Slice", Value::UnitNames(vec![slice_for("a-b").unwrap()])).unwrap();
    unit.set(Service, "NoNewPrivileges", true).unwrap();
    unit.set(Service, "PrivateTmp", true).unwrap();
    unit.comment_on(Service, "PrivateTmp", "why\rExecStart=/bin/false");
    let exec = ExecLine::new(path("/bin/echo"), ["100%", "$HOME", ";", "a b", "\n"]);
    unit.set_list_reset(Service, "ExecStart", Value::Exec(vec![exec])).unwrap();
    assert_eq!(
        unit.to_string(),
        "# Made by a test.\n#\n# Do not edit.\n\n[Unit]\nAfter=a.service\n\n[Service]\n# why\n# ExecStart=/bin/false\n\
         PrivateTmp=yes\n\nSlice=sandboxed-a\\x2db.slice\nNoNewPrivileges=yes\nExecStart=\n\
         ExecStart=/bin/echo 100%% $$HOME \\; \"a b\" \"\\n\"\n"
    );
}

#[test]
fn neighbours_with_the_same_comment_share_it() {
    let mut unit = UnitText::new();
    for (name, comment) in [
        ("NoNewPrivileges", "a"),
        ("PrivateDevices", "a"),
        ("PrivateUsers", "b"),
        ("PrivateMounts", ""),
        ("LockPersonality", "a"),
    ] {
        unit.set(Service, name, true).unwrap();
        if !comment.is_empty() {
            unit.comment_on(Service, name, comment);
        }
    }
    assert_eq!(
        unit.to_string(),
        "[Service]\n# a\nNoNewPrivileges=yes\nPrivateDevices=yes\n\n# b\nPrivateUsers=yes\n\nPrivateMounts=yes\n\n\
         # a\nLockPersonality=yes\n"
    );
}

#[test]
fn empties_a_group_once_before_its_first_directive() {
    let mut unit = UnitText::new();
    let bind = || Value::Binds(vec![Bind::new(path("/a")).to(path("/b:c"))]);
    unit.set(Service, "BindPaths", bind()).unwrap();
    unit.set_list_reset(Service, "BindReadOnlyPaths", bind()).unwrap();
    unit.set_list_reset(Service, "BindPaths", bind()).unwrap();
    assert_eq!(unit.to_string(), "[Service]\nBindPaths=\nBindPaths=/a:/b\\:c\nBindReadOnlyPaths=/a:/b\\:c\n");
}

#[test]
fn refuses_what_systemd_would_ignore() {
    let mut unit = UnitText::new();
    let paths = || Value::Paths(vec![PathSpec::new(path("/a"))]);
    assert!(unit.set(Service, "TemporaryFileSystems", true).is_err());
    assert!(unit.set(Unit, "PrivateTmp", true).is_err());
    assert!(unit.set(Service, "ProtectSystem", "strct").is_err());
    assert!(unit.set(Service, "ProtectSystem", paths()).is_err());
    assert!(unit.set(Service, "ReadOnlyPaths", true).is_err());
    assert!(unit.set(Service, "MemoryMax", "lots").is_err());
    assert!(unit.set(Service, "TimeoutStopSec", true).is_err());
    assert!(unit.set(Service, "BindPaths", paths()).is_err());
    assert!(unit.set(Service, "RestrictAddressFamilies", Value::Allow(vec![])).is_err());
    assert!(unit.set_list_reset(Unit, "After", "a.service").is_err());
    assert!(unit.set(Service, "User", "a\nExecStart=/bin/false").is_err());
}
