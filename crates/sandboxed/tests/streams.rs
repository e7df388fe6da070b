//! What is printed, where nobody can read it, and one unit's text for several policies.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::File;
use std::process::{Command, Stdio};

fn sandboxed(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sandboxed"));
    command.args(arguments);
    command
}

/// Nothing can be written there, full(4).
fn full() -> Stdio {
    Stdio::from(File::options().write(true).open("/dev/full").unwrap())
}

/// A file that was cut short must not be taken for a whole one.
#[test]
fn output_that_is_lost_is_an_error() {
    for arguments in [
        &["schema"][..],
        &["presets"],
        &["channels"],
        &["completions", "zsh"],
        &["explain", "--preset", "synapse", "--target", "debian-13"],
        &["explain", "--json", "--preset", "synapse", "--target", "debian-13"],
    ] {
        let output = sandboxed(arguments).stdout(full()).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {said}");
        assert!(
            said.contains("cannot write to standard output: No space left on device"),
            "{arguments:?}: {said}"
        );
    }
    // Who reads no further has what he wanted.
    let mut child = sandboxed(&["schema"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

/// The exit code is what the policy deserves, whether anybody reads what is wrong with it or not.
#[test]
fn errors_that_nobody_reads_change_no_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("wrong.json");
    std::fs::write(&path, r#"{ "version": 1, "unit": [] }"#).unwrap();
    let arguments = ["check", path.to_str().unwrap(), "--target", "debian-13"];
    let status = sandboxed(&arguments).stdout(Stdio::null()).stderr(full()).status().unwrap();
    assert_eq!(status.code(), Some(2));
    let mut child = sandboxed(&arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stderr.take());
    assert_eq!(child.wait().unwrap().code(), Some(2));
}

/// Else the command of one would be run by the unit of the other.
#[test]
fn one_unit_is_no_text_for_several_policies() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    for name in ["foo", "bar"] {
        write(&format!("{name}.json"), &format!(r#"{{ "version": 1, "units": ["{name}.service"] }}"#));
    }
    write("foo.service", "[Service]\nUser=foo\nExecStart=/usr/bin/foo --only-foo\n");
    for command in [&["build", "--out", "out"][..], &["explain"], &["check"]] {
        let given = ["foo.json", "bar.json", "--target", "debian-13", "--unit-text", "foo.service"];
        let output = sandboxed(&[command, &given].concat()).current_dir(&folder).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
        assert!(said.contains("foo.service is one unit, and there are 2 policies"), "{command:?}: {said}");
    }
    assert!(!folder.path().join("out").exists());
}
