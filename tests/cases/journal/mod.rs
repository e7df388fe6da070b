//! What a service that prints without an end does to the entries of others, with a journal of its own and without.

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

use crate::private::world::until;

pub(crate) const CASES: &[Case] =
    &[Case::new("journal::keeps_the_entries_of_others", keeps_the_entries_of_others)];

/// Less than what the service prints. The limit of the rate is the usual one.
const SMALL: &[u8] = b"[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\nRuntimeMaxFileSize=2M\n";
/// In lines as long as the journal takes them whole, which cannot be compressed.
const UNIT: &[u8] = b"[Service]\nType=oneshot\nUser=games\nExecStart=python3 /usr/local/lib/loud.py\n";
const LOUD: &[u8] = b"import os, socket
for _ in range(2000):
    print(os.urandom(20000).hex())
print('all is said')
journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
for path in ('/run/systemd/journal/socket', '/run/systemd/journal.sandboxed-loud/socket'):
    try:
        journal.sendto(b'SYSLOG_IDENTIFIER=sshd\\nMESSAGE=forged\\n', path)
    except OSError:
        pass
";

fn keeps_the_entries_of_others(suite: Suite) -> Result<()> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/etc/systemd/journald.conf.d/small.conf", 0o644, SMALL)?;
    machine.write("/etc/systemd/journald@sandboxed-loud.conf", 0o644, SMALL)?;
    machine.write("/usr/local/lib/loud.py", 0o644, LOUD)?;
    machine.write("/etc/systemd/system/loud.service", 0o644, UNIT)?;
    machine.check(["systemctl", "daemon-reload"])?;
    machine.check(["systemctl", "restart", "systemd-journald.service"])?;
    ensure!(!keeps_evidence(&machine)?, "without a sandbox the entry stays, so this shows nothing");
    let forged = |namespace: &str| -> Result<usize> {
        let said = machine.run(["journalctl", namespace, "--identifier=sshd", "--output=cat"])?;
        Ok(said.stdout.matches("forged").count())
    };
    let before = forged("--namespace=*")?;
    ensure!(before > 0, "without a sandbox it forges nothing, so this shows nothing");

    let apply = |fields: &str| {
        let policy = format!(
            r#"{{ "version": 1, "name": "loud", "units": ["loud.service"],
            "filesystem": {{ "readable": ["/usr/local/lib"] }}{fields} }}"#
        );
        machine.write("/root/loud.json", 0o644, policy.as_bytes())?;
        sandbox::apply(&machine, &["/root/loud.json"])
    };
    apply("")?;
    ensure!(!keeps_evidence(&machine)?, "the plan names as a weakness what is none");

    let in_the_machines = || -> Result<usize> {
        let said = machine.check(["journalctl", "--unit=loud.service", "--output=cat"])?;
        Ok(said.matches("all is said").count())
    };
    let before = in_the_machines()?;
    apply(r#", "ipc": { "ownJournal": true }"#)?;
    ensure!(keeps_evidence(&machine)?, "the entry of another is pushed out");
    // Its journal has its own daemon, which may be behind.
    let own = ["journalctl", "--namespace=sandboxed-loud", "--unit=loud.service", "--output=cat"];
    until("its own journal has the end of what it said", || {
        Ok(machine.run(own)?.stdout.contains("all is said"))
    })?;
    let after = in_the_machines()?;
    ensure!(after == before, "it is in the machine's journal all the same: {before} times, and then {after}");
    ensure!(forged("--namespace=*")? <= before, "it forges entries, if only of its own journal");
    machine.check(["sandboxed", "status", "loud"]).map(drop)
}

/// Whether an entry of another program is still there after the service has printed.
fn keeps_evidence(machine: &Machine) -> Result<bool> {
    machine.check(["logger", "--tag=evidence", "somebody was here"])?;
    let found = || -> Result<bool> {
        machine.check(["journalctl", "--sync"])?;
        Ok(machine.run(["journalctl", "--identifier=evidence", "--output=cat"])?.stdout.contains("somebody"))
    };
    ensure!(found()?, "the entry is not there before");
    machine.check(["systemctl", "start", "loud.service"])?;
    found()
}
