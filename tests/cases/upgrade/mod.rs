//! After an upgrade of a service's package its sandbox is planned anew, without anybody asking for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("upgrade::replans", replans).on(&Suite::ALL),
    Case::new("upgrade::what_changes_meanwhile_is_followed", what_changes_meanwhile_is_followed),
];

const POLICY: &[u8] = br#"{ "version": 1, "name": "demo", "units": ["demo.service"] }"#;

/// The first release just runs.
const FIRST: &str = "Type=exec\nExecStart=/bin/sleep infinity";
/// The second tells systemd that it is ready: it needs systemd's socket, which the sandbox of the first did not show.
const SECOND: &str =
    "Type=notify\nNotifyAccess=all\nExecStart=/bin/bash -c 'systemd-notify --ready; exec sleep infinity'";
/// The third runs a program that its sandbox does not show, and which the policy does not name.
const THIRD: &str = "Type=exec\nExecStart=/srv/demo/daemon";

fn replans(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/srv/demo/daemon", 0o755, b"#!/bin/sh\nexec sleep infinity\n")?;
    machine.write("/etc/sandboxed/demo.json", 0o644, POLICY)?;

    upgrade(&machine, "demo", 1, FIRST)?;
    sandbox::apply(&machine, &["/etc/sandboxed/demo.json"])?;
    machine.check(["systemctl", "start", "demo.service"])?;
    ensure!(sandboxed(&machine)?, "the first release is not sandboxed");

    upgrade(&machine, "demo", 2, SECOND)?;
    eventually(&machine, "the plan does not follow the second release", || follows(&machine, "demo"))?;
    machine.check(["systemctl", "restart", "demo.service"])?;
    eventually(&machine, "the second release is not sandboxed", || sandboxed(&machine))?;

    upgrade(&machine, "demo", 3, THIRD)?;
    eventually(&machine, "the service goes on with a sandbox that can't be kept", || Ok(!active(&machine)?))?;
    ensure!(
        !machine.run(["systemctl", "start", "demo.service"])?.success(),
        "it can be started all the same"
    );
    let status = machine.run(["systemctl", "status", "--no-pager", "--full", "demo.service"])?.stdout;
    ensure!(
        status.contains("Refused by sandboxed: its sandbox can no longer be kept: ")
            && status.contains("`sandboxed status demo` says all"),
        "its status does not say why it does not run:\n{status}"
    );

    upgrade(&machine, "demo", 4, SECOND)?;
    eventually(&machine, "the service does not run again", || {
        Ok(machine.run(["systemctl", "start", "demo.service"])?.success())
    })?;
    eventually(&machine, "the fourth release is not sandboxed", || sandboxed(&machine))?;
    Ok(())
}

