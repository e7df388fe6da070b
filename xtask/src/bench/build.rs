//! What `sandboxed build` costs.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use super::measure::{Contender, compare};

/// A target that is given rather than looked up, so that every machine measures the same work.
const TARGET: [&str; 2] = ["--target", "systemd=257,kernel=6.12,netfilter=nftables,distribution=debian"];

const UNIT: &str = "[Service]\nExecStart=/bin/true\nUser=nobody\n";

pub(super) fn run() -> Result<()> {
    let program = super::released_programs()?.join("sandboxed");
    let scratch = tempfile::tempdir()?;
    let directory = scratch.path();
    let unit = directory.join("plain.service");
    fs::write(&unit, UNIT)?;
    let preset = || {
        let mut build = Command::new(&program);
        build.args(["build", "--preset", "synapse"]).args(TARGET).arg("--out").arg(directory.join("synapse"));
        build
    };
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["security", "--offline=true", "--no-pager"]).arg(&unit);
    compare(
        "one policy, as a whole process; the limit is 1.0",
        100,
        &mut [
            Contender::new("systemd-analyze security --offline", || time(&mut analyze)),
            Contender::new("sandboxed build --preset synapse", || time(&mut preset())),
        ],
    )?;
    println!("  memory at its highest: {} kB; the limit is 20 MB", peak_memory(&preset())?);
    many(&program, directory)
}

/// Many policies in one call: ten times as many must not take much more than ten times as long.
fn many(program: &Path, directory: &Path) -> Result<()> {
    for number in 0..10_000 {
        let policy =
            format!("{{ \"version\": 1, \"name\": \"s{number}\", \"units\": [\"s{number}.service\"] }}");
        fs::write(directory.join(format!("{number}.json")), policy)?;
    }
    // In memory, and each time anew: what the program costs, whatever the disk is and whatever it still has to forget.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory } else { directory };
    let build = |count: usize| {
        let scratch = tempfile::tempdir_in(place)?;
        let mut build = Command::new(program);
        build.current_dir(directory).arg("build").args(TARGET).arg("--out").arg(scratch.path().join("many"));
        build.args((0..count).map(|number| format!("{number}.json")));
        time(&mut build)
    };
    compare(
        "many policies in one call; the limit for 10,000 is 3 s (where `systemd-analyze` takes 10 ms), and the ratio is to be 10",
        3,
        &mut [
            Contender::new("1,000 policies", || build(1_000)),
            Contender::new("10,000 policies", || build(10_000)),
        ],
    )
}

fn time(command: &mut Command) -> Result<Duration> {
    let start = Instant::now();
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    let time = start.elapsed();
    ensure!(status.success(), "{} failed", command.get_program().display());
    Ok(time)
}

/// The most that a run of the command had in memory, in kilobytes (getrusage(2)), told by Python, which has the call.
fn peak_memory(command: &Command) -> Result<String> {
    const PROGRAM: &str = "import resource, subprocess, sys
subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)";
    let mut python = Command::new("python3");
    python.args(["-c", PROGRAM]).arg(command.get_program()).args(command.get_args());
    let output = python.output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
