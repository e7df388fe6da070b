//! Where a part of the sandbox is missing, the service does not run, and `systemctl status` says why.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("fail_closed::nft_missing", nft_missing).on(&Suite::ALL),
    Case::new("fail_closed::rules_missing", rules_missing).on(&Suite::ALL),
    Case::new("fail_closed::helper_failing", helper_failing).on(&Suite::ALL),
    Case::new("fail_closed::table_deleted", table_deleted).on(&Suite::ALL),
    Case::new("fail_closed::ruleset_flushed", ruleset_flushed).on(&Suite::ALL),
    Case::new("fail_closed::owner_killed", owner_killed),
    Case::new("fail_closed::no_controllers", no_controllers).on(&Suite::ALL),
    Case::new("fail_closed::no_mount_namespaces", no_mount_namespaces).on(&Suite::ALL),
];

const SERVICE: &str = "guarded.service";
const HELPER: &str = "sandboxed-guarded-filter.service";
/// Owns the table.
const HOLDER: &str = "sandboxed-filter.service";

const UNIT: &[u8] = b"[Service]\nType=exec\nUser=games\nExecStart=/bin/sleep infinity\n";
const POLICY: &[u8] = br#"{ "version": 1, "name": "guarded", "units": ["guarded.service"] }"#;

fn nft_missing(suite: Suite) -> Result<()> {
    let machine = guarded(suite)?;
    machine.script("mv /usr/sbin/nft /usr/sbin/nft.away")?;
    refuses_to_start(&machine, "/usr/sbin/nft")
}

fn rules_missing(suite: Suite) -> Result<()> {
    let machine = guarded(suite)?;
    machine.script("rm /etc/nftables/sandboxed*.nft")?;
    refuses_to_start(&machine, "nft")
}

fn helper_failing(suite: Suite) -> Result<()> {
    let machine = guarded(suite)?;
    let failing = b"[Service]\nExecStart=\nExecStart=/bin/false\n";
    machine.write(&format!("/etc/systemd/system/{HELPER}.d/zzz.conf"), 0o644, failing)?;
    machine.check(["systemctl", "daemon-reload"])?;
    refuses_to_start(&machine, "status=1/FAILURE")
}

fn table_deleted(suite: Suite) -> Result<()> {
    loses_its_filter(suite, &["nft", "delete", "table", "inet", "sandboxed"])
}

fn ruleset_flushed(suite: Suite) -> Result<()> {
    loses_its_filter(suite, &["nft", "flush", "ruleset"])
}

