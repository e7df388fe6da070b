//! A machine with everything that a contender needs, and the two things that are done with each: the service is asked
//! whether it works, and the probe takes its place.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use sandboxed_probe::Finding;
use sandboxed_probe::report::Report;
use sandboxed_testbed::{Machine, Outcome};
use serde_json::Value;

use super::contender::{Contender, Definition, parse};
use super::results::Trial;
use crate::{neighbour, sandbox};

/// What the service runs.
const SERVICE: &str = "/usr/bin/python3 /usr/local/lib/ledger.py";

/// What runs in its place.
const PROBE: &str = "/usr/local/bin/sandboxed-probe --plan -";

/// The same files in the machine and in the image of containers.
const ROOTS: [&str; 2] = ["", "/var/lib/machines/ledger"];

/// The probe's unit: the contender's, but for where its streams go, and those of the commands before and after it.
const PROBING: &str = "[Service]
StandardInput=file:/run/comparison/plan.json
StandardOutput=append:/run/comparison/report.json
StandardError=append:/run/comparison/errors
";

/// How long one command may take: a probe has hundreds of attempts, of which some wait ten seconds for an answer.
const PATIENCE: Duration = Duration::from_secs(3600);

/// Where podman keeps images on a machine whose root is an overlay: containers-storage.conf(5). Docker finds out by itself.
const STORAGE: &str = "[storage]
driver = \"vfs\"
graphroot = \"/var/lib/containers/storage\"
runroot = \"/run/containers/storage\"
";

/// Everything that the service's program opens: what a unit with a root of its own has to be given.
const CLOSURE: &str = "
for program in /usr/bin/python3 /usr/local/bin/sandboxed-probe; do
    ldd $program | grep -o '/[^ ]*' || true
done | sort -u
readlink -f /usr/bin/python3
printf '%s\\n' /usr/bin/python3 /usr/lib/python3.13 /usr/local/lib/ledger.py /usr/local/bin/sandboxed-probe
";

/// A machine that contenders are tried on, one after the other.
#[derive(Debug)]
pub struct Scene<'a> {
    machine: &'a Machine,
    closure: String,
    disk: String,
}

/// The probe as a program that needs no library, so that it runs in any image: made by cargo in a directory of its own.
///
/// # Errors
/// It can't be built.
pub fn static_probe(directory: &Path) -> Result<PathBuf> {
    let target = "x86_64-unknown-linux-gnu";
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--release", "--package", "sandboxed-probe", "--target", target])
        .arg("--target-dir")
        .arg(directory)
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .status()
        .context("cannot run cargo")?;
    ensure!(status.success(), "the static probe can't be built");
    Ok(directory.join(target).join("release/sandboxed-probe"))
}

impl<'a> Scene<'a> {
    /// Puts the programs, the service and another machine in place.
    ///
    /// # Errors
    /// The machine does not take them.
    pub fn set(machine: &'a Machine, probe: &Path) -> Result<Self> {
        sandbox::install_stripped(machine)?;
        neighbour::connect(machine)?;
        let image = machine.run(["test", "-d", ROOTS[1]])?.success();
        for root in ROOTS.into_iter().filter(|root| root.is_empty() || image) {
            machine.copy(probe, &format!("{root}/usr/local/bin/sandboxed-probe"))?;
            machine.write(&format!("{root}/usr/local/lib/ledger.py"), 0o644, include_bytes!("ledger.py"))?;
        }
        if !image {
            machine.script("id ledger >/dev/null 2>&1 || useradd --system --uid 990 --user-group ledger")?;
        }
        machine.write("/run/comparison/inside.sh", 0o755, include_bytes!("inside.sh"))?;
        machine.write("/run/comparison/peer.py", 0o644, include_bytes!("peer.py"))?;
        machine.script(
            "systemd-run --quiet --unit=peer --property=NetworkNamespacePath=/run/netns/neighbour \
             /usr/bin/python3 /run/comparison/peer.py",
        )?;
        // What a service could ask to run anything as root: a target under every contender, not only under docker.
        machine
            .script("for unit in docker.socket containerd.service; do systemctl start $unit || true; done")?;
        let closure = machine.script(CLOSURE)?.lines().collect::<Vec<_>>().join(" ");
        let disk = machine.run(["findmnt", "--noheadings", "--output=SOURCE", "/"])?.stdout;
        let disk = if let Some(disk) = Some(disk.trim()).filter(|disk| disk.starts_with("/dev/")) {
            format!("--device-read-bps {disk}:8mb --device-write-bps {disk}:8mb")
        } else {
            // In a container the root is an overlay: no disk that an engine could throttle, nor lay another overlay on.
            machine.write("/etc/containers/storage.conf", 0o644, STORAGE.as_bytes())?;
            String::new()
        };
        Ok(Self { machine, closure, disk })
    }

