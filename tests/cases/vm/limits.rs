//! Limits bite: a hostile service takes what it can get, and its neighbour does not notice.
//!
//! What fails a case are the kernel's own counters. How long the neighbour's answers take is printed beside them, with
//! and without the sandbox: times differ from machine to machine.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sandboxed_cases::sandbox;
use sandboxed_testbed::Machine;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    ("tasks_are_limited", tasks),
    ("memory_is_limited", memory),
    ("processors_are_limited", processors),
    ("disks_are_limited", disks),
];

/// The hostile service's, as its sandbox has it.
const SLICE: &str = "/sys/fs/cgroup/sandboxed.slice/sandboxed-hog.slice";

const POLICY: &str = r#"{ "version": 1, "name": "hog", "units": ["hog.service"],
    "filesystem": { "state": ["/var/lib/hog"] },
    "resources": { "memory": "200M", "tasks": 60, "cpuQuota": 50, "ioBandwidth": "2M" } }"#;

/// Without its sandbox it may have as many processes as this machine has memory for.
const HOG: &str = "[Service]\nUser=daemon\nOOMPolicy=continue\nTimeoutStopSec=5\nStateDirectory=hog\nTasksMax=600\n\
    ExecStart=/usr/bin/python3 /usr/local/lib/hog.py\n";

const NEIGHBOUR: &str = "[Service]\nUser=games\nRuntimeDirectory=neighbour\nStateDirectory=neighbour\n\
    ExecStart=/usr/bin/python3 /usr/local/lib/neighbour.py serve\n";

/// A neighbour, and a hog that is not yet running, in its sandbox or without it.
pub(crate) struct Scene<'a> {
    machine: &'a Machine,
    what: &'a str,
}

impl<'a> Scene<'a> {
    /// Measures the neighbour alone and beside the plain hog, then puts the hog into its sandbox and starts it.
    pub(crate) fn set(machine: &'a Machine, what: &'a str, policy: &str) -> Result<Self> {
        let scene = Self { machine, what };
        machine.write("/usr/local/lib/hog.py", 0o644, include_bytes!("hog.py"))?;
        machine.write("/usr/local/lib/hog.wants", 0o644, what.as_bytes())?;
        machine.write("/usr/local/lib/neighbour.py", 0o644, include_bytes!("neighbour.py"))?;
        machine.write("/etc/systemd/system/hog.service", 0o644, HOG.as_bytes())?;
        machine.write("/etc/systemd/system/neighbour.service", 0o644, NEIGHBOUR.as_bytes())?;
        machine.write("/etc/hog.json", 0o644, policy.as_bytes())?;
        machine.script(
            "sandboxed remove hog || true; systemctl daemon-reload; systemctl stop hog; systemctl restart neighbour
             for _ in {1..120}; do if [ -e /run/neighbour/socket ]; then break; fi; sleep 0.5; done",
        )?;
        scene.measure("alone")?;
        machine.check(["systemctl", "start", "hog.service"])?;
        scene.measure("beside the plain service")?;
        machine.check(["systemctl", "kill", "--signal=KILL", "hog.service"])?;
        sandbox::apply(machine, &["/etc/hog.json"])?;
        machine.script("systemctl stop hog; systemctl reset-failed hog || true; systemctl start hog")?;
        Ok(scene)
    }

    /// Prints how long the neighbour's answers take.
    pub(crate) fn measure(&self, when: &str) -> Result<()> {
        let times = self.machine.check(["python3", "/usr/local/lib/neighbour.py", "ask"])?;
        let (median, high) = times.trim().split_once(' ').context("no times")?;
        println!("{}: the neighbour {when} answers in {median} ms, 95 of 100 times in {high} ms", self.what);
        Ok(())
    }

    /// A file of the slice's control group.
    pub(crate) fn file(&self, name: &str) -> Result<String> {
        self.machine.read(&format!("{SLICE}/{name}"))
    }

    /// A counter in one of them.
    pub(crate) fn counter(&self, file: &str, key: &str) -> Result<u64> {
        let text = self.file(file)?;
        let value = text.split_whitespace().skip_while(|word| *word != key).nth(1);
        value.and_then(|value| value.parse().ok()).with_context(|| format!("no {key} in {file}: {text}"))
    }

    /// Waits until a counter counts: how long the hog takes to become one is the machine's business.
    pub(crate) fn until(&self, file: &str, key: &str) -> Result<()> {
        for _ in 0..60 {
            if self.counter(file, key)? > 0 {
                return Ok(());
            }
            sleep(Duration::from_secs(1));
        }
        bail!("{key} in {file} never counts: {}", self.file(file)?)
    }

    /// Measures beside the sandbox, and takes it away.
    pub(crate) fn strike(&self) -> Result<()> {
        self.measure("beside the sandbox")?;
        self.machine.script("systemctl kill --signal=KILL hog || true; systemctl stop hog")?;
        self.machine.check(["sandboxed", "remove", "hog"])?;
        self.machine.script("systemctl reset-failed hog || true; systemctl stop neighbour").map(drop)
    }
}

/// A fork bomb.
fn tasks(machine: &Machine) -> Result<()> {
    let scene = Scene::set(machine, "tasks", POLICY)?;
    scene.until("pids.events", "max")?;
    let current: u64 = scene.file("pids.current")?.trim().parse()?;
    ensure!((2..=60).contains(&current), "it has {current} processes");
    scene.strike()
}

/// More memory than it may have.
fn memory(machine: &Machine) -> Result<()> {
    let scene = Scene::set(machine, "memory", POLICY)?;
    scene.until("memory.events", "oom_kill")?;
    let peak: u64 = scene.file("memory.peak")?.trim().parse()?;
    ensure!(peak <= 200 << 20, "it had {peak} bytes of memory");
    scene.strike()
}

/// More processor time than it may have.
fn processors(machine: &Machine) -> Result<()> {
    let scene = Scene::set(machine, "processors", POLICY)?;
    scene.until("cpu.stat", "nr_throttled")?;
    let (start, before) = (Instant::now(), scene.counter("cpu.stat", "usage_usec")?);
    sleep(Duration::from_secs(5));
    let used = scene.counter("cpu.stat", "usage_usec")? - before;
    let passed = u64::try_from(start.elapsed().as_micros())?;
    // Half of one processor, and what the bookkeeping's granularity adds.
    ensure!(used < passed * 7 / 10, "it used {used} of {passed} microseconds");
    scene.strike()
}

/// More of the disk than it may have.
fn disks(machine: &Machine) -> Result<()> {
    let scene = Scene::set(machine, "disk /var/lib/hog/file", POLICY)?;
    let written = || -> Result<u64> {
        let statistics = scene.file("io.stat")?;
        let counts = statistics.split_whitespace().filter_map(|word| word.strip_prefix("wbytes="));
        Ok(counts.filter_map(|count| count.parse::<u64>().ok()).sum())
    };
    // What it wrote at first may have been in the kernel's hands before it was held back.
    for _ in 0..60 {
        if written()? > 4 << 20 {
            break;
        }
        sleep(Duration::from_secs(1));
    }
    let (start, before) = (Instant::now(), written()?);
    ensure!(before > 0, "it writes nothing: {}", machine.journal("hog")?);
    sleep(Duration::from_secs(10));
    let bytes = written()? - before;
    let most = (2 << 20) * (start.elapsed().as_secs() + 1) * 3 / 2;
    ensure!(bytes <= most, "it wrote {bytes} bytes, more than {most}");
    scene.strike()
}
