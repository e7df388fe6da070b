//! Judges any way to confine a service, from the host's side: plants targets, runs a command that runs the probe inside
//! (by a container engine, say), and corrects what the probe found by what only the host can see.

use std::fs;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::plant::{self, Limits, Options};
use crate::report::Report;

/// The program's name, as the kernel keeps it: 15 bytes, proc_pid_comm(5).
const NAME: &str = "sandboxed-probe";

/// Plants targets, runs `words` with the plan on its standard input, and reads the report from its standard output.
///
/// # Errors
/// A line for people: the command cannot be run, fails, or prints no report. Then nothing is known of any channel.
pub(crate) fn judge(options: &Options, words: &[String]) -> Result<Report, String> {
    let (program, arguments) = words.split_first().ok_or("--judge needs a command")?;
    let mut planted = plant::plant(options).map_err(|error| error.to_string())?;
    for note in planted.notes() {
        eprintln!("{NAME}: {note}");
    }
    let plan = serde_json::to_vec(planted.targets()).map_err(|error| error.to_string())?;
    let victim = planted.targets().victim.as_ref().map(|victim| victim.pid);
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program}: {error}"))?;
    let output = converse(&mut child, plan);
    // Its control group is gone when it ends, so it is looked at meanwhile.
    let limits = look(&mut child, victim).map_err(|error| error.to_string())?;
    let printed = output.map_err(|error| error.to_string())?.join();
    let status = child.wait().map_err(|error| error.to_string())?;
    let printed = printed.map_err(|_| "a panic")?.map_err(|error| error.to_string())?;
    // An engine may have something to say before and after.
    let report = printed.lines().rev().find_map(|line| serde_json::from_str::<Report>(line).ok());
    let mut report = report.ok_or_else(|| format!("{program} ({status}) brings no report of the probe"))?;
    if let Some(limits) = limits {
        limits.answer(&mut report.findings);
    }
    planted.confirm(&mut report.findings);
    Ok(report)
}

/// What a thread brings that reads to the end.
type Reader = thread::JoinHandle<io::Result<String>>;

/// Feeds the plan to the command, and reads what it prints; both at once, for neither side need wait for the other.
fn converse(child: &mut Child, plan: Vec<u8>) -> io::Result<Reader> {
    let mut input = child.stdin.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    // A command that reads nothing says below why; that the pipe breaks says nothing more.
    thread::Builder::new().name("plan".into()).spawn(move || drop(input.write_all(&plan)))?;
    thread::Builder::new().name("report".into()).spawn(move || {
        let mut printed = String::new();
        output.read_to_string(&mut printed).map(|_| printed)
    })
}

/// Waits for the end of the command; returns the limits of the control group that the probe ran in.
fn look(child: &mut Child, victim: Option<i32>) -> io::Result<Option<Limits>> {
    let mut limits = None;
    while child.try_wait()?.is_none() {
        if limits.is_none() {
            limits = group_of_probe(victim).map(|group| Limits::of(&group));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(limits)
}

/// The control group of the probe inside: a process of this program that is neither this one nor the victim.
fn group_of_probe(victim: Option<i32>) -> Option<PathBuf> {
    let own = std::process::id();
    let others = fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| {
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        (pid != own && i32::try_from(pid).ok() != victim).then(|| entry.path())
    });
    let mut probes = others.filter(|process| {
        fs::read_to_string(process.join("comm")).is_ok_and(|name| name.trim_end() == NAME)
            && fs::read(process.join("cmdline"))
                .is_ok_and(|line| line.windows(6).any(|word| word == b"--plan"))
    });
    let membership = fs::read_to_string(probes.next()?.join("cgroup")).ok()?;
    let path = membership.lines().find_map(|line| line.strip_prefix("0::/"))?;
    Some(Path::new("/sys/fs/cgroup").join(path))
}
