//! What only a machine with a kernel of its own can show: limits that bite, control groups with nothing above them, the
//! kernel's log and modules. One virtual machine is booted for all of it; `cargo xtask vm` runs it:
//!
//! ```text
//! SANDBOXED_VM=1 cargo test -p sandboxed-cases --test vm
//! ```

mod kernel;
mod limits;
mod synapse;

use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Result, anyhow};
use libtest_mimic::{Arguments, Failed, Trial};
use sandboxed_cases::{harness, sandbox};
use sandboxed_testbed::{Machine, Suite, Tree, why_no_vm};

/// A name and what shows it.
type Case = (&'static str, fn(&Machine) -> Result<()>);

/// Synapse comes last: it leaves a sandbox behind.
const CASES: &[&[Case]] = &[kernel::CASES, limits::CASES, synapse::CASES];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // They share a machine, and measure what one does to it.
    arguments.test_threads = Some(1);
    let reason = reason_to_skip();
    let machine: Arc<Mutex<Option<Machine>>> = Arc::default();
    let trials = CASES.iter().flat_map(|cases| cases.iter()).map(|&(name, run)| {
        let name = format!("vm::{name}");
        if let Some(reason) = &reason {
            eprintln!("skipped {name}: {reason}");
        }
        let machine = Arc::clone(&machine);
        let trial = move || {
            let mut machine = machine.lock().unwrap_or_else(PoisonError::into_inner);
            on(&mut machine, run).map_err(|error| Failed::from(harness::explain(&error)))
        };
        Trial::test(name, trial).with_ignored_flag(reason.is_some())
    });
    let trials = trials.collect();
    let code = libtest_mimic::run(&arguments, trials).exit_code();
    // Here, and not when the process ends: what is static is never dropped.
    drop(machine.lock().unwrap_or_else(PoisonError::into_inner).take());
    code
}

fn on(machine: &mut Option<Machine>, run: fn(&Machine) -> Result<()>) -> Result<()> {
    if machine.is_none() {
        let booted = Machine::boot_vm(&Tree::synapse(Suite::Trixie)?.with_kernel()?)?;
        sandbox::install_stripped(&booted)?;
        *machine = Some(booted);
    }
    run(machine.as_ref().ok_or_else(|| anyhow!("no machine"))?)
}

fn reason_to_skip() -> Option<String> {
    if std::env::var_os("SANDBOXED_VM").is_none() {
        return Some("run by `cargo xtask vm`, or with SANDBOXED_VM=1".to_owned());
    }
    why_no_vm()
}
