//! What a service makes of PID 1 by its notifications: nothing in a sandbox, and all that it is meant to make of it.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use sandboxed_testbed::{Machine, Suite};

use super::mechanisms::sandboxed;
use super::{machine, property, until};

/// The services, as they are called below /usr/local/lib.
pub(super) const PROGRAMS: [(&str, &[u8]); 2] =
    [("loud.py", include_bytes!("loud.py")), ("proper.py", include_bytes!("proper.py"))];

/// What a hostile service has come to.
#[derive(Debug)]
struct Outcome {
    stopped: bool,
    forged: bool,
    /// Of PID 1's time, in hundredths of a second, in three seconds of a flood.
    ticks: u64,
}

/// Each attempt succeeds without a sandbox and fails within it.
pub(super) fn held_back(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    let plain = outcome(&machine, "Plain", &|text| {
        let unit = format!("[Service]\nUser=daemon\n{text}\n");
        machine.write("/run/systemd/system/launched.service", 0o644, unit.as_bytes())?;
        machine.check(["systemctl", "daemon-reload"]).map(drop)
    })?;
    ensure!(
        !plain.stopped && plain.forged && plain.ticks >= 30,
        "without a sandbox it fails too, so this shows nothing: {plain:?}"
    );
    let kept = outcome(&machine, "Sandboxed", &|text| {
        let refused = sandboxed(&machine, "launcher", text)?;
        ensure!(refused.is_none(), "refused: {refused:?}");
        Ok(())
    })?;
    ensure!(kept.stopped, "it cannot be stopped: {kept:?}");
    ensure!(!kept.forged, "PID 1 says what it said: {kept:?}");
    ensure!(kept.ticks * 4 < plain.ticks, "it takes PID 1's time: {kept:?} and without a sandbox {plain:?}");
    Ok(())
}

fn outcome(machine: &Machine, word: &str, install: &dyn Fn(&str) -> Result<()>) -> Result<Outcome> {
    let text = |what: &str| {
        format!(
            "Type=notify\nTimeoutStopSec=2\nExecStart=/usr/bin/python3 /usr/local/lib/loud.py {what} {word}"
        )
    };
    install(&text("stay"))?;
    machine.check(["systemctl", "start", "launched"])?;
    sleep(Duration::from_secs(1));
    let begun = Instant::now();
    machine.run(["timeout", "10", "systemctl", "stop", "launched"])?;
    let stopped = begun.elapsed() < Duration::from_secs(9);
    end(machine)?;
    let said = machine.check(["journalctl", "_PID=1", "--output=cat"])?;
    let forged = said.contains(&format!("{word} password for root"));
    install(&text("flood"))?;
    machine.check(["systemctl", "start", "launched"])?;
    // What the burst leaves has been read.
    sleep(Duration::from_secs(2));
    let before = ticks(machine)?;
    sleep(Duration::from_secs(3));
    let ticks = ticks(machine)? - before;
    // It ends by itself.
    sleep(Duration::from_secs(5));
    end(machine)?;
    Ok(Outcome { stopped, forged, ticks })
}

fn end(machine: &Machine) -> Result<()> {
    machine.run(["systemctl", "kill", "--signal=KILL", "launched"])?;
    until("its end", || Ok(matches!(property(machine, "ActiveState")?.as_str(), "failed" | "inactive")))?;
    machine.run(["systemctl", "reset-failed", "launched"]).map(drop)
}

/// The processor time of PID 1, proc_pid_stat(5).
fn ticks(machine: &Machine) -> Result<u64> {
    let stat = machine.read("/proc/1/stat")?;
    let (_, fields) = stat.rsplit_once(')').context("no name in it")?;
    let fields: Vec<u64> =
        fields.split_whitespace().skip(11).take(2).map(str::parse).collect::<Result<_, _>>()?;
    Ok(fields.iter().sum())
}

/// A service that says what it should say does all that it does without a sandbox.
pub(super) fn passed_on(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    let kind = match suite {
        // `notify-reload` is since 253.
        Suite::Bookworm => "Type=notify\nExecReload=/bin/kill -HUP $MAINPID",
        _ => "Type=notify-reload",
    };
    let text = format!(
        "{kind}\nWatchdogSec=2\nFileDescriptorStoreMax=4\nExecStart=/usr/bin/python3 /usr/local/lib/proper.py"
    );
    let refused = sandboxed(&machine, "launcher", &text)?;
    ensure!(refused.is_none(), "refused: {refused:?}");
    machine.check(["systemctl", "start", "launched"])?;
    ensure!(property(&machine, "StatusText")? == "new True", "{}", property(&machine, "StatusText")?);
    ensure!(property(&machine, "NFileDescriptorStore")? == "1", "systemd keeps nothing for it");
    sleep(Duration::from_secs(5));
    ensure!(property(&machine, "ActiveState")? == "active", "its watchdog ended it");
    for _ in 0..2 {
        machine.check(["systemctl", "reload", "launched"])?;
        until("reloaded", || Ok(property(&machine, "StatusText")? == "reloaded"))?;
        until("active", || Ok(property(&machine, "ActiveState")? == "active"))?;
    }
    machine.check(["systemctl", "restart", "launched"])?;
    let status = property(&machine, "StatusText")?;
    ensure!(status == "from before True", "what it left with systemd did not come back: {status}");
    machine.check(["systemctl", "stop", "launched"]).map(drop)
}
