//! What a service learns of the machine, and how much of its disk it takes: as a plain unit, and in its sandbox.

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] =
    &[Case::new("information::is_hidden", hidden), Case::new("information::disk_is_bounded", bounded)];

const POLICY: &str = r#"{ "version": 1, "name": "asked", "units": ["asked.service"],
    "filesystem": { "state": ["/var/lib/asked"], "temporarySize": "16M" },
    "resources": { "disk": "8M" } }"#;

/// Runs a script as the service; whether it succeeds.
fn succeeds(machine: &Machine, script: &str) -> Result<bool> {
    machine.write("/usr/local/lib/asked.sh", 0o644, script.as_bytes())?;
    let outcome = machine.run(["systemctl", "start", "asked.service"])?;
    machine.run(["systemctl", "reset-failed", "asked.service"])?;
    Ok(outcome.success())
}

fn plain(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    let unit = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nType=oneshot\nUser=daemon\nStateDirectory=asked\n\
                ExecStart=/bin/bash -eu /usr/local/lib/asked.sh\n";
    machine.write("/etc/systemd/system/asked.service", 0o644, unit.as_bytes())?;
    machine.write("/etc/asked.json", 0o644, POLICY.as_bytes())?;
    machine.script("systemctl daemon-reload")?;
    Ok(machine)
}

fn try_all(suite: Suite, forbidden: &[(&str, &str)], allowed: &[(&str, &str)]) -> Result<Machine> {
    let machine = plain(suite)?;
    for (what, script) in forbidden.iter().chain(allowed) {
        ensure!(succeeds(&machine, script)?, "without the sandbox it can't {what} either");
    }
    machine.script("rm -rf /var/lib/asked/* /tmp/asked")?;
    sandbox::apply(&machine, &["/etc/asked.json"])?;
    for (what, script) in forbidden {
        ensure!(!succeeds(&machine, script)?, "it can {what}");
    }
    for (what, script) in allowed {
        ensure!(succeeds(&machine, script)?, "it can't {what}: {}", machine.journal("asked.service")?);
    }
    Ok(machine)
}

fn hidden(suite: Suite) -> Result<()> {
    let machine = try_all(
        suite,
        &[
            ("read the boot's id", "read -r id < /proc/sys/kernel/random/boot_id"),
            ("read the load", "read -r load < /proc/loadavg"),
            ("read the partitions", "read -r line < /proc/partitions"),
            ("count interrupts", "read -r line < /proc/interrupts"),
            ("read the kernel's command line", "read -r line < /proc/cmdline"),
            ("list file systems", "test -e /proc/filesystems"),
            ("list disks", "ls -d /sys/block/*"),
            ("list what is on buses", "ls -d /sys/bus/*/devices/*"),
            ("list network interfaces", "ls -d /sys/class/net/*"),
            ("look into devices", "ls -d /sys/devices/virtual/*"),
            (
                "see other control groups",
                "test -e /sys/fs/cgroup/init.scope || test -e /sys/fs/cgroup/system.slice",
            ),
            ("see its own unit's name", "grep -q asked /proc/self/cgroup"),
        ],
        &[
            ("count processors", "test -e /sys/devices/system/cpu/online && nproc | grep -q '[1-9]'"),
            ("read its own control group", "test -e /sys/fs/cgroup/cgroup.procs"),
            ("see its own processes", "test -e /proc/self/status"),
        ],
    )?;
    let plan = machine.check(["sandboxed", "explain", "/etc/asked.json"])?;
    for left in ["mountinfo", "sysinfo(2)", "uname(2)"] {
        ensure!(plan.contains(left), "explain does not say that {left} is open:\n{plan}");
    }
    Ok(())
}

fn bounded(suite: Suite) -> Result<()> {
    let machine = try_all(
        suite,
        &[
            ("fill the disk", "head -c 16M /dev/zero > /var/lib/asked/file"),
            ("fill /tmp", "head -c 20M /dev/zero > /tmp/asked; head -c 20M /dev/zero > /tmp/more"),
            ("fill it with small files", "for i in {1..5}; do head -c 6M /dev/zero > /tmp/asked$i; done"),
        ],
        &[(
            "store what it may",
            "head -c 4M /dev/zero > /var/lib/asked/small; head -c 7M /dev/zero > /tmp/small",
        )],
    )?;
    let plan = machine.check(["sandboxed", "explain", "/etc/asked.json"])?;
    ensure!(plan.contains("each file is bounded"), "explain does not say what stays open:\n{plan}");
    Ok(())
}
