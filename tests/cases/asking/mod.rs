//! What a unit asks systemd for by itself, systemd would give it before the sandbox closes: it is not given.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("asking::precedence_is_taken_back", precedence_is_taken_back),
    Case::new("asking::secrets_are_those_of_the_policy", secrets_are_those_of_the_policy),
    Case::new("asking::a_line_of_output_is_no_message", a_line_of_output_is_no_message),
    Case::new("asking::what_all_have_together_is_left_to_them", what_all_have_together_is_left_to_them),
    Case::new("asking::output_goes_where_the_policy_says", output_goes_where_the_policy_says),
    Case::new("asking::a_failure_does_not_end_the_machine", a_failure_does_not_end_the_machine),
    Case::new("asking::a_lost_unit_does_not_stop_the_others", a_lost_unit_does_not_stop_the_others),
];

const POLICY: &[u8] = br#"{ "version": 1, "name": "asking", "units": ["asking.service"] }"#;

fn prepared(suite: Suite, lines: &str) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/etc/systemd/system/asking.service", 0o644, lines.as_bytes())?;
    machine.write("/root/asking.json", 0o644, POLICY)?;
    machine.check(["systemctl", "daemon-reload"])?;
    Ok(machine)
}

fn precedence_is_taken_back(suite: Suite) -> Result<()> {
    let machine = prepared(
        suite,
        "[Service]\nType=exec\nUser=games\nNice=-15\nOOMScoreAdjust=-900\nIOSchedulingClass=realtime\n\
         ExecStart=/bin/sleep infinity\n",
    )?;
    let given = || {
        machine.script(
            "pid=$(systemctl show --value --property=MainPID asking.service)
             for child in $pid $(cat /proc/$pid/task/$pid/children); do pid=$child; done
             echo \"nice $(cut -d' ' -f19 /proc/$pid/stat), spared $(cat /proc/$pid/oom_score_adj), disks $(ionice -p $pid)\"",
        )
    };
    machine.check(["systemctl", "start", "asking.service"])?;
    let before = given()?;
    // (A container cannot lower the score of its processes, so only what the sandbox leaves is looked at.)
    ensure!(
        before.contains("nice -15, ") && before.contains(", disks realtime"),
        "without a sandbox: {before}"
    );
    sandbox::apply(&machine, &["--restart", "/root/asking.json"])?;
    let after = given()?;
    ensure!(after.contains("nice 0, spared 0, disks best-effort"), "in its sandbox: {after}");
    Ok(())
}

