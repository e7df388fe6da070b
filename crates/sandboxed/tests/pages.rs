//! What people read before they use it: help, manual pages, completions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::process::Command;

fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_sandboxed")).args(arguments).output().unwrap();
    (output.status.code(), String::from_utf8([output.stdout, output.stderr].concat()).unwrap())
}

#[test]
fn every_manual_page_says_how_it_ends_and_what_else_there_is() {
    let folder = tempfile::tempdir().unwrap();
    let (code, text) = said(&["man", "--out", folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(0), "{text}");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let page = std::fs::read_to_string(&path).unwrap();
        for section in ["NAME", "SYNOPSIS", "DESCRIPTION", "\"EXIT STATUS\"", "\"SEE ALSO\""] {
            assert_eq!(page.matches(&format!(".SH {section}\n")).count(), 1, "{name}: {section}\n{page}");
        }
        let title = format!(".TH {name} 1 \" \" \"sandboxed {}\" ", env!("CARGO_PKG_VERSION"));
        assert!(page.contains(&title), "{page}");
        names.push(name);
    }
    names.sort();
    assert_eq!(names.len(), 14, "{names:?}");
    let page =
        |name: &str| std::fs::read_to_string(folder.path().join(format!("sandboxed-{name}.1"))).unwrap();
    assert!(page("apply").contains(".SH FILES\n") && page("apply").contains("/etc/sandboxed/NAME/"));
    let synopsis =
        page("build").lines().skip_while(|line| *line != ".SH SYNOPSIS").nth(1).unwrap().to_owned();
    let plain = synopsis.replace("\\fB", "").replace("\\fI", "").replace("\\fR", "").replace("\\-", "-");
    assert!(plain.contains("[--preset NAME]..."), "{plain}");
    assert!(plain.ends_with("--out DIR [POLICY]..."), "{plain}");
}

#[test]
fn every_help_says_how_it_ends() {
    let (_, help) = said(&["--help"]);
    let commands = help.split("Commands:\n").nth(1).unwrap().lines().take_while(|line| !line.is_empty());
    // What goes on from the line before is set in further.
    let commands = commands.filter(|line| !line.starts_with("   "));
    let commands: Vec<&str> = commands.filter_map(|line| line.split_whitespace().next()).collect();
    assert!(commands.contains(&"apply") && help.contains("Exit status:\n  0  "), "{help}");
    for command in commands.into_iter().filter(|command| *command != "help") {
        let (_, help) = said(&[command, "--help"]);
        assert!(help.contains("Exit status:\n  0  "), "{help}");
    }
}

#[test]
fn usage_errors_name_every_way_to_name_policies() {
    for (command, more) in [("check", ""), ("build", ""), ("explain", ""), ("apply", "apply [OPTIONS] --all")]
    {
        let (code, text) = said(&[command]);
        assert!(code == Some(2) && text.contains("<POLICY|--preset <NAME>>..."), "{text}");
        assert!(text.contains(more), "{text}");
    }
    let (code, text) = said(&["check", "--preset", "synapze"]);
    assert!(code == Some(2) && text.contains("'synapse'"), "{text}");
}

#[test]
fn completions_offer_presets_and_nothing_that_is_hidden() {
    for shell in ["bash", "fish", "zsh"] {
        let (_, text) = said(&["completions", shell]);
        assert!(text.contains("synapse"), "{shell}");
        for hidden in [
            "sandboxed,filter",
            "sandboxed,network",
            "_sandboxed__filter",
            "_sandboxed__network",
            "-a \"filter\"",
            "-a \"network\"",
        ] {
            assert!(!text.contains(hidden), "{shell}: {hidden}");
        }
    }
}