/// A package that changes while sandboxes are planned anew is followed too; and a service that takes its time to stop keeps no
/// other from its new sandbox.
fn what_changes_meanwhile_is_followed(suite: Suite) -> Result<()> {
    const SLOW: &str = "Type=exec\nExecStart=/bin/sleep infinity\nExecStop=/bin/sleep 15";
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    // In the order of their names the slow one comes first.
    for (name, service) in [("aaa", SLOW), ("demo", FIRST), ("late", FIRST)] {
        upgrade(&machine, name, 1, service)?;
        let policy = format!(r#"{{ "version": 1, "name": "{name}", "units": ["{name}.service"] }}"#);
        machine.write(&format!("/root/{name}.json"), 0o644, policy.as_bytes())?;
        sandbox::apply(&machine, &["--restart", &format!("/root/{name}.json")])?;
    }
    // What that set off is over.
    std::thread::sleep(Duration::from_secs(3));
    eventually(&machine, "it goes on planning", || {
        Ok(!machine
            .check(["systemctl", "show", "--property=ActiveState", "sandboxed-replan.service"])?
            .contains("activating"))
    })?;

    let stops = |machine: &Machine| -> Result<bool> {
        Ok(machine
            .check(["systemctl", "show", "--property=ActiveState", "aaa.service"])?
            .contains("deactivating"))
    };
    build(
        &machine,
        "aaa",
        2,
        "Type=notify\nNotifyAccess=all\nExecStop=/bin/sleep 15\n\
        ExecStart=/bin/bash -c 'systemd-notify --ready; exec sleep infinity'",
    )?;
    build(&machine, "demo", 2, SECOND)?;
    machine.check(["dpkg", "--install", "/root/aaa.deb", "/root/demo.deb"])?;
    eventually(&machine, "the slow one is not restarted", || stops(&machine))?;
    eventually(&machine, "another waits for the slow one", || {
        ensure!(stops(&machine)?, "another waited for the slow one");
        let main = machine.check(["systemctl", "show", "--value", "--property=Type", "demo.service"])?;
        Ok(follows(&machine, "demo")? && main.trim() == "notify" && active(&machine)?)
    })?;
    upgrade(&machine, "late", 2, SECOND)?;
    eventually(&machine, "what changed meanwhile is not followed", || follows(&machine, "late"))?;
    ensure!(stops(&machine)?, "what changed meanwhile waited for the slow one");
    // And the slow one comes to its end.
    eventually(&machine, "the slow one does not run again", || {
        let state = machine.check(["sandboxed", "status", "aaa"]);
        Ok(state.is_ok_and(|state| state.contains("aaa.service is active")))
    })
}

/// Whether the sandbox shows the second release the socket that it needs.
fn follows(machine: &Machine, name: &str) -> Result<bool> {
    let drop_in = machine.read(&format!("/etc/systemd/system/{name}.service.d/zz-sandboxed.conf"))?;
    Ok(drop_in.contains("/run/systemd/notify"))
}

/// Install a release of a package as apt does: dpkg, and the maintainer script that debhelper writes.
fn upgrade(machine: &Machine, name: &str, version: u32, service: &str) -> Result<()> {
    build(machine, name, version, service)?;
    machine.check(["dpkg", "--install", &format!("/root/{name}.deb")]).map(drop)
}

fn build(machine: &Machine, name: &str, version: u32, service: &str) -> Result<()> {
    let unit = format!("[Service]\nUser=games\n{service}\n");
    let control = format!(
        "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n\
         Description: a service to upgrade\n"
    );
    machine.write(&format!("/root/{name}/lib/systemd/system/{name}.service"), 0o644, unit.as_bytes())?;
    machine.write(&format!("/root/{name}/DEBIAN/control"), 0o644, control.as_bytes())?;
    machine.write(
        &format!("/root/{name}/DEBIAN/postinst"),
        0o755,
        b"#!/bin/sh\nsystemctl daemon-reload\n",
    )?;
    let (folder, package) = (format!("/root/{name}"), format!("/root/{name}.deb"));
    machine.check(["dpkg-deb", "--root-owner-group", "--build", &folder, &package]).map(drop)
}

fn active(machine: &Machine) -> Result<bool> {
    Ok(machine.run(["systemctl", "is-active", "demo.service"])?.success())
}

/// Whether it runs, and in its slice.
fn sandboxed(machine: &Machine) -> Result<bool> {
    let group = machine.check(["systemctl", "show", "--value", "--property=ControlGroup", "demo.service"])?;
    Ok(active(machine)? && group.trim() == "/sandboxed.slice/sandboxed-demo.slice/demo.service")
}

fn eventually(machine: &Machine, otherwise: &str, holds: impl Fn() -> Result<bool>) -> Result<()> {
    let mut patience = 120;
    while !holds()? {
        let journal = || machine.journal("sandboxed-replan.service").unwrap_or_default();
        ensure!(patience > 0, "{otherwise}:\n{}", journal());
        patience -= 1;
        std::thread::sleep(Duration::from_millis(500));
    }
    Ok(())
}
