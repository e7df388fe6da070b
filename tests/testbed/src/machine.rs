//! A booted tree.

use std::ffi::OsStr;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::container::Container;
use crate::vm::Vm;
use crate::{Suite, Tree, process};

/// How long a boot or a shutdown may take on a busy machine. Alone it is a matter of seconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// The environment of a command in the machine: nothing of the outer one.
pub(crate) const ENVIRONMENT: [&str; 3] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "LANG=C.UTF-8"];

/// How long a command in a machine may take: arguments of timeout(1).
pub(crate) const TIME_LIMIT: [&str; 2] = ["--kill-after=10", "300"];

/// A tree booted with its own systemd as PID 1. It is gone, with all that was written in it, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    suite: Suite,
    place: Place,
    /// What the machine's console printed.
    console: tempfile::NamedTempFile,
}

/// Where a machine runs.
#[derive(Debug)]
enum Place {
    Container(Container),
    Vm(Vm),
}

/// What a command in the machine did.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The exit status; `None` if a signal ended the command.
    pub status: Option<i32>,
    /// What it printed on standard output.
    pub stdout: String,
    /// What it printed on standard error.
    pub stderr: String,
}

impl Outcome {
    /// Whether the command exited with 0.
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }
}

impl Machine {
    /// Boot `tree` and wait until its systemd has started everything.
    ///
    /// # Errors
    /// It does not come up; the error ends with the console's last lines.
    pub fn boot(tree: &Tree) -> Result<Self> {
        Self::boot_by(tree, &["--boot"])
    }