fn secrets_are_those_of_the_policy(suite: Suite) -> Result<()> {
    let machine = prepared(
        suite,
        "[Service]\nType=oneshot\nUser=games\nLoadCredential=key:/root/key\n\
         ExecStart=/bin/sh -c 'cat \"$CREDENTIALS_DIRECTORY/key\"'\n",
    )?;
    machine.write("/root/key", 0o600, b"of another service")?;
    machine.check(["systemctl", "start", "asking.service"])?;
    sandbox::apply(&machine, &["/root/asking.json"])?;
    let outcome = machine.run(["systemctl", "start", "asking.service"])?;
    ensure!(!outcome.success(), "it has read a credential that its policy does not name");
    let named = String::from_utf8_lossy(POLICY)
        .replace("] }", r#"], "secrets": { "credentials": { "key": "/root/key" } } }"#);
    machine.write("/root/asking.json", 0o644, named.as_bytes())?;
    sandbox::apply(&machine, &["/root/asking.json"])?;
    machine.check(["systemctl", "start", "asking.service"])?;
    Ok(())
}

/// `<0>` before a line makes it a message to every terminal, sd-daemon(3).
fn a_line_of_output_is_no_message(suite: Suite) -> Result<()> {
    let machine =
        prepared(suite, "[Service]\nType=oneshot\nUser=games\nExecStart=/bin/echo '<0>to every terminal'\n")?;
    let priority = || {
        machine.check(["systemctl", "start", "asking.service"])?;
        // Found by its words: of a process that has ended the journal may not know the name any more.
        machine.script(
            "journalctl --sync
             journalctl --quiet --output=json --output-fields=PRIORITY,MESSAGE | grep 'to every terminal\"' | tail -n 1",
        )
    };
    let before = priority()?;
    ensure!(before.contains(r#""PRIORITY":"0""#), "without a sandbox: {before}");
    sandbox::apply(&machine, &["/root/asking.json"])?;
    let after = priority()?;
    ensure!(after.contains(r#""PRIORITY":"6""#) && after.contains("<0>"), "in its sandbox: {after}");
    Ok(())
}

/// Asynchronous reads and writes count against one limit of the whole machine, io_setup(2).
fn what_all_have_together_is_left_to_them(suite: Suite) -> Result<()> {
    let machine = prepared(
        suite,
        "[Service]\nType=oneshot\nUser=games\nExecStart=/usr/bin/python3 /usr/local/lib/aio.py\n",
    )?;
    machine.write("/usr/local/lib/aio.py", 0o644, include_bytes!("aio.py"))?;
    machine.check(["systemctl", "start", "asking.service"])?;
    let policy = String::from_utf8_lossy(POLICY)
        .replace("] }", r#"], "filesystem": { "readable": ["/usr/local/lib"] } }"#);
    machine.write("/root/asking.json", 0o644, policy.as_bytes())?;
    sandbox::apply(&machine, &["/root/asking.json"])?;
    let outcome = machine.run(["systemctl", "start", "asking.service"])?;
    ensure!(!outcome.success(), "it has taken from what all have together");
    let status =
        machine.check(["systemctl", "show", "--value", "--property=ExecMainStatus", "asking.service"])?;
    ensure!(status.trim() == "101", "not EPERM: {status}");
    Ok(())
}

/// systemd opens files for standard output as root, wherever they are.
fn output_goes_where_the_policy_says(suite: Suite) -> Result<()> {
    let machine = prepared(
        suite,
        "[Service]\nType=oneshot\nUser=games\nStandardOutput=truncate:/etc/of-root\nExecStart=/bin/echo mine\n",
    )?;
    machine.check(["systemctl", "start", "asking.service"])?;
    ensure!(machine.check(["cat", "/etc/of-root"])?.trim() == "mine", "without a sandbox it is not written");
    let refused = machine.run(["sandboxed", "apply", "/root/asking.json"])?;
    ensure!(!refused.success() && refused.stderr.contains("StandardOutput="), "{}", refused.stderr);
    Ok(())
}

fn a_failure_does_not_end_the_machine(suite: Suite) -> Result<()> {
    let unit = "[Unit]\nFailureAction=poweroff-immediate\n[Service]\nUser=games\nExecStart=/bin/false\n";
    let machine = prepared(suite, unit)?;
    sandbox::apply(&machine, &["/root/asking.json"])?;
    let _ = machine.run(["systemctl", "start", "asking.service"])?;
    ensure!(!ends(&machine, Duration::from_secs(5)), "a failure in its sandbox ended the machine");
    machine.check(["systemctl", "is-failed", "asking.service"])?;

    let machine = prepared(suite, unit)?;
    let _ = machine.run(["systemctl", "start", "--no-block", "asking.service"]);
    ensure!(ends(&machine, Duration::from_secs(60)), "a failure without a sandbox did not end the machine");
    Ok(())
}

/// Whether the machine ends within this time.
fn ends(machine: &Machine, within: Duration) -> bool {
    let deadline = Instant::now() + within;
    while Instant::now() < deadline {
        if !machine.run(["true"]).is_ok_and(|outcome| outcome.success()) {
            return true;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
    false
}

/// A sandbox whose unit is gone is told of, and stands in nobody's way.
fn a_lost_unit_does_not_stop_the_others(suite: Suite) -> Result<()> {
    let machine = prepared(suite, "[Service]\nUser=games\nExecStart=/bin/sleep infinity\n")?;
    sandbox::apply(&machine, &["/root/asking.json"])?;
    machine.check(["mv", "/etc/systemd/system/asking.service", "/etc/systemd/system/other.service"])?;
    let other = String::from_utf8_lossy(POLICY).replace("asking", "other");
    machine.write("/root/other.json", 0o644, other.as_bytes())?;
    machine.check(["systemctl", "daemon-reload"])?;
    sandbox::apply(&machine, &["--restart", "/root/other.json"])?;
    machine.check(["systemctl", "is-active", "other.service"])?;
    let status = machine.run(["sandboxed", "status"])?;
    ensure!(status.status == Some(1), "status: {:?}\n{}{}", status.status, status.stdout, status.stderr);
    ensure!(status.stdout.contains("other: as planned"), "{}", status.stdout);
    ensure!(status.stdout.contains("asking: not as planned"), "{}", status.stdout);
    Ok(())
}
