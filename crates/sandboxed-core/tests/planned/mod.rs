//! Plans of policies around one unit, and what became of them.

#![allow(dead_code, reason = "not every test has a use for all of these")]

use sandboxed_core::json;
use sandboxed_core::language::Language;
use sandboxed_core::plan::{Plan, Status};
use sandboxed_core::planner::Finding;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;
use sandboxed_core::unit::Unit;
use sandboxed_systemd::name::UnitName;

pub(crate) const POLICY: &str = r#"{"version": 1, "name": "a", "units": ["a.service"]}"#;

/// The plan of a policy around a unit with this text, with its warnings; or what is wrong.
pub(crate) fn planned(policy: &str, text: &str) -> Result<(Plan, String), String> {
    let resolved = resolve(&json::parse(policy).unwrap()).unwrap();
    let target: Target = "debian-13".parse().unwrap();
    let unit = Unit::parse(UnitName::new("a.service").unwrap(), text).unwrap();
    let all = |findings: Vec<Finding>| {
        findings.iter().map(|finding| finding.kind.message(Language::Json)).collect()
    };
    match resolved.plan(&target, Surroundings { units: &[unit], ..Surroundings::default() }) {
        Ok((plan, warnings)) => Ok((plan, all(warnings))),
        Err(findings) => Err(all(findings)),
    }
}

/// What is found for a unit with this text; empty where it is planned.
pub(crate) fn found(text: &str) -> String {
    planned(POLICY, text).err().unwrap_or_default()
}

/// What became of a guarantee: its status and what stays open.
pub(crate) fn outcome(policy: &str, guarantee: &str) -> String {
    outcome_of(policy, "[Service]\nUser=a\nExecStart=/usr/bin/a\n", guarantee)
}

/// The same for a unit with this text.
pub(crate) fn outcome_of(policy: &str, text: &str, guarantee: &str) -> String {
    let (plan, _) = planned(policy, text).unwrap();
    let outcome = plan.outcomes.into_iter().find(|outcome| outcome.guarantee == guarantee).unwrap();
    match outcome.status {
        Status::Kept { exceptions, .. } => format!("kept {}", exceptions.join(" ")),
        Status::Weak { weakness, .. } => format!("weak {weakness}"),
        Status::Waived { reason } => format!("waived {reason}"),
    }
}
