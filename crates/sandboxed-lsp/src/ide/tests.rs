//! Each question, asked at a cursor (`$0`) in a fixture.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::fmt::Write as _;

use expect_test::{Expect, expect};
use proptest::prelude::*;
use sandboxed_core::target::Target;

use super::{Action, Analysis, Language};

fn target(text: &str) -> Target {
    text.parse().unwrap()
}

fn trixie() -> Target {
    target("debian-13")
}

/// The analysis of a fixture, and its cursor.
fn at_cursor(language: Language, fixture: &str) -> (Analysis, usize) {
    let at = fixture.find("$0").expect("a fixture has a cursor");
    (Analysis::new(language, fixture.replacen("$0", "", 1)), at)
}

fn findings_on(language: Language, text: &str, target: &Target, expected: &Expect) {
    let analysis = Analysis::new(language, text.to_owned());
    let shown: Vec<_> = analysis
        .findings(target)
        .iter()
        .map(|finding| {
            let help = finding.kind.help().map(|help| format!("\n  help: {help}")).unwrap_or_default();
            let related: String = finding
                .related
                .iter()
                .map(|(span, remark)| format!("\n  {:?}: {remark}", &text[span.clone()]))
                .collect::<Vec<_>>()
                .concat();
            let place = &text[finding.span.clone()];
            format!("{:?} {} {}{help}{related}\n", place, finding.kind.code(), finding.kind)
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
            "unts" unknown-field unknown field `unts`
              help: did you mean `units`?
            "version" unknown-field unknown field `version`
              help: known here: `enable`, `unit`, `unitPackage`, `packages`, `preset`, `units`, `sockets`, `filesystem`, `network`, `processes`, `ipc`, `privileges`, `syscalls`, `resources`, `secrets` or `accept`
            "\"\"" wrong-value `` is not a reason in one line
            "{ prot = 80; }" missing-field the field `port` is missing
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
              help: add `"units": ["example.service"]`, or a preset
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
              help: to do without it, add a reason: `"accept": { "local-ports-closed": "…" }`
            "synapse" target-cannot `host-networks-closed` cannot be kept (the service cannot send into a network that exists only on this machine): the target has no packet filter; the target has no packet filter
              help: to do without it, add a reason: `"accept": { "host-networks-closed": "…" }`
            "synapse" target-cannot `egress-limited` cannot be kept (the service cannot reach another machine that the policy does not let it reach): the target has no packet filter
              help: to do without it, add a reason: `"accept": { "egress-limited": "…" }`
            "synapse" target-cannot `ports-not-taken` cannot be kept (the service cannot take a port that the policy does not offer): the target has no packet filter
              help: to do without it, add a reason: `"accept": { "ports-not-taken": "…" }`
            "synapse" target-cannot `offer-limited` cannot be kept (the service cannot be reached on a port by those whom the policy does not name): the target has no packet filter
              help: to do without it, add a reason: `"accept": { "offer-limited": "…" }`
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
              "\"version\"": first given here
        "#]],
    );
    findings_on(
        Language::Json,
        "{ \"units\": [\"a.service\"], \"name\": \"a\" ",
        &trixie(),
        &expect![[r#"
        "{" missing-field the field `version` is missing
        "{ \"units\": [\"a.service\"], \"name\": \"a\" " syntax Unterminated object
    "#]],
    );
    let preset = sandboxed_core::preset::Preset::find("synapse").unwrap();
    findings_on(Language::Json, preset.text, &trixie(), &expect![[""]]);
}

fn complete(language: Language, fixture: &str, limit: usize, expected: &Expect) {
    let (analysis, at) = at_cursor(language, fixture);
    let shown: Vec<_> = analysis
        .completions(at)
        .iter()
        .take(limit)
        .map(|item| {
            let insert = item.snippet.as_ref().unwrap_or(&item.insert);
            format!("{:?} {} ({}) -> {insert:?}\n", item.kind, item.label, item.detail)
        })
        .collect();
    expected.assert_eq(&shown.concat());
}

#[test]
fn completes_names_of_sandboxes() {
    complete(
        Language::Nix,
        "{ services.matrix-synapse.enable = true; systemd.services.app = { }; services.nginx.enable = true; services.sandboxed.$0 }",
        9,
        &expect![[r#"
            Sandbox synapse (preset) -> "synapse.enable = true;$0"
            Sandbox app (app.service) -> "app = {\n  enable = true;\n  unit = \"app.service\";$0\n};"
            Sandbox nginx (nginx.service) -> "nginx = {\n  enable = true;\n  unit = \"nginx.service\";$0\n};"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sand$0 }",
        9,
        &expect![[r#"
        Object sandboxed (services kept apart from this machine) -> "sandboxed.$0"
    "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.syn$0 = { }; }",
        9,
        &expect![[r#"
        Sandbox synapse (preset) -> "synapse"
    "#]],
    );
}

#[test]
fn completes_options() {
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse = { enable = true; $0 }; }",
        9,
        &expect![[r#"
            Option unit (service unit) -> "unit = \"$0\";"
            Option unitPackage (package) -> "unitPackage = $0;"
            Option packages (list of package) -> "packages = [ $0 ];"
            Option preset (name of a sandbox) -> "preset = \"$0\";"
            Option units (list of service unit) -> "units = [ $0 ];"
            Option sockets (list of socket unit) -> "sockets = [ $0 ];"
            Object filesystem (attribute set) -> "filesystem = {\n  $0\n};"
            Object network (attribute set) -> "network = {\n  $0\n};"
            Object processes (attribute set) -> "processes = {\n  $0\n};"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.$0 }",
        9,
        &expect![[r#"
            Option mode ("filtered" | "private" | "joined" | "none" · relaxes local-ports-closed) -> "mode = \"$0\";"
            Option listen (list of offered port · relaxes ports-not-taken) -> "listen = [ $0 ];"
            Option allow (list of local endpoint · relaxes local-ports-closed) -> "allow = [ $0 ];"
            Option hostAddresses ("closed" | "as-remote" · relaxes local-ports-closed) -> "hostAddresses = \"$0\";"
            Option uplinks (list of network interface · relaxes host-networks-closed) -> "uplinks = [ $0 ];"
            Option interfaces (list of network interface · relaxes host-networks-closed) -> "interfaces = [ $0 ];"
            Option egress ("any" | "internet" | "none" · relaxes egress-limited) -> "egress = \"$0\";"
            Option egressRules (list of egress rule · relaxes egress-limited) -> "egressRules = [ $0 ];"
            Option dns ("any" | "resolver" · relaxes egress-limited) -> "dns = \"$0\";"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse = { network = { mode = \"none\"; re$0 = \"host\"; }; }; }",
        9,
        &expect![[r#"
            Option listen (list of offered port · relaxes ports-not-taken) -> "listen"
            Option allow (list of local endpoint · relaxes local-ports-closed) -> "allow"
            Option hostAddresses ("closed" | "as-remote" · relaxes local-ports-closed) -> "hostAddresses"
            Option uplinks (list of network interface · relaxes host-networks-closed) -> "uplinks"
            Option interfaces (list of network interface · relaxes host-networks-closed) -> "interfaces"
            Option egress ("any" | "internet" | "none" · relaxes egress-limited) -> "egress"
            Option egressRules (list of egress rule · relaxes egress-limited) -> "egressRules"
            Option dns ("any" | "resolver" · relaxes egress-limited) -> "dns"
            Object limits (attribute set · relaxes egress-limited) -> "limits"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.listen = [ { port = 1; $0 } ]; }",
        9,
        &expect![[r#"
            Option protocol ("tcp" | "udp") -> "protocol = \"$0\";"
            Option from ("localhost" | "anywhere" | "named") -> "from = \"$0\";"
            Option interfaces (list of network interface) -> "interfaces = [ $0 ];"
            Option networks (list of network) -> "networks = [ $0 ];"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.accept.no-$0 }",
        2,
        &expect![[r#"
        Guarantee mounts-enforced (give up: cannot start where the machine refuses it a view of the file system of its own) -> "mounts-enforced = \"$0\";"
        Guarantee host-files-unwritable (give up: cannot change a file of the machine outside of its own state) -> "host-files-unwritable = \"$0\";"
    "#]],
    );
    complete(
        Language::Json,
        "{ \"version\": 1, \"network\": { $0 } }",
        3,
        &expect![[r#"
            Option mode ("filtered" | "private" | "joined" | "none" · relaxes local-ports-closed) -> "\"mode\": \"$0\""
            Option listen (list of offered port · relaxes ports-not-taken) -> "\"listen\": [$0]"
            Option allow (list of local endpoint · relaxes local-ports-closed) -> "\"allow\": [$0]"
        "#]],
    );
    complete(
        Language::Json,
        "{ \"version\": 1, \"net$0\" }",
        3,
        &expect![[r#"
            Option $schema (schema) -> "\\$schema\": \"$0\""
            Option preset (name of a sandbox) -> "preset\": \"$0\""
            Option name (name of a sandbox) -> "name\": \"$0\""
        "#]],
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "a list of fixtures")]
fn completes_values() {
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.mode = $0; }",
        9,
        &expect![[r#"
            Value filtered (default) -> "\"filtered\""
            Value private () -> "\"private\""
            Value joined () -> "\"joined\""
            Value none () -> "\"none\""
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.mode = \"f$0\"; }",
        9,
        &expect![[r#"
            Value filtered (default) -> "filtered"
            Value private () -> "private"
            Value joined () -> "joined"
            Value none () -> "none"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.enable = $0; }",
        9,
        &expect![[r#"
        Value true () -> "true"
        Value false (default) -> "false"
    "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.ipc.messageBus = $0; }",
        9,
        &expect![[r#"
        Value true () -> "true"
        Value false (default) -> "false"
    "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.privileges.capabilities = [ \"CAP_AUDIT_CONTROL\" \"$0\" ]; }",
        2,
        &expect![[r#"
            Value CAP_AUDIT_READ () -> "CAP_AUDIT_READ"
            Value CAP_AUDIT_WRITE () -> "CAP_AUDIT_WRITE"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.syscalls.except = [ \"@$0\" ]; }",
        2,
        &expect![[r#"
            Value @system-service () -> "@system-service"
            Value @aio () -> "@aio"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.addressFamilies = [ $0 ]; }",
        2,
        &expect![[r#"
            Value AF_UNIX () -> "\"AF_UNIX\""
            Value AF_INET () -> "\"AF_INET\""
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.filesystem.state = [ $0 ]; }",
        9,
        &expect![[r#"
        Value /var/lib/synapse () -> "\"/var/lib/synapse\""
    "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.listen = [ $0 ]; }",
        9,
        &expect![[r#"
        Value { } (attribute set) -> "{ port = $1;$0 }"
    "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse.network.listen = $0; }",
        9,
        &expect![[r#"
            Value [ ] (list of offered port) -> "[ $0 ]"
        "#]],
    );
    complete(
        Language::Nix,
        "{ systemd.services.app = { }; services.sandboxed.x.units = [ \"$0\" ]; }",
        9,
        &expect![[r#"
            Value app.service () -> "app.service"
            Value matrix-synapse.service () -> "matrix-synapse.service"
        "#]],
    );
    complete(
        Language::Json,
        "{ \"preset\": $0 }",
        9,
        &expect![[r#"
        Value synapse () -> "\"synapse\""
    "#]],
    );
    complete(Language::Nix, "{ services.nginx.foo = $0; }", 9, &expect![[""]]);
}

fn hover(language: Language, fixture: &str, expected: &Expect) {
    let (analysis, at) = at_cursor(language, fixture);
    let hover = analysis.hover(at, &trixie());
    expected.assert_eq(&hover.map(|hover| hover.text + "\n").unwrap_or_default());
}

#[test]
fn hover_explains_options_values_and_sandboxes() {
    hover(
        Language::Nix,
        "{ services.sandboxed.synapse.privileges.namesp$0aces = [ ]; }",
        &expect![[r#"
            **privileges.namespaces** (list of namespace kind)

            The kinds of namespaces that the service may make and enter.

            Default: `[ ]`

            Guarantee `no-namespaces`: the service cannot make or enter a namespace of a kind that the policy does not name.

            Kept on systemd 257, Linux 6.12 by RestrictNamespaces=:

            - `RestrictNamespaces=yes` (since systemd 233)
        "#]],
    );
    hover(
        Language::Nix,
        "{ services.sandboxed.synapse.network.mode = \"fil$0tered\"; }",
        &expect![[r#"
            `filtered`: It uses the machine's network, and a filter closes whatever a separate machine could not reach.

            ---

            **network.mode** ("filtered" | "private" | "joined" | "none")

            How the service is kept from the machine's own network.

            Default: `"filtered"`

            Guarantee `local-ports-closed`: the service cannot reach a port of this machine that another machine could not reach.

            Kept on systemd 257, Linux 6.12 by a packet filter on the service's slice.
        "#]],
    );
    hover(
        Language::Nix,
        "{ services.sandboxed.synapse.accept.no-real$0time = \"x\"; }",
        &expect![[r#"
        **accept.no-realtime** (reason)

        Why it is acceptable that this no longer holds: the service cannot take the processors by real-time scheduling.

        Example: `"pyOpenSSL's callbacks need memory that is writable and executable"`

        Guarantee `no-realtime`: the service cannot take the processors by real-time scheduling.

        Given up here: x
    "#]],
    );
    hover(
        Language::Nix,
        "{ services.sandboxed.synapse.ena$0ble = true; }",
        &expect![[r#"
        **enable** (boolean)

        Whether to run this service in a sandbox.

        Default: `false`
    "#]],
    );
    hover(
        Language::Json,
        "{ \"version\": 1, \"res$0ources\": { } }",
        &expect![[r#"
        **resources** (attribute set)

        How much of the machine the service may use.
    "#]],
    );
    hover(Language::Nix, "{ services.ng$0inx.enable = true; }", &expect![[""]]);
}

#[test]
fn hover_on_a_sandbox_sums_its_plan_up() {
    let (analysis, at) = at_cursor(Language::Nix, "{ services.sandboxed.syn$0apse.enable = true; }");
    let text = analysis.hover(at, &trixie()).unwrap().text;
    assert!(text.starts_with("**synapse**: `matrix-synapse.service`"), "{text}");
    assert!(text.contains("guarantees are kept in full"), "{text}");
    assert!(text.contains("Given up:\n\n- `no-write-execute`: pyOpenSSL"), "{text}");
}

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

fn applied(text: &str, action: &Action) -> String {
    let mut text = text.to_owned();
    for edit in action.edits.iter().rev() {
        text.replace_range(edit.span.clone(), &edit.text);
    }
    text
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
            "{\n  services.sandboxed.syn$0apse = {\n    enable = true;\n    filesystem.state = [ \"/srv\" ];\n  };\n}",
        ),
        (Language::Nix, "{ services.sandboxed.syn$0apse = { enable = true; }; }"),
        (Language::Nix, "{\n  services.sandboxed.syn$0apse.enable = true;\n}"),
        (
            Language::Nix,
            "{ services.sandboxed.syn$0apse.filesystem.state = [ \"/srv\" ]; services.sandboxed.synapse.enable = true; }",
        ),
        (
            Language::Json,
            "{\n  \"version\": 1,\n  \"preset\": \"syn$0apse\",\n  \"filesystem\": { \"state\": [\"/srv\"] }\n}",
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
            assert_eq!(policy["filesystem"]["state"], serde_json::json!(["/srv"]), "{text}");
        } else {
            assert_eq!(policy["filesystem"], preset["filesystem"], "{text}");
        }
    }
}

#[test]
fn presets_have_a_definition() {
    let named = |language, fixture| {
        let (analysis, at) = at_cursor(language, fixture);
        analysis.preset_at(at).map(|(preset, span)| format!("{} at {:?}", preset.name, analysis.slice(&span)))
    };
    let synapse = |word: &str| Some(format!("synapse at {word:?}"));
    assert_eq!(named(Language::Nix, "{ services.sandboxed.syn$0apse.enable = true; }"), synapse("synapse"));
    assert_eq!(named(Language::Nix, "{ services.sandboxed.x.preset = \"syn$0apse\"; }"), synapse("synapse"));
    assert_eq!(named(Language::Json, "{ \"preset\": \"syn$0apse\" }"), synapse("synapse"));
    assert_eq!(named(Language::Nix, "{ services.sandboxed.x.units = [ \"syn$0apse\" ]; }"), None);
    assert_eq!(named(Language::Nix, "{ services.syn$0apse.enable = true; }"), None);
    assert_eq!(named(Language::Nix, "{ services.sandboxed.syn$0apse = { preset = \"other\"; }; }"), None);
}

fn show(symbols: &[super::Symbol], depth: usize, out: &mut String) {
    for symbol in symbols {
        _ = writeln!(out, "{}{} {}", "  ".repeat(depth), symbol.name, symbol.detail);
        assert!(symbol.span.start <= symbol.name_span.start && symbol.name_span.end <= symbol.span.end);
        show(&symbol.children, depth + 1, out);
    }
}

#[test]
fn symbols_are_sandboxes_and_areas() {
    let text = "{ nodes.a.services.sandboxed.synapse = { enable = true; network = { mode = \"none\"; listen = [ ]; }; }; }";
    let analysis = Analysis::new(Language::Nix, text.to_owned());
    let mut shown = String::new();
    show(&analysis.symbols(), 0, &mut shown);
    expect![[r#"
        nodes.a.synapse 
          enable true
          network 
            mode none
            listen 0 elements
    "#]]
    .assert_eq(&shown);
}

#[test]
fn options_of_the_module_are_the_modules() {
    let module = include_str!("../../../../nix/sandbox.nix");
    let (_, declared) = module.split_once("policyOptions\n//").unwrap();
    let names: Vec<_> =
        declared.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(" = mkOption {")).collect();
    assert_eq!(names, super::option::NIX_OPTIONS.map(|option| option.name));
}

/// Pieces that documents are made of, in any order.
fn pieces() -> impl Strategy<Value = String> {
    let pieces = [
        "{",
        "}",
        "[",
        "]",
        "(",
        ")",
        ";",
        "=",
        ".",
        ",",
        ":",
        "\"",
        "''",
        "\n",
        " ",
        "${",
        "let",
        "in",
        "with",
        "rec",
        "inherit",
        "services",
        "sandboxed",
        "synapse",
        "enable",
        "true",
        "network",
        "mode",
        "listen",
        "port",
        "80",
        "accept",
        "no-realtime",
        "mkIf x",
        "mkMerge [",
        "//",
        "++",
        "if",
        "then",
        "else",
        "x:",
        "\"none\"",
        "#",
        "/*",
        "ä",
        "😀",
        "\\",
        "'",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40).prop_map(|pieces| pieces.join(" "))
}

proptest! {
    /// The same as `fuzz/fuzz_targets/editor.rs`: every question, of text that nobody would write.
    #[test]
    fn every_question_has_an_answer(text in pieces(), place in 0usize..400, tight: bool) {
        let text = if tight { text.replace(' ', "") } else { text };
        for text in [format!("{{ services.sandboxed.synapse = {{ {text}"), format!("{{ \"network\": {text}"), text] {
            let at = (0..=place.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap();
            for language in [Language::Nix, Language::Json] {
                let analysis = Analysis::new(language, text.clone());
                analysis.findings(&trixie());
                for item in analysis.completions(at) {
                    assert!(text.get(item.replaces.clone()).is_some(), "{text}");
                }
                analysis.hover(at, &trixie());
                for action in analysis.actions(&(at..at), &trixie()) {
                    applied(&text, &action);
                }
                analysis.preset_at(at);
                analysis.symbols();
            }
        }
    }
}

/// Nesting and chains that no thread's stack holds if every level costs a call.
#[test]
fn depth_does_not_exhaust_the_stack() {
    for (piece, language) in [
        ("[", Language::Nix),
        ("{ a = ", Language::Nix),
        ("(", Language::Nix),
        ("x: ", Language::Nix),
        ("a ", Language::Nix),
        ("a + ", Language::Nix),
        ("!", Language::Nix),
        ("let a = ", Language::Nix),
        ("\"${", Language::Nix),
        ("a.", Language::Nix),
        ("[", Language::Json),
        ("{\"a\":", Language::Json),
    ] {
        let text = format!("{{ services.sandboxed.a = {}", piece.repeat(3000));
        let analysis = Analysis::new(language, text);
        analysis.findings(&trixie());
    }
}
