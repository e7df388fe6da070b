//! `cargo xtask schema`: what is generated from the types of policies and targets and checked in.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// Each file, and what `sandboxed` is asked for it. Editors and the NixOS module find the schemas there.
const FILES: [(&str, &[&str]); 5] = [
    ("schema/sandboxed.schema.json", &["schema", "policy"]),
    ("schema/target.schema.json", &["schema", "target"]),
    ("docs/options.md", &["schema", "policy", "--markdown"]),
    ("docs/targets.md", &["schema", "target", "--markdown"]),
    ("docs/presets.md", &["presets", "--markdown"]),
];

/// Write the schemas and their references anew.
///
/// # Errors
/// The command line does not build, or can't print them.
pub(crate) fn run() -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    for (file, arguments) in FILES {
        let mut print = Command::new(&cargo);
        print.args(["run", "--quiet", "--package", "sandboxed", "--"]).args(arguments);
        let output = print.output().context("cannot run cargo")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        if fs::read(file).is_ok_and(|old| old == output.stdout) {
            println!("{file} is up to date");
        } else {
            fs::write(file, &output.stdout).with_context(|| format!("cannot write {file}"))?;
            println!("{file} is written anew");
        }
    }
    Ok(ExitCode::SUCCESS)
}
