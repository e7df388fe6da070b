//! Units that would undo the sandbox from within are refused, each by name.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use sandboxed_core::json;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;
use sandboxed_core::unit::Unit;
use sandboxed_systemd::name::UnitName;

/// What is found for a unit with this text; empty where it is planned.
fn found(text: &str) -> String {
    let policy = r#"{"version": 1, "name": "a", "units": ["a.service"]}"#;
    let resolved = resolve(&json::parse(policy).unwrap()).unwrap();
    let target: Target = "debian-13".parse().unwrap();
    let unit = Unit::parse(UnitName::new("a.service").unwrap(), text).unwrap();
    match resolved.plan(&target, Surroundings { units: &[unit], ..Surroundings::default() }) {
        Ok(_) => String::new(),
        Err(findings) => findings.iter().map(|finding| finding.kind.to_string()).collect(),
    }
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
        ("Unit", "JoinsNamespaceOf=b.service"),
    ] {
        let text = format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n[{section}]\n{line}\n");
        let name = line.split('=').next().unwrap();
        assert!(found(&text).contains(name), "{line}: {}", found(&text));
    }
}

#[test]
fn root_is_refused_however_it_is_written() {
    for user in ["", "User=root\n", "User=0\n", "User=00\n", "User=%i\n", "User=root\nDynamicUser=yes\n"] {
        let text = format!("[Service]\n{user}ExecStart=/usr/bin/a\n");
        assert!(found(&text).contains("user-unprivileged"), "{user:?}: {}", found(&text));
    }
}
