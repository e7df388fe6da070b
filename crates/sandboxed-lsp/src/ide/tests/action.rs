//! What can be done about it.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};
use sandboxed_core::target::Target;

use super::{applied, at_cursor, target, trixie};
use crate::ide::{Analysis, Language};

/// The titles of the actions at the cursor, and the text after the one that is asked for.
fn act(language: Language, fixture: &str, title: &str, target: &Target, expected: &Expect) {
    let (analysis, at) = at_cursor(language, fixture);
    let actions = analysis.actions(&(at..at), target);
    let mut shown: String =
        actions.iter().map(|action| format!("* {}\n", action.title)).collect::<Vec<_>>().concat();
    if let Some(action) = actions.iter().find(|action| action.title.starts_with(title)) {
        shown += &applied(analysis.text(), action);
        shown.push('\n');
        // What an action writes must be understood, and its finding gone.
        let after = Analysis::new(language, applied(analysis.text(), action));
        if let Some(corrected) = &action.corrects {
            assert!(after.findings(target).iter().all(|finding| finding.kind != corrected.kind), "{shown}");
        }
    }
    expected.assert_eq(&shown);
}

#[test]
#[allow(clippy::too_many_lines, reason = "a list of fixtures")]
fn actions_correct_what_is_wrong() {
    let on = |fixture, title, expected| act(Language::Nix, fixture, title, &trixie(), expected);
    on(
        "{ services.sandboxed.synapse = { enable = true; netw$0ok.mode = \"none\"; }; }",
        "Replace",
        &expect![[r#"
            * Replace by `network`
            { services.sandboxed.synapse = { enable = true; network.mode = "none"; }; }
        "#]],
    );
    on(
        "{ services.sandboxed.synapse = { enable = true; network.mode = \"n$0on\"; }; }",
        "Replace",
        &expect![[r#"
            * Replace by `none`
            { services.sandboxed.synapse = { enable = true; network.mode = "none"; }; }
        "#]],
    );
    on(
        "{ services.sandboxed.syn$0apse.network.mode = \"none\"; }",
        "Enable",
        &expect![[r#"
        * Enable the sandbox `synapse`
        * Write out what the preset `synapse` says
        { services.sandboxed.synapse.enable = true; services.sandboxed.synapse.network.mode = "none"; }
    "#]],
    );
    on(
        "{\n  services.sandboxed.syn$0apse = {\n    network.mode = \"none\";\n  };\n}",
        "Enable",
        &expect![[r#"
            * Enable the sandbox `synapse`
            * Write out what the preset `synapse` says
            {
              services.sandboxed.synapse = {
                enable = true;
                network.mode = "none";
              };
            }
        "#]],
    );
    on(
        "{\n  services.sandboxed.syn$0apse.network.mode = \"none\";\n}",
        "Enable",
        &expect![[r#"
        * Enable the sandbox `synapse`
        * Write out what the preset `synapse` says
        {
          services.sandboxed.synapse.enable = true;
          services.sandboxed.synapse.network.mode = "none";
        }
    "#]],
    );
    on(
        "{\n  services.sandboxed = {\n    ap$0p = { enable = true; };\n  };\n}",
        "Sandbox",
        &expect![[r#"
        * Sandbox the unit `app.service`
        {
          services.sandboxed = {
            app = { unit = "app.service"; enable = true; };
          };
        }
    "#]],
    );
    on(
        "{ services.sandboxed.synapse = { enable = true; accept.no-write-execute = \"$0\"; }; }",
        "Give",
        &expect![[r#"
            * Give the reason of the preset `synapse`: pyOpenSSL's callbacks (cffi closures) need memory that is writable and executable
            { services.sandboxed.synapse = { enable = true; accept.no-write-execute = "pyOpenSSL's callbacks (cffi closures) need memory that is writable and executable"; }; }
        "#]],
    );
    on(
        "{ services.sandboxed.synapse = { enable = true; accept.no-realtime = tr$0ue; }; }",
        "Give",
        &expect![[r#"
            * Give a reason for doing without `no-realtime`
            { services.sandboxed.synapse = { enable = true; accept.no-realtime = ""; }; }
        "#]],
    );
    act(
        Language::Json,
        "{ \"version\": 1, \"preset\": \"synaps$0\" }",
        "Replace",
        &trixie(),
        &expect![[r#"
        * Replace by `synapse`
        { "version": 1, "preset": "synapse" }
    "#]],
    );
    act(
        Language::Json,
        "{$0 \"preset\": \"synapse\" }",
        "Add",
        &trixie(),
        &expect![[r#"
        * Add `"version": 1`
        { "version": 1, "preset": "synapse" }
    "#]],
    );
    act(
        Language::Nix,
        "{\n  services.sandboxed.syn$0apse.enable = true;\n}",
        "Do without",
        &target("systemd=257,kernel=6.12,netfilter=none"),
        &expect![[r#"
            * Do without `local-ports-closed` (needs a reason)
            * Do without `host-networks-closed` (needs a reason)
            * Do without `egress-limited` (needs a reason)
            * Do without `ports-not-taken` (needs a reason)
            * Do without `offer-limited` (needs a reason)
            * Write out what the preset `synapse` says
            {
              services.sandboxed.synapse.accept.local-ports-closed = "";
              services.sandboxed.synapse.enable = true;
            }
        "#]],
    );
}

/// Writing a preset out adds what it says and nothing that is there already, and says nothing new.
#[test]
fn a_preset_is_written_out() {
    for (language, fixture) in [
        (
            Language::Nix,
            "{\n  services.sandboxed.syn$0apse = {\n    enable = true;\n    filesystem.state = [ \"/srv/a\" ];\n  };\n}",
        ),
        (Language::Nix, "{ services.sandboxed.syn$0apse = { enable = true; }; }"),
        (Language::Nix, "{\n  services.sandboxed.syn$0apse.enable = true;\n}"),
        (
            Language::Nix,
            "{ services.sandboxed.syn$0apse.filesystem.state = [ \"/srv/a\" ]; services.sandboxed.synapse.enable = true; }",
        ),
        (
            Language::Json,
            "{\n  \"version\": 1,\n  \"preset\": \"syn$0apse\",\n  \"filesystem\": { \"state\": [\"/srv/a\"] }\n}",
        ),
        (Language::Json, "{ \"version\": 1, \"preset\": \"syn$0apse\" }"),
    ] {
        let (analysis, at) = at_cursor(language, fixture);
        assert_eq!(analysis.findings(&trixie()), [], "{fixture}");
        let actions = analysis.actions(&(at..at), &trixie());
        let [action] = actions.as_slice() else { panic!("{actions:?}") };
        assert_eq!(action.title, "Write out what the preset `synapse` says");
        let text = applied(analysis.text(), action);
        let after = Analysis::new(language, text.clone());
        assert!(after.document.syntax_errors.is_empty(), "{text}");
        assert_eq!(after.findings(&trixie()), [], "{text}");
        assert_eq!(after.document.sandboxes.len(), 1);
        let policy = after.document.sandboxes[0].policy.to_value(&mut Vec::new());
        let preset = sandboxed_core::preset::Preset::find("synapse").unwrap().value();
        assert_eq!(policy["units"], preset["units"], "{text}");
        assert_eq!(policy["network"], preset["network"], "{text}");
        assert_eq!(policy["accept"], preset["accept"], "{text}");
        if fixture.contains("srv") {
            assert_eq!(policy["filesystem"]["state"], serde_json::json!(["/srv/a"]), "{text}");
        } else {
            assert_eq!(policy["filesystem"], preset["filesystem"], "{text}");
        }
    }
}
