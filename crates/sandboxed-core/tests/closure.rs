//! Of the store, a root of its own has the closure and nothing else, however that is mounted.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use std::collections::BTreeMap;

use sandboxed_core::emit::{Artifacts, artifacts};
use sandboxed_core::json;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::scalar::HostPath;
use sandboxed_core::target::Target;

const CLOSURE: [&str; 3] = ["/nix/store/aaaa-glibc", "/nix/store/bbbb-bash", "/nix/store/cccc-unit"];

fn emitted(read_only_store: bool) -> Artifacts {
    let policy = r#"{ "version": 1, "name": "one", "units": ["one.service"] }"#;
    let mut target: Target = "systemd=257,kernel=6.12,distribution=nixos".parse().unwrap();
    target.read_only_store = read_only_store;
    target.programs =
        BTreeMap::from([("nft".to_owned(), HostPath::new("/nix/store/dddd-nft/bin/nft").unwrap())]);
    let closure = CLOSURE.map(|path| HostPath::new(path).unwrap());
    let surroundings = Surroundings { closure: Some(&closure), ..Surroundings::default() };
    let (plan, _) = resolve(&json::parse(policy).unwrap()).unwrap().plan(&target, surroundings).unwrap();
    artifacts(&[plan]).unwrap()
}

/// The paths of the store that a directive names.
fn store(files: &Artifacts, directive: &str) -> Vec<String> {
    files["systemd/system/one.service.d/zz-sandboxed.conf"]
        .lines()
        .filter_map(|line| line.strip_prefix(directive)?.strip_prefix('='))
        .flat_map(str::split_whitespace)
        .filter(|word| word.contains("/nix"))
        .map(str::to_owned)
        .collect()
}

#[test]
fn a_store_that_is_read_only_is_bound_as_it_is() {
    let files = emitted(true);
    assert_eq!(store(&files, "BindPaths"), CLOSURE);
    assert_eq!(store(&files, "BindReadOnlyPaths"), [""; 0]);
}

#[test]
fn any_other_store_is_made_read_only() {
    let files = emitted(false);
    assert_eq!(store(&files, "BindReadOnlyPaths"), CLOSURE);
    assert_eq!(store(&files, "BindPaths"), [""; 0]);
}

#[test]
fn the_closure_can_be_executed_and_has_a_place_in_the_root() {
    for files in [emitted(true), emitted(false)] {
        assert_eq!(store(&files, "ExecPaths"), ["+/nix/store"]);
        let directories = &files["tmpfiles.d/sandboxed-one.conf"];
        assert!(
            directories.contains("d /run/sandboxed/root/one/nix/store 0755 root root -\n"),
            "{directories}"
        );
    }
}
