//! Every question of an editor, asked of arbitrary text at an arbitrary place: no panic, no endless loop.
//!
//! `cargo +nightly fuzz run editor -- -max_len=4096 -timeout=5`
#![no_main]

use libfuzzer_sys::fuzz_target;
use sandboxed_core::target::Target;
use sandboxed_lsp::ide::{Analysis, Language};

fuzz_target!(|input: (bool, usize, &str)| {
    let (nix, place, text) = input;
    let target: Target = "debian-13".parse().expect("a release that is known");
    // Most text never mentions a sandbox; some that begins inside of one reaches the rest.
    for text in [text.to_owned(), format!("{{ services.sandboxed.synapse = {{ {text}")] {
        let length = text.len();
        let at = (0..=place % (length + 1)).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
        let analysis = Analysis::new(if nix { Language::Nix } else { Language::Json }, text);
        analysis.findings(&target);
        analysis.completions(at);
        analysis.hover(at, &target);
        analysis.actions(&(at..length), &target);
        analysis.preset_at(at);
        analysis.symbols();
    }
});
