//! What is said of a policy as a whole: where, in which words, and with which help.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

use expect_test::{Expect, expect};
use sandboxed_core::json;
use sandboxed_core::language::Language;
use sandboxed_core::resolve::{Surroundings, place, resolve};

/// All that is said, each with its place, its help and what belongs to it.
fn said(text: &str, expected: &Expect) {
    let document = json::parse(text).unwrap();
    let found = match resolve(&document) {
        Err(errors) => errors,
        Ok(resolved) => match resolved.plan(&"debian-13".parse().unwrap(), Surroundings::default()) {
            Ok((_, findings)) | Err(findings) => place(&document, findings),
        },
    };
    let lines = found.iter().map(|one| {
        let (message, help) = (one.kind.message(Language::Json), one.kind.help(Language::Json));
        let related =
            one.related.iter().map(|(span, remark)| format!(" | {}: {remark}", &text[span.clone()]));
        let related: String = related.collect();
        format!("{}: {message} [{}]{related}\n", &text[one.span.clone()], help.unwrap_or_default())
    });
    expected.assert_eq(&lines.collect::<String>());
}

#[test]
fn what_a_preset_says_is_named_with_what_replaces_it() {
    said(
        r#"{"version": 1, "preset": "synapse", "network": {"mode": "none"}}"#,
        &expect![[r#"
        "synapse": `network.listen` (from the preset `synapse`): a service without a network cannot have this [use the mode `filtered` or `private`, or write `"listen": []`] | "none": no network because of this
    "#]],
    );
    // The policy's own are where they stand.
    said(
        r#"{"version": 1, "preset": "synapse", "network": {"mode": "none", "listen": [{"port": 1}]}}"#,
        &expect![[r#"
            [{"port": 1}]: a service without a network cannot have this [use the mode `filtered` or `private`, or leave this out] | "none": no network because of this
            1: port 1 can only be bound with CAP_NET_BIND_SERVICE [let a socket unit bind it (`sockets`), or add the capability to `privileges.capabilities`]
        "#]],
    );
}

#[test]
fn a_network_that_does_not_exist_is_named_once() {
    said(
        r#"{"version": 1, "units": ["a.service"], "network": {"egressRules": [{"to": ["1.2.3.4/33"], "ports": ["70000"]}]}}"#,
        &expect![[r#"
            "1.2.3.4/33": `1.2.3.4/33` is not a network that exists: its numbers are too large []
            "70000": `70000` is not a port from 1 to 65535, or a range of them that begins with the lower []
        "#]],
    );
    said(
        r#"{"version": 1, "units": ["a.service"], "network": {"listen": [{"port": 8000, "from": "named", "networks": ["1.2.3.4/33"]}]}}"#,
        &expect![[r#"
            "1.2.3.4/33": `1.2.3.4/33` is not a network that exists: its numbers are too large []
        "#]],
    );
}

#[test]
fn units_are_named_once_and_at_all() {
    said(
        r#"{"version": 1, "units": ["a.service", "a.service"]}"#,
        &expect![[r#"
        "a.service": `a.service` is named twice [keep one of them] | "a.service": first named here
    "#]],
    );
    said(
        r#"{"version": 1, "name": "a", "units": ["a.service", "b.service", "a.service"]}"#,
        &expect![[r#"
        "a.service": `a.service` is named twice [keep one of them] | "a.service": first named here
    "#]],
    );
    said(
        r#"{"version": 1, "units": []}"#,
        &expect![[r#"
        []: the policy names no unit [name at least one: `"units": ["example.service"]`; a preset names its own where `units` is left out]
    "#]],
    );
    said(
        r#"{"version": 1, "preset": "synapse", "units": []}"#,
        &expect![[r#"
        []: the policy names no unit [name at least one: `"units": ["example.service"]`; a preset names its own where `units` is left out]
    "#]],
    );
    said(
        r#"{"version": 1}"#,
        &expect![[r#"
        {: the policy names no unit [name at least one: `"units": ["example.service"]`; a preset names its own where `units` is left out]
    "#]],
    );
}
