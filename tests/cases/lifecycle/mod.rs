//! What `apply` puts in force, `status` watches, and `remove` takes away without a trace.

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("lifecycle::remove_leaves_no_trace", remove_leaves_no_trace),
    Case::new("lifecycle::apply_stops_nothing", apply_stops_nothing),
    Case::new("lifecycle::status_notices_drift", status_notices_drift),
    Case::new("lifecycle::a_failed_apply_is_finished_by_the_next", a_failed_apply_is_finished_by_the_next),
    Case::new("lifecycle::refusals_change_nothing", refusals_change_nothing),
    Case::new("lifecycle::one_at_a_time", one_at_a_time),
    Case::new("lifecycle::one_that_fails_keeps_no_other", one_that_fails_keeps_no_other),
    Case::new("lifecycle::templates_are_their_instances", templates_are_their_instances),
    Case::new("lifecycle::an_instance_for_each_call", an_instance_for_each_call),
];

const UNIT: &[u8] = b"[Service]\nType=exec\nUser=games\nExecStart=/bin/sleep infinity\n";
const POLICY: &[u8] = br#"{ "version": 1, "name": "brief", "units": ["brief.service"] }"#;

fn remove_leaves_no_trace(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.check(["systemctl", "start", "brief.service"])?;
    let before = traces(&machine)?;

    sandbox::apply(&machine, &["--restart", "/root/brief.json"])?;
    let sandboxed = traces(&machine)?;
    for sign in ["sandboxed-brief.slice", "table inet sandboxed", "/sandboxed.slice/sandboxed-brief.slice"] {
        ensure!(sandboxed.contains(sign) && !before.contains(sign), "no {sign} in:\n{sandboxed}");
    }

    machine.check(["sandboxed", "remove", "brief"])?;
    machine.check(["systemctl", "is-active", "brief.service"])?;
    let after = traces(&machine)?;
    ensure!(after == before, "before:\n{before}\nafter:\n{after}");
    Ok(())
}