    /// As [`boot`](Self::boot), by a program of the tree that at its end executes systemd in its place: a machine that
    /// lacks something.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    pub fn boot_by(tree: &Tree, program: &[&str]) -> Result<Self> {
        Self::boot_in(tree, |console| {
            let streams = [console.reopen()?, console.reopen()?];
            Ok(Place::Container(Container::start(tree, program, streams)?))
        })
    }

    /// Boot `tree`, which [has a kernel](Tree::with_kernel), as a virtual machine. It takes a minute under emulation.
    ///
    /// # Errors
    /// As [`boot`](Self::boot).
    pub fn boot_vm(tree: &Tree) -> Result<Self> {
        Self::boot_in(tree, |console| Ok(Place::Vm(Vm::start(tree, console.path())?)))
    }

    fn boot_in(tree: &Tree, start: impl FnOnce(&tempfile::NamedTempFile) -> Result<Place>) -> Result<Self> {
        let suite = tree.suite();
        let console = tempfile::NamedTempFile::new().context("cannot make a file for the console")?;
        let explain = |console: &tempfile::NamedTempFile| {
            format!("{suite} did not boot; its console:\n{}", last_lines(console))
        };
        let place = start(&console).with_context(|| explain(&console))?;
        let machine = Self { suite, place, console };
        machine.wait_until_running().with_context(|| explain(&machine.console))?;
        Ok(machine)
    }

    fn wait_until_running(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let state = self.run(["systemctl", "is-system-running", "--wait"])?;
            match state.stdout.trim() {
                "running" => return Ok(()),
                "degraded" => {
                    bail!("units failed:\n{}", self.run(["systemctl", "--no-pager", "--failed"])?.stdout)
                }
                _ if Instant::now() > deadline => {
                    bail!("still {}: {}", state.stdout.trim(), state.stderr.trim())
                }
                // The bus is not there yet.
                _ => std::thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    /// The release that the machine runs.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// What was printed on the machine's console so far, its last lines.
    pub fn console(&self) -> String {
        last_lines(&self.console)
    }

    /// A command to be run in the machine as root, with all of its namespaces, from its root directory; `None` for a
    /// virtual machine, which only [`run`](Self::run) reaches. It is not part of a unit: use systemd-run(1) where the
    /// control group matters.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Option<Command> {
        match &self.place {
            Place::Container(container) => Some(container.command(words)),
            Place::Vm(_) => None,
        }
    }

    /// Run a command in the machine to its end, however it ends. It is killed after five minutes.
    ///
    /// # Errors
    /// It could not be run at all.
    pub fn run<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Result<Outcome> {
        self.feed(words, b"")
    }

    /// As [`run`](Self::run), with `input` on the command's standard input.
    ///
    /// # Errors
    /// It could not be run at all.
    pub fn feed<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>, input: &[u8]) -> Result<Outcome> {
        let words: Vec<_> = words.into_iter().collect();
        match &self.place {
            Place::Container(container) => container.feed(&words, input),
            Place::Vm(vm) => vm.feed(&words, input),
        }
    }

    /// Run a command in the machine that must succeed: its standard output.
    ///
    /// # Errors
    /// It exits with anything but 0; the error shows what it printed.
    pub fn check<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Result<String> {
        let words: Vec<_> = words.into_iter().collect();
        let outcome = self.run(&words)?;
        let shown = || words.iter().map(|word| word.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
        ensure!(
            outcome.success(),
            "`{}` on {} exited with {:?}\n{}{}",
            shown(),
            self.suite,
            outcome.status,
            outcome.stdout,
            outcome.stderr
        );
        Ok(outcome.stdout)
    }

    /// Run a script that must succeed, by bash with `-eu`: its standard output.
    ///
    /// # Errors
    /// As [`check`](Self::check).
    pub fn script(&self, text: &str) -> Result<String> {
        self.check(["bash", "-euc", text])
    }

    /// Write a file of the machine, with the directories above it.
    ///
    /// # Errors
    /// The machine can't write it.
    pub fn write(&self, path: &str, mode: u32, contents: &[u8]) -> Result<()> {
        let outcome =
            self.feed(["install", "-D", "-m", &format!("{mode:o}"), "/dev/stdin", path], contents)?;
        ensure!(outcome.success(), "cannot write {path} on {}: {}", self.suite, outcome.stderr.trim());
        Ok(())
    }

    /// Copy a file of the outer machine, a program say, keeping whether it is executable.
    ///
    /// # Errors
    /// It can't be read here, or not be written there.
    pub fn copy(&self, from: &Path, to: &str) -> Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let contents = fs::read(from).with_context(|| format!("cannot read {}", from.display()))?;
        let executable = fs::metadata(from)?.permissions().mode() & 0o111 != 0;
        self.write(to, if executable { 0o755 } else { 0o644 }, &contents)
    }

    /// Copy a directory of the outer machine and all below it: `to` is created where needed, and becomes root's.
    ///
    /// # Errors
    /// It can't be read here, or not be written there.
    pub fn copy_tree(&self, from: &Path, to: &str) -> Result<()> {
        let archive = process::run(Command::new("tar").arg("-C").arg(from).args(["-c", "."]))?.stdout;
        self.check(["mkdir", "-p", to])?;
        let outcome = self.feed(["tar", "-C", to, "--no-same-owner", "-x"], &archive)?;
        ensure!(outcome.success(), "cannot unpack in {to} on {}: {}", self.suite, outcome.stderr.trim());
        Ok(())
    }

    /// Copy files and directories of the outer machine to the same places, as they are but for their owner, which
    /// becomes root: a closure of a Nix store, say.
    ///
    /// # Errors
    /// One can't be read here, or not be written there.
    pub fn copy_paths<S: AsRef<OsStr>>(&self, paths: impl IntoIterator<Item = S>) -> Result<()> {
        let mut read = Command::new("tar")
            .args(["--directory=/", "--create", "--absolute-names"])
            .args(paths)
            .stdout(Stdio::piped())
            .spawn()
            .context("cannot run tar")?;
        let archive = read.stdout.take().context("tar has no output")?;
        let words = ["tar", "--directory=/", "--no-same-owner", "--absolute-names", "--extract"];
        let mut write = self.command(words).context("a virtual machine takes no stream")?;
        let written = write.stdin(archive).output().context("cannot run nsenter")?;
        let read = read.wait()?;
        ensure!(
            read.success() && written.status.success(),
            "cannot copy to {}: {}",
            self.suite,
            String::from_utf8_lossy(&written.stderr).trim()
        );
        Ok(())
    }

    /// A file of the machine.
    ///
    /// # Errors
    /// It can't be read.
    pub fn read(&self, path: &str) -> Result<String> {
        self.check(["cat", path])
    }

    /// The journal of a unit since the boot, messages only.
    ///
    /// # Errors
    /// journalctl(1) fails.
    pub fn journal(&self, unit: &str) -> Result<String> {
        self.check(["journalctl", "--no-pager", "--boot", "--output=cat", "--unit", unit])
    }

    /// Shut the machine down in good order, stopping every unit, and wait for its end.
    ///
    /// # Errors
    /// It is not down after three minutes; it is killed then.
    pub fn power_off(mut self) -> Result<()> {
        self.check(["systemctl", "--no-block", "poweroff"])?;
        let deadline = Instant::now() + PATIENCE;
        while !self.place.ended()? {
            ensure!(
                Instant::now() < deadline,
                "{} did not power off; its console:\n{}",
                self.suite,
                self.console()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Place {
    fn ended(&mut self) -> Result<bool> {
        match self {
            Self::Container(container) => container.ended(),
            Self::Vm(vm) => vm.ended(),
        }
    }
}

fn last_lines(console: &tempfile::NamedTempFile) -> String {
    process::last_lines(&fs::read(console.path()).unwrap_or_default())
}
