//! `sandboxed check` of NixOS configurations and of policies: what it says, in which form, and with which exit code.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on fails")]

use std::process::{Command, Output};

use serde_json::Value;

fn check(format: &str, files: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed"));
    command.current_dir(&folder).args(["check", "--target", "debian-13", "--format", format]);
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
        command.arg(name);
    }
    command.output().unwrap()
}

const WRONG: &str =
    "{\n  services.sandboxed.synapse = {\n    enable = true;\n    network.mdoe = \"none\";\n  };\n}\n";

#[test]
fn a_configuration_is_shown_with_its_places() {
    let output = check("text", &[("configuration.nix", WRONG)]);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("error[unknown-field]: unknown field `mdoe`"), "{shown}");
    assert!(shown.contains("configuration.nix:4:13"), "{shown}");
    assert!(shown.contains("did you mean `mode`?"), "{shown}");
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn what_is_right_or_computed_says_nothing() {
    let right = "{ config, ... }: { services.sandboxed.synapse = { enable = true; filesystem.state = [ config.x ]; }; }";
    let output = check("text", &[("a.nix", right), ("b.nix", "{ services.nginx.enable = true; }")]);
    assert_eq!((output.stderr.as_slice(), output.status.code()), (&b""[..], Some(0)));
}

#[test]
fn a_warning_is_shown_and_no_failure() {
    let output = check("text", &[("a.nix", "{ services.sandboxed.synapse.network.resolver = \"none\"; }")]);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert!(shown.contains("warning[not-enabled]"), "{shown}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn what_is_no_nix_is_bad_input() {
    for text in ["{ services.sandboxed.synapse = ", "{ a = 1 }", "]", "{ a.\n = 1; }"] {
        let output = check("text", &[("a.nix", text)]);
        assert!(String::from_utf8_lossy(&output.stderr).contains("error[syntax]"), "{text}");
        assert_eq!(output.status.code(), Some(2), "{text}");
    }
}

/// The same mistake has the same code and text in either language, in every format.
#[test]
fn both_languages_and_all_formats_say_the_same() {
    let policy = "{ \"version\": 1, \"preset\": \"synapse\",\n \"network\": { \"mdoe\": \"none\" } }";
    let files = [("a.nix", WRONG), ("a b.json", policy)];
    let list: Value = serde_json::from_slice(&check("json", &files).stdout).unwrap();
    let log: Value = serde_json::from_slice(&check("sarif", &files).stdout).unwrap();
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!((list.as_array().unwrap().len(), results.len()), (2, 2));
    for field in ["code", "message", "help", "severity"] {
        assert_eq!(list[0][field], list[1][field], "{field}");
    }
    assert_eq!(list[0]["range"]["start"], serde_json::json!({ "line": 4, "column": 13 }));
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(log["runs"][0]["tool"]["driver"]["rules"][0]["id"], "unknown-field");
    for (index, uri) in ["a.nix", "a%20b.json"].iter().enumerate() {
        let result = &results[index];
        assert_eq!(result["ruleId"], list[index]["code"]);
        let place = &result["locations"][0]["physicalLocation"];
        assert_eq!(place["artifactLocation"]["uri"], *uri);
        assert_eq!(place["region"]["startLine"], list[index]["range"]["start"]["line"]);
        assert_eq!(place["region"]["endColumn"], list[index]["range"]["end"]["column"]);
    }
}

#[test]
fn a_conflict_has_both_places() {
    let text = "{ services.sandboxed.synapse = { enable = true; network.mode = \"none\"; network.listen = [ { port = 8008; } ]; }; }";
    let log: Value = serde_json::from_slice(&check("sarif", &[("a.nix", text)]).stdout).unwrap();
    let related = &log["runs"][0]["results"][0]["relatedLocations"][0];
    assert_eq!(related["message"]["text"], "no network because of this");
    assert_eq!(related["physicalLocation"]["region"]["startColumn"], 64);
}
