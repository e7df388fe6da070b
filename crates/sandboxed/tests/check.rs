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

/// Files that are no policy at all: each is told by what it is, nothing is written.
#[test]
fn what_is_no_policy_is_told_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("folder.json")).unwrap();
    let files: [(&str, &[u8], &str); 8] = [
        ("binary.json", b"\x7fELF\x02\xf0\x00", "binary.json is not text: its byte 6 (0xf0) is not UTF-8"),
        ("folder.json", b"", "folder.json is a directory; a file is expected"),
        ("empty.json", b"", "the file is empty"),
        ("list.json", b"[1]", "help: for example: `{ \"version\": 1, \"units\": [\"example.service\"] }`"),
        ("bom.json", b"\xef\xbb\xbf{}", "the file begins with a byte order mark"),
        ("unfinished.json", b"{ \"version\": 1, \"name\": \"x\"\n", "this `{` is not closed   ^"),
        ("twice.json", b"{ \"version\": 1, \"version\": 1 }", "`version` is given twice"),
        (
            "unit.json",
            b"{ \"version\": 1, \"unit\": \"x.service\" }",
            "did you mean `\"units\": [\"x.service\"]`?",
        ),
    ];
    for (name, bytes, said) in files {
        if name != "folder.json" {
            std::fs::write(folder.path().join(name), bytes).unwrap();
        }
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed"));
        command.current_dir(&folder).args(["build", name, "--target", "debian-13", "--out", "out"]);
        let output = command.output().unwrap();
        let shown = String::from_utf8(output.stderr).unwrap();
        assert!(shown.contains(said), "{name}: {shown}");
        assert_eq!((output.status.code(), folder.path().join("out").exists()), (Some(2), false), "{name}");
    }
}

/// What helps is written as the file is.
#[test]
fn help_is_in_the_language_of_the_file() {
    let nix = "{ services.sandboxed.a = { enable = true; unit = \"a.service\"; network.listen = [ \"tcp 80\" ]; filesystem = 1; }; }";
    let json = "{ \"version\": 1, \"units\": [\"a.service\"], \"network\": { \"listen\": [\"tcp 80\"] } }";
    let shown = |name: &str, text: &str| String::from_utf8(check("text", &[(name, text)]).stderr).unwrap();
    let in_nix = shown("a.nix", nix);
    assert!(in_nix.contains("did you mean `{ port = 80; protocol = \"tcp\"; }`?"), "{in_nix}");
    assert!(in_nix.contains("expected an attribute set, found a string"), "{in_nix}");
    let in_json = shown("a.json", json);
    assert!(in_json.contains("did you mean `{ \"port\": 80, \"protocol\": \"tcp\" }`?"), "{in_json}");
    assert!(in_json.contains("expected an object, found a string"), "{in_json}");
}

/// To the kernel they are the settings of every interface.
#[test]
fn all_interfaces_are_no_interface() {
    let policy = r#"{ "version": 1, "preset": "synapse", "network": { "mode": "private",
        "uplinks": ["all", "eth0"], "interfaces": ["default", "lo"],
        "listen": [{ "port": 8008, "from": "named", "interfaces": ["all"] }] } }"#;
    let output = check("text", &[("a.json", policy)]);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert_eq!(shown.matches("no single interface has this name").count(), 3, "{shown}");
    assert_eq!(shown.matches("the loopback interface leads to this machine").count(), 1, "{shown}");
    assert_eq!(output.status.code(), Some(2), "{shown}");
}

/// Whatever a policy quotes, nothing of it is done to the terminal: neither in the text that is underlined, nor in what helps.
#[test]
fn nothing_is_done_to_a_terminal_by_what_is_wrong() {
    // What the renderer lets pass in the text, and in what helps.
    for hostile in ["\u{9b}31m", "\u{202e}", "\u{1b}[2J"] {
        let text = format!(
            "{{ \"version\": 1, \"units\": [\"x.service\"], \"secrets\": {{ \"credentials\": {{ \"a\": \"-/srv/{hostile}\" }} }} }}"
        );
        let output = check("text", &[("hostile.json", &text)]);
        let shown = String::from_utf8(output.stderr).unwrap();
        assert!(shown.contains("error"), "{shown}");
        let raw = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!shown.contains(raw), "{shown:?}");
    }
}

/// A policy comes from anywhere: whatever is wrong with it, and however long its lines are, is said in time that grows with it.
#[test]
fn many_mistakes_on_one_line_are_said() {
    let names: Vec<String> = (0..3000).map(|number| format!("\"x {number:04}\"")).collect();
    let names = names.join(", ");
    let text = format!("{{ \"version\": 1, \"name\": \"ß\", \"sockets\": [{names}] }}");
    let output = check("text", &[("a.json", &text)]);
    let shown = String::from_utf8(output.stderr).unwrap();
    assert_eq!(shown.matches("error[wrong-value]: `x ").count(), 49, "{shown}");
    assert!(shown.contains("… and 2951 more in a.json") && !shown.contains(":::"), "{shown}");
    assert!(shown.contains("a.json:1:44"), "{shown}");
    assert!(shown.lines().all(|line| line.chars().count() < 500), "{shown}");
    let list: Value = serde_json::from_slice(&check("json", &[("a.json", &text)]).stdout).unwrap();
    let list = list.as_array().unwrap();
    assert_eq!(list.len(), 3001);
    let column = text.chars().position(|c| c == '[').unwrap() + 2 + 2999 * 10;
    assert_eq!(list.last().unwrap()["range"]["start"]["column"], column);
}

/// What cannot be read hides nothing of the rest, and is said in the form that was asked for.
#[test]
fn what_cannot_be_read_is_one_of_the_findings() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.json"), "{ \"version\": 2 }").unwrap();
    std::fs::write(folder.path().join("b.json"), b"{\n \"\xc3\xa4\xff\xfe\"").unwrap();
    std::fs::write(folder.path().join("d.json"), "{ \"version\": 1, \"units\": [\"a.service\"] }").unwrap();
    std::fs::create_dir(folder.path().join("units")).unwrap();
    let run = |format: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed"));
        command.current_dir(&folder).args(["check", "--target", "debian-13", "--format", format]);
        command.args(["--unit-text", "units", "a.json", "b.json", "c.json", "d.json"]).output().unwrap()
    };
    let output = run("json");
    assert_eq!(output.status.code(), Some(2));
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    let found: Vec<(&str, &str)> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["file"].as_str().unwrap(), one["code"].as_str().unwrap()))
        .collect();
    let unreadable = |file| (file, "unreadable");
    assert_eq!(
        found,
        [("a.json", "wrong-value"), unreadable("b.json"), unreadable("c.json"), unreadable("d.json")]
    );
    assert_eq!(list[1]["range"]["start"], serde_json::json!({ "line": 2, "column": 4 }));
    assert!(list[3]["message"].as_str().unwrap().contains("units/a.service"), "{list}");
    let log: Value = serde_json::from_slice(&run("sarif").stdout).unwrap();
    assert_eq!(log["runs"][0]["results"].as_array().unwrap().len(), 4);
    let shown = String::from_utf8(run("text").stderr).unwrap();
    assert!(
        shown.contains("b.json:2:4") && shown.contains("error[unreadable]: cannot read c.json"),
        "{shown}"
    );
}
