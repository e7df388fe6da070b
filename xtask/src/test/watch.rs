//! Runs a command with its output shown as it comes, and counts the tests that it tells of.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

/// What became of tests.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Count {
    /// What held.
    pub(crate) passed: Vec<String>,
    /// What failed.
    pub(crate) failed: Vec<String>,
    /// What was not run, with the reason.
    pub(crate) skipped: BTreeMap<String, String>,
}

impl Count {
    /// Add another count to this one.
    pub(crate) fn add(&mut self, other: Self) {
        self.passed.extend(other.passed);
        self.failed.extend(other.failed);
        self.skipped.extend(other.skipped);
        // What one step leaves to another that has run it.
        self.skipped.retain(|name, _| !self.passed.contains(name) && !self.failed.contains(name));
    }

    /// Take note of one line that a test harness printed: libtest's, or `skipped NAME: REASON`.
    fn note(&mut self, line: &str) {
        if let Some((name, reason)) = line.strip_prefix("skipped ").and_then(|rest| rest.split_once(": ")) {
            self.skipped.insert(name.to_owned(), reason.to_owned());
        }
        let Some((name, verdict)) = line.strip_prefix("test ").and_then(|rest| rest.rsplit_once(" ... "))
        else {
            return;
        };
        let name = name.trim_end();
        match verdict.split_once(", ").unwrap_or((verdict, "")) {
            ("ok", _) => self.passed.push(name.to_owned()),
            ("FAILED", _) => self.failed.push(name.to_owned()),
            ("ignored", reason) => {
                self.skipped.entry(name.to_owned()).or_insert_with(|| reason.to_owned());
            }
            _ => {}
        }
    }
}

/// Run `command`, called `name`. One that tells of no failed test and fails all the same has failed as a whole; one
/// that tells of no test at all is itself the test.
///
/// # Errors
/// It can't be run.
pub(crate) fn watch(name: &str, command: &mut Command) -> Result<Count> {
    println!("\n==> {name}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot run {}", command.get_program().display()))?;
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let mut count = std::thread::scope(|scope| {
        let err = scope.spawn(|| err.map(|pipe| read(pipe, &mut std::io::stderr())).unwrap_or_default());
        let mut count = out.map(|pipe| read(pipe, &mut std::io::stdout())).unwrap_or_default();
        count.add(err.join().unwrap_or_default());
        count
    });
    let status = child.wait()?;
    if !status.success() && count.failed.is_empty() {
        count.failed.push(format!("{name} ({status})"));
    } else if status.success() && count == Count::default() {
        count.passed.push(name.to_owned());
    }
    Ok(count)
}

fn read(pipe: impl Read, show: &mut impl Write) -> Count {
    let mut count = Count::default();
    let mut reader = BufReader::new(pipe);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
        // Nobody may be reading; the count matters all the same.
        let _ = show.write_all(&line);
        count.note(String::from_utf8_lossy(&line).trim_end());
        line.clear();
    }
    count
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_what_harnesses_print() {
        let mut count = Count::default();
        for line in [
            "test directive::tests::known ... ok",
            "test trixie::synapse::plain   ... ok",
            "test src/lib.rs - (line 7) - compile ... ok",
            "test broken ... FAILED",
            "test slow ... ignored, takes an hour",
            "skipped sid::synapse: no tree",
            "test sid::synapse ... ignored",
            "test result: FAILED. 3 passed; 1 failed; 2 ignored; 0 measured; 0 filtered out",
        ] {
            count.note(line);
        }
        assert_eq!(count.passed.len(), 3);
        assert_eq!(count.failed, ["broken"]);
        let skipped: Vec<_> =
            count.skipped.iter().map(|(name, reason)| (name.as_str(), reason.as_str())).collect();
        assert_eq!(skipped, [("sid::synapse", "no tree"), ("slow", "takes an hour")]);
    }

    #[test]
    fn what_another_step_runs_is_not_skipped() {
        let mut count = Count::default();
        count.note("test types_a_policy ... ignored, needs Neovim");
        let mut editor = Count::default();
        editor.note("test types_a_policy ... ok");
        count.add(editor);
        assert_eq!((count.passed.len(), count.skipped.len()), (1, 0));
    }

    #[test]
    fn a_silent_failure_is_a_failure() {
        assert_eq!(watch("true", &mut Command::new("true")).unwrap().passed.len(), 1);
        assert_eq!(watch("false", &mut Command::new("false")).unwrap().failed.len(), 1);
    }
}
