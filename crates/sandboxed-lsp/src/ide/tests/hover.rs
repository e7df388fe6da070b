//! What is told of the place under the cursor.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use expect_test::{Expect, expect};

use super::{at_cursor, trixie};
use crate::ide::Language;

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

            Example: `[ "user" ]`

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

            Example: `"why the service cannot do with it"`

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
