//! `cargo xtask test`: everything that this machine can run, and a list of what it can't.

mod watch;

use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread::{self, JoinHandle};

use anyhow::{Result, bail};
use clap::Args;
use sandboxed_testbed::{Suite, Tree, install_missing, why_no_vm, why_not};

use watch::{Count, watch};

/// Run everything that this machine can run; list what was skipped, and why.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only these steps: fmt, clippy, unit, editor, cases, vm, nix.
    steps: Vec<Step>,
}

/// The steps, in the order in which they are run: what is quick to tell comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Step {
    /// The sources are formatted.
    Fmt,
    /// The lints hold, in tests too.
    Clippy,
    /// The tests of every crate.
    Unit,
    /// A real editor, where there is one.
    Editor,
    /// The cases, on a real systemd.
    Cases,
    /// What takes a virtual machine with a kernel of its own.
    Vm,
    /// The Nix side, where there is a Nix.
    Nix,
}

impl Arguments {
    /// The step that takes a virtual machine, alone.
    pub(crate) fn vm() -> Self {
        Self { steps: vec![Step::Vm] }
    }
}

/// Run the steps.
///
/// # Errors
/// A step can't even be started. One that fails makes the exit status 1.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let all = [Step::Fmt, Step::Clippy, Step::Unit, Step::Editor, Step::Cases, Step::Vm, Step::Nix];
    let chosen = |step: &Step| arguments.steps.is_empty() || arguments.steps.contains(step);
    // The trees mostly wait for downloads: they are made while the compiler works.
    let mut trees = chosen(&Step::Cases).then(|| thread::spawn(make_trees));
    let mut count = Count::default();
    for step in all.into_iter().filter(chosen) {
        count.add(match step {
            Step::Fmt => watch("formatting", cargo().args(["fmt", "--all", "--check"]))?,
            Step::Clippy => {
                let lints = ["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"];
                watch("lints", cargo().args(lints))?
            }
            Step::Unit => {
                let tests = ["test", "--workspace", "--no-fail-fast", "--exclude", "sandboxed-cases"];
                watch("tests of the crates", cargo().args(tests))?
            }
            Step::Editor => editor()?,
            Step::Cases => cases(trees.take())?,
            Step::Vm if arguments.steps.is_empty() => {
                let reason = "it takes minutes under emulation: `cargo xtask vm` runs it".to_owned();
                Count { skipped: [("vm".to_owned(), reason)].into(), ..Count::default() }
            }
            Step::Vm => vm()?,
            Step::Nix => nix()?,
        });
    }
    Ok(report(&count))
}

fn cargo() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

/// Every tree that the cases boot, so that no case spends its time on that.
fn make_trees() -> Result<()> {
    // A machine that lacks something and can't install it skips the cases, with the reason.
    if install_missing().is_err() || why_not().is_some() {
        return Ok(());
    }
    Suite::STABLE.into_iter().try_for_each(|suite| Tree::synapse(suite).map(drop))?;
    // The canary may fail: whoever needs it tries again and skips with the reason.
    let _ = Tree::base(Suite::Sid);
    Ok(())
}

fn cases(trees: Option<JoinHandle<Result<()>>>) -> Result<Count> {
    if let Some(Err(error)) = trees.map(|trees| trees.join().unwrap_or_else(|_| bail!("a panic"))) {
        println!("\n==> trees\n{error:#}");
        return Ok(Count { failed: vec!["making the trees".to_owned()], ..Count::default() });
    }
    let programs = watch("programs for the cases", cargo().args(["build", "--workspace", "--bins"]))?;
    if !programs.failed.is_empty() {
        return Ok(programs);
    }
    let mut count = units()?;
    count.add(watch(
        "cases",
        cargo().args(["test", "--package", "sandboxed-cases"]).env("SANDBOXED_CASES", "1"),
    )?);
    Ok(count)
}

/// What the systemd of each release reads in the units that are written. The canary is skipped where it can't be made.
fn units() -> Result<Count> {
    let mut count = Count::default();
    if let Some(reason) = why_not() {
        count.skipped.insert("units on each release".to_owned(), reason);
        return Ok(count);
    }
    for suite in Suite::ALL {
        let name = format!("units on {suite}");
        match Tree::base(suite) {
            Err(error) if !Suite::STABLE.contains(&suite) => {
                count.skipped.insert(name, format!("{error:#}"));
            }
            tree => {
                let mut tests = cargo();
                tests.args(["test", "--package", "sandboxed-systemd", "--test", "systemd"]);
                count.add(watch(&name, tests.env("SANDBOXED_TREE", tree?.base_directory()))?);
            }
        }
    }
    Ok(count)
}

/// What takes a virtual machine.
fn vm() -> Result<Count> {
    // A machine that can't install what is missing skips it, with the reason.
    let _ = install_missing();
    if let Some(reason) = why_no_vm() {
        return Ok(Count { skipped: [("vm".to_owned(), reason)].into(), ..Count::default() });
    }
    let mut count =
        watch("programs for the virtual machine", cargo().args(["build", "--workspace", "--bins"]))?;
    if count.failed.is_empty() {
        let tests = ["test", "--package", "sandboxed-cases", "--test", "vm"];
        count.add(watch("virtual machine", cargo().args(tests).env("SANDBOXED_VM", "1"))?);
    }
    Ok(count)
}

/// The language server, driven by an editor's own client.
fn editor() -> Result<Count> {
    if Command::new("nvim").arg("--version").output().is_err() {
        let skipped = [("editor".to_owned(), "Neovim is not installed".to_owned())].into();
        return Ok(Count { skipped, ..Count::default() });
    }
    watch("editor", cargo().args(["test", "--package", "sandboxed", "--test", "editor", "--", "--ignored"]))
}

/// The Nix side has a runner of its own.
fn nix() -> Result<Count> {
    let runner = Path::new("nix/tests/run.sh");
    let reason = if !runner.exists() {
        Some("there is no nix/tests/run.sh")
    } else if Command::new("nix-instantiate").arg("--version").output().is_err() {
        Some("Nix is not installed")
    } else {
        None
    };
    match reason {
        Some(reason) => {
            let skipped = [("nix".to_owned(), reason.to_owned())].into();
            Ok(Count { skipped, ..Count::default() })
        }
        None => watch("Nix", Command::new("bash").arg(runner)),
    }
}

/// The closing lines; the very last one is for programs as much as for people.
fn report(count: &Count) -> ExitCode {
    println!();
    for (name, reason) in &count.skipped {
        println!("skipped {name}: {reason}");
    }
    for name in &count.failed {
        println!("failed {name}");
    }
    println!("{} passed, {} failed, {} skipped", count.passed.len(), count.failed.len(), count.skipped.len());
    if count.failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
