//! The ways to write `services.sandboxed`, and what is being typed where.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use sandboxed_core::document::{Node, NodeKind};

use super::context::ContextKind;
use super::{Document, Step};

fn show(node: &Node) -> String {
    match &node.kind {
        NodeKind::Null => "null".to_owned(),
        NodeKind::Bool(value) => value.to_string(),
        NodeKind::Number(number) => number.to_string(),
        NodeKind::String(text) => format!("{text:?}"),
        NodeKind::Array(items) => format!("[{}]", items.iter().map(show).collect::<Vec<_>>().join(" ")),
        NodeKind::Object(members) => {
            let members: Vec<_> =
                members.iter().map(|m| format!("{} = {};", m.key, show(&m.value))).collect();
            format!("{{ {} }}", members.join(" ")).replace("{  }", "{}")
        }
        NodeKind::Computed => "…".to_owned(),
    }
}

fn render(document: &Document) -> String {
    let mut out = String::new();
    for sandbox in &document.sandboxes {
        let mut name = sandbox.host.clone();
        name.push(sandbox.name.clone());
        _ = writeln!(out, "{}: {}", name.join("/"), show(&sandbox.policy));
        for value in &sandbox.conditional {
            _ = writeln!(out, "  if: {}", show(value));
        }
        let open: Vec<_> = sandbox.open.iter().map(|path| format!("/{}", join(path))).collect();
        if !open.is_empty() {
            _ = writeln!(out, "  open: {}", open.join(" "));
        }
    }
    out
}

fn join(path: &[Step]) -> String {
    path.iter().map(ToString::to_string).collect::<Vec<_>>().join(".")
}

fn nix(text: &str, expected: &Expect) {
    expected.assert_eq(&render(&super::nix(text)));
}