/// Without `--restart` a running service goes on as it is, and is in its sandbox from its next start on.
fn apply_stops_nothing(suite: Suite) -> Result<()> {
    for network in ["filtered", "private", "none"] {
        let machine = prepared(suite)?;
        machine.check(["systemctl", "start", "brief.service"])?;
        let main = |machine: &Machine| {
            machine.check([
                "systemctl",
                "show",
                "--property=ActiveState,MainPID,ControlGroup",
                "brief.service",
            ])
        };
        let before = main(&machine)?;
        let policy = String::from_utf8_lossy(POLICY)
            .replace('}', &format!(r#", "network": {{ "mode": "{network}" }} }}"#));
        machine.write("/root/brief.json", 0o644, policy.as_bytes())?;
        let applied = machine.run(["sandboxed", "apply", "/root/brief.json"])?;
        ensure!(applied.success(), "{}", applied.stderr);
        let outside = "brief.service runs outside of its sandbox until it is restarted";
        ensure!(applied.stderr.contains(outside), "it does not say so:\n{}", applied.stderr);
        std::thread::sleep(std::time::Duration::from_secs(1));
        let after = main(&machine)?;
        // One cause is one thing that is amiss; and who may not look does not say that something is.
        let status = machine.run(["sandboxed", "status"])?.stdout;
        ensure!(status.matches("\n  ! ").count() == 1, "{status}");
        let anybody = machine.run(["setpriv", "--reuid=65534", "--clear-groups", "sandboxed", "status"])?;
        ensure!(anybody.status == Some(2) && anybody.stdout.is_empty(), "{}", anybody.stdout);
        ensure!(after == before, "{network}: before:\n{before}\nafter:\n{after}");
        machine.check(["systemctl", "restart", "brief.service"])?;
        ensure!(
            main(&machine)?.contains("sandboxed-brief.slice"),
            "{network}: not in its sandbox after a restart"
        );
    }
    Ok(())
}

fn status_notices_drift(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    sandbox::apply(&machine, &["/root/brief.json"])?;
    machine.check(["systemctl", "start", "brief.service"])?;
    machine.check(["sandboxed", "status"])?;

    // The machine is sound again after each: what is noticed is this change and no other.
    let drop_in = "/etc/systemd/system/brief.service.d";
    let drifts = [
        (
            "a changed drop-in",
            format!(
                "cp {drop_in}/zz-sandboxed.conf /root && echo PrivateIPC=no >> {drop_in}/zz-sandboxed.conf"
            ),
            format!("mv /root/zz-sandboxed.conf {drop_in}"),
        ),
        (
            "a later drop-in",
            format!("printf '[Service]\\nPrivateUsers=no\\n' > {drop_in}/zzzz.conf"),
            format!("rm {drop_in}/zzzz.conf"),
        ),
        (
            "other limits of the slice",
            "systemctl set-property sandboxed-brief.slice MemoryMax=infinity".to_owned(),
            "rm -r /etc/systemd/system.control; systemctl daemon-reload".to_owned(),
        ),
        (
            "other ports",
            "sandboxed filter sockets sandboxed.slice/sandboxed-brief.slice --hold-ports --port=tcp/1".to_owned(),
            "systemctl reload sandboxed-brief-filter.service".to_owned(),
        ),
        (
            "a changed unit",
            "sed -i 's/^Type=exec/Type=notify/' /etc/systemd/system/brief.service".to_owned(),
            "sed -i 's/^Type=notify/Type=exec/' /etc/systemd/system/brief.service".to_owned(),
        ),
        (
            "a lost filter",
            // Only the owner of the table can lose it.
            "echo flush map inet sandboxed services >/root/flush.nft; sandboxed filter load /root/flush.nft"
                .to_owned(),
            "systemctl restart sandboxed-brief-filter.service; systemctl start brief.service".to_owned(),
        ),
        (
            "a filter without its rules",
            "echo flush chain inet sandboxed service-brief >/root/flush.nft; sandboxed filter load /root/flush.nft"
                .to_owned(),
            "systemctl restart sandboxed-brief-filter.service; systemctl start brief.service".to_owned(),
        ),
    ];
    for (what, change, back) in drifts {
        machine.script(&format!("{change}; systemctl daemon-reload"))?;
        let status = machine.run(["sandboxed", "status"])?;
        ensure!(status.status == Some(1), "{what} is not noticed:\n{}{}", status.stdout, status.stderr);
        machine.script(&format!("{back}; systemctl daemon-reload"))?;
        machine.check(["sandboxed", "status"])?;
    }
    Ok(())
}

/// Bad input is refused with exit status 2, and what a check refuses with 1; neither changes the machine.
fn refusals_change_nothing(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let elsewhere = b"[Service]\nUser=games\nExecStart=/srv/elsewhere/daemon\n";
    machine.write("/etc/systemd/system/elsewhere.service", 0o644, elsewhere)?;
    machine.check(["systemctl", "daemon-reload"])?;
    let before = traces(&machine)?;
    let policy = |rest: &str| format!(r#"{{ "version": 1, "name": "bad", {rest} }}"#);
    let policies = [
        (2, "not JSON", r#"{ "version": 1, "#.to_owned()),
        (2, "a misspelt option", policy(r#""units": ["brief.service"], "netwrk": {}"#)),
        (
            2,
            "a path with ..",
            policy(r#""units": ["brief.service"], "filesystem": { "state": ["/var/../etc"] }"#),
        ),
        (1, "a service whose program would not be there", policy(r#""units": ["elsewhere.service"]"#)),
    ];
    for (status, what, policy) in policies {
        machine.write("/root/bad.json", 0o644, policy.as_bytes())?;
        let outcome = machine.run(["sandboxed", "apply", "/root/bad.json"])?;
        ensure!(!outcome.success(), "{what} is accepted");
        ensure!(
            outcome.status == Some(status),
            "{what}: exit status {:?}\n{}",
            outcome.status,
            outcome.stderr
        );
        ensure!(
            outcome.stderr.contains("bad.json"),
            "{what}: the message does not say where:\n{}",
            outcome.stderr
        );
        ensure!(traces(&machine)? == before, "{what} changed the machine");
    }
    Ok(())
}

fn a_failed_apply_is_finished_by_the_next(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    // Whatever comes after the files fails: systemd does not learn of them.
    machine.script(
        "mv /usr/bin/systemd-tmpfiles /root && printf '#!/bin/sh\nexit 1\n' > /usr/bin/systemd-tmpfiles &&
         chmod +x /usr/bin/systemd-tmpfiles",
    )?;
    let failed = machine.run(["sandboxed", "apply", "--restart", "/root/brief.json"])?;
    ensure!(!failed.success() && failed.stderr.contains("systemd-tmpfiles"), "{}", failed.stderr);
    machine.check(["mv", "/root/systemd-tmpfiles", "/usr/bin"])?;
    let status = machine.run(["sandboxed", "status"])?;
    ensure!(!status.success() && status.stdout.contains("failed half-way"), "{}", status.stdout);

    sandbox::apply(&machine, &["--restart", "/root/brief.json"])?;
    machine.check(["sandboxed", "status"])?;
    let group =
        machine.check(["systemctl", "show", "--value", "--property=ControlGroup", "brief.service"])?;
    ensure!(group.contains("sandboxed-brief.slice"), "{group}");
    Ok(())
}

/// Of several that are to be removed, the others go.
fn one_that_fails_keeps_no_other(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    // What has done its work and counts as active runs nowhere, and so not outside of its sandbox.
    let once = b"[Service]\nType=oneshot\nRemainAfterExit=yes\nUser=games\nExecStart=/bin/true\n";
    machine.write("/etc/systemd/system/once.service", 0o644, once)?;
    machine.write("/root/once.json", 0o644, br#"{ "version": 1, "units": ["once.service"] }"#)?;
    machine.check(["systemctl", "daemon-reload"])?;
    sandbox::apply(&machine, &["--restart", "/root/brief.json", "/root/once.json"])?;
    machine.check(["systemctl", "is-active", "once.service"])?;
    machine.check(["sandboxed", "status"])?;

    let removed = machine.run(["sandboxed", "remove", "absent", "brief", "once"])?;
    ensure!(
        removed.status == Some(2) && removed.stderr.contains("no sandbox `absent`"),
        "{}",
        removed.stderr
    );
    let left = machine.script("find /etc -name '*sandboxed*'")?;
    ensure!(left.is_empty(), "left behind:\n{left}");
    Ok(())
}

/// A template is no unit that runs: what is done to it is done to its instances.
fn templates_are_their_instances(suite: Suite) -> Result<()> {
    const INSTANCES: [&str; 2] = ["tm@a.service", "tm@b\\x2dc.service"];
    let machine = prepared(suite)?;
    machine.write("/etc/systemd/system/tm@.service", 0o644, UNIT)?;
    machine.write("/root/tm.json", 0o644, br#"{ "version": 1, "name": "tm", "units": ["tm@.service"] }"#)?;
    machine.check(["systemctl", "daemon-reload"])?;
    machine.check(["systemctl", "start"].iter().chain(&INSTANCES))?;
    let places = |machine: &Machine| -> Result<Vec<String>> {
        let place = |unit| {
            let group =
                machine.check(["systemctl", "show", "--value", "--property=ControlGroup", "--", unit])?;
            Ok(if group.contains("/sandboxed-tm.slice/") {
                "inside"
            } else if group.trim().is_empty() {
                "gone"
            } else {
                "outside"
            }
            .to_owned())
        };
        INSTANCES.into_iter().map(place).collect()
    };
    let are = |machine: &Machine, where_: &str, when: &str| -> Result<()> {
        let places = places(machine)?;
        ensure!(places.iter().all(|place| place == where_), "{when}: {places:?}");
        Ok(())
    };
    sandbox::apply(&machine, &["/root/tm.json"])?;
    let status = machine.run(["sandboxed", "status"])?;
    ensure!(!status.success() && status.stdout.contains("tm@a.service runs outside"), "{}", status.stdout);
    sandbox::apply(&machine, &["--restart", "/root/tm.json"])?;
    are(&machine, "inside", "applied")?;
    let status = machine.check(["sandboxed", "status"])?;
    ensure!(INSTANCES.iter().all(|unit| status.contains(&format!("{unit} is active"))), "{status}");

    // One that can no longer be kept, and then can.
    machine.script(
        "sed -i 's|/bin/sleep|/srv/sleep|' /etc/systemd/system/tm@.service; systemctl daemon-reload",
    )?;
    let refused = machine.run(["sandboxed", "apply", "--all", "--restart"])?;
    ensure!(refused.status == Some(1), "{}", refused.stderr);
    are(&machine, "gone", "refused")?;
    ensure!(
        !machine.run(["systemctl", "start", "tm@d.service"])?.success(),
        "another can be started all the same"
    );
    machine.script(
        "sed -i 's|/srv/sleep|/bin/sleep|' /etc/systemd/system/tm@.service; systemctl daemon-reload",
    )?;
    machine.check(["sandboxed", "apply", "--all", "--restart"])?;
    are(&machine, "inside", "kept again")?;

    machine.check(["sandboxed", "remove", "tm"])?;
    are(&machine, "outside", "removed")
}

/// A socket that has an instance for each connection goes into the sandbox too, and what only a connection starts is not started.
fn an_instance_for_each_call(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let socket = b"[Socket]\nListenStream=/run/call\nAccept=yes\n";
    machine.write("/etc/systemd/system/call.socket", 0o644, socket)?;
    machine.write("/etc/systemd/system/call@.service", 0o644, UNIT)?;
    machine.check(["systemctl", "daemon-reload"])?;
    let policy =
        |rest: &str| format!(r#"{{ "version": 1, "name": "call", "units": ["call@.service"]{rest} }}"#);
    machine.write("/root/call.json", 0o644, policy("").as_bytes())?;
    let refused = machine.run(["sandboxed", "apply", "/root/call.json"])?;
    ensure!(refused.stderr.contains("call.socket hands it sockets"), "{}", refused.stderr);

    machine.write("/root/call.json", 0o644, policy(r#", "sockets": ["call.socket"]"#).as_bytes())?;
    sandbox::apply(&machine, &["--restart", "/root/call.json"])?;
    let call = || {
        machine.script(
            "systemd-run --quiet --collect python3 -c 'import socket, time; s = socket.socket(socket.AF_UNIX); s.connect(\"/run/call\"); time.sleep(600)'
             for turn in $(seq 50); do systemctl --quiet is-active 'call@*.service' && exit 0; sleep 0.1; done; exit 1",
        )
    };
    call()?;
    let status = machine.check(["sandboxed", "status"])?;
    ensure!(status.contains("call@0-") && status.contains(" is active"), "{status}");
    let changed = policy(r#", "sockets": ["call.socket"], "filesystem": { "readable": ["-/srv/x"] }"#);
    machine.write("/root/call.json", 0o644, changed.as_bytes())?;
    sandbox::apply(&machine, &["--restart", "/root/call.json"])?;
    let nobody = || machine.script("! systemctl --quiet is-active 'call@*.service'");
    nobody()?;
    call()?;
    machine.check(["sandboxed", "remove", "call"])?;
    machine.check(["systemctl", "is-active", "call.socket"])?;
    nobody().map(drop)
}

fn prepared(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/etc/systemd/system/brief.service", 0o644, UNIT)?;
    machine.write("/root/brief.json", 0o644, POLICY)?;
    machine.check(["systemctl", "daemon-reload"])?;
    Ok(machine)
}

/// Everything of the machine that a sandbox touches: files and their contents, units, control groups and rules.
fn traces(machine: &Machine) -> Result<String> {
    machine.script(
        "find /etc /run/sandboxed /run/systemd/system /var/lib/sandboxed -not -type d 2>/dev/null | sort |
             xargs --delimiter='\\n' md5sum 2>/dev/null || true
         find /etc /var/lib /run/sandboxed -type d 2>/dev/null | sort
         systemctl list-units --all --plain --no-legend 'sandboxed*' | sort
         systemctl show --property=ControlGroup --property=Slice brief.service
         find /sys/fs/cgroup -name 'sandboxed*' | sort
         nft list ruleset",
    )
}

/// Whoever installs or removes waits for others who do, and then sees what they have left.
fn one_at_a_time(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    machine.script(
        "for turn in 1 2 3; do
                sandboxed apply --restart /root/brief.json & sandboxed apply --all --restart & wait
                sandboxed apply --all --restart & sandboxed remove brief & wait
                test -z \"$(find /etc -name '*sandboxed*' -not -path '*/tmpfiles.d/*' | head)\" || exit 1
            done",
    )?;
    machine.check([
        "flock",
        "/etc/systemd/system",
        "sh",
        "-c",
        "timeout 1 sandboxed remove brief; test $? = 124",
    ])?;
    Ok(())
}
