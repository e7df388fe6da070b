//! Hostile values in a policy reach units and rules as one value each, or not at all.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says by panicking what is wrong")]

use proptest::prelude::*;
use sandboxed_core::emit::{Artifacts, artifacts};
use sandboxed_core::json;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;
use sandboxed_systemd::directive::Section;
use sandboxed_systemd::unit::{ParsedUnit, parts, resolve_percent};
use serde_json::json;

/// The artifacts of a policy, if it is not refused.
fn built(policy: &serde_json::Value) -> Option<Artifacts> {
    let document = json::parse(&policy.to_string()).unwrap();
    let resolved = resolve(&document).ok()?;
    let target: Target = "debian-13".parse().unwrap();
    let (plan, _) = resolved.plan(&target, Surroundings::default()).ok()?;
    artifacts(&[plan]).ok()
}

/// A path with whatever a file name can have: blanks, quotes, `%`, `$`, `:`, `;`, backslashes, what is special to nft.
fn path() -> impl Strategy<Value = String> {
    prop_oneof![
        "(/[ a-z\"'%$:;\\\\{}@#~,*?\\[\\]!|&<>=+-]{1,12}){1,4}",
        "(/[^/\u{0}]{1,10}){1,3}",
        any::<String>(),
    ]
}

/// The text of the drop-in, which every test here has.
fn drop_in(files: &Artifacts) -> ParsedUnit {
    ParsedUnit::parse(&files["systemd/system/a.service.d/zz-sandboxed.conf"]).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_path_comes_back_as_it_was(path in path()) {
        let policy = json!({"version": 1, "name": "a", "units": ["a.service"], "filesystem": {"state": [path]}});
        if let Some(files) = built(&policy) {
            let unit = drop_in(&files);
            prop_assert_eq!(unit.problems(), &[]);
            let sources: Vec<String> = unit
                .list(Section::Service, "BindPaths")
                .iter()
                .filter_map(|item| parts(item).first().and_then(|source| resolve_percent(source)))
                .collect();
            let expected = path.trim_start_matches('-');
            prop_assert!(
                sources.iter().any(|source| source.trim_start_matches('-') == expected),
                "{:?} is not among {:?}", path, sources
            );
            // And nothing else came of it: a sandbox that differs in the path alone has the same directives.
            let plain = json!({"version": 1, "name": "a", "units": ["a.service"], "filesystem": {"state": ["/x"]}});
            let names = |unit: &ParsedUnit| unit.assignments().iter().map(|a| a.name.clone()).collect::<Vec<_>>();
            prop_assert_eq!(names(&unit), names(&drop_in(&built(&plain).unwrap())));
        }
    }

    #[test]
    fn a_description_is_never_read_as_anything_else(description in any::<String>()) {
        let policy = json!({"version": 1, "name": "a", "units": ["a.service"], "description": description});
        let Some(files) = built(&policy) else {
            // What is no line of text is refused.
            let ends_lines = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
            let refused = description.trim_matches(' ').is_empty() || description.contains(ends_lines);
            prop_assert!(refused, "{:?}", description);
            return Ok(());
        };
        for (name, text) in files.iter().filter(|(name, _)| name.starts_with("systemd/")) {
            let unit = ParsedUnit::parse(text).unwrap();
            prop_assert_eq!(unit.problems(), &[], "{}", name);
        }
    }

    #[test]
    fn a_name_is_refused_or_names_one_chain(name in "[A-Za-z0-9_.\\-%{};\"' ]{1,70}") {
        let policy = json!({"version": 1, "name": name, "units": ["a.service"]});
        if let Some(files) = built(&policy) {
            let rules = &files[&format!("nftables/sandboxed-{name}.nft")];
            prop_assert_eq!(rules.lines().filter(|line| line.starts_with("add chain")).count(), 2, "{}", rules);
            let elements = &files[&format!("nftables/sandboxed-{name}+elements.nft")];
            prop_assert_eq!(elements.lines().filter(|line| line.starts_with("add element")).count(), 3, "{}", elements);
        }
    }
}

#[test]
fn a_megabyte_is_refused_or_written_whole() {
    let long = format!("/{}", "x".repeat(1 << 20));
    let policy = json!({"version": 1, "name": "a", "units": ["a.service"], "filesystem": {"state": [long]}});
    assert!(built(&policy).is_none());
    let reason = "x".repeat(1 << 20);
    let policy =
        json!({"version": 1, "name": "a", "units": ["a.service"], "accept": {"homes-hidden": reason}});
    assert!(built(&policy).is_none());
    let longest = format!("/{}", "x/".repeat(2046) + "xx");
    let policy =
        json!({"version": 1, "name": "a", "units": ["a.service"], "filesystem": {"state": [longest]}});
    assert!(built(&policy).unwrap()["systemd/system/a.service.d/zz-sandboxed.conf"].contains(&longest));
}
