//! A sandbox that can no longer be kept: its service ends, whatever else fails, and stays so until the sandbox can be kept again.

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Outcome, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("refusal::holds_whatever_fails", holds_whatever_fails),
    Case::new("refusal::an_unknown_systemd_is_one", an_unknown_systemd_is_one),
    Case::new("refusal::neighbours_that_could_reach_each_other", neighbours_that_could_reach_each_other),
];

const BRIEF: &str = "[Service]\nType=exec\nUser=games\nExecStart=/bin/sleep infinity\n";
/// It comes back when it is killed.
const STUBBORN: &str =
    "[Service]\nType=exec\nUser=games\nRestart=always\nRestartSec=0\nExecStart=/bin/sleep infinity\n";
/// And this one cannot be stopped by its name either.
const OBSTINATE: &str = "[Unit]\nRefuseManualStop=yes\n";
/// It runs what no sandbox shows it.
const ELSEWHERE: &str = "[Service]\nUser=games\nExecStart=/srv/elsewhere/daemon\n";

/// No place to write to and a unit that does not let itself be stopped spare nobody.
fn holds_whatever_fails(suite: Suite) -> Result<()> {
    let machine =
        prepared(suite, &[("brief", BRIEF), ("stubborn", STUBBORN), ("loose", STUBBORN), ("other", BRIEF)])?;
    policy(&machine, "loose", r#""units": ["loose.service"]"#)?;
    policy(&machine, "pair", r#""units": ["stubborn.service", "brief.service"]"#)?;
    policy(&machine, "other", r#""units": ["other.service"]"#)?;
    sandbox::apply(&machine, &["--restart", "/root/pair.json", "/root/other.json"])?;
    machine.check(["sandboxed", "status"])?;
    // This one goes on outside of its slice, with which it could be stopped.
    machine.check(["systemctl", "start", "loose.service"])?;
    sandbox::apply(&machine, &["/root/loose.json"])?;

    // All are refused, as their commands are not in the sandbox any more.
    for name in ["stubborn", "loose"] {
        unit(&machine, name, &format!("{OBSTINATE}{STUBBORN}ExecStartPre=/srv/elsewhere/daemon\n"))?;
    }
    unit(&machine, "other", ELSEWHERE)?;
    machine
        .script("mount --bind /etc /etc && mount -o remount,bind,ro /etc && ! touch /etc/x 2>/dev/null")?;
    let refused = machine.run(["sandboxed", "apply", "--all"])?;
    ensure!(refused.status == Some(1), "exit status {:?}:\n{}", refused.status, refused.stderr);
    for name in ["brief", "stubborn", "loose", "other"] {
        ensure!(!runs(&machine, name)?, "{name} goes on:\n{}", refused.stderr);
        let start = machine.run(["systemctl", "start", &format!("{name}.service")])?;
        ensure!(!start.success(), "{name} can be started all the same:\n{}", refused.stderr);
    }
    for said in
        ["stubborn.service, brief.service stopped", "other.service stopped", "until the machine starts anew"]
    {
        ensure!(refused.stderr.contains(said), "it does not say `{said}`:\n{}", refused.stderr);
    }
    ensure!(!status(&machine)?.success(), "its status says nothing");

    // It is taken back by a sandbox that can be kept, and by one that goes.
    machine.script("umount /etc")?;
    unit(&machine, "stubborn", STUBBORN)?;
    let other = machine.run(["sandboxed", "apply", "--all", "--restart"])?;
    ensure!(other.status == Some(1), "{}", other.stderr);
    for name in ["brief", "stubborn"] {
        ensure!(runs(&machine, name)?, "{name} does not run again");
    }
    machine.check(["sandboxed", "status", "pair"])?;
    machine.check(["sandboxed", "remove", "other", "pair", "loose"])?;
    let left = machine
        .script("find /etc /run/systemd/system /run/sandboxed -name '*refused*' 2>/dev/null || true")?;
    ensure!(left.is_empty(), "left behind:\n{left}");
    Ok(())
}

/// What a systemd does that nobody knows is no sandbox.
fn an_unknown_systemd_is_one(suite: Suite) -> Result<()> {
    let machine = prepared(suite, &[("brief", BRIEF)])?;
    policy(&machine, "brief", r#""units": ["brief.service"]"#)?;
    sandbox::apply(&machine, &["--restart", "/root/brief.json"])?;

    machine.script(
        "mv /usr/bin/systemctl /root && printf '%s\n' '#!/bin/sh' '[ \"$1\" = --version ] && exec echo \"systemd 999 (999)\"' \
         'exec /root/systemctl \"$@\"' > /usr/bin/systemctl && chmod +x /usr/bin/systemctl",
    )?;
    let refused = machine.run(["sandboxed", "apply", "--all", "--restart"])?;
    ensure!(refused.status == Some(1) && !runs(&machine, "brief")?, "it goes on:\n{}", refused.stderr);
    ensure!(refused.stderr.contains("systemd 999 is newer than"), "{}", refused.stderr);
    ensure!(
        !machine.run(["systemctl", "start", "brief.service"])?.success(),
        "it can be started all the same"
    );
    let shown = machine.run(["systemctl", "status", "--no-pager", "--full", "brief.service"])?.stdout;
    ensure!(shown.contains("Refused by sandboxed: systemd 999 is newer than"), "{shown}");

    machine.script("mv /root/systemctl /usr/bin")?;
    machine.check(["sandboxed", "apply", "--all", "--restart"])?;
    ensure!(runs(&machine, "brief")?, "it does not run again");
    machine.check(["sandboxed", "status"])?;
    Ok(())
}

/// Where one service could put links in the way of what systemd binds for another, both are refused: when they are applied, and
/// when an upgrade makes it so.
fn neighbours_that_could_reach_each_other(suite: Suite) -> Result<()> {
    let machine = prepared(suite, &[("reader", BRIEF), ("writer", BRIEF)])?;
    machine.script("install -d -o games /srv/shared /srv/shared/inner /var/lib/inbox/inner")?;
    policy(
        &machine,
        "writer",
        r#""units": ["writer.service"], "filesystem": { "writable": ["/srv/shared"] }"#,
    )?;
    let reader =
        |path: &str| format!(r#""units": ["reader.service"], "filesystem": {{ "readable": ["{path}"] }}"#);
    policy(&machine, "reader", &reader("/srv/shared/inner"))?;
    sandbox::apply(&machine, &["/root/writer.json"])?;
    let refused = machine.run(["sandboxed", "apply", "/root/reader.json"])?;
    ensure!(
        !refused.success() && refused.stderr.contains("could make `/srv/shared/inner` a link"),
        "{}",
        refused.stderr
    );
    ensure!(!machine.run(["test", "-e", "/etc/sandboxed/reader"])?.success(), "it is installed all the same");

    // The whole of it they share on purpose.
    policy(&machine, "reader", &reader("/srv/shared"))?;
    let shared = machine.check(["sandboxed", "apply", "--restart", "/root/reader.json"])?;
    ensure!(shared.contains("note: the sandboxes `writer` and `reader` share `/srv/shared`"), "{shared}");

    policy(&machine, "reader", &reader("/var/lib/inbox/inner"))?;
    sandbox::apply(&machine, &["--restart", "/root/reader.json", "/root/writer.json"])?;
    unit(&machine, "writer", &format!("{BRIEF}StateDirectory=inbox\n"))?;
    let refused = machine.run(["sandboxed", "apply", "--all", "--restart"])?;
    ensure!(refused.status == Some(1), "{}", refused.stderr);
    for name in ["reader", "writer"] {
        ensure!(!runs(&machine, name)?, "{name} goes on:\n{}", refused.stderr);
    }
    unit(&machine, "writer", BRIEF)?;
    machine.check(["sandboxed", "apply", "--all", "--restart"])?;
    ensure!(runs(&machine, "reader")? && runs(&machine, "writer")?, "they do not run again");
    Ok(())
}

/// A machine with these units below /usr, where packages have theirs.
fn prepared(suite: Suite, units: &[(&str, &str)]) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    for (name, text) in units {
        unit(&machine, name, text)?;
    }
    Ok(machine)
}

fn unit(machine: &Machine, name: &str, text: &str) -> Result<()> {
    machine.write(&format!("/usr/lib/systemd/system/{name}.service"), 0o644, text.as_bytes())?;
    machine.check(["systemctl", "daemon-reload"]).map(drop)
}

fn policy(machine: &Machine, name: &str, rest: &str) -> Result<()> {
    let text = format!(r#"{{ "version": 1, "name": "{name}", {rest} }}"#);
    machine.write(&format!("/root/{name}.json"), 0o644, text.as_bytes())
}

fn runs(machine: &Machine, name: &str) -> Result<bool> {
    Ok(machine.run(["systemctl", "is-active", &format!("{name}.service")])?.success())
}

fn status(machine: &Machine) -> Result<Outcome> {
    machine.run(["sandboxed", "status"])
}
