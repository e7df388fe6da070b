//! A tree booted by systemd-nspawn(1): the outer machine's kernel, at native speed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::Tree;
use crate::cgroup::Cgroup;
use crate::machine::{ENVIRONMENT, Outcome, PATIENCE, TIME_LIMIT};

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

/// The container. It is gone, with all that was written in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Container {
    /// The process whose standard input keeps the machine alive.
    supervisor: Child,
    /// The machine's PID 1, as the outer machine numbers it.
    leader: u32,
    /// Dropped last: it can only be removed once its processes are gone.
    _cgroup: Cgroup,
}

impl Container {
    /// Boot `tree` by a program of its own. What the console prints goes to the files.
    pub(crate) fn start(tree: &Tree, program: &[&str], console: [File; 2]) -> Result<Self> {
        let [out, err] = console;
        let cgroup = Cgroup::new()?;
        let mut supervisor = Command::new("unshare")
            .args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["bash", "-c", SUPERVISE, "sandboxed-testbed"])
            .arg(cgroup.path()?)
            .arg(tree.lower_directories())
            .args(program)
            .stdin(Stdio::piped())
            .stdout(out)
            .stderr(err)
            .spawn()
            .context("cannot run unshare")?;
        let leader = find_leader(&mut supervisor);
        let container = Self { supervisor, leader: leader.unwrap_or(0), _cgroup: cgroup };
        leader.map(|_| container).context("no PID 1")
    }

    /// A command to be run in the machine.
    pub(crate) fn command<S: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = S>) -> Command {
        let mut command = Command::new("nsenter");
        command
            .args(["--target", &self.leader.to_string(), "--all", "env", "-i"])
            .args(ENVIRONMENT)
            .args(words);
        command
    }

    /// Run a command in the machine to its end.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, words: &[S], input: &[u8]) -> Result<Outcome> {
        let inner = self.command(words);
        let mut outer = Command::new("timeout");
        outer.args(TIME_LIMIT).arg(inner.get_program()).args(inner.get_args());
        let file = scratch(input)?;
        let output = outer.stdin(file).output().context("cannot run nsenter")?;
        Ok(Outcome {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.supervisor.try_wait()?.is_some())
    }
}

impl Drop for Container {
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