    /// Tries one contender, and takes it away again. What can't be tried is no error, but an answer.
    ///
    /// # Errors
    /// The machine is gone, or what the contender left behind can't be taken away.
    pub fn try_out(&self, contender: &Contender) -> Result<Trial> {
        let serving = contender.filled(&self.words(SERVICE));
        let definition = parse(&serving)?;
        let prepared = self.prepare(&definition);
        let work = match &prepared {
            Ok(()) => self.work(),
            Err(error) => Err(anyhow::anyhow!("{error:#}")),
        };
        let findings = match prepared {
            Ok(()) => self.probe(contender),
            Err(error) => Err(error),
        };
        self.clean(&definition)?;
        let reason = |error: anyhow::Error| one_line(&format!("{error:#}"));
        Ok(Trial { work: work.err().map(reason), findings: findings.map_err(reason) })
    }

    fn words(&self, command: &'static str) -> [(&'static str, &str); 3] {
        [("@COMMAND@", command), ("@CLOSURE@", &self.closure), ("@DISK@", &self.disk)]
    }

    fn prepare(&self, definition: &Definition<'_>) -> Result<()> {
        self.write(definition)?;
        // An engine that believes in a controller that there is not does not start.
        let pretends =
            definition.prepare.contains("sandboxed apply") && sandbox::pretend_controllers(self.machine)?;
        self.patiently(&["bash", "-euc", definition.prepare])?;
        if pretends {
            sandbox::own_controllers(self.machine)?;
        }
        Ok(())
    }

    fn write(&self, definition: &Definition<'_>) -> Result<()> {
        for piece in &definition.pieces {
            self.machine.write(piece.path, piece.mode, piece.text.as_bytes())?;
        }
        self.machine.check(["systemctl", "daemon-reload"]).map(drop)
    }

    /// The service answers two requests from another machine, each with a call to it; and knows of both after a restart.
    fn work(&self) -> Result<()> {
        let start = self.machine.run(["systemctl", "start", "ledger.service"])?;
        ensure!(start.success(), "it does not start: {}", self.said()?);
        for count in 1..=2 {
            self.expect(count)?;
        }
        self.machine.check(["systemctl", "restart", "ledger.service"])?;
        self.expect(3)?;
        self.machine.check(["systemctl", "stop", "ledger.service"]).map(drop)
    }

    /// Asks until there is an answer: programs take a while to start.
    fn expect(&self, count: u32) -> Result<()> {
        let url = format!("http://{}:8080/", neighbour::MACHINE);
        let ask = neighbour::ON_NEIGHBOUR.into_iter().chain(["curl", "--silent", "--max-time", "60", &url]);
        let ask: Vec<&str> = ask.collect();
        let deadline = Instant::now() + Duration::from_secs(120);
        loop {
            let answer = self.machine.run(&ask)?;
            let text = answer.stdout.trim();
            if text == format!("{count} entries") {
                return Ok(());
            }
            let active = self.machine.run(["systemctl", "is-active", "ledger.service"])?.success();
            if !text.is_empty() || !active || Instant::now() > deadline {
                bail!("it answers {text:?} instead of {count} entries: {}", self.said()?);
            }
            sleep(Duration::from_millis(500));
        }
    }

    fn probe(&self, contender: &Contender) -> Result<Vec<Finding>> {
        if contender.is_ours() {
            return self.verify();
        }
        // One that did not work may still run.
        self.machine.run(["systemctl", "stop", "ledger.service"])?;
        let probing = contender.filled(&self.words(PROBE));
        self.write(&parse(&probing)?)?;
        let path = "/etc/systemd/system/ledger.service.d/zz-probing.conf";
        self.machine.write(path, 0o644, PROBING.as_bytes())?;
        self.machine.check(["systemctl", "daemon-reload"])?;
        let judge =
            ["sandboxed-probe", "--judge", "--user", "990:990", "--", "bash", "/run/comparison/inside.sh"];
        let judged = self.patiently(&judge)?;
        let report: Report = serde_json::from_str(judged.trim()).context("the report is damaged")?;
        Ok(report.findings)
    }

    /// This project brings a way to run the probe, beside the service and in a sandbox like its own.
    fn verify(&self) -> Result<Vec<Finding>> {
        self.machine.check(["systemctl", "start", "ledger.service"])?;
        let verify = "sandboxed verify --json ledger > /run/comparison/verified.json || test -s /run/comparison/verified.json";
        self.patiently(&["bash", "-euc", verify])?;
        let report: Value = serde_json::from_str(&self.machine.read("/run/comparison/verified.json")?)?;
        let channels = report.get("channels").and_then(Value::as_array).context("no channels")?;
        let findings = channels.iter().map(|channel| serde_json::from_value(channel.clone()));
        findings.collect::<Result<_, _>>().context("a channel of the report")
    }

    fn clean(&self, definition: &Definition<'_>) -> Result<()> {
        self.machine.run(["systemctl", "stop", "ledger.service"])?;
        self.patiently(&["bash", "-c", definition.clean]).map(drop).or_else(|error| {
            // What was never made can't be removed; what is left behind shows in the next one's trial.
            eprintln!("comparison: {}", one_line(&format!("{error:#}")));
            anyhow::Ok(())
        })?;
        for piece in &definition.pieces {
            self.machine.check(["rm", "-f", piece.path])?;
        }
        self.machine.script(
            "rm -rf /etc/systemd/system/ledger.service.d /var/lib/ledger
             systemctl daemon-reload
             systemctl reset-failed ledger.service 2>/dev/null || true",
        )?;
        Ok(())
    }

    /// Runs a command that may take longer than the way into the machine has patience for.
    fn patiently(&self, words: &[&str]) -> Result<String> {
        let start = [
            "systemd-run",
            "--quiet",
            "--unit=comparison-job",
            "--property=StandardOutput=truncate:/run/comparison/output",
            "--property=StandardError=truncate:/run/comparison/complaints",
            "--property=Type=exec",
            "--property=RemainAfterExit=yes",
            "--",
        ];
        let start: Vec<&str> = start.into_iter().chain(words.iter().copied()).collect();
        self.machine.check(&start)?;
        let deadline = Instant::now() + PATIENCE;
        let state = loop {
            let state = self.machine.run([
                "systemctl",
                "show",
                "--property=SubState",
                "--value",
                "comparison-job",
            ])?;
            match state.stdout.trim() {
                "running" | "start" => {
                    ensure!(Instant::now() < deadline, "`{}` does not end", words.join(" "));
                }
                other => break other.to_owned(),
            }
            sleep(Duration::from_millis(300));
        };
        let complaints = self.machine.read("/run/comparison/complaints")?;
        let output = self.machine.read("/run/comparison/output")?;
        let _: Outcome = self.machine.run(["systemctl", "stop", "comparison-job"])?;
        let _: Outcome = self.machine.run(["systemctl", "reset-failed", "comparison-job"])?;
        ensure!(state == "exited", "{}", complaints.trim());
        Ok(output)
    }

    /// The last words of the unit, without what differs from run to run.
    fn said(&self) -> Result<String> {
        let said =
            ["journalctl", "--no-pager", "--boot", "--output=cat", "--lines=8", "--unit=ledger.service"];
        let said = self.machine.check(said)?;
        Ok(said.lines().filter(|line| !line.contains(": Consumed ")).collect::<Vec<_>>().join("; "))
    }
}

/// A reason as it goes into a table.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
