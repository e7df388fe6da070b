//! The real Synapse does all that its users need.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::matrix::{Client, wait_for_answer};
use sandboxed_cases::neighbour::{self, NEIGHBOUR};
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    // Without it a failure of the sandboxed one would say nothing about the sandbox.
    Case::new("synapse::plain", |suite| works(&start(suite)?)),
    Case::new("synapse::sandboxed", sandboxed),
    Case::new("synapse::private", private),
];

const UNIT: &str = "matrix-synapse.service";

/// A machine with Synapse's package installed, its reverse proxy and its neighbour up. Synapse itself is not.
fn start(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::synapse(suite)?)?;
    neighbour::connect(&machine)?;
    machine.check(["systemctl", "start", "nginx.service"])?;
    Ok(machine)
}

fn sandboxed(suite: Suite) -> Result<()> {
    let machine = start(suite)?;
    sandbox::install(&machine)?;
    sandbox::apply(&machine, &["--preset", "synapse"])?;
    works(&machine)
}

/// In a network of its own, behind the same proxy, which finds it at the same address.
fn private(suite: Suite) -> Result<()> {
    let machine = start(suite)?;
    sandbox::install(&machine)?;
    let policy =
        r#"{ "version": 1, "preset": "synapse", "network": { "mode": "private", "resolver": "none" } }"#;
    machine.write("/root/private.json", 0o644, policy.as_bytes())?;
    sandbox::apply(&machine, &["/root/private.json"])?;
    works(&machine)?;
    // systemd stops what nobody needs any more in its own time.
    let there = "ls -d /run/netns/sandboxed-* /sys/class/net/sb-* 2>/dev/null || true";
    let mut patience = 100;
    while !machine.script(there)?.is_empty() {
        let units = || machine.script("systemctl --no-pager status 'sandboxed-*' || true");
        ensure!(patience > 0, "its network outlives it:\n{}", units()?);
        patience -= 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok(())
}

/// Start Synapse, use it, restart, reload and stop it.
fn works(machine: &Machine) -> Result<()> {
    // systemd itself judges the stop: a unit that takes longer than this has failed.
    machine.write(
        "/run/systemd/system/matrix-synapse.service.d/stop.conf",
        0o644,
        b"[Service]\nTimeoutStopSec=10\n",
    )?;
    machine.check(["systemctl", "daemon-reload"])?;
    machine.check(["systemctl", "start", UNIT])?;
    wait_for_answer(machine)?;

    let alice = Client::register(machine, "alice")?;
    let bob = Client::register(machine, "bob")?;
    let room = alice.create_room()?;
    bob.join(&room)?;
    alice.say(&room, "good morning")?;
    let note = alice.upload("bread, milk")?;
    let read = |text: &str| -> Result<()> {
        let messages = bob.messages(&room)?;
        ensure!(messages.iter().any(|message| message == text), "{text:?} is not among {messages:?}");
        let downloaded = bob.download(&note)?;
        ensure!(downloaded == "bread, milk", "the upload came back as {downloaded:?}");
        Ok(())
    };
    read("good morning").context("before the restart")?;

    machine.check(["systemctl", "restart", UNIT])?;
    wait_for_answer(machine)?;
    read("good morning").context("after the restart")?;
    alice.say(&room, "good night")?;
    read("good night").context("after the restart")?;

    reloads(machine)?;
    federates(machine, &alice)?;
    stops(machine)
}

/// A reload reaches the running Synapse, and it stays the same process.
fn reloads(machine: &Machine) -> Result<()> {
    let (before, process) = (logged(machine, "Reloaded log config")?, property(machine, "MainPID")?);
    machine.check(["systemctl", "reload", UNIT])?;
    // The signal is handled in Synapse's own time.
    let mut patience = 100;
    while logged(machine, "Reloaded log config")? == before {
        ensure!(patience > 0, "Synapse did not notice the reload");
        patience -= 1;
        std::thread::sleep(Duration::from_millis(100));
    }
    ensure!(property(machine, "MainPID")? == process, "the reload made another process");
    wait_for_answer(machine).context("after the reload")
}

/// Synapse asks another homeserver, over HTTPS on another computer, for a profile.
fn federates(machine: &Machine, client: &Client<'_>) -> Result<()> {
    machine.write("/root/homeserver.py", 0o644, include_bytes!("homeserver.py"))?;
    machine.check([
        "systemd-run",
        "--quiet",
        "--unit=neighbour",
        "--property=Type=notify",
        "--property=NetworkNamespacePath=/run/netns/neighbour",
        "python3",
        "/root/homeserver.py",
        NEIGHBOUR,
    ])?;
    let name =
        client.display_name(&format!("@carol:{NEIGHBOUR}:8448")).context("asking the other homeserver")?;
    ensure!(name == "Carol Next Door", "the other homeserver's user shows as {name:?}");
    Ok(())
}

/// Synapse ends by itself when asked to, in time, and has done what it does at its end.
fn stops(machine: &Machine) -> Result<()> {
    let before = logged(machine, "Shutting down...")?;
    machine.check(["systemctl", "stop", UNIT])?;
    // The unit is unloaded once it is inactive, and its properties with it; the journal stays.
    let journal = machine.journal(UNIT)?;
    ensure!(journal.contains("Deactivated successfully"), "it did not stop well:\n{journal}");
    for sign in ["timed out", "SIGKILL", "Failed with result"] {
        ensure!(!journal.contains(sign), "{sign}:\n{journal}");
    }
    ensure!(logged(machine, "Shutting down...")? == before + 1, "Synapse's log does not tell of a shutdown");
    Ok(())
}

/// How often Synapse's log says `what`.
fn logged(machine: &Machine, what: &str) -> Result<usize> {
    Ok(machine.read("/var/log/matrix-synapse/homeserver.log")?.matches(what).count())
}

fn property(machine: &Machine, name: &str) -> Result<String> {
    let value = machine.check(["systemctl", "show", "--value", "--property", name, UNIT])?;
    Ok(value.trim().to_owned())
}
