//! What is wrong is said as the command line says it, where it stands.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};
use sandboxed_core::target::Target;

use super::{target, trixie};
use crate::ide::{Analysis, Language};

fn findings_on(language: Language, text: &str, target: &Target, expected: &Expect) {
    let analysis = Analysis::new(language, text.to_owned());
    let shown: Vec<_> = analysis
        .findings(target)
        .iter()
        .map(|finding| {
            let help = finding
                .kind
                .help(analysis.language())
                .map(|help| format!("\n  help: {help}"))
                .unwrap_or_default();
            let related: String = finding
                .related
                .iter()
                .map(|(span, remark)| format!("\n  {:?}: {remark}", &text[span.clone()]))
                .collect::<Vec<_>>()
                .concat();
            let place = &text[finding.span.clone()];
            format!(
                "{:?} {} {}{help}{related}\n",
                place,
                finding.kind.code(),
                finding.kind.message(analysis.language())
            )
        })
        .collect();
    expected.assert_eq(&shown.concat());
}

fn nix(text: &str, expected: &Expect) {
    findings_on(Language::Nix, text, &trixie(), expected);
}

#[test]
fn findings_say_what_the_command_line_says() {
    nix(
        r#"{ services.sandboxed.synapse = {
            enable = true;
            network.mod = "none";
            network.resolver = "hots";
            filesystem.state = "/var/lib/x";
            unts = [ ];
            version = 1;
            accept.no-realtime = "";
            network.listen = [ { prot = 80; } ];
        }; }"#,
        &expect![[r#"
            "mod" unknown-field unknown field `mod`
              help: did you mean `mode`?
            "\"hots\"" wrong-value `hots` is not `host`, `servers` or `none`
              help: did you mean `host`?
            "\"/var/lib/x\"" wrong-type expected a list, found a string
              help: did you mean `[ "/var/lib/x" ]`?
            "unts" unknown-field unknown field `unts`
              help: did you mean `units`?
            "version" unknown-field unknown field `version`
              help: known here: `enable`, `unit`, `unitPackage`, `packages`, `preset`, `units`, `sockets`, `filesystem`, `network`, `processes`, `ipc`, `privileges`, `syscalls`, `resources`, `secrets`, `verify` or `accept`
            "\"\"" wrong-value `` is not a reason in one line
              help: for example: `"why the service cannot do with it"`
            "{" missing-field the field `port` is missing
              help: add `port = 8008;`
            "prot" unknown-field unknown field `prot`
              help: did you mean `port`?
        "#]],
    );
}