/// The table goes with its owner, and the service with the table.
fn owner_killed(suite: Suite) -> Result<()> {
    let machine = guarded(suite)?;
    for _ in 0..8 {
        machine.check(["systemctl", "start", SERVICE])?;
        ensure!(filtered(&machine)?, "it was started without its filter");
        machine.check(["systemctl", "kill", "--signal=KILL", HOLDER])?;
        let deadline = Instant::now() + Duration::from_secs(30);
        // As soon as it has ended it is started again: the table may have its owner still.
        while machine.run(["pgrep", "--exact", "sleep"])?.success() {
            ensure!(Instant::now() < deadline, "the service runs without the owner of its filter");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    Ok(())
}

/// Where systemd can't make mount namespaces, as in many containers, it skips every `Protect*` and `Private*` directive
/// of a unit without a word.
fn no_mount_namespaces(suite: Suite) -> Result<()> {
    let by = ["/usr/bin/python3", "-c", include_str!("without_mount_namespaces.py")];
    let machine = Machine::boot_by(&Tree::base(suite)?, &by)?;
    let open = b"[Service]\nType=oneshot\nProtectSystem=strict\nExecStart=/bin/touch /usr/written\n";
    machine.write("/etc/systemd/system/open.service", 0o644, open)?;
    prepare(&machine)?;
    // It is such a machine: what systemd was told to keep read-only was written.
    machine.check(["systemctl", "start", "open.service"])?;
    machine.check(["test", "-e", "/usr/written"])?;
    refuses_to_start(&machine, "namespac")
}

/// Without a controller systemd takes the limits and leaves them out without a word; the machines of the testbed are such.
fn no_controllers(suite: Suite) -> Result<()> {
    let machine = guarded(suite)?;
    machine.check(["sandboxed", "remove", "guarded"])?;
    sandbox::own_controllers(&machine)?;
    let limited = ["systemd-run", "--wait", "--property=MemoryMax=1", "--property=MemorySwapMax=0", "true"];
    machine.check(limited)?;
    for (found, lacking) in
        [("cpu io pids", "`memory-limited`"), ("cpu io memory", "`tasks-limited`"), ("", "`memory-limited`")]
    {
        machine.script(&format!(
            "echo {found} >/run/some; mount --bind /run/some /sys/fs/cgroup/cgroup.controllers"
        ))?;
        let applied = machine.run(["sandboxed", "apply", "/etc/sandboxed/guarded.json"])?;
        ensure!(applied.status == Some(1), "it is applied with {found:?}");
        ensure!(applied.stderr.contains(lacking), "it does not say {lacking}: {}", applied.stderr);
        machine.script("umount /sys/fs/cgroup/cgroup.controllers")?;
    }
    // cgroup v1 has no such file.
    machine.script("mount -t tmpfs tmpfs /sys/fs/cgroup")?;
    let applied = machine.run(["sandboxed", "apply", "/etc/sandboxed/guarded.json"])?;
    ensure!(!applied.success() && applied.stderr.contains("not unified"), "it says: {}", applied.stderr);
    let drop_in = format!("/etc/systemd/system/{SERVICE}.d/zz-sandboxed.conf");
    ensure!(!machine.run(["test", "-e", &drop_in])?.success(), "there is a sandbox that holds in part");
    machine.script("umount /sys/fs/cgroup")?;
    sandbox::pretend_controllers(&machine)?;
    sandbox::apply(&machine, &["/etc/sandboxed/guarded.json"])
}

/// A machine with a sandboxed service that has run, so that what keeps it from running again is what the case breaks.
fn guarded(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    prepare(&machine)?;
    machine.check(["systemctl", "start", SERVICE])?;
    machine.check(["systemctl", "is-active", SERVICE])?;
    machine.check(["systemctl", "stop", SERVICE, HELPER, HOLDER])?;
    Ok(machine)
}

fn prepare(machine: &Machine) -> Result<()> {
    machine.write(&format!("/etc/systemd/system/{SERVICE}"), 0o644, UNIT)?;
    machine.write("/etc/sandboxed/guarded.json", 0o644, POLICY)?;
    machine.check(["systemctl", "daemon-reload"])?;
    sandbox::install(machine)?;
    sandbox::apply(machine, &["/etc/sandboxed/guarded.json"])
}

/// The service can't be started, nothing of it runs, and the status of it or of its helper says `reason`.
fn refuses_to_start(machine: &Machine, reason: &str) -> Result<()> {
    let started = machine.run(["systemctl", "start", SERVICE])?;
    let status =
        machine.run(["systemctl", "status", "--no-pager", "--full", SERVICE, HELPER, HOLDER])?.stdout;
    ensure!(!started.success(), "it was started:\n{status}");
    ensure!(
        machine.run(["systemctl", "is-active", SERVICE])?.stdout.trim() != "active",
        "it runs:\n{status}"
    );
    ensure!(machine.run(["pgrep", "--exact", "sleep"])?.stdout.is_empty(), "its process runs:\n{status}");
    ensure!(status.contains(reason), "the status does not tell of {reason:?}:\n{status}");
    Ok(())
}

/// After `loss`, either the filter is there again or the service is gone: no state in between lasts.
fn loses_its_filter(suite: Suite, loss: &[&str]) -> Result<()> {
    let machine = guarded(suite)?;
    machine.check(["systemctl", "start", SERVICE])?;
    ensure!(filtered(&machine)?, "it is not filtered to begin with");
    // A table that belongs to a resident process can't be taken away at all: then this fails, and all is well.
    machine.run(loss)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while machine.run(["systemctl", "is-active", SERVICE])?.success() && !filtered(&machine)? {
        ensure!(Instant::now() < deadline, "the service runs without its filter");
        std::thread::sleep(Duration::from_millis(200));
    }
    Ok(())
}

/// Whether the filter knows the service's slice, which `nft` prints by its path only while the rule still matches it.
fn filtered(machine: &Machine) -> Result<bool> {
    let map = machine.run(["nft", "list", "map", "inet", "sandboxed", "services"])?;
    Ok(map.stdout.contains("sandboxed.slice/sandboxed-guarded.slice"))
}
