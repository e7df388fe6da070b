//! An `nft -i` that stays, and so keeps the netlink socket that owns a table.

use std::{
    fs,
    io::{BufRead, BufReader, PipeReader, Write, pipe},
    os::fd::OwnedFd,
    path::Path,
    process::{Child, ChildStdin, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use rustix::{
    net::{AddressFamily, netlink, sockopt},
    process::{Pid, PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open},
};

/// A command whose answer marks the end of the one before: it always prints the same, and asks the kernel nothing.
const MARK: &str = "describe ct_dir";
/// The first words of its first line, and of its last.
const MARK_LINES: [&str; 2] = ["datatype ct_dir", "\treply"];
/// What nft says of a table that another socket owns: EPERM, as strerror(3) has it.
const OWNED: &str = "Operation not permitted";
/// How long to wait for its end: less than systemd waits for a unit to start (DefaultTimeoutStartSec=, systemd-system.conf(5)).
const PATIENCE: Duration = Duration::from_secs(80);
/// How long before it is tried again.
const AGAIN: Duration = Duration::from_millis(50);

/// Its two ends: what it reads, and all that it prints.
pub(in crate::command) struct Nft {
    input: ChildStdin,
    output: BufReader<PipeReader>,
    process: Pid,
}

/// Loads a script into the network that the calling thread is in, by an nft of its own. What it loads stays with the network.
///
/// # Errors
/// What nft says against it, in which case nothing was loaded.
pub(in crate::command) fn once(program: &Path, script: &str) -> Result<()> {
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("can't run {}", program.display()))?;
    let mut input = child.stdin.take().context("nft has no standard input")?;
    // Where it ends early, it says why.
    let written = input.write_all(script.as_bytes());
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("nft: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(written?)
}

impl Nft {
    /// Starts it. The process is handed out, for whoever watches over it.
    pub(in crate::command) fn start(program: &Path) -> Result<(Self, Child)> {
        let (reader, writer) = pipe()?;
        let mut child = Command::new(program)
            .arg("-i")
            .stdin(Stdio::piped())
            .stdout(writer.try_clone()?)
            .stderr(writer)
            .spawn()
            .with_context(|| format!("can't run {}", program.display()))?;
        let input = child.stdin.take().context("nft has no standard input")?;
        let process = Pid::from_child(&child);
        Ok((Self { input, output: BufReader::new(reader), process }, child))
    }

    /// The socket that owns the tables which it has loaded, shared with it: whoever has it open keeps them in force, also
    /// when nft ends. Nobody can change them any more then.
    ///
    /// # Errors
    /// Before the first script was loaded; or if this process may not look into its child (`kernel.yama.ptrace_scope` is 3).
    pub(in crate::command) fn owner(&self) -> Result<OwnedFd> {
        let taking = "can't share the socket that owns the table (kernel.yama.ptrace_scope must be below 3)";
        let process = pidfd_open(self.process, PidfdFlags::empty())?;
        for entry in fs::read_dir(format!("/proc/{}/fd", self.process)).context(taking)? {
            let Ok(number) = entry?.file_name().to_string_lossy().parse() else { continue };
            let shared = pidfd_getfd(&process, number, PidfdGetfdFlags::empty()).context(taking)?;
            let is_netlink = sockopt::socket_domain(&shared) == Ok(AddressFamily::NETLINK);
            if is_netlink && sockopt::socket_protocol(&shared) == Ok(Some(netlink::NETFILTER)) {
                return Ok(shared);
            }
        }
        bail!("nft has no socket by which it owns a table")
    }

    /// Loads a script as one transaction.
    ///
    /// # Errors
    /// What nft says against it, in which case nothing was loaded; or that nft is gone.
    pub(in crate::command) fn load(&mut self, script: &str) -> Result<Loaded> {
        // nft takes each line that it is given for a transaction of its own, but an included file for a single one.
        let mut file = tempfile::NamedTempFile::new()?;
        file.write_all(script.as_bytes())?;
        writeln!(self.input, "include \"{}\"\n{MARK}", file.path().display())?;
        self.input.flush()?;
        let mut said = String::new();
        let [first, last] = MARK_LINES;
        let mut marked = false;
        loop {
            let mut line = String::new();
            if self.output.read_line(&mut line)? == 0 {
                bail!("nft has ended: {said}");
            }
            marked |= line.starts_with(first);
            if !marked {
                said.push_str(&line);
            } else if line.starts_with(last) {
                return Ok(if said.trim().is_empty() { Loaded::Yes } else { Loaded::No(said) });
            }
        }
    }
}

/// Tries to load what replaces a table, for as long as another socket owns that: the service manager keeps the one of an owner
/// that has ended until the services have, which it may be stopping right now.
///
/// # Errors
/// Those of the attempt.
pub(in crate::command) fn when_free(mut attempt: impl FnMut() -> Result<Loaded>) -> Result<Loaded> {
    let begun = Instant::now();
    let mut waits = false;
    loop {
        match attempt()? {
            Loaded::No(reason) if reason.contains(OWNED) && begun.elapsed() < PATIENCE => {
                if !waits {
                    eprintln!("the table has an owner yet: waiting for services that are being stopped");
                }
                waits = true;
                thread::sleep(AGAIN);
            }
            loaded => return Ok(loaded),
        }
    }
}

/// Whether a script was loaded.
pub(in crate::command) enum Loaded {
    /// It was.
    Yes,
    /// Nothing of it was, for this reason.
    No(String),
}
