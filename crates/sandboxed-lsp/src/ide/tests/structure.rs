//! Where presets are defined, and what sandboxes a document has.
#![allow(clippy::needless_raw_string_hashes, reason = "expect-test writes them")]

use std::fmt::Write as _;

use expect_test::expect;

use super::at_cursor;
use crate::ide::{Analysis, Language, Symbol, option};

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

fn show(symbols: &[Symbol], depth: usize, out: &mut String) {
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
    let module = include_str!("../../../../../nix/sandbox.nix");
    let (_, declared) = module.split_once("policyOptions\n//").unwrap();
    let names: Vec<_> =
        declared.lines().filter_map(|line| line.strip_prefix("  ")?.strip_suffix(" = mkOption {")).collect();
    assert_eq!(names, option::NIX_OPTIONS.map(|option| option.name));
}
