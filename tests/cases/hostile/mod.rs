//! A service that was taken over cannot do to the machine what it could do without its sandbox.
//!
//! The attempts run as `matrix-synapse.service` itself, with its user and its sandbox; only the program is another.
//! Without the sandbox every attempt must succeed: one that could not succeed anyway would show nothing.

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::{neighbour, sandbox};
use sandboxed_testbed::{Machine, Suite, Tree};
use serde_json::{Map, Value};

pub(crate) const CASES: &[Case] =
    &[Case::new("hostile::plain", plain), Case::new("hostile::sandboxed", sandboxed)];

const SECRET: &str = "the victim's secret";

/// Files of the machine that anybody may read and write.
const FILES: [&str; 10] = [
    "/dev/shm/victim",
    "/etc/victim.conf",
    "/home/victim/diary",
    "/mnt/victim",
    "/opt/victim/data",
    "/run/victim/data",
    "/srv/victim/data",
    "/tmp/victim",
    "/var/lib/victim/data",
    "/var/tmp/victim",
];

/// A program that makes whoever runs it root, and one that brings a capability.
const PRIVILEGED_PROGRAMS: &str = "
install -m 4755 /usr/bin/id /usr/local/bin/id-as-root
install -m 0755 \"$(readlink -f /usr/bin/python3)\" /usr/local/bin/python-with-raw-sockets
setcap cap_net_raw+ep /usr/local/bin/python-with-raw-sockets
";

/// The unit of the package, taken over: the same user, directories and sandbox, another program.
const TAKEN_OVER: &str = "[Service]
Type=oneshot
Restart=no
ExecStartPre=
ExecReload=
ExecStart=
ExecStart=/opt/venvs/matrix-synapse/bin/python /var/lib/matrix-synapse/hostile.py";

fn plain(suite: Suite) -> Result<()> {
    let machine = lay_out(suite)?;
    let attempts = attack(&machine)?;
    let failed: Vec<_> = attempts.iter().filter(|(_, obstacle)| !obstacle.is_null()).collect();
    ensure!(failed.is_empty(), "without a sandbox these fail too, so they show nothing: {failed:#?}");
    for file in FILES {
        ensure!(machine.read(file)?.contains("hostile"), "{file} was not written");
    }
    machine.check(["test", "-e", "/run/victim/signalled"])?;
    Ok(())
}

fn sandboxed(suite: Suite) -> Result<()> {
    let machine = lay_out(suite)?;
    sandbox::install(&machine)?;
    sandbox::apply(&machine, &["--preset", "synapse"])?;
    let attempts = attack(&machine)?;
    let succeeded = attempts.iter().filter(|(_, obstacle)| obstacle.is_null()).map(|(name, _)| name.as_str());
    let succeeded: Vec<_> = succeeded.collect();
    ensure!(succeeded.is_empty(), "in the sandbox these succeed: {succeeded:#?}");
    for file in FILES {
        ensure!(machine.read(file)? == SECRET, "{file} was written");
    }
    Ok(())
}

/// A machine with a victim on it, and with `matrix-synapse.service` taken over.
fn lay_out(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::synapse(suite)?)?;
    neighbour::connect(&machine)?;
    for file in FILES {
        machine.write(file, 0o666, SECRET.as_bytes())?;
    }
    // The victim has the hostile service's own user: nothing but the sandbox is to protect it.
    machine.script("chown matrix-synapse /run/victim")?;
    machine.script(PRIVILEGED_PROGRAMS)?;
    machine.write("/usr/local/lib/victim.py", 0o644, include_bytes!("victim.py"))?;
    machine.script(&format!(
        "systemd-run --quiet --unit=victim --property=Type=notify --property=User=matrix-synapse \
             --setenv=SECRET=\"{SECRET}\" python3 /usr/local/lib/victim.py \"{SECRET}\""
    ))?;
    machine.write("/var/lib/matrix-synapse/hostile.py", 0o644, include_bytes!("hostile.py"))?;
    let victim = machine.check(["systemctl", "show", "--value", "--property=MainPID", "victim.service"])?;
    let drop_in = format!("{TAKEN_OVER} {} {}\n", victim.trim(), FILES.join(" "));
    let path = "/etc/systemd/system/matrix-synapse.service.d/taken-over.conf";
    machine.write(path, 0o644, drop_in.as_bytes())?;
    machine.check(["systemctl", "daemon-reload"])?;
    Ok(machine)
}

/// Run the attempts as the service: their names, and what stood in the way of each, or null.
fn attack(machine: &Machine) -> Result<Map<String, Value>> {
    let started = machine.run(["systemctl", "start", "matrix-synapse.service"])?;
    let journal = machine.journal("matrix-synapse.service")?;
    ensure!(started.success(), "the hostile program did not run to its end:\n{journal}");
    let report = journal.lines().find(|line| line.starts_with('{')).context("no report in the journal")?;
    Ok(serde_json::from_str(report)?)
}
