//! What the network adds to the start of a service, on the testbed and with the programs as they are released.

use std::time::Duration;

use anyhow::{Context, Result};
use sandboxed_testbed::{Machine, Suite, Tree, install_missing};

use crate::bench::measure::{Contender, compare, medians};

/// Two services that differ in nothing but their networks, and one with a network of its own.
const UNIT: &[u8] =
    b"[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=exec\nUser=games\nExecStart=/bin/sleep infinity\n";
const SERVICES: [(&str, &str); 3] = [("filtered", "filtered"), ("bare", "filtered"), ("own", "private")];

/// Takes what concerns the network out of the drop-in of `bare`.
const BARE: &str = "cd /etc/systemd/system/bare.service.d
    sed -i -E '/^(RestrictAddressFamilies|IPAddressDeny)=/d; s/ --scope=abstract-unix-socket//
        s/ ?sandboxed-bare-filter.service//; /^(Requires|BindsTo|After)= *$/d' zz-sandboxed.conf
    systemctl daemon-reload";

/// Microseconds from the moment when the first of these units began to start to when the last was up, after all were down.
const FROM_FIRST_TO_LAST: &str = "import subprocess, sys
units = sys.argv[1:]
subprocess.run(['systemctl', 'stop', *units], check=True)
subprocess.run(['systemctl', 'start', units[-1]], check=True)
def times(name):
    show = ['systemctl', 'show', '--value', '--property=' + name, *units]
    return [int(time) for time in subprocess.run(show, check=True, capture_output=True).stdout.split()]
print(max(times('ActiveEnterTimestampMonotonic')) - min(times('InactiveExitTimestampMonotonic')))";

/// The same for a restart of one unit, from the moment when the old process was told to end.
const RESTART: &str = "import subprocess, sys
unit = sys.argv[1]
subprocess.run(['systemctl', 'restart', unit], check=True)
def time(name):
    show = ['systemctl', 'show', '--value', '--property=' + name, unit]
    return int(subprocess.run(show, check=True, capture_output=True).stdout)
print(time('ActiveEnterTimestampMonotonic') - time('InactiveExitTimestampMonotonic'))";

pub(super) fn run() -> Result<()> {
    let programs = crate::bench::released_programs()?;
    install_missing()?;
    let machine = Machine::boot(&Tree::base(Suite::Trixie)?)?;
    for program in ["sandboxed", "sandboxed-launch"] {
        machine.copy(&programs.join(program), &format!("/usr/local/bin/{program}"))?;
    }
    for (name, mode) in SERVICES {
        machine.write(&format!("/etc/systemd/system/{name}.service"), 0o644, UNIT)?;
        let policy = format!(
            r#"{{ "version": 1, "name": "{name}", "units": ["{name}.service"],
                "network": {{ "mode": "{mode}", "resolver": "servers", "nameServers": ["198.51.100.2"] }} }}"#
        );
        machine.write(&format!("/root/{name}.json"), 0o644, policy.as_bytes())?;
        machine.check(["sandboxed", "apply", &format!("/root/{name}.json")])?;
    }
    machine.script(BARE)?;
    let timed = |program: &str, units: &[&str]| -> Result<Duration> {
        let micros = machine.check(["python3", "-c", program].iter().chain(units))?;
        Ok(Duration::from_micros(micros.trim().parse().context("no number of microseconds")?))
    };
    let filter = ["sandboxed-filter.service", "sandboxed-filtered-filter.service"];
    let network = ["sandboxed-network.service", "sandboxed-own-network.service"];
    let first = medians(
        30,
        &mut [
            Contender::new("filtered", || timed(FROM_FIRST_TO_LAST, &filter)),
            Contender::new("private", || timed(FROM_FIRST_TO_LAST, &network)),
        ],
    )?;
    println!("\nnetwork's part of the first start on trixie (median of 30); the limit for filtered is 40 ms");
    for (name, time) in ["filtered", "private"].iter().zip(first) {
        println!("  {name:<42} {:>9.2} ms", time.as_secs_f64() * 1e3);
    }
    machine.script("systemctl start bare.service filtered.service own.service")?;
    compare(
        "restart on trixie, from the new start on; the limit is 5 ms over the one without a network's part",
        50,
        &mut [
            Contender::new("without what concerns the network", || timed(RESTART, &["bare.service"])),
            Contender::new("filtered", || timed(RESTART, &["filtered.service"])),
            Contender::new("a network of its own", || timed(RESTART, &["own.service"])),
        ],
    )
}
