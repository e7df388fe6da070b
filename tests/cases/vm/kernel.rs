//! The kernel itself: its modules and its log; and the control group that a filter looks for, with nothing above it.

use anyhow::{Result, ensure};
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Outcome};

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("kernel_is_out_of_reach", kernel),
    ("no_handler_of_core_dumps_is_started", dumps),
    ("filter_finds_its_group", group),
];

/// Root, so that nothing is refused for want of a privilege alone.
const POLICY: &str = r#"{ "version": 1, "name": "tried", "units": ["tried.service"],
    "accept": { "user-unprivileged": "what root cannot do, nobody can" } }"#;

/// Run a script by root's unit `tried.service`, in the sandbox or without it.
fn tried(machine: &Machine, script: &str) -> Result<Outcome> {
    machine.write("/usr/local/lib/tried.sh", 0o644, script.as_bytes())?;
    let outcome = machine.run(["systemctl", "start", "tried.service"])?;
    machine.run(["systemctl", "reset-failed", "tried.service"])?;
    Ok(outcome)
}

fn unit(machine: &Machine) -> Result<()> {
    let unit = "[Service]\nType=oneshot\nUser=root\nExecStart=/bin/bash -eu /usr/local/lib/tried.sh\n";
    machine.write("/etc/systemd/system/tried.service", 0o644, unit.as_bytes())?;
    machine.script("sandboxed remove tried || true; systemctl daemon-reload").map(drop)
}

fn sandboxed(machine: &Machine) -> Result<()> {
    machine.write("/etc/tried.json", 0o644, POLICY.as_bytes())?;
    sandbox::apply(machine, &["/etc/tried.json"])
}

/// Loading a module, and reading and writing the kernel's log: all of it works without the sandbox.
fn kernel(machine: &Machine) -> Result<()> {
    let attempts = [
        ("load a module", "/usr/sbin/modprobe dummy; test -d /sys/module/dummy; /usr/sbin/rmmod dummy"),
        ("read the log by syslog(2)", "/usr/bin/dmesg --syslog | grep -q Linux"),
        ("read the log by its device", "/usr/bin/dd if=/dev/kmsg bs=8192 count=1 | grep -q ."),
        ("write the log", "echo tried > /dev/kmsg"),
        ("empty the log", "/usr/bin/dmesg --clear"),
        ("set a tunable", "cat /proc/sys/kernel/panic > /proc/sys/kernel/panic"),
        ("trigger a key of the kernel's", "echo h > /proc/sysrq-trigger"),
    ];
    unit(machine)?;
    for (what, script) in attempts {
        // `dmesg --clear` comes after what reads.
        ensure!(tried(machine, script)?.success(), "without the sandbox it can't {what} either");
    }
    machine.script("echo something to read > /dev/kmsg")?;
    sandboxed(machine)?;
    for (what, script) in attempts {
        ensure!(!tried(machine, script)?.success(), "it can {what}");
    }
    ensure!(tried(machine, "true")?.success(), "nothing runs in the sandbox: {}", machine.journal("tried")?);
    machine.check(["sandboxed", "remove", "tried"]).map(drop)
}

/// A pipe in core_pattern, which a limit of 0 does not keep the kernel from: core(5).
fn dumps(machine: &Machine) -> Result<()> {
    let crash = "ulimit -c 0; bash -c 'kill -SEGV $$'";
    let handled = |machine: &Machine| -> Result<bool> {
        tried(machine, crash)?;
        let looked = machine.script(
            "for _ in {1..10}; do if [ -e /run/handled ]; then break; fi; sleep 0.5; done
             if [ -e /run/handled ]; then echo yes; fi; rm -f /run/handled",
        )?;
        Ok(looked.contains("yes"))
    };
    unit(machine)?;
    machine.write("/usr/local/bin/handler", 0o755, b"#!/bin/sh\nexec cat > /run/handled\n")?;
    let before = machine.read("/proc/sys/kernel/core_pattern")?;
    machine.script("echo '|/usr/local/bin/handler' > /proc/sys/kernel/core_pattern")?;
    ensure!(handled(machine)?, "without the sandbox the handler is not started either");
    sandboxed(machine)?;
    ensure!(!handled(machine)?, "the service has the host's handler started");
    machine.write("/usr/local/lib/pattern", 0o644, before.as_bytes())?;
    machine.script("cat /usr/local/lib/pattern > /proc/sys/kernel/core_pattern")?;
    machine.check(["sandboxed", "remove", "tried"]).map(drop)
}

/// The filter's rule names a level of the group's path. Here the path begins at the kernel's own root.
fn group(machine: &Machine) -> Result<()> {
    let knock = "exec 3<>/dev/tcp/127.0.0.1/80";
    unit(machine)?;
    machine.check(["systemctl", "start", "nginx.service"])?;
    ensure!(tried(machine, knock)?.success(), "nginx can't be reached at all");
    sandboxed(machine)?;
    ensure!(!tried(machine, knock)?.success(), "nginx can be reached from the sandbox");
    let map = machine.check(["nft", "list", "map", "inet", "sandboxed", "services"])?;
    ensure!(map.contains("\"sandboxed.slice/sandboxed-tried.slice\""), "no such group in the map:\n{map}");
    machine.check(["sandboxed", "remove", "tried"])?;
    machine.check(["systemctl", "stop", "nginx.service"]).map(drop)
}
