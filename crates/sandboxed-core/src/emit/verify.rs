//! The units that verify a sandbox now and then.

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::value::{ExecLine, Value};

use super::{Artifacts, EmitError, unit::header};
use crate::plan::Plan;

/// The timer of a sandbox that is to be verified: its services want it, so that it runs when they do.
pub(super) fn timer(plan: &Plan) -> Result<Option<UnitName>, EmitError> {
    let name = || UnitName::new(&format!("sandboxed-{}-verify.timer", plan.name));
    Ok(plan.verify.as_ref().map(|_| name()).transpose()?)
}

/// A machine that was off makes up for it, and not all machines do it at the same moment.
const TIMER: &str = "# Made by sandboxed: the policy says how often.
[Unit]
Description=When a sandbox is verified

[Timer]
OnCalendar=PERIOD
RandomizedDelaySec=3600
Persistent=yes
";

/// Both units.
pub(super) fn emit(plan: &Plan, files: &mut Artifacts) -> Result<(), EmitError> {
    let (Some((program, period)), Some(timer)) = (&plan.verify, timer(plan)?) else { return Ok(()) };
    let mut service = header(plan);
    service.set(
        Section::Unit,
        "Description",
        Value::word(format!("Verification of the sandbox {}", plan.name)),
    )?;
    service.set(Section::Service, "Type", Value::word("oneshot"))?;
    // What is open although the plan says that it is closed makes it exit with 1, and so the unit fail.
    let line = ExecLine::new(program.clone(), ["verify", plan.name.as_str()]);
    service.set(Section::Service, "ExecStart", Value::Exec(vec![line]))?;
    // The period is one of three words, and the table of directives has none for timers, systemd.timer(5).
    let text = TIMER.replace("PERIOD", period.event());
    let name = timer.as_str();
    files.insert(format!("systemd/system/{name}"), text);
    files.insert(format!("systemd/system/{}", name.replace(".timer", ".service")), service.to_string());
    Ok(())
}
