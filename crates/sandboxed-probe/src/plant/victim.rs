//! A process for the probe to aim at: it only waits.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};

use super::Options;
use crate::sys::network::{bind, internet, listen, port, set_option, socket};
use crate::sys::{call, memory, process};
use crate::targets::{Targets, Victim};

/// The running victim; dropping ends it.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Process {
    /// Starts it under the service's user and lets it say where it keeps what.
    pub(super) fn start(options: &Options, targets: &mut Targets) -> io::Result<Process> {
        let mut command = Command::new(&options.program);
        command.args(["--victim", &targets.token]).env_clear().env("SANDBOXED_PROBE_SECRET", &targets.token);
        command.current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        if process::identity() != (options.user, options.group) {
            command.uid(options.user).gid(options.group);
        }
        let mut child = command.spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let mut victim = Process { child, output: BufReader::new(output) };
        let mut line = String::new();
        victim.output.read_line(&mut line)?;
        targets.victim = Some(serde_json::from_str(&line)?);
        Ok(victim)
    }

    /// Ends it; returns the signals that it was sent.
    pub(super) fn finish(&mut self) -> Option<Vec<i32>> {
        drop(self.child.stdin.take()?);
        let mut line = String::new();
        self.output.read_line(&mut line).ok()?;
        let _ = self.child.wait();
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The end of its input ends it; waiting takes no longer than that.
        if self.finish().is_none() {
            let _ = self.child.wait();
        }
    }
}

/// The victim's life: prepares everything that can be interfered with, says so, and waits for the end of its input.
pub(crate) fn main(token: &str) -> ExitCode {
    // Blocked signals stay pending, and can be asked for at the end.
    process::block(&[libc::SIGUSR1, libc::SIGUSR2]);
    match prepare(token) {
        Ok((victim, _kept)) => {
            let mut output = io::stdout();
            let said = serde_json::to_string(&victim)
                .map_err(io::Error::from)
                .and_then(|line| writeln!(output, "{line}"));
            if said.is_err() {
                return ExitCode::FAILURE;
            }
            let _ = io::stdin().read_to_end(&mut Vec::new());
            if victim.key != 0 {
                let _ = call!(libc::SYS_keyctl, UNLINK, victim.key, USER_KEYRING);
            }
            let pending = process::pending();
            let _ = serde_json::to_string(&pending).map(|line| writeln!(output, "{line}"));
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("victim: {error}");
            ExitCode::FAILURE
        }
    }
}

/// `KEYCTL_UNLINK`, `KEYCTL_SETPERM` and `KEY_SPEC_USER_KEYRING` of keyctl(2).
const UNLINK: i32 = 9;
const SET_PERMISSIONS: i32 = 5;
const USER_KEYRING: i32 = -4;

/// Makes the targets. The second part keeps them alive.
fn prepare(token: &str) -> io::Result<(Victim, impl Sized)> {
    // As with the other targets, nothing but the sandbox shall protect it: neither its file's mode nor Yama.
    let _ = process::let_others_trace(true);
    let _ = process::prctl(libc::PR_SET_PTRACER, u64::MAX, 0);
    let secret = token.as_bytes().to_vec();
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(token.as_bytes())?;
    let tcp = shared(libc::SOCK_STREAM, libc::SO_REUSEPORT)?;
    listen(&tcp)?;
    let udp = shared(libc::SOCK_DGRAM, libc::SO_REUSEPORT)?;
    let reused = shared(libc::SOCK_DGRAM, libc::SO_REUSEADDR)?;
    let key_description = format!("sandboxed-probe-{token}");
    let victim = Victim {
        pid: i32::try_from(std::process::id()).map_err(io::Error::other)?,
        address: memory::address_of(&secret),
        length: secret.len(),
        descriptor: reader.as_raw_fd(),
        shared_tcp_port: port(&tcp)?,
        shared_udp_port: port(&udp)?,
        reused_udp_port: port(&reused)?,
        key: key(token, &key_description).unwrap_or(0),
        key_description,
    };
    Ok((victim, (secret, reader, writer, tcp, udp, reused)))
}

/// A socket on a free port of 127.0.0.1 that others may share, by `SO_REUSEPORT` those of the same user alone.
fn shared(kind: i32, by: i32) -> io::Result<std::os::fd::OwnedFd> {
    let socket = socket(libc::AF_INET, kind, 0)?;
    set_option(&socket, libc::SOL_SOCKET, by, 1)?;
    bind(&socket, &internet(&SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0)))?;
    Ok(socket)
}

/// A key in the keyring of the user, open to all who find it.
fn key(token: &str, description: &str) -> io::Result<i32> {
    let description = std::ffi::CString::new(description).map_err(io::Error::other)?;
    let added = call!(
        libc::SYS_add_key,
        c"user",
        description.as_c_str(),
        token.as_bytes(),
        token.len(),
        USER_KEYRING
    )?;
    call!(libc::SYS_keyctl, SET_PERMISSIONS, added, 0x3f3f_3f3f_u32)?;
    i32::try_from(added).map_err(io::Error::other)
}
