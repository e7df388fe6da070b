//! A check that cannot be open proves nothing: without a sandbox, channels are open.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::process::{Command, Stdio};

use sandboxed_probe::report::Report;
use sandboxed_probe::{Group, Verdict};

const PROBE: &str = env!("CARGO_BIN_EXE_sandboxed-probe");

/// Plants on this machine, runs the probe by `words`, and takes everything away again.
fn probe(words: &[&str]) -> Report {
    let mut planter =
        Command::new(PROBE).arg("--plant").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut plan = String::new();
    BufReader::new(planter.stdout.take().unwrap()).read_line(&mut plan).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plan.json");
    std::fs::write(&file, &plan).unwrap();
    let (program, arguments) = words.split_first().unwrap();
    let output = Command::new(program).args(arguments).args([PROBE, "--plan"]).arg(&file).output().unwrap();
    drop(planter.stdin.take());
    assert!(planter.wait().unwrap().success());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn verdicts(report: &Report) -> BTreeMap<&str, Verdict> {
    report.findings.iter().map(|finding| (finding.channel.as_str(), finding.verdict)).collect()
}

/// Root's own, or what not every kernel and file system has.
const MAY_BE_SHUT: [&str; 14] = [
    "read-root",
    "write-root",
    "read-root-file",
    "open-by-handle",
    "watch-host-fanotify",
    "vsock-host",
    "tcp-multipath",
    "tcp-fast-open",
    "watch-process-performance",
    "list-sockets",
    "read-own-users-file",
    "leave-device-file",
    "leave-file-capabilities",
    "attribute-host-file",
];

/// Whatever aims at something planted, and needs no privilege, is open to an ordinary process.
#[test]
fn without_a_sandbox_channels_are_open() {
    let report = probe(&["env"]);
    let unprivileged = [
        "raw-v4",
        "raw-v6",
        "packet-raw",
        "packet-datagram",
        "socket-mark",
        "foreign-source",
        "interface-configure",
        "interface-create",
        "filter-rules",
        "ipsec-policies",
        "audit-log",
    ];
    for finding in &report.findings {
        let aimed = matches!(finding.group, Group::Filesystem | Group::Network | Group::Processes)
            || finding.channel.starts_with("sysv-")
            || finding.channel.starts_with("posix-")
            || finding.channel.starts_with("socket-file-");
        let excused = finding.channel.starts_with("device-")
            || MAY_BE_SHUT.contains(&finding.channel.as_str())
            || unprivileged.contains(&finding.channel.as_str());
        assert!(
            !aimed || excused || finding.verdict != Verdict::Closed,
            "{} is closed without a sandbox: {}",
            finding.channel,
            finding.evidence
        );
    }
    let open = report.findings.iter().filter(|finding| finding.verdict == Verdict::Open).count();
    assert!(open > 150, "only {open} channels are open without a sandbox");
}

/// In namespaces of its own the same targets are out of reach: it is the probe that notices, not the list.
#[test]
fn namespaces_close_what_they_are_about() {
    let namespaces =
        ["unshare", "--net", "--pid", "--ipc", "--uts", "--fork", "--mount-proc", "--kill-child"];
    if !Command::new("unshare")
        .args(&namespaces[1..])
        .arg("true")
        .status()
        .is_ok_and(|status| status.success())
    {
        // Past the harness, which shows nothing of tests that pass.
        let _ = writeln!(std::io::stderr(), "skipped the probe in namespaces: this user may not create them");
        return;
    }
    let report = probe(&namespaces);
    let verdicts = verdicts(&report);
    for channel in [
        "tcp-loopback-v4",
        "udp-loopback-v4",
        "tcp-loopback-v6",
        "abstract-stream",
        "abstract-squat",
        "port-squat-tcp-v4",
        "see-processes",
        "read-arguments",
        "signal",
        "trace",
        "read-memory",
        "renice",
        "sysv-memory-read",
        "sysv-semaphore-change",
        "sysv-queue-send",
        "posix-queue-open",
    ] {
        assert_ne!(verdicts[channel], Verdict::Open, "{channel}");
    }
    // No namespace for it was asked for.
    assert_eq!(verdicts["write-tmp"], Verdict::Open);
}

/// Any command may carry the probe inside; one that carries none has no verdict on anything.
#[test]
fn a_command_is_judged_by_the_probe_that_it_runs() {
    let judge = |words: &[&str]| Command::new(PROBE).args(["--judge", "--"]).args(words).output().unwrap();
    let only = ["--only", "read-tmp", "--only", "tcp-loopback-v4", "--only", "memory"];
    let inside = format!("echo from an engine; {PROBE} --plan - {}; echo and at its end", only.join(" "));
    let output = judge(&["sh", "-c", &inside]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Report = serde_json::from_slice(&output.stdout).unwrap();
    let verdicts = verdicts(&report);
    assert_eq!(verdicts.len(), 3);
    assert_eq!(verdicts["read-tmp"], Verdict::Open);
    assert_eq!(verdicts["tcp-loopback-v4"], Verdict::Open);
    for words in [&["true"][..], &["/no/such/engine"], &["cat"], &[]] {
        let output = judge(words);
        assert!(!output.status.success() && output.stdout.is_empty(), "{words:?} is judged");
    }
}

/// A kill by a filter, or any other death, is a verdict and not the end of the run.
#[test]
fn every_channel_has_a_finding_and_a_name_of_its_own() {
    let output = Command::new(PROBE).args(["--list", "--json"]).output().unwrap();
    let listed: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(listed.len() >= 150, "{} channels", listed.len());
    let mut names: Vec<&str> = listed.iter().map(|channel| channel["id"].as_str().unwrap()).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count, "two channels have one name");
    let kebab = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-');
    assert!(names.iter().all(|name| kebab(name)));
}

/// Bad usage is refused with 2 and prints nothing that could be taken for a report.
#[test]
fn bad_usage_is_refused() {
    for arguments in
        [&["--only", "no-such-channel"][..], &["--frobnicate"], &["--plan", "/no/such/plan"], &["--plan"]]
    {
        let output = Command::new(PROBE).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(output.stdout.is_empty());
    }
}

/// The service that is verified may be of the probe's user: it must not write what the probe says into its memory.
#[test]
fn the_probe_refuses_tracers() {
    use std::os::unix::fs::MetadataExt as _;
    use std::os::unix::process::CommandExt as _;

    let mut command = Command::new(PROBE);
    command.args(["--plan", "-"]).stdin(Stdio::piped()).stdout(Stdio::null());
    if std::fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(65_534);
    }
    let mut probe = match command.spawn() {
        Ok(probe) => probe,
        // Root's program, built where nobody else may look.
        Err(error) => {
            let _ = writeln!(
                std::io::stderr(),
                "skipped the probe's tracers: {PROBE} cannot be run by another user: {error}"
            );
            return;
        }
    };
    // A process that can be traced owns its files, proc(5).
    let memory = format!("/proc/{}/mem", probe.id());
    let refuses = (0..200).any(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        std::fs::metadata(&memory).unwrap().uid() == 0
    });
    probe.kill().unwrap();
    probe.wait().unwrap();
    assert!(refuses, "whoever has its user may write its memory");
}
