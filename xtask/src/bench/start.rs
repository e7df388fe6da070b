//! What a sandbox adds to the start of a unit.

use std::time::Duration;

use anyhow::{Context, Result};
use sandboxed_testbed::{Machine, Suite, Tree, install_missing};

use super::measure::{Contender, compare};

/// Starts a unit and tells how long that took, without the way into the machine.
const TIMED_START: &str = "import subprocess, sys, time
before = time.perf_counter()
subprocess.run(['systemctl', 'start', sys.argv[1]], check=True)
print(time.perf_counter() - before)";

const UNIT: &[u8] = b"[Service]\nType=oneshot\nUser=games\nExecStart=/bin/true\n";
const POLICY: &[u8] = br#"{ "version": 1, "name": "bench", "units": ["confined.service"] }"#;

pub(super) fn run() -> Result<()> {
    let programs = super::released_programs()?;
    install_missing()?;
    let machine = Machine::boot(&Tree::base(Suite::Trixie)?)?;
    for program in ["sandboxed", "sandboxed-launch"] {
        machine.copy(&programs.join(program), &format!("/usr/local/bin/{program}"))?;
    }
    machine.write("/etc/systemd/system/plain.service", 0o644, UNIT)?;
    machine.write("/etc/systemd/system/confined.service", 0o644, UNIT)?;
    machine.write("/etc/sandboxed/bench.json", 0o644, POLICY)?;
    machine.check(["systemctl", "daemon-reload"])?;
    machine.check(["sandboxed", "apply", "/etc/sandboxed/bench.json"])?;
    // The filter's helper stays up between the starts of a service.
    machine.check(["systemctl", "start", "sandboxed-bench-filter.service"])?;
    let start = |unit: &str| -> Result<Duration> {
        let seconds = machine.check(["python3", "-c", TIMED_START, unit])?;
        let seconds = seconds.trim().parse().context("no number of seconds")?;
        Ok(Duration::try_from_secs_f64(seconds)?)
    };
    compare(
        "start of a oneshot unit on trixie; the limit is 45 ms over the plain one",
        50,
        &mut [
            Contender::new("plain", || start("plain.service")),
            Contender::new("sandboxed", || start("confined.service")),
        ],
    )
}
