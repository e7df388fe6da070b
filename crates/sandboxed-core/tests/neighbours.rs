//! Sandboxes of one machine that could reach into each other by what they write are refused together.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use sandboxed_core::emit::{Artifacts, EmitError, artifacts};
use sandboxed_core::json;
use sandboxed_core::plan::Plan;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::socket::Socket;
use sandboxed_core::target::Target;
use sandboxed_core::unit::Unit;
use sandboxed_systemd::name::UnitName;

/// The plan of a sandbox with these parts of a policy, around a unit with these lines.
fn planned(name: &str, rest: &str, lines: &str) -> Plan {
    let policy = format!(r#"{{ "version": 1, "name": "{name}", "units": ["{name}.service"]{rest} }}"#);
    let text = format!("[Service]\nUser=a\nExecStart=/usr/bin/a\n{lines}");
    let unit = Unit::parse(UnitName::new(&format!("{name}.service")).unwrap(), &text).unwrap();
    let socket = UnitName::new(&format!("{name}.socket")).unwrap();
    let socket = Socket::parse(socket, "[Socket]\nListenStream=/srv/a/socket\n").unwrap();
    let target: Target = "debian-13".parse().unwrap();
    let sockets: &[Socket] = if rest.contains("sockets\": [\"b.socket") { &[socket] } else { &[] };
    let surroundings = Surroundings { units: &[unit], sockets: Some(sockets), ..Surroundings::default() };
    let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
    resolved.plan(&target, surroundings).map_err(|findings| format!("{findings:?}")).unwrap().0
}

/// The artifacts of a sandbox `a` that writes below /srv/a and of another, in both orders.
fn beside(rest: &str, lines: &str) -> Result<Artifacts, EmitError> {
    let hostile = planned("a", r#", "filesystem": { "writable": ["/srv/a"] }"#, "RuntimeDirectory=a\n");
    let other = planned("b", rest, lines);
    let there = artifacts(&[hostile.clone(), other.clone()]);
    assert_eq!(there.is_ok(), artifacts(&[other, hostile]).is_ok(), "the order decides");
    there
}

#[test]
fn what_another_could_make_a_link_is_refused() {
    for (rest, lines) in [
        (r#", "filesystem": { "readable": ["/srv/a/b"] }"#, ""),
        (r#", "filesystem": { "readable": ["-/srv/a/b"] }"#, ""),
        (r#", "filesystem": { "writable": ["/srv/a/b"] }"#, ""),
        (r#", "filesystem": { "state": ["/srv/a/b/c"] }"#, ""),
        (r#", "filesystem": { "executable": ["/srv/a/b"] }"#, ""),
        (r#", "filesystem": { "readable": ["/srv"], "hidden": ["/srv/a/b"] }"#, ""),
        (r#", "ipc": { "sockets": ["/var/run/a/socket"] }"#, ""),
        (r#", "secrets": { "credentials": { "key": "/srv/a/key" } }"#, ""),
        (r#", "secrets": { "encrypted": { "key": "/srv/a/key" } }"#, ""),
        (r#", "sockets": ["b.socket"]"#, ""),
        ("", "EnvironmentFile=-/srv/a/environment\n"),
        ("", "RuntimeDirectory=a/b\n"),
        // Not a link, but as bad.
        (r#", "filesystem": { "executable": ["/srv/a"] }"#, ""),
        (r#", "filesystem": { "state": ["/srv/a"] }"#, ""),
        (r#", "filesystem": { "state": ["/run/a"] }"#, ""),
    ] {
        let error = beside(rest, lines).expect_err(&format!("{rest} {lines}"));
        let clash = error.clash().map(|mut names| {
            names.sort_unstable();
            names
        });
        assert!(matches!(error, EmitError::Reach { .. }) && clash == Some(["a", "b"]), "{error}");
    }
}

#[test]
fn what_both_name_is_shared_and_said() {
    for (rest, lines) in [
        (r#", "filesystem": { "writable": ["/srv/a"] }"#, ""),
        (r#", "filesystem": { "readable": ["/srv/a"] }"#, ""),
        (r#", "ipc": { "sockets": ["/run/a"] }"#, ""),
        ("", "RuntimeDirectory=a\n"),
    ] {
        let files = beside(rest, lines).unwrap();
        let report: serde_json::Value = serde_json::from_str(files.get("plan.json").unwrap()).unwrap();
        let shared = report.pointer("/shared/0").and_then(|what| what.as_str()).unwrap_or_default();
        assert!(shared.starts_with("the sandboxes `a` and `b` share `/"), "{rest} {lines}: {shared}");
    }
}

#[test]
fn what_lies_apart_is_nothing_to_say() {
    for rest in [
        "",
        r#", "filesystem": { "state": ["/srv/ab"], "readable": ["/srv/b"] }"#,
        r#", "filesystem": { "readable": ["/srv"], "hidden": ["/srv/a"] }"#,
    ] {
        let files = beside(rest, "StateDirectory=b\n").unwrap();
        assert!(!files.get("plan.json").unwrap().contains("\"shared\""), "{rest}");
    }
}
