//! Names of units, and where slices are in the cgroup tree.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "tests fail by panicking")]

use proptest::prelude::*;
use sandboxed_systemd::name::{
    InvalidName, UnitName, ancestry, cgroup_path, escape, level, slice_for, unescape,
};

fn name(text: &str) -> UnitName {
    UnitName::new(text).unwrap()
}

#[test]
fn parts_of_names() {
    let plain = name("matrix-synapse.service");
    assert_eq!((plain.prefix(), plain.instance(), plain.suffix()), ("matrix-synapse", None, "service"));
    assert_eq!(plain.template(), None);
    let instance = name("foo@a@b\\x2dc.d.socket");
    assert_eq!(
        (instance.prefix(), instance.instance(), instance.suffix()),
        ("foo", Some("a@b\\x2dc.d"), "socket")
    );
    assert_eq!(instance.template(), Some(name("foo@.socket")));
    assert!(!instance.is_template());
    let template = name("foo@.service");
    assert!(template.is_template());
    assert_eq!(template.instance(), Some(""));
    assert_eq!(template.with_instance("a/b-c").unwrap(), name("foo@a-b\\x2dc.service"));
    assert!(plain.with_instance("a").is_err());
    assert!(template.with_instance("").is_err());
    assert_eq!(template.drop_in_directory(), "foo@.service.d");
}

#[test]
fn names_that_systemd_refuses() {
    for text in [
        "",
        "a",
        ".service",
        "@.service",
        "@a.service",
        "a.servic",
        "a b.service",
        "a/b.service",
        "ä.service",
        "a.service\n",
        "a.service.d",
        "../a.service",
        "a%b.service",
        "a~b.service",
    ] {
        assert!(UnitName::new(text).is_err(), "{text:?}");
    }
    assert!(UnitName::new(&format!("{}.service", "a".repeat(247))).is_ok());
    assert!(matches!(UnitName::new(&format!("{}.service", "a".repeat(248))), Err(InvalidName::TooLong(_))));
    for text in ["-a.slice", "a-.slice", "a--b.slice", "--.slice", "a@b.slice", "a@.slice"] {
        assert!(matches!(UnitName::new(text), Err(InvalidName::Slice(_))), "{text:?}");
    }
    assert!(UnitName::new("-.slice").is_ok());
    assert!(UnitName::new("-.mount").is_ok());
    assert!(UnitName::new("a--b.service").is_ok());
}

#[test]
fn escaping_is_that_of_systemd_escape() {
    for (text, escaped) in [
        ("", ""),
        ("a.b_c:d", "a.b_c:d"),
        (".a", "\\x2ea"),
        ("a-b", "a\\x2db"),
        ("/a/b c", "-a-b\\x20c"),
        ("é\\@%", "\\xc3\\xa9\\x5c\\x40\\x25"),
    ] {
        assert_eq!(escape(text), escaped);
        assert_eq!(unescape(escaped).as_deref(), Some(text));
    }
    for text in ["\\", "\\x", "\\x4", "\\xg0", "\\y41", "\\xff"] {
        assert_eq!(unescape(text), None, "{text}");
    }
}

#[test]
fn slices_nest_at_their_dashes() {
    let slice = name("a-b-c\\x2dd.slice");
    assert_eq!(ancestry(&slice), [name("a.slice"), name("a-b.slice"), slice.clone()]);
    assert_eq!(cgroup_path(&slice), "a.slice/a-b.slice/a-b-c\\x2dd.slice");
    assert_eq!(level(&slice), 3);
    assert_eq!(level(&name("-.slice")), 0);
    assert_eq!(cgroup_path(&name("-.slice")), "");
    // A name that the kernel could take for a file of the memory controller.
    assert_eq!(cgroup_path(&name("memory-x.slice")), "_memory.slice/memory-x.slice");
    assert_eq!(cgroup_path(&name("_a.slice")), "__a.slice");
    assert_eq!(slice_for("synapse").unwrap().as_str(), "sandboxed-synapse.slice");
    assert_eq!(slice_for("a-b").unwrap().as_str(), "sandboxed-a\\x2db.slice");
    for text in ["", "a/b"] {
        assert!(slice_for(text).is_err(), "{text:?}");
    }
    assert!(matches!(slice_for(&"-".repeat(70)), Err(InvalidName::TooLong(_))));
    assert_eq!(UnitName::slice(&[]).unwrap(), name("-.slice"));
    assert_eq!(UnitName::slice(&["a", "b"]).unwrap(), name("a-b.slice"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn escaping_can_be_undone(text in any::<String>()) {
        prop_assert_eq!(unescape(&escape(&text)), Some(text));
    }

    /// Whatever the service is called, its slice is directly below sandboxed.slice, and no other's.
    #[test]
    fn a_service_is_always_at_level_two(text in "[^/\0]{1,40}", other in "[^/\0]{1,40}") {
        let Ok(slice) = slice_for(&text) else { return Ok(()) };
        prop_assert_eq!(level(&slice), 2);
        prop_assert_eq!(cgroup_path(&slice), format!("sandboxed.slice/{slice}"));
        prop_assert_eq!(ancestry(&slice), vec![UnitName::new("sandboxed.slice").unwrap(), slice.clone()]);
        if let Ok(other_slice) = slice_for(&other) {
            prop_assert_eq!(other_slice == slice, other == text);
        }
    }

    #[test]
    fn a_dash_in_a_name_adds_a_level(components in prop::collection::vec("[^/\0]{1,8}", 1..6)) {
        let components: Vec<&str> = components.iter().map(String::as_str).collect();
        if let Ok(slice) = UnitName::slice(&components) {
            prop_assert_eq!(level(&slice) as usize, components.len());
        }
    }

    #[test]
    fn a_name_is_its_parts(text in "[a-z@.\\\\:_-]{1,12}\\.(service|socket|slice)") {
        if let Ok(unit) = UnitName::new(&text) {
            let instance = unit.instance().map_or(String::new(), |instance| format!("@{instance}"));
            prop_assert_eq!(format!("{}{instance}.{}", unit.prefix(), unit.suffix()), text);
            prop_assert!(!unit.prefix().is_empty() && !unit.prefix().contains('@'));
        }
    }
}