#[test]
fn dotted_and_nested() {
    nix(
        "{ services.sandboxed.synapse.enable = true; }",
        &expect![[r#"
        synapse: { enable = true; }
    "#]],
    );
    nix(
        r#"{ config, lib, pkgs, ... }: {
          services = { sandboxed = { synapse = { network.mode = "none"; network.listen = [ { port = 80; } ]; }; }; };
          services.sandboxed.synapse.enable = true;
          services.sandboxed."my app".units = [ "app.service" ];
          services.nginx.enable = true;
        }"#,
        &expect![[r#"
            synapse: { network = { mode = "none"; listen = [{ port = 80; }]; }; enable = true; }
            my app: { units = ["app.service"]; }
        "#]],
    );
    nix(
        "{ config.services.sandboxed.a = { }; imports = [ { services.sandboxed.a.enable = true; } ./x.nix ]; }",
        &expect![[r#"
        a: { enable = true; }
    "#]],
    );
}

#[test]
fn hosts_in_one_file_are_apart() {
    nix(
        r#"{
          nodes.one = { ... }: { services.sandboxed.a.enable = true; };
          nodes.two.services.sandboxed.a.enable = false;
        }"#,
        &expect![[r#"
            nodes/one/a: { enable = true; }
            nodes/two/a: { enable = false; }
        "#]],
    );
}

#[test]
fn declarations_and_other_services_are_not_definitions() {
    nix(
        "{ options.services.sandboxed = mkOption { }; services.x.sandboxed.y.enable = 1; a = config.services.sandboxed.x; }",
        &expect![[""]],
    );
}

#[test]
fn what_stands_under_a_condition_is_left_open_and_judged_alone() {
    nix(
        r#"{ services.sandboxed.a = lib.mkMerge [
            { enable = true; }
            (lib.mkIf config.x { network.mode = "none"; })
            (mkIf (!config.x) { network.listen = [ ]; })
        ]; }"#,
        &expect![[r#"
            a: { enable = true; network = { mode = …; listen = …; }; }
              if: { network = { mode = "none"; }; }
              if: { network = { listen = []; }; }
        "#]],
    );
    nix(
        r#"{ config = lib.mkIf cfg.enable { services.sandboxed.a.network.mode = "none"; }; }"#,
        &expect![[r#"
        a: { network = { mode = "none"; }; }
    "#]],
    );
    nix(
        r#"{ services.sandboxed.a = lib.mkIf cfg.enable { network.mode = "none"; }; }"#,
        &expect![[r#"
        a: { network = { mode = "none"; }; }
    "#]],
    );
    nix(
        r#"{ services.sandboxed.a.network.mode = if x then "none" else "filtred"; }"#,
        &expect![[r#"
        a: { network = { mode = …; }; }
          if: { network = { mode = "none"; }; }
          if: { network = { mode = "filtred"; }; }
    "#]],
    );
}

#[test]
fn priorities_and_merged_lists() {
    nix(
        r#"{
          services.sandboxed.a.network.mode = lib.mkDefault "none";
          services.sandboxed.a.network.resolver = lib.mkForce "host";
          services.sandboxed.a = { network.mode = "filtered"; network.resolver = "none"; };
          services.sandboxed.a.units = [ "a.service" ];
          services.sandboxed.a.units = mkAfter [ "b.service" ];
          services.sandboxed.a.filesystem.root = mkOverride 10 "own";
        }"#,
        &expect![[r#"
            a: { network = { mode = "filtered"; resolver = "host"; }; units = ["a.service" "b.service"]; filesystem = { root = "own"; }; }
              if: { network = { mode = "none"; }; }
              if: { network = { resolver = "host"; }; }
              if: { filesystem = { root = "own"; }; }
        "#]],
    );
}

#[test]
fn names_are_followed_as_far_as_they_are_literal() {
    nix(
        r#"
        let
          common = { network.mode = "none"; };
          sets = rec { port = 80; listen = [ { inherit port; } ]; };
          inherit (sets) listen;
          loop = loop;
          services = { sandboxed = 1; };
        in {
          services.sandboxed = {
            a = common;
            b = { inherit (common) network; };
            c.network = { inherit listen; };
            d = common // { enable = true; network.listen = listen; };
            e = with { mode = "filtered"; }; { network = { inherit mode; }; };
            f.network.mode = loop;
            g.network.mode = common.network.mode;
            h.network.mode = (let m = "none"; in assert true; m);
          };
        }"#,
        &expect![[r#"
            a: { network = { mode = "none"; }; }
            b: { network = { mode = "none"; }; }
            c: { network = { listen = [{ port = 80; }]; }; }
            d: { enable = true; network = { listen = [{ port = 80; }]; }; }
            e: { network = { mode = "filtered"; }; }
            f: { network = { mode = …; }; }
              open: /network.mode
            g: { network = { mode = "none"; }; }
            h: { network = { mode = "none"; }; }
        "#]],
    );
    nix(
        r#"let sandboxed.a.enable = true; s.sandboxed = { b.enable = true; }; services = { sandboxed.c.enable = true; }; in
           { nodes.x.services = { inherit sandboxed; }; nodes.y.services = s; nodes.z = { inherit services; }; }"#,
        &expect![[r#"
            nodes/x/a: { enable = true; }
            nodes/y/b: { enable = true; }
            nodes/z/c: { enable = true; }
        "#]],
    );
}

#[test]
fn what_is_computed_is_not_known() {
    nix(
        r#"{ services.sandboxed = {
          a = import ./a.nix;
          b = { network.mode = "${x}"; filesystem.state = [ "/a" "/b/${c}" ] ++ lib.optional d "/d" ++ e; };
          c = mkSandbox { network.mod = 1; };
          d.resources = { ${key} = 1; memory = toString 4; tasks = 1 + 1; cpuWeight = -1; };
          e = base // { enable = true; };
          f = { enable = true; } // overrides;
        }; }"#,
        &expect![[r#"
            a: …
              open: /
            b: { network = { mode = …; }; filesystem = { state = ["/a" … "/d" … …]; }; }
              open: /network.mode
            c: …
              open: /
            d: { resources = { memory = …; tasks = …; cpuWeight = -1; }; }
              open: /resources /resources.memory /resources.tasks
            e: { enable = true; }
              open: /
            f: { enable = …; }
              if: { enable = true; }
              open: /
        "#]],
    );
}

#[test]
fn adversarial_names_do_not_take_for_ever() {
    let mut text = "let a0 = { x = 1; y = 2; };\n".to_owned();
    for level in 1..60 {
        _ = writeln!(text, "a{level} = {{ x = a{p}; y = a{p}; }};", p = level - 1);
    }
    text += "in { services.sandboxed.a = a59; }";
    assert_eq!(super::nix(&text).sandboxes.len(), 1);
}

/// Puts the cursor at `$0` and describes what is meant there.
fn context(fixture: &str) -> String {
    let at = fixture.find("$0").unwrap();
    let text = fixture.replacen("$0", "", 1);
    let Some(context) = super::nix(&text).context(at) else { return "nothing".to_owned() };
    let kind = match context.kind {
        ContextKind::Key => "key of",
        ContextKind::Value { quoted: false, element: false } => "value of",
        ContextKind::Value { quoted: true, element: false } => "quoted value of",
        ContextKind::Value { quoted: false, element: true } => "element",
        ContextKind::Value { quoted: true, element: true } => "quoted element",
    };
    format!("{kind} {} replacing {:?}", join(&context.path), &text[context.replaces])
}

#[test]
fn what_is_typed_where() {
    let cases = [
        "{ services.sand$0 }",
        "{ services.sandboxed.$0 }",
        "{ services.sandboxed.syn$0 }",
        "{ services.sandboxed = { $0 }; }",
        "{ services.sandboxed.a.net$0 }",
        "{ services.sandboxed.a = { $0 }; }",
        "{ services.sandboxed.a = { net$0 }; }",
        "{ services.sandboxed.a = { network.$0 }; }",
        "{\n  services.sandboxed.a = {\n    network.$0\n    enable = true;\n  };\n}",
        "{\n  services.sandboxed.a = {\n    network.mo$0\n    enable = true;\n  };\n}",
        "{ services.sandboxed.a.network.mode = $0; }",
        "{ services.sandboxed.a.network.mode = \"$0\"; }",
        "{ services.sandboxed.a.network.mode = \"fil$0\"; }",
        "{ services.sandboxed.a.network.mode = fil$0; }",
        "{\n  services.sandboxed.a = {\n    network.mode = $0\n    enable = true;\n  };\n}",
        "{\n  services.sandboxed.a = {\n    network.mode = \"$0\n    enable = true;\n  };\n}",
        "{ services.sandboxed.a.privileges.capabilities = [ $0 ]; }",
        "{ services.sandboxed.a.privileges.capabilities = [ \"CAP_$0\" ]; }",
        "{ services.sandboxed.a.privileges.capabilities = [ \"CAP_KILL\" CAP$0 ]; }",
        "{ services.sandboxed.a.privileges.capabilities = [ \"CAP_KILL\" \"$0\" ] ++ x; }",
        "{ services.sandboxed.a.network.listen = [ { $0 } ]; }",
        "{ services.sandboxed.a.network.listen = [ { port = 1; from = \"$0\"; } ]; }",
        "{ services.sandboxed.a = lib.mkIf true { network.$0 }; }",
        "{ services.sandboxed.a = lib.mkMerge [ { network.mode = lib.mkForce \"$0\"; } ]; }",
        "let common = { network.$0 }; in { services.sandboxed.a = common; }",
        "{ services.nginx.$0 }",
        "{ foo = \"$0\"; services.sandboxed.a.enable = true; }",
        "{ services.sandboxed.a.accept.$0 }",
        "{ services.sandboxed = { a = { network = { $0",
        "{ services.sandboxed.a = { enable = true; $0\n",
    ];
    let shown: Vec<_> =
        cases.iter().map(|case| format!("{}\n  {}\n", case.replace('\n', "⏎"), context(case))).collect();
    expect![[r#"
        { services.sand$0 }
          key of  replacing "sand"
        { services.sandboxed.$0 }
          key of sandboxed replacing ""
        { services.sandboxed.syn$0 }
          key of sandboxed replacing "syn"
        { services.sandboxed = { $0 }; }
          key of sandboxed replacing ""
        { services.sandboxed.a.net$0 }
          key of sandboxed.a replacing "net"
        { services.sandboxed.a = { $0 }; }
          key of sandboxed.a replacing ""
        { services.sandboxed.a = { net$0 }; }
          key of sandboxed.a replacing "net"
        { services.sandboxed.a = { network.$0 }; }
          key of sandboxed.a.network replacing ""
        {⏎  services.sandboxed.a = {⏎    network.$0⏎    enable = true;⏎  };⏎}
          key of sandboxed.a.network replacing ""
        {⏎  services.sandboxed.a = {⏎    network.mo$0⏎    enable = true;⏎  };⏎}
          key of sandboxed.a.network replacing "mo"
        { services.sandboxed.a.network.mode = $0; }
          value of sandboxed.a.network.mode replacing ""
        { services.sandboxed.a.network.mode = "$0"; }
          quoted value of sandboxed.a.network.mode replacing ""
        { services.sandboxed.a.network.mode = "fil$0"; }
          quoted value of sandboxed.a.network.mode replacing "fil"
        { services.sandboxed.a.network.mode = fil$0; }
          value of sandboxed.a.network.mode replacing "fil"
        {⏎  services.sandboxed.a = {⏎    network.mode = $0⏎    enable = true;⏎  };⏎}
          value of sandboxed.a.network.mode replacing ""
        {⏎  services.sandboxed.a = {⏎    network.mode = "$0⏎    enable = true;⏎  };⏎}
          quoted value of sandboxed.a.network.mode replacing ""
        { services.sandboxed.a.privileges.capabilities = [ $0 ]; }
          element sandboxed.a.privileges.capabilities.* replacing ""
        { services.sandboxed.a.privileges.capabilities = [ "CAP_$0" ]; }
          quoted element sandboxed.a.privileges.capabilities.* replacing "CAP_"
        { services.sandboxed.a.privileges.capabilities = [ "CAP_KILL" CAP$0 ]; }
          element sandboxed.a.privileges.capabilities.* replacing "CAP"
        { services.sandboxed.a.privileges.capabilities = [ "CAP_KILL" "$0" ] ++ x; }
          quoted element sandboxed.a.privileges.capabilities.* replacing ""
        { services.sandboxed.a.network.listen = [ { $0 } ]; }
          key of sandboxed.a.network.listen.* replacing ""
        { services.sandboxed.a.network.listen = [ { port = 1; from = "$0"; } ]; }
          quoted value of sandboxed.a.network.listen.*.from replacing ""
        { services.sandboxed.a = lib.mkIf true { network.$0 }; }
          key of sandboxed.a.network replacing ""
        { services.sandboxed.a = lib.mkMerge [ { network.mode = lib.mkForce "$0"; } ]; }
          quoted value of sandboxed.a.network.mode replacing ""
        let common = { network.$0 }; in { services.sandboxed.a = common; }
          key of sandboxed.a.network replacing ""
        { services.nginx.$0 }
          nothing
        { foo = "$0"; services.sandboxed.a.enable = true; }
          nothing
        { services.sandboxed.a.accept.$0 }
          key of sandboxed.a.accept replacing ""
        { services.sandboxed = { a = { network = { $0
          key of sandboxed.a.network replacing ""
        { services.sandboxed.a = { enable = true; $0⏎
          key of sandboxed.a replacing ""
    "#]]
    .assert_eq(&shown.concat());
}

/// While `line` is typed into a valid document, one character after the other, nothing else in it changes its meaning.
#[test]
fn typing_a_line_leaves_the_rest_alone() {
    let before = "{ config, lib, ... }:\n{\n  services.sandboxed.a = {\n    enable = true;\n";
    let after =
        "    filesystem = {\n      root = \"own\";\n    };\n  };\n  services.sandboxed.b.enable = true;\n}\n";
    let lines = [
        "    network.mode = \"none\";",
        "    network = { mode = \"none\"; };",
        "    network.listen = [ { port = 1; } ];",
        "    accept.no-realtime = \"why not\";",
        "    \"units\" = [ \"a.service\" \"b.service\" ];",
        "    resources.tasks = lib.mkDefault (1 + 1);",
    ];
    for line in lines {
        for typed in 0..=line.len() {
            let text = format!("{before}{}\n{after}", &line[..typed]);
            let document = super::nix(&text);
            let shown = render(&document);
            assert!(shown.contains("a: { enable = true;"), "{text}\n{shown}");
            assert!(shown.contains("filesystem = { root = \"own\"; };"), "{text}\n{shown}");
            assert!(shown.contains("b: { enable = true; }"), "{text}\n{shown}");
            if typed > 4 {
                let at = before.len() + typed;
                // After the value's end nothing is meant but the next key.
                assert!(document.context(at).is_some(), "{text}");
            }
        }
    }
}

#[test]
fn json_is_the_same() {
    let text = r#"{ "version": 1, // first
        "network": { "mode": "none", "listen": [{"port": 8008}, ] }, }"#;
    let document = super::json(text);
    expect![[r#"
        : { version = 1; network = { mode = "none"; listen = [{ port = 8008; }]; }; }
    "#]]
    .assert_eq(&render(&document));
    assert!(document.syntax_errors.is_empty());
    for (typed, expected) in [
        (r#"{ "version": 1, $0 }"#, "Key sandboxed.  \"\""),
        (r#"{ "version": 1, "ne$0" }"#, "Key sandboxed.  \"\\\"ne\\\"\""),
        (
            r#"{ "network": { "mode": $0 } }"#,
            "Value { quoted: false, element: false } sandboxed..network.mode  \"\"",
        ),
        (
            "{ \"network\": { \"mode\": \"$0\n }, \"version\": 1 }",
            "Value { quoted: true, element: false } sandboxed..network.mode  \"\"",
        ),
        (
            r#"{ "privileges": { "capabilities": ["CAP$0"] } }"#,
            "Value { quoted: true, element: true } sandboxed..privileges.capabilities.*  \"CAP\"",
        ),
    ] {
        let at = typed.find("$0").unwrap();
        let text = typed.replacen("$0", "", 1);
        let context = super::json(&text).context(at).unwrap();
        let shown = format!("{:?} {}  {:?}", context.kind, join(&context.path), &text[context.replaces]);
        assert_eq!(shown, expected, "{typed}");
    }
}

proptest! {
    #[test]
    fn valid_json_is_read_as_the_core_reads_it(value in json_value()) {
        let text = serde_json::to_string_pretty(&value).unwrap();
        let core = sandboxed_core::json::parse(&text).unwrap();
        let document = super::json(&text);
        prop_assert!(document.syntax_errors.is_empty());
        let ours = document.sandboxes.first().map(|sandbox| &sandbox.policy);
        prop_assert_eq!(ours.unwrap().to_value(&mut Vec::new()), core.to_value(&mut Vec::new()));
        prop_assert_eq!(ours, Some(&core));
    }

    #[test]
    fn any_text_is_walked(text in "[a-z{}\\[\\]=;.\"' \n:,()]{0,80}", at in 0usize..80) {
        for document in [super::nix(&format!("{{ services.sandboxed.{text}")), super::json(&text)] {
            document.context(at);
        }
    }
}

fn json_value() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::{Value, json};
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        "\\PC{0,8}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    let tree = leaf.prop_recursive(4, 30, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map("[a-z]{1,4}", inner, 0..4)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    });
    prop::collection::btree_map("[a-z]{1,4}", tree, 0..4)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}