#[test]
fn a_conflict_names_both_places() {
    nix(
        r#"{ services.sandboxed.synapse = { enable = true; network.mode = "none"; network.listen = [ { port = 8008; } ]; }; }"#,
        &expect![[r#"
            "[ { port = 8008; } ]" conflict a service without a network cannot have this
              help: use the mode `filtered` or `private`, or leave this out
              "\"none\"": no network because of this
        "#]],
    );
}

#[test]
fn a_sandbox_that_is_not_enabled() {
    nix(
        r#"{ services.sandboxed.synapse.network.resolver = "none"; }"#,
        &expect![[r#"
        "synapse" not-enabled the sandbox `synapse` is not enabled, so none of this applies
          help: add `services.sandboxed.synapse.enable = true;`
    "#]],
    );
    nix(
        r#"{ services.sandboxed.synapse = lib.mkIf x { network.resolver = "none"; enable = true; }; }"#,
        &expect![[""]],
    );
}

#[test]
fn a_sandbox_of_a_service_without_a_preset_needs_a_unit() {
    nix(
        "{ services.sandboxed.app.enable = true; }",
        &expect![[r#"
            "app" no-unit the policy names no unit
              help: name at least one: `units = [ "example.service" ];`; a preset names its own where `units` is left out
        "#]],
    );
    nix(r#"{ services.sandboxed.app = { enable = true; unit = "app.service"; }; }"#, &expect![[""]]);
    nix("{ services.sandboxed.app = { enable = true; unit = x; }; }", &expect![[""]]);
    nix("{ services.sandboxed.app = { enable = true; } // import ./x.nix; }", &expect![[""]]);
}

#[test]
fn what_the_target_cannot_give() {
    findings_on(
        Language::Nix,
        "{ services.sandboxed.synapse.enable = true; }",
        &target("systemd=257,kernel=6.12,netfilter=none"),
        &expect![[r#"
            "synapse" target-cannot `local-ports-closed` cannot be kept (the service cannot reach a port of this machine that another machine could not reach): the target has no packet filter
              help: to do without it, add a reason: `accept.local-ports-closed = "…";`
            "synapse" target-cannot `host-networks-closed` cannot be kept (the service cannot send into a network that exists only on this machine): the target has no packet filter
              help: to do without it, add a reason: `accept.host-networks-closed = "…";`
            "synapse" target-cannot `egress-limited` cannot be kept (the service cannot reach another machine that the policy does not let it reach): the target has no packet filter
              help: to do without it, add a reason: `accept.egress-limited = "…";`
            "synapse" target-cannot `ports-not-taken` cannot be kept (the service cannot take a port that the policy does not offer): the target has no packet filter
              help: to do without it, add a reason: `accept.ports-not-taken = "…";`
            "synapse" target-cannot `offer-limited` cannot be kept (the service cannot be reached on a port by those whom the policy does not name): the target has no packet filter
              help: to do without it, add a reason: `accept.offer-limited = "…";`
        "#]],
    );
}

#[test]
fn what_is_computed_is_never_judged() {
    nix(
        r#"{ config, lib, ... }: { services.sandboxed.synapse = {
            enable = cfg.enable;
            network.mode = if x then "none" else "filtered";
            network.listen = map (port: { inherit port; }) ports;
            filesystem.state = [ config.services.x.dataDir "/var/${x}" ] ++ more;
            resources.memory = "${toString 4}G";
            units = [ "${name}.service" ];
            accept = lib.optionalAttrs x { no-realtime = "why"; };
            privileges = { ${x} = 1; };
            syscalls = null;
            packages = [ pkgs.ffmpeg ];
            unitPackage = pkgs.x;
        }; }"#,
        &expect![[""]],
    );
}

#[test]
fn what_stands_under_a_condition_is_judged_by_itself() {
    nix(
        r#"{ services.sandboxed.synapse = lib.mkMerge [
            { enable = true; network.mode = "none"; }
            (lib.mkIf x { network.listen = [ { port = 1; } ]; network.resolver = "hots"; nettwork = { }; })
            { filesystem.home = lib.mkForce "hiden"; }
        ]; }"#,
        &expect![[r#"
            "\"hots\"" wrong-value `hots` is not `host`, `servers` or `none`
              help: did you mean `host`?
            "nettwork" unknown-field unknown field `nettwork`
              help: did you mean `network`?
            "\"hiden\"" wrong-value `hiden` is not `hidden` or `read-only`
              help: did you mean `hidden`?
        "#]],
    );
}

#[test]
fn unfinished_lines_are_not_wrong() {
    for line in [
        "net",
        "network.",
        "network.mode",
        "network.mode =",
        "network.mode = \"filtered\"",
        "network = {",
        "network.listen = [",
    ] {
        nix(
            &format!(
                "{{\n  services.sandboxed.synapse = {{\n    enable = true;\n    {line}\n    filesystem.root = \"own\";\n  }};\n}}"
            ),
            &expect![[""]],
        );
    }
}

#[test]
fn json_policies_are_checked_alike() {
    let text = "{\n  // a comment\n  \"version\": 1, \"preset\": \"synapze\",\n  \"network\": { \"mode\": \"non\", }\n}";
    findings_on(
        Language::Json,
        text,
        &trixie(),
        &expect![[r#"
            "\"synapze\"" unknown-preset there is no preset `synapze`
              help: did you mean `synapse`?
            "\"non\"" wrong-value `non` is not `filtered`, `private`, `joined` or `none`
              help: did you mean `none`?
        "#]],
    );
    findings_on(
        Language::Json,
        "{ \"version\": 1, \"version\": 1, \"preset\": \"synapse\" }",
        &trixie(),
        &expect![[r#"
            "\"version\"" duplicate-field `version` is given twice
              help: keep one of them
              "\"version\"": first given here
        "#]],
    );
    findings_on(
        Language::Json,
        "{ \"units\": [\"a.service\"], \"name\": \"a\" ",
        &trixie(),
        &expect![[r#"
            "{" missing-field the field `version` is missing
              help: write `"version": 1,` after this `{`
            "" syntax the file ends too early
              help: end it with `}`
              "{": this `{` is not closed
        "#]],
    );
    let preset = sandboxed_core::preset::Preset::find("synapse").unwrap();
    findings_on(Language::Json, preset.text, &trixie(), &expect![[""]]);
}
