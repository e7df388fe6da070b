//! What a sandbox adds to the start of a unit.

use std::time::Duration;

use anyhow::{Context, Result};
use sandboxed_testbed::{Machine, Suite, Tree, install_missing};

use super::measure::{Contender, compare};

/// Starts a unit and tells how long that took, without the way into the machine.
const TIMED_START: &str = "import subprocess, sys, time
before = time.perf_counter()
subprocess.run(['systemctl', 'start', sys.argv[1]], check=True)
print(time.perf_counter() - before)";

const UNIT: &[u8] = b"[Service]\nType=oneshot\nUser=games\nExecStart=/bin/true\n";

/// What a careful administrator writes with the directives of systemd 257 alone, but for `SocketBindDeny=`, which costs more
/// than all of these together: what the limit was set by, on a machine on which it cost 37 ms.
const BY_HAND: &[u8] = b"[Service]
RuntimeDirectory=by-hand
RootDirectory=/run/by-hand
MountAPIVFS=yes
ReadOnlyPaths=+/
BindReadOnlyPaths=/usr /bin /sbin /lib /lib64
TemporaryFileSystem=/dev/shm:ro
NoExecPaths=/
ExecPaths=/usr
PrivateTmp=disconnected
PrivateDevices=yes
DevicePolicy=closed
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=strict
ProtectClock=yes
ProtectHostname=yes
PrivateIPC=yes
PrivateUsers=yes
RemoveIPC=yes
KeyringMode=private
RestrictAddressFamilies=AF_INET
IPAddressDeny=localhost
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
RestrictNamespaces=yes
RestrictSUIDSGID=yes
RestrictRealtime=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources @keyring
SystemCallErrorNumber=EPERM
LimitNOFILE=1024
LimitCORE=0
";
/// What a daemon reads of /etc, which is not in there: to bind it costs more than the rest that is sandboxed and not by hand.
const FILES: &[u8] = b"[Service]
BindReadOnlyPaths=-/etc/passwd -/etc/group -/etc/nsswitch.conf -/etc/hosts -/etc/host.conf -/etc/gai.conf -/etc/services
BindReadOnlyPaths=-/etc/protocols -/etc/localtime -/etc/ld.so.cache -/etc/alternatives -/etc/ssl/certs -/etc/ssl/openssl.cnf
BindReadOnlyPaths=-/etc/resolv.conf
";
const POLICY: &[u8] = br#"{ "version": 1, "name": "bench", "units": ["confined.service"] }"#;

pub(super) fn run() -> Result<()> {
    let programs = super::released_programs()?;
    install_missing()?;
    let machine = Machine::boot(&Tree::base(Suite::Trixie)?)?;
    for program in ["sandboxed", "sandboxed-launch"] {
        machine.copy(&programs.join(program), &format!("/usr/local/bin/{program}"))?;
    }
    machine.write("/etc/systemd/system/plain.service", 0o644, UNIT)?;
    machine.write("/etc/systemd/system/confined.service", 0o644, UNIT)?;
    machine.write("/etc/systemd/system/by-hand.service", 0o644, UNIT)?;
    machine.write("/etc/systemd/system/by-hand.service.d/confined.conf", 0o644, BY_HAND)?;
    machine.write("/etc/systemd/system/with-files.service", 0o644, UNIT)?;
    machine.write("/etc/systemd/system/with-files.service.d/confined.conf", 0o644, BY_HAND)?;
    machine.write("/etc/systemd/system/with-files.service.d/files.conf", 0o644, FILES)?;
    machine.write("/etc/sandboxed/bench.json", 0o644, POLICY)?;
    machine.check(["systemctl", "daemon-reload"])?;
    machine.check(["sandboxed", "apply", "/etc/sandboxed/bench.json"])?;
    // The filter's helper stays up between the starts of a service.
    machine.check(["systemctl", "start", "sandboxed-bench-filter.service"])?;
    let start = |unit: &str| -> Result<Duration> {
        let seconds = machine.check(["python3", "-c", TIMED_START, unit])?;
        let seconds = seconds.trim().parse().context("no number of seconds")?;
        Ok(Duration::try_from_secs_f64(seconds)?)
    };
    compare(
        "start of a oneshot unit on trixie; the limit is 45 ms over the plain one, or 1.2 times what by hand is over it",
        50,
        &mut [
            Contender::new("plain", || start("plain.service")),
            Contender::new("by hand, without SocketBindDeny=", || start("by-hand.service")),
            Contender::new("by hand, with what daemons read of /etc", || start("with-files.service")),
            Contender::new("sandboxed", || start("confined.service")),
        ],
    )
}
