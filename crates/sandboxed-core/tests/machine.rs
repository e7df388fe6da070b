//! What the machine has to have for a promise, and what is its own on both sides of a wall.

#![allow(clippy::unwrap_used, reason = "a test says by panicking what is wrong")]

mod planned;

use planned::POLICY;
use sandboxed_core::emit::artifacts;
use sandboxed_core::json;
use sandboxed_core::language::Language;
use sandboxed_core::resolve::{Surroundings, resolve};
use sandboxed_core::target::Target;
use sandboxed_core::unit::Unit;
use sandboxed_systemd::name::UnitName;

/// Without a controller systemd leaves its limits out, and says so to nobody.
#[test]
fn limits_without_a_controller_are_not_planned() {
    let document = |fields: &str| json::parse(&POLICY.replace("]}", &format!("]{fields}}}"))).unwrap();
    let unit = "[Service]\nUser=a\nExecStart=/usr/bin/a\n";
    let plan = |fields: &str, controllers: &str| {
        let target: Target = format!("systemd=257,kernel=6.12,controllers={controllers}").parse().unwrap();
        let unit = Unit::parse(UnitName::new("a.service").unwrap(), unit).unwrap();
        let resolved = resolve(&document(fields)).unwrap();
        resolved.plan(&target, Surroundings { units: &[unit], ..Surroundings::default() })
    };
    assert!(plan("", "cpu+io+memory+pids").is_ok() && plan("", "pids+memory+io+cpuset+cpu").is_ok());
    for (controllers, lacking, guarantee, directives) in [
        ("cpu+io+pids", "memory", "memory-limited", "Memory"),
        ("cpu+io+memory", "pids", "tasks-limited", "Tasks"),
        ("io+memory+pids", "cpu", "processors-shared", "CPU"),
        ("cpu+memory+pids", "io", "disks-shared", "IO"),
    ] {
        let findings = plan("", controllers).unwrap_err();
        let said: Vec<_> = findings.iter().map(|finding| finding.kind.message(Language::Json)).collect();
        let reason = format!("needs the control group controller `{lacking}`");
        assert!(
            matches!(said.as_slice(), [one] if one.contains(guarantee) && one.contains(&reason)),
            "{said:?}"
        );
        let accept = format!(r#", "accept": {{ "{guarantee}": "no controller" }}"#);
        let (plan, _) = plan(&accept, controllers).unwrap();
        assert!(!plan.slice_settings.iter().any(|setting| setting.name.starts_with(directives)));
    }
    let all = plan("", "").unwrap_err();
    assert_eq!(all.len(), 4);
}

/// A network of its own is refused by name where the target cannot make one.
#[test]
fn a_private_network_needs_nftables() {
    let document = json::parse(
        r#"{ "version": 1, "name": "a", "units": ["a.service"], "network": { "mode": "private" } }"#,
    );
    let resolved = resolve(&document.unwrap()).unwrap();
    let plan = |target: &str| {
        let target: Target = target.parse().unwrap();
        resolved.plan(&target, Surroundings::default())
    };
    assert!(plan("systemd=257,kernel=6.18").is_ok());
    for lacking in ["systemd=257,kernel=6.18,netfilter=iptables", "systemd=257,kernel=6.18,netfilter=none"] {
        let findings = format!("{:?}", plan(lacking).unwrap_err());
        assert!(findings.contains("needs nftables"), "{findings}");
    }
}

/// What leads into a network of the service's own is the machine's, and both of its ends may be hostile.
#[test]
fn doors_have_limits_within_those_of_the_sandbox() {
    let service = |fields: &str, target: &str| {
        let policy = POLICY.replace(
            "]}",
            &format!(r#"], "network": {{ "mode": "private", "listen": [{{ "port": 80 }}], "allow": ["tcp 127.0.0.1:5432"] }}{fields}}}"#),
        );
        let unit =
            Unit::parse(UnitName::new("a.service").unwrap(), "[Service]\nUser=a\nExecStart=/usr/bin/a\n");
        let surroundings = Surroundings { units: &[unit.unwrap()], ..Surroundings::default() };
        let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
        let (plan, _) = resolved.plan(&target.parse().unwrap(), surroundings).unwrap();
        let files = artifacts(&[plan]).unwrap();
        let outward = files["systemd/system/sandboxed-a-allow-127.0.0.1-5432.service"].clone();
        (files["systemd/system/sandboxed-a-listen-80.service"].clone(), outward)
    };
    let has = |text: &str, lines: &[&str]| {
        for line in lines {
            assert!(text.contains(&format!("\n{line}\n")), "no {line} in:\n{text}");
        }
    };
    let (inward, outward) = service("", "debian-13");
    for door in [&inward, &outward] {
        has(
            door,
            &[
                "LimitNOFILE=6208",
                "MemoryMax=134217728",
                "MemorySwapMax=0",
                "TasksMax=32",
                "CPUWeight=100",
                "StartLimitIntervalSec=0",
            ],
        );
        assert!(door.contains("--connections-max=1023 127.0.0.1:"), "{door}");
    }
    let tight = r#", "resources": { "memory": "48M", "tasks": 20, "cpuQuota": 50, "cpuWeight": 20, "openFiles": 100 }"#;
    has(
        &service(tight, "debian-12").0,
        &["LimitNOFILE=664", "MemoryMax=50331648", "TasksMax=20", "CPUWeight=20", "CPUQuota=50%"],
    );
    // What the target has no controller for is not written.
    let waived = r#", "accept": { "memory-limited": "no controller", "tasks-limited": "no controller" }"#;
    let (without, _) = service(waived, "systemd=257,kernel=6.12,controllers=cpu+io");
    assert!(!without.contains("MemoryMax=") && !without.contains("TasksMax="), "{without}");
}
