//! Text that nobody would write is answered too.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use proptest::prelude::*;

use super::{applied, trixie};
use crate::ide::{Analysis, Language};

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
