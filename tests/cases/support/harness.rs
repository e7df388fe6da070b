//! Runs cases as tests: `cargo test` sees each with its release, and each that can't run is listed with its reason.

use std::process::ExitCode;

use anyhow::Result;
use libtest_mimic::{Arguments, Failed, Trial};
use sandboxed_testbed::{Suite, Tree, why_not};

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
    /// Why this machine can't run it, if it can't: what a case needs besides the testbed.
    pub why_not: fn() -> Option<String>,
}

impl Case {
    /// A case that runs on every release but the canary.
    pub const fn new(name: &'static str, run: fn(Suite) -> Result<()>) -> Self {
        Self { name, suites: &Suite::STABLE, run, lacks: None, why_not: || None }
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

    /// The same, skipped where this gives a reason.
    #[must_use]
    pub const fn needing(self, why_not: fn() -> Option<String>) -> Self {
        Self { why_not, ..self }
    }
}

/// Run the cases that the command line asks for; see libtest's `--help`.
pub fn run(cases: &[Case]) -> ExitCode {
    let arguments = Arguments::from_args();
    let everywhere = reason_to_skip();
    let canary = everywhere.clone().or_else(|| why_no_canary(cases));
    let trials = cases.iter().flat_map(|&case| {
        let (everywhere, canary) = (everywhere.clone(), canary.clone());
        case.suites.iter().map(move |&suite| {
            let reason = if suite == Suite::Sid { canary.clone() } else { everywhere.clone() };
            let reason = reason.or_else(|| case.lacks.map(str::to_owned)).or_else(case.why_not);
            trial(case, suite, reason.as_deref())
        })
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

/// The canary's tree may fail to build through no fault of ours: a line of the reason, if any case wants it.
fn why_no_canary(cases: &[Case]) -> Option<String> {
    let wanted = cases.iter().any(|case| case.suites.contains(&Suite::Sid));
    let error = wanted.then(|| Tree::base(Suite::Sid).err()).flatten()?;
    Some(format!("{error:#}").lines().last().unwrap_or_default().to_owned())
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
pub fn explain(error: &anyhow::Error) -> String {
    error.chain().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// A plain `cargo test` boots no machines: it takes minutes, and root.
fn reason_to_skip() -> Option<String> {
    if std::env::var_os("SANDBOXED_CASES").is_none() {
        return Some("run by `cargo xtask test`, or with SANDBOXED_CASES=1".to_owned());
    }
    why_not()
}
