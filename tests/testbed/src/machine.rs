//! A booted tree.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::cgroup::Cgroup;
use crate::{Suite, Tree, process};

/// How long a boot or a shutdown may take on a busy machine. Alone it is a matter of seconds.
const PATIENCE: Duration = Duration::from_secs(180);

/// PID 1 of a PID namespace of its own, in a mount namespace of its own: `$1` is the machine's control group, `$2` the
/// tree's layers, and what it boots by follows. When the pipe on standard input closes, because its owner dropped the machine or died, this ends;
/// then the kernel ends the machine and unmounts what it was on. Nothing is left to clean up but the control group.
///
/// The unified hierarchy has to be asked for where the outer machine has a hybrid one; systemd-nspawn's own
/// system call filter would keep what is tested here from working.
const SUPERVISE: &str = r#"
set -eu
echo 0 > "$1/cgroup.procs"
mount -t tmpfs -o mode=0755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$2,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
exec 3<&0
cat <&3 >/dev/null &
shift 2
SYSTEMD_NSPAWN_UNIFIED_HIERARCHY=1 SYSTEMD_SECCOMP=0 systemd-nspawn --quiet --directory=/mnt/root \
    --register=no --keep-unit --private-network --capability=all --resolv-conf=off --timezone=off \
    --hostname=testbed --console=pipe "$@" </dev/null 3<&- &
wait -n
"#;

/// The environment of a command in the machine: nothing of the outer one.
const ENVIRONMENT: [&str; 3] =
    ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin", "HOME=/root", "LANG=C.UTF-8"];

/// A tree booted with its own systemd as PID 1. It is gone, with all that was written in it, when this is dropped.
#[derive(Debug)]
pub struct Machine {
    suite: Suite,
    /// The process whose standard input keeps the machine alive.
    supervisor: Child,
    /// The machine's PID 1, as the outer machine numbers it.
    leader: u32,
    /// What the machine's console printed.
    console: tempfile::NamedTempFile,
    /// Dropped last: it can only be removed once its processes are gone.
    _cgroup: Cgroup,
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
        let cgroup = Cgroup::new()?;
        let console = tempfile::NamedTempFile::new().context("cannot make a file for the console")?;
        let mut supervisor = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", SUPERVISE, "sandboxed-testbed"])
            .arg(cgroup.path()?)
            .arg(tree.lower_directories())
            .args(program)
            .stdin(Stdio::piped())
            .stdout(console.reopen()?)
            .stderr(console.reopen()?)
            .spawn()
            .context("cannot run unshare")?;
        let leader = find_leader(&mut supervisor);
        let mut machine =
            Self { suite: tree.suite(), supervisor, leader: leader.unwrap_or(0), console, _cgroup: cgroup };
        let ready =
            if leader.is_some() { machine.wait_until_running() } else { Err(anyhow::anyhow!("no PID 1")) };
        ready.with_context(|| {
            format!("{} did not boot; its console:\n{}", machine.suite, machine.console())
        })?;
        Ok(machine)
    }

    fn wait_until_running(&mut self) -> Result<()> {
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

    /// The process id of the machine's PID 1, as the outer machine numbers it: for nsenter(1) and /proc.
    pub fn leader(&self) -> u32 {
        self.leader
    }

    /// What was printed on the machine's console so far, its last lines.
    pub fn console(&self) -> String {
        process::last_lines(&fs::read(self.console.path()).unwrap_or_default())
    }

    /// A command to be run in the machine as root, with all of its namespaces, from its root directory. It is not
    /// part of a unit: use systemd-run(1) where the control group matters.
    pub fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.leader.to_string(), "--all", "env", "-i"])
            .args(ENVIRONMENT)
            .args(words);
        command
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
        let inner = self.command(words);
        let mut outer = Command::new("timeout");
        outer.args(["--kill-after=10", "300"]).arg(inner.get_program()).args(inner.get_args());
        let file = scratch(input)?;
        let output = outer.stdin(file).output().context("cannot run nsenter")?;
        Ok(Outcome {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
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
        let written = self.command(words).stdin(archive).output().context("cannot run nsenter")?;
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
        while self.supervisor.try_wait()?.is_none() {
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

impl Drop for Machine {
    fn drop(&mut self) {
        // Only ever our own child: unshare's --kill-child ends the namespace's PID 1, and with it all in it. An error
        // means that it has ended already.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

/// A file with `input`, open at its start: unlike a pipe it needs no second thread to be filled.
fn scratch(input: &[u8]) -> Result<File> {
    let mut file = tempfile::NamedTempFile::new().context("cannot make a temporary file")?;
    file.write_all(input)?;
    Ok(file.reopen()?)
}

/// Unshare's child is bash, its child systemd-nspawn, and that one's child the machine's PID 1, once it is set up.
fn find_leader(supervisor: &mut Child) -> Option<u32> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline && matches!(supervisor.try_wait(), Ok(None)) {
        let nspawn = children(supervisor.id())
            .into_iter()
            .flat_map(children)
            .filter(|pid| name(*pid).is_some_and(|name| name == "systemd-nspawn"));
        // systemd-nspawn's helpers bear its own name until the tree's init is executed.
        if let Some(leader) =
            nspawn.flat_map(children).find(|pid| name(*pid).is_some_and(|name| name == "systemd"))
        {
            return Some(leader);
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    None
}

fn children(pid: u32) -> Vec<u32> {
    let list = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect()
}

fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim_end().to_owned())
}
