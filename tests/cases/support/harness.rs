//! Runs cases as tests: `cargo test` sees each with its release, and each that can't run is listed with its reason.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use sandboxed_testbed::{Suite, why_not};

/// One promise shown on a real systemd.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is called: the case's directory and, after `::`, what of it is shown.
    pub name: &'static str,
    /// Where it runs.
    pub suites: &'static [Suite],
    /// Shows it on a machine of its own.
    pub run: fn(Suite) -> Result<()>,
    /// What the project still lacks for it; the case is then skipped for this reason.
    pub lacks: Option<&'static str>,
}

impl Case {
    /// A case that runs on every release but the canary.
    pub const fn new(name: &'static str, run: fn(Suite) -> Result<()>) -> Self {
        Self { name, suites: &Suite::STABLE, run, lacks: None }
    }

    /// The same, only on these releases.
    #[must_use]
    pub const fn on(self, suites: &'static [Suite]) -> Self {
        Self { suites, ..self }
    }

    /// The same, skipped until the project has what it lacks.
    #[must_use]
    pub const fn lacking(self, what: &'static str) -> Self {
        Self { lacks: Some(what), ..self }
    }
}

/// Run the cases that the command line asks for; see libtest's `--help`.
pub fn run(cases: &[Case]) -> ExitCode {
    let arguments = Arguments::from_args();
    let reason = reason_to_skip();
    let trials = cases.iter().flat_map(|&case| {
        let reason = reason.as_deref().or(case.lacks);
        case.suites.iter().map(move |&suite| trial(case, suite, reason))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn trial(case: Case, suite: Suite, reason: Option<&str>) -> Trial {
    let name = format!("{suite}::{}", case.name);
    if let Some(reason) = reason {
        // Read back by `cargo xtask test`, which lists what was skipped.
        eprintln!("skipped {name}: {reason}");
    }
    let run = move || (case.run)(suite).map_err(|error| Failed::from(explain(&error)));
    Trial::test(name, run).with_ignored_flag(reason.is_some())
}

/// What failed, and below it why, a line each; anyhow's own way adds a backtrace of the harness.
fn explain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A plain `cargo test` boots no machines: it takes minutes, and root.
fn reason_to_skip() -> Option<String> {
    if std::env::var_os("SANDBOXED_CASES").is_none() {
        return Some("run by `cargo xtask test`, or with SANDBOXED_CASES=1".to_owned());
    }
    why_not()
}
