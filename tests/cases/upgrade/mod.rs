//! After an upgrade of a service's package its sandbox is planned anew, without anybody asking for it.

use std::time::Duration;

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[Case::new("upgrade::replans", replans).on(&Suite::ALL)];

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

    upgrade(&machine, 1, FIRST)?;
    sandbox::apply(&machine, &["/etc/sandboxed/demo.json"])?;
    machine.check(["systemctl", "start", "demo.service"])?;
    ensure!(sandboxed(&machine)?, "the first release is not sandboxed");

    upgrade(&machine, 2, SECOND)?;
    eventually(&machine, "the plan does not follow the second release", || {
        Ok(machine
            .read("/etc/systemd/system/demo.service.d/zz-sandboxed.conf")?
            .contains("/run/systemd/notify"))
    })?;
    machine.check(["systemctl", "restart", "demo.service"])?;
    eventually(&machine, "the second release is not sandboxed", || sandboxed(&machine))?;

    upgrade(&machine, 3, THIRD)?;
    eventually(&machine, "the service goes on with a sandbox that can't be kept", || Ok(!active(&machine)?))?;
    ensure!(
        !machine.run(["systemctl", "start", "demo.service"])?.success(),
        "it can be started all the same"
    );
    let status = machine.run(["systemctl", "status", "--no-pager", "--full", "demo.service"])?.stdout;
    ensure!(
        status.contains("Refused by sandboxed: its sandbox can no longer be kept"),
        "its status does not say why it does not run:\n{status}"
    );

    upgrade(&machine, 4, SECOND)?;
    eventually(&machine, "the service does not run again", || {
        Ok(machine.run(["systemctl", "start", "demo.service"])?.success())
    })?;
    eventually(&machine, "the fourth release is not sandboxed", || sandboxed(&machine))?;
    Ok(())
}

/// Install a release of the package as apt does: dpkg, and the maintainer script that debhelper writes.
fn upgrade(machine: &Machine, version: u32, service: &str) -> Result<()> {
    let unit = format!("[Service]\nUser=games\n{service}\n");
    let control = format!(
        "Package: demo\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\n\
         Description: a service to upgrade\n"
    );
    machine.write("/root/demo/lib/systemd/system/demo.service", 0o644, unit.as_bytes())?;
    machine.write("/root/demo/DEBIAN/control", 0o644, control.as_bytes())?;
    machine.write("/root/demo/DEBIAN/postinst", 0o755, b"#!/bin/sh\nsystemctl daemon-reload\n")?;
    machine.script(
        "dpkg-deb --root-owner-group --build /root/demo /root/demo.deb && dpkg --install /root/demo.deb",
    )?;
    Ok(())
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
