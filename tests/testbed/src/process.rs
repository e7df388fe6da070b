//! Running programs of the outer machine, with errors that say what was run and what it said.

use std::process::{Command, Output};

use anyhow::{Context, Result, bail};

/// Run `command` to its end; an error unless it exits with 0.
pub(crate) fn run(command: &mut Command) -> Result<Output> {
    let output = command.output().with_context(|| format!("cannot run {}", describe(command)))?;
    if !output.status.success() {
        bail!(
            "{} failed ({})\n{}{}",
            describe(command),
            output.status,
            last_lines(&output.stdout),
            last_lines(&output.stderr)
        );
    }
    Ok(output)
}

/// The last forty lines: a package installation prints thousands, and what went wrong stands at the end.
pub(crate) fn last_lines(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(40)..).unwrap_or_default();
    tail.iter().flat_map(|line| [line, "\n"]).collect()
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
