//! The artifacts of the shipped presets, as snapshots; and what holds for all of them.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test says by panicking what is wrong")]

use std::io::Write;
use std::process::{Command, Stdio};

use sandboxed_core::emit::{self, artifacts};
use sandboxed_core::preset::PRESETS;
use sandboxed_core::resolve::{Resolved, Surroundings};
use sandboxed_core::target::{Netfilter, Target};

fn emitted(preset: &str, target: &str) -> emit::Artifacts {
    let preset = PRESETS.iter().find(|known| known.name == preset).unwrap();
    let resolved = Resolved::preset(preset).unwrap();
    let target: Target = target.parse().unwrap();
    let (plan, findings) = resolved.plan(&target, Surroundings::default()).unwrap();
    assert_eq!(findings, []);
    artifacts(&[plan]).unwrap()
}

#[test]
fn artifacts_of_presets() {
    for preset in &PRESETS {
        for target in ["debian-12", "debian-13"] {
            let files = emitted(preset.name, target);
            let text: String =
                files.iter().flat_map(|(path, text)| ["==> ", path, "\n", text, "\n"]).collect();
            insta::assert_snapshot!(format!("{}-{target}", preset.name), text);
        }
    }
}

/// Where the program itself is on the target, one unit owns the table.
#[test]
fn the_table_has_an_owner_where_the_target_has_the_program() {
    let preset = PRESETS.iter().find(|known| known.name == "synapse").unwrap();
    let with = |target: &Target| {
        let (plan, _) = Resolved::preset(preset).unwrap().plan(target, Surroundings::default()).unwrap();
        artifacts(&[plan]).unwrap()
    };
    let mut target: Target = "debian-13".parse().unwrap();
    let files = with(&target);
    let units =
        ["systemd/system/sandboxed-filter.service", "systemd/system/sandboxed-synapse-filter.service"];
    insta::assert_snapshot!(units.map(|unit| files[unit].as_str()).concat());
    assert!(files["nftables/sandboxed.nft"].contains("flags owner;"));
    target.programs.clear();
    let without = with(&target);
    assert!(!without.contains_key("systemd/system/sandboxed-filter.service"));
    assert!(!without["nftables/sandboxed.nft"].contains("owner"));
}

/// Says so past the harness, which shows nothing of tests that pass.
fn skipped(program: &str, reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped {program} on rules: {reason}");
}

/// A target without nft: text for iptables-restore, which it takes, in both families.
#[test]
fn a_target_with_iptables_only_gets_its_rules() {
    let preset = PRESETS.iter().find(|known| known.name == "synapse").unwrap();
    let mut target: Target = "debian-13".parse().unwrap();
    target.netfilter = Netfilter::Iptables;
    let (plan, findings) = Resolved::preset(preset).unwrap().plan(&target, Surroundings::default()).unwrap();
    assert_eq!(findings, []);
    let files = artifacts(&[plan]).unwrap();
    let ours: String = files
        .iter()
        .filter(|(path, _)| path.starts_with("nftables/") || path.contains("filter.service"))
        .flat_map(|(path, text)| ["==> ", path, "\n", text, "\n"])
        .collect();
    insta::assert_snapshot!(ours);
    let report: serde_json::Value = serde_json::from_str(&files["plan.json"]).unwrap();
    let listed: Vec<&str> =
        report["files"].as_array().unwrap().iter().filter_map(|file| file.as_str()).collect();
    let beside: Vec<&str> = files.keys().map(String::as_str).filter(|file| *file != emit::PLAN).collect();
    assert_eq!(listed, beside);
    assert!(beside.iter().all(|file| emit::is_ours(file)), "{beside:?}");
    let filter = &report["sandboxes"]["synapse"]["filter"];
    assert_eq!(filter["netfilter"], "iptables");
    for chain in filter["chains"].as_array().unwrap() {
        let declared = format!(":{} ", chain.as_str().unwrap());
        assert!(files["nftables/sandboxed-synapse+add.v4"].contains(&declared), "{declared}");
    }
    // Paths of control groups are looked up when rules are loaded, also to check them, so the rules are checked without.
    for (program, end) in [("iptables-restore", "v4"), ("ip6tables-restore", "v6")] {
        let [shared, own] = ["sandboxed", "sandboxed-synapse"].map(|stem| {
            files[&format!("nftables/{stem}+add.{end}")].replace("*filter\n", "").replace("COMMIT\n", "")
        });
        let text: String = format!("*filter\n{shared}{own}COMMIT\n")
            .lines()
            .filter(|l| !l.contains("--path"))
            .fold(String::new(), |text, line| text + line + "\n");
        let mut child = match Command::new("unshare")
            .args(["-rn", program, "--noflush", "--test"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
        {
            Ok(child) => child,
            Err(error) => return skipped(program, &error.to_string()),
        };
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        if said.contains("unshare") || said.contains("not found") {
            return skipped(program, said.trim());
        }
        assert!(output.status.success(), "{program}: {said}\n{text}");
    }
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    assert_eq!(emitted("synapse", "debian-13"), emitted("synapse", "debian-13"));
}
