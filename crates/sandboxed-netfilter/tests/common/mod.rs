//! What the tests with real tools share.
#![allow(clippy::unwrap_used, reason = "a test that can't be set up fails")]

use std::{
    io::Write,
    process::{Command, Output, Stdio},
};

/// Runs a program in a new user and network namespace of its own, so nothing on this machine changes, with `input` as its
/// standard input. `None`, with the reason on standard error, where it can't be run.
pub(crate) fn in_namespace(program: &str, arguments: &[&str], input: &str) -> Option<Output> {
    // A shell is always there; what it runs may not be.
    let needed = if program == "sh" { "nft" } else { program };
    // Past the harness, which shows nothing of tests that pass.
    let skip = |reason: &str| {
        let reason = reason.trim();
        let _ = writeln!(
            std::io::stderr(),
            "skipped {needed} on rules: it can't run in a network namespace here: {reason}"
        );
    };
    let probe = Command::new("unshare").args(["-rn", needed, "--version"]).output();
    match probe {
        Ok(output) if output.status.success() => {}
        Ok(output) => {
            skip(&String::from_utf8_lossy(&output.stderr));
            return None;
        }
        Err(error) => {
            skip(&error.to_string());
            return None;
        }
    }
    let mut child = Command::new("unshare")
        .arg("-rn")
        .arg(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    Some(child.wait_with_output().unwrap())
}

/// Fails the test with the text and the tool's message if the tool refused the text.
pub(crate) fn assert_accepted(output: &Output, text: &str) {
    assert!(output.status.success(), "{}\nin:\n{text}", String::from_utf8_lossy(&output.stderr));
}
