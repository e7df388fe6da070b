//! Paths and sockets that a policy names: what is nobody's to name is refused, and what they open is told.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod planned;

use planned::{POLICY, outcome, outcome_of, planned};

/// Paths of the policy that systemd follows as root, below what the service writes.
#[test]
fn what_the_service_could_make_a_link_is_not_followed() {
    let unit = "[Service]\nUser=a\nRuntimeDirectory=a\nExecStart=/usr/bin/a\n";
    let with = |fields: &str| POLICY.replace("]}", &format!("], {fields}}}"));
    let state = r#""filesystem": {"state": ["/var/lib/a"], "writable": ["/var/log/a.log"]"#;
    for fields in [
        format!(r#"{state}, "readable": ["-/var/lib/a/static"]}}"#),
        format!(r#"{state}, "readable": ["/run/a/static"]}}"#),
        r#""filesystem": {"state": ["/var/lib/a"], "writable": ["/var/lib/a/up"]}"#.to_owned(),
        r#""filesystem": {"state": ["/var/lib/a", "/var/lib/a/up"]}"#.to_owned(),
        format!(r#"{state}}}, "ipc": {{"sockets": ["/var/lib/a/s"]}}"#),
        format!(r#"{state}}}, "secrets": {{"credentials": {{"x": "/var/lib/a/x"}}}}"#),
        format!(r#"{state}}}, "secrets": {{"encrypted": {{"x": "/run/a/x"}}}}"#),
    ] {
        let refused = planned(&with(&fields), unit).err().unwrap_or_default();
        assert!(refused.contains("where the service can put links"), "{fields}: {refused}");
    }
    let beside =
        format!(r#"{state}, "readable": ["/var/lib/ab", "/srv"]}}, "ipc": {{"sockets": ["/run/b/s"]}}"#);
    planned(&with(&beside), &format!("{unit}StandardOutput=append:/var/log/a.log\n")).unwrap();
}

#[test]
fn sockets_that_open_a_guarantee_are_named_by_it() {
    let with = |fields: &str| POLICY.replace("]}", &format!("], {fields}}}"));
    assert_eq!(outcome(POLICY, "message-bus-closed"), "kept ");
    let bus = with(r#""ipc": {"sockets": ["/run/dbus/system_bus_socket"]}"#);
    assert!(outcome(&bus, "message-bus-closed").starts_with("weak the policy shows"));
    let journal = with(r#""filesystem": {"readable": ["/run/systemd/journal"]}"#);
    assert!(outcome(&journal, "journal-unforged").starts_with("weak the policy shows"));
    let home = with(r#""filesystem": {"readable": ["/home/alice/site"]}"#);
    assert_eq!(outcome(&home, "homes-hidden"), "kept /home/alice/site");
}

#[test]
fn paths_that_give_the_machine_away_are_refused() {
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    for (fields, why) in [
        (r#""ipc": {"sockets": ["/run/docker.sock"]}"#, "what root can"),
        (r#""filesystem": {"readable": ["/run/podman"]}"#, "what root can"),
        (r#""filesystem": {"state": ["/usr/lib/a"]}"#, "no service changes"),
        (r#""filesystem": {"writable": ["/boot/efi"]}"#, "no service changes"),
        (r#""filesystem": {"readable": ["/home"]}"#, "belongs to the whole machine"),
        (r#""filesystem": {"readable": ["/run/dbus"]}"#, "belongs to the whole machine"),
    ] {
        let policy = POLICY.replace("]}", &format!("], {fields}}}"));
        let error = planned(&policy, unit).map(|_| ()).unwrap_err();
        assert!(error.contains(why), "{fields}: {error}");
    }
    let waived = POLICY.replace(
        "]}",
        r#"], "ipc": {"sockets": ["/run/docker.sock"]}, "accept": {"runtime-hidden": "it manages the containers"}}"#,
    );
    assert!(planned(&waived, unit).is_ok());
}

/// What others rely on is no service's to write, whichever root it has; what it may read of their secrets is said.
#[test]
fn what_belongs_to_others_is_not_written() {
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let with =
        |fields: &str| planned(&POLICY.replace("]}", &format!(r#"], "filesystem": {{{fields}}}}}"#)), unit);
    let wrong = |fields: &str| with(fields).err().unwrap_or_default();
    for path in [
        "/",
        "/etc",
        "/var",
        "/var/lib",
        "/var/run",
        "/run",
        "/home",
        "/srv",
        "/root",
        "/nix",
        "/mnt",
        "/opt",
        "/var/cache",
        "/var/spool",
    ] {
        for (root, list) in [("own", "state"), ("own", "writable"), ("host", "state"), ("host", "writable")] {
            let error = wrong(&format!(r#""root": "{root}", "{list}": ["{path}"]"#));
            assert!(error.contains("belongs to the whole machine"), "{path} {root} {list}: {error}");
        }
    }
    for path in [
        "/var/lib/dpkg",
        "/var/lib/dpkg/info",
        "/var/lib/systemd",
        "-/etc/systemd/system",
        "/etc/sandboxed",
        "/etc/nftables",
        "/run/systemd/system",
        "/var/run/systemd/system",
        "/var/spool/cron",
        "/etc/cron.d",
        "/root/a",
        "/var/lib/private",
        "/var/lib/docker",
        "/etc/ld.so.preload",
        "/etc/passwd",
        "/sys/fs/cgroup",
        "/proc/sys",
        "/etc/ssl/certs",
        "/nix/var/nix/profiles",
    ] {
        for root in ["own", "host"] {
            let error = wrong(&format!(r#""root": "{root}", "writable": ["{path}"]"#));
            assert!(error.contains("on which others rely"), "{path} {root}: {error}");
        }
    }
    for path in [
        "/srv/a",
        "/var/spool/a",
        "/var/cache/a",
        "/etc/a",
        "/etc/ssl/a",
        "/run/a",
        "/run/lock/a",
        "/home/a",
        "/opt/a",
        "/tmp",
    ] {
        let error = wrong(&format!(r#""writable": ["{path}"]"#));
        assert!(!error.contains("rely") && !error.contains("belongs to"), "{path}: {error}");
    }
    for path in [
        "/etc/ssh",
        "/root/a",
        "/etc/shadow",
        "/var/lib/docker",
        "/var/lib/private/b",
        "/etc/ssl/private",
        "/run/secrets/a",
    ] {
        let (plan, _) = with(&format!(r#""readable": ["{path}"]"#)).unwrap();
        assert!(plan.notes.join(" ").contains("what is secret of"), "{path}: {:?}", plan.notes);
    }
    let (plan, _) = with(r#""readable": ["/etc/a", "/srv", "/var/lib/b"], "state": ["/var/lib/a"]"#).unwrap();
    assert!(!plan.notes.join(" ").contains("secret"), "{:?}", plan.notes);
}

/// With the host's tree in sight, groups open files of others.
#[test]
fn the_groups_of_a_unit_are_named_where_they_open_something() {
    let policy = POLICY.replace("]}", r#"], "filesystem": { "root": "host" }}"#);
    let text =
        "[Service]\nUser=a\nSupplementaryGroups=shadow\nSupplementaryGroups=adm\nExecStart=/usr/bin/a\n";
    let weak = outcome_of(&policy, text, "host-files-unreadable");
    assert!(weak.contains("its user and the groups adm, shadow that the unit names could read"), "{weak}");
    assert!(!outcome(&policy, "host-files-unreadable").contains("groups"));
    assert!(outcome_of(POLICY, text, "host-files-unreadable").starts_with("kept"));
}
