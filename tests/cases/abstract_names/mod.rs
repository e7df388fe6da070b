//! Abstract unix sockets of the machine, for a service that can make no unix socket by socket(2) in the machine's network.

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("abstract_names::a_handed_datagram_socket_sends_to_none", handed),
    Case::new("abstract_names::standard_output_takes_none", streams),
    Case::new("abstract_names::a_pair_of_sockets_sends_to_none", pairs),
];

const VICTIM: &str = "import socket
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind('\\0victim')
while True:
    print(s.recv(100).decode(), file=open('/run/received', 'a'), flush=True)
";

/// A machine with a victim that has an abstract name, and the service.
fn prepared(suite: Suite, more: &str) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/usr/local/lib/victim.py", 0o644, VICTIM.as_bytes())?;
    machine.write("/usr/local/lib/service.py", 0o644, include_bytes!("service.py"))?;
    let unit = format!(
        "[Service]\nType=oneshot\nUser=games\nExecStart=/usr/bin/python3 /usr/local/lib/service.py\n{more}"
    );
    machine.write("/etc/systemd/system/sender.service", 0o644, unit.as_bytes())?;
    machine
        .script("systemctl daemon-reload; systemd-run --quiet python3 /usr/local/lib/victim.py; sleep 1")?;
    Ok(machine)
}

/// Puts the sandbox around it, with this of the network and further fields.
fn apply(machine: &Machine, network: &str, fields: &str) -> Result<()> {
    let policy = format!(
        r#"{{ "version": 1, "name": "sender", "units": ["sender.service"]{fields},
            "filesystem": {{ "readable": ["/usr/local/lib"] }}, "network": {{ {network} }} }}"#
    );
    machine.write("/root/sender.json", 0o644, policy.as_bytes())?;
    sandbox::apply(machine, &["/root/sender.json"])
}

/// Runs the service, and says what the victim got.
fn received(machine: &Machine) -> Result<String> {
    machine.script(
        "rm -f /run/received; date '+%F %T.%6N' >/run/began
         systemctl restart sender.service || { journalctl --no-pager --output=cat --unit=sender.service >&2; exit 1; }
         sleep 0.5; cat /run/received || true",
    )
}

fn handed(suite: Suite) -> Result<()> {
    // A network of its own does not help by itself.
    let machine = prepared(suite, "Sockets=sender.socket\n")?;
    machine.write(
        "/etc/systemd/system/sender.socket",
        0o644,
        b"[Socket]\nListenDatagram=/run/sender.sock\nSocketUser=games\n",
    )?;
    let drop_in = "/etc/systemd/system/sender.service.d/private.conf";
    machine.write(drop_in, 0o644, b"[Service]\nPrivateNetwork=yes\n")?;
    machine.script("systemctl daemon-reload; systemctl start sender.socket")?;
    let plain = received(&machine)?;
    ensure!(plain.trim() == "handed", "without a sandbox, in a network of its own: {plain}");
    machine.script(&format!("rm {drop_in}; systemctl daemon-reload"))?;
    for mode in ["none", "private"] {
        apply(&machine, &format!(r#""mode": "{mode}""#), r#", "sockets": ["sender.socket"]"#)?;
        machine.script("systemctl stop sender.socket sender.service; systemctl start sender.socket")?;
        let said = received(&machine)?;
        ensure!(said.trim().is_empty(), "in the mode {mode} the victim got {said}");
        was_stopped(&machine, "handed")?;
    }
    Ok(())
}

/// systemd connects standard output to the journal before it makes the service a network of its own.
fn streams(suite: Suite) -> Result<()> {
    let machine = prepared(suite, "")?;
    let drop_in = "/etc/systemd/system/sender.service.d/private.conf";
    machine.write(drop_in, 0o644, b"[Service]\nPrivateNetwork=yes\n")?;
    machine.check(["systemctl", "daemon-reload"])?;
    received(&machine)?;
    was(&machine, "output taken")?;
    machine.script(&format!("rm {drop_in}; systemctl daemon-reload"))?;
    for mode in ["none", "private"] {
        apply(&machine, &format!(r#""mode": "{mode}""#), "")?;
        received(&machine)?;
        was(&machine, "output stopped")?;
    }
    Ok(())
}

fn pairs(suite: Suite) -> Result<()> {
    let machine = prepared(suite, "")?;
    let drop_in = "/etc/systemd/system/sender.service.d/families.conf";
    machine.write(drop_in, 0o644, b"[Service]\nRestrictAddressFamilies=AF_INET\n")?;
    machine.check(["systemctl", "daemon-reload"])?;
    let plain = received(&machine)?;
    ensure!(plain.lines().count() == 3, "without a sandbox, and without AF_UNIX: {plain}");
    // What older kernels need, by itself.
    let launcher = "ExecStart=\nExecStart=/usr/local/bin/sandboxed-launch --no-datagram-pairs -- \
                    /usr/bin/python3 /usr/local/lib/service.py\n\
                    AmbientCapabilities=CAP_SYS_ADMIN CAP_SETPCAP\nNoNewPrivileges=yes\n";
    machine.write(drop_in, 0o644, format!("[Service]\n{launcher}").as_bytes())?;
    machine.check(["systemctl", "daemon-reload"])?;
    let said = received(&machine)?;
    ensure!(said.trim().is_empty(), "with the launcher's filter the victim got {said}");
    was_stopped(&machine, "pair-2")?;
    machine.script(&format!("rm {drop_in}; systemctl daemon-reload"))?;
    apply(&machine, r#""addressFamilies": ["AF_INET"]"#, "")?;
    let said = received(&machine)?;
    ensure!(said.trim().is_empty(), "in the sandbox the victim got {said}");
    was_stopped(&machine, "pair-2")
}

/// That the service tried in vain, and went on to the end.
fn was_stopped(machine: &Machine, what: &str) -> Result<()> {
    was(machine, &format!("{what} stopped"))
}

/// That the service said this, and went on to the end.
fn was(machine: &Machine, what: &str) -> Result<()> {
    let said = machine.script(
        "sleep 0.5; journalctl --no-pager --output=cat --unit=sender.service --since \"$(cat /run/began)\"",
    )?;
    ensure!(said.contains(what) && said.contains("stream b'x'"), "`{what}` is not in the journal:\n{said}");
    Ok(())
}
