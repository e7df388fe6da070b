//! A tree booted as a virtual machine by QEMU: with a kernel, control groups and a disk of its own, and no network.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::machine::{ENVIRONMENT, Outcome, PATIENCE, TIME_LIMIT};
use crate::{Tree, host};

/// Runs qemu in a PID namespace of its own. When the pipe on standard input closes, because its owner dropped the machine
/// or died, this ends, and with it the machine.
const SUPERVISE: &str = r#"
exec 3<&0
cat <&3 >/dev/null &
"$@" </dev/null 3<&- &
wait -n
"#;

/// The program.
pub(crate) const PROGRAM: &str = "qemu-system-x86_64";

/// kernel-command-line(7). Under emulation a service may need minutes for what takes it seconds elsewhere.
const KERNEL_ARGUMENTS: &str = "root=/dev/vda rw console=ttyS0 quiet panic=-1 systemd.show_status=no \
    systemd.default_timeout_start_sec=400";

/// How long the agent may stay silent: longer than a command may take.
const SILENCE: Duration = Duration::from_secs(420);

/// The virtual machine. It is gone, with all that was written in it, when this is dropped.
#[derive(Debug)]
pub(crate) struct Vm {
    /// The process whose standard input keeps the machine alive.
    supervisor: Child,
    /// The way to the agent, which does one thing at a time.
    agent: Mutex<BufReader<UnixStream>>,
}

impl Vm {
    /// Boot `tree` and wait for its agent. The console goes to the file.
    pub(crate) fn start(tree: &Tree, console: &Path) -> Result<Self> {
        let boot = tree.bootable()?;
        let folder = tempfile::tempdir().context("cannot make a directory")?;
        let socket = folder.path().join("agent");
        let mut qemu = Command::new("unshare");
        qemu.args([
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "bash",
            "-c",
            SUPERVISE,
            "vm",
            PROGRAM,
        ])
        .args(["-no-user-config", "-nodefaults", "-display", "none", "-no-reboot", "-nic", "none"])
        .args(["-machine", "q35", "-smp", "2", "-m", "2048"])
        .args(acceleration())
        .arg("-kernel")
        .arg(boot.kernel)
        .arg("-initrd")
        .arg(boot.initrd)
        .args(["-append", KERNEL_ARGUMENTS])
        .args(["-drive", &format!("if=virtio,format=raw,snapshot=on,file={}", boot.disk.display())])
        .args(["-serial", &format!("file:{}", console.display())])
        .args(["-chardev", &format!("socket,id=agent,server=on,wait=off,path={}", socket.display())])
        .args(["-device", "virtio-serial-pci"])
        .args(["-device", "virtserialport,chardev=agent,name=sandboxed-testbed"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null());
        let mut supervisor = qemu.spawn().context("cannot run unshare")?;
        let stream = connect(&mut supervisor, &socket);
        let vm = |stream| Self { supervisor, agent: Mutex::new(BufReader::new(stream)) };
        let vm = vm(stream?);
        let mut greeting = String::new();
        vm.agent
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .read_line(&mut greeting)
            .context("the agent does not start")?;
        ensure!(greeting == "ready\n", "the agent says {greeting:?}");
        Ok(vm)
    }

    /// Run a command in the machine to its end.
    pub(crate) fn feed<S: AsRef<OsStr>>(&self, words: &[S], input: &[u8]) -> Result<Outcome> {
        let words = words.iter().map(|word| word.as_ref().to_string_lossy().into_owned());
        let before = ["timeout"].into_iter().chain(TIME_LIMIT).chain(["env", "-i"]).chain(ENVIRONMENT);
        let words: Vec<String> = before.map(str::to_owned).chain(words).collect();
        let mut agent = self.agent.lock().unwrap_or_else(PoisonError::into_inner);
        let request = json!({ "words": words, "input": input.len() });
        agent.get_mut().write_all(format!("{request}\n").as_bytes()).context("the machine is gone")?;
        agent.get_mut().write_all(input).context("the machine is gone")?;
        let mut line = String::new();
        agent.read_line(&mut line).with_context(|| format!("no answer to {words:?}"))?;
        let answer: Value = serde_json::from_str(&line).context("the agent's answer is damaged")?;
        let mut part = |name: &str| -> Result<String> {
            let length = answer.get(name).and_then(Value::as_u64).context("the agent's answer is damaged")?;
            let mut bytes = vec![0; usize::try_from(length)?];
            agent.read_exact(&mut bytes)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        };
        let (stdout, stderr) = (part("stdout")?, part("stderr")?);
        let status = answer.get("status").and_then(Value::as_i64);
        Ok(Outcome { status: status.map(i32::try_from).transpose()?, stdout, stderr })
    }

    /// Whether it has ended.
    pub(crate) fn ended(&mut self) -> Result<bool> {
        Ok(self.supervisor.try_wait()?.is_some())
    }
}

impl Drop for Vm {
    fn drop(&mut self) {
        // Only ever our own child; an error means that it has ended already.
        let _ = self.supervisor.kill();
        let _ = self.supervisor.wait();
    }
}

/// The processor's own virtualisation where it runs ordinary guests, else emulation.
fn acceleration() -> [&'static str; 4] {
    if host::virtualises() {
        ["-accel", "kvm", "-cpu", "host"]
    } else {
        ["-accel", "tcg,thread=multi", "-cpu", "max"]
    }
}

/// Connect to qemu's end of the virtio port, which is there a moment after it has started.
fn connect(supervisor: &mut Child, socket: &Path) -> Result<UnixStream> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match UnixStream::connect(socket) {
            Ok(stream) => {
                stream.set_read_timeout(Some(SILENCE))?;
                return Ok(stream);
            }
            Err(error) => {
                let ended = supervisor.try_wait()?.is_some();
                if ended || Instant::now() > deadline {
                    return Err(error).context("qemu did not start");
                }
            }
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
