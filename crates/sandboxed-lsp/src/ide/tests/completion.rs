//! What could stand at the cursor.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};

use super::at_cursor;
use crate::ide::Language;

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
            Option otherUdpPorts ("refused" | "replaced" · relaxes ports-not-taken) -> "otherUdpPorts = \"$0\";"
            Option openSockets (integer from 16 to 1000000 · relaxes ports-not-exhausted) -> "openSockets = ${0:8192};"
            Option allow (list of local endpoint · relaxes local-ports-closed) -> "allow = [ $0 ];"
            Option hostAddresses ("closed" | "as-remote" · relaxes local-ports-closed) -> "hostAddresses = \"$0\";"
            Option uplinks (list of network interface · relaxes host-networks-closed) -> "uplinks = [ $0 ];"
            Option interfaces (list of network interface · relaxes host-networks-closed) -> "interfaces = [ $0 ];"
            Option egress ("any" | "internet" | "none" · relaxes egress-limited) -> "egress = \"$0\";"
        "#]],
    );
    complete(
        Language::Nix,
        "{ services.sandboxed.synapse = { network = { mode = \"none\"; re$0 = \"host\"; }; }; }",
        9,
        &expect![[r#"
            Option listen (list of offered port · relaxes ports-not-taken) -> "listen"
            Option otherUdpPorts ("refused" | "replaced" · relaxes ports-not-taken) -> "otherUdpPorts"
            Option openSockets (integer from 16 to 1000000 · relaxes ports-not-exhausted) -> "openSockets"
            Option allow (list of local endpoint · relaxes local-ports-closed) -> "allow"
            Option hostAddresses ("closed" | "as-remote" · relaxes local-ports-closed) -> "hostAddresses"
            Option uplinks (list of network interface · relaxes host-networks-closed) -> "uplinks"
            Option interfaces (list of network interface · relaxes host-networks-closed) -> "interfaces"
            Option egress ("any" | "internet" | "none" · relaxes egress-limited) -> "egress"
            Option egressRules (list of egress rule · relaxes egress-limited) -> "egressRules"
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
            Option otherUdpPorts ("refused" | "replaced" · relaxes ports-not-taken) -> "\"otherUdpPorts\": \"$0\""
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
