//! What the NixOS module costs at evaluation, in thunks: Nix' own counters (NIX_SHOW_STATS) are exact and repeatable,
//! where its time is neither.

use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

/// Limits that the project sets itself, in thunks.
const UNUSED: u64 = 1000;
const EACH: u64 = 3500;

/// Evaluate hosts with more and more sandboxes, and print what each adds.
///
/// # Errors
/// Something does not evaluate.
pub(super) fn run() -> Result<()> {
    if let Some(reason) = why_not() {
        println!("nix: skipped: {reason}");
        return Ok(());
    }
    println!("nix: thunks of an evaluation of all units of a host with four more services");
    let plain = thunks("imported = false;")?;
    let unused = thunks("")?;
    println!("  a host without the module             {plain:>9}");
    println!("  the module, imported and unused       {:>+9}   (limit {UNUSED})", difference(unused, plain));
    for (what, detailed) in [("says no more than its unit", false), ("sets a dozen options", true)] {
        let with = |count: u64| thunks(&format!("sandboxed = {count}; detailed = {detailed};"));
        let (one, four) = (with(1)?, with(4)?);
        println!("  the first sandbox that {what:<26} {:>+6}", difference(one, unused));
        println!(
            "  each further one                      {:>+9}   (limit {EACH})",
            difference(four, one) / 3
        );
    }
    Ok(())
}

fn difference(more: u64, less: u64) -> i64 {
    i64::try_from(more).unwrap_or(i64::MAX) - i64::try_from(less).unwrap_or(i64::MAX)
}

/// Why nothing can be evaluated here.
fn why_not() -> Option<&'static str> {
    let found = Command::new("nix-instantiate").args(["--find-file", "nixpkgs/nixos"]).output();
    match found {
        Err(_) => Some("Nix is not installed"),
        Ok(output) if !output.status.success() => Some("<nixpkgs/nixos> does not resolve (see NIX_PATH)"),
        Ok(_) => None,
    }
}

/// The thunks of nix/tests/local/cost.nix with these arguments.
fn thunks(arguments: &str) -> Result<u64> {
    let expression = format!("import ./nix/tests/local/cost.nix {{ {arguments} }}");
    let statistics = tempfile::NamedTempFile::new()?;
    let output = Command::new("nix-instantiate")
        .args(["--eval", "--expr", &expression])
        .env("NIX_SHOW_STATS", "1")
        .env("NIX_SHOW_STATS_PATH", statistics.path())
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let statistics: Value = serde_json::from_slice(&std::fs::read(statistics.path())?)?;
    statistics.get("nrThunks").and_then(Value::as_u64).context("Nix counts no thunks")
}
