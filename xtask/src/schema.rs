//! `cargo xtask schema`: what is generated from the policy's types and checked in.

use std::fs;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, ensure};

/// Where editors and the NixOS module find the schema.
const SCHEMA: &str = "schema/sandboxed.schema.json";

/// Write the schema anew.
///
/// # Errors
/// The command line does not build, or can't print the schema.
pub(crate) fn run() -> Result<ExitCode> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut print = Command::new(cargo);
    print.args(["run", "--quiet", "--package", "sandboxed", "--", "schema"]);
    let output = print.output().context("cannot run cargo")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    if fs::read(SCHEMA).is_ok_and(|old| old == output.stdout) {
        println!("{SCHEMA} is up to date");
    } else {
        fs::write(SCHEMA, &output.stdout).with_context(|| format!("cannot write {SCHEMA}"))?;
        println!("{SCHEMA} is written anew");
    }
    Ok(ExitCode::SUCCESS)
}
