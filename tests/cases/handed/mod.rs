//! Sockets from activation: a service without a network of the machine's is handed one that has it.

use anyhow::{Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::{neighbour, sandbox};
use sandboxed_testbed::{Machine, Suite, Tree};

pub(crate) const CASES: &[Case] = &[
    Case::new("handed::a_socket_calls_nobody", a_socket_calls_nobody),
    Case::new("handed::sockets_are_named_or_refused", sockets_are_named_or_refused),
    Case::new("handed::sockets_are_made_anew", sockets_are_made_anew),
];

const SERVICE: &str =
    "[Service]\nType=exec\nUser=games\nExecStart=/usr/bin/python3 /usr/local/lib/handed.py\n";
const SOCKET: &str = "[Socket]\nListenStream=0.0.0.0:7777\n";

const POLICY: &str = r#"{ "version": 1, "name": "handed", "units": ["handed.service"], "sockets": ["handed.socket"],
    "filesystem": { "readable": ["/usr/local/lib"] }, "network": { "mode": "none" } }"#;

fn prepared(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    neighbour::connect(&machine)?;
    machine.write("/usr/local/lib/handed.py", 0o644, include_bytes!("service.py"))?;
    machine.write("/etc/systemd/system/handed.service", 0o644, SERVICE.as_bytes())?;
    machine.write("/etc/systemd/system/handed.socket", 0o644, SOCKET.as_bytes())?;
    machine.write("/root/handed.json", 0o644, POLICY.as_bytes())?;
    machine.script(
        "systemctl daemon-reload
         systemd-run --quiet python3 -m http.server 5555
         systemd-run --quiet --property=NetworkNamespacePath=/run/netns/neighbour python3 -m http.server 5555
         systemctl start handed.socket",
    )?;
    Ok(machine)
}

/// Words to the service: what it answers, or (where the connection is what it turns) what it says in the journal.
fn tell(machine: &Machine, words: &str) -> Result<String> {
    let script = format!(
        "exec 9<>/dev/tcp/127.0.0.1/7777; echo {words} >&9; timeout 10 cat <&9 || true; sleep 0.5
         journalctl --no-pager --output=cat --unit=handed.service | grep -e reached -e stopped | tail -n 1 || true"
    );
    machine.script(&script)
}

fn a_socket_calls_nobody(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let tricks = ["turn", "disconnect"].into_iter().flat_map(|trick| {
        ["127.0.0.1", "198.51.100.1", "198.51.100.2"].map(|address| format!("{trick} {address} 5555"))
    });
    let tricks: Vec<String> = tricks.collect();
    let try_all = |what: &str, wanted: &str| -> Result<()> {
        for trick in &tricks {
            machine.script("systemctl stop handed.socket handed.service; systemctl start handed.socket")?;
            let said = tell(&machine, trick)?;
            ensure!(said.contains(wanted), "{what}, `{trick}`: {said}");
        }
        Ok(())
    };
    // No network of its own does not help by itself.
    let drop_in = "/etc/systemd/system/handed.service.d/private.conf";
    machine.write(drop_in, 0o644, b"[Service]\nPrivateNetwork=yes\n")?;
    machine.check(["systemctl", "daemon-reload"])?;
    try_all("without a sandbox", "reached")?;
    machine.script(&format!("rm {drop_in}; systemctl daemon-reload"))?;
    sandbox::apply(&machine, &["--restart", "/root/handed.json"])?;
    ensure!(tell(&machine, "hello")?.contains("served"), "it does not serve any more");
    try_all("in the sandbox", "stopped")?;
    machine.script("systemctl stop handed.socket handed.service; systemctl start handed.socket")?;
    ensure!(tell(&machine, "hello")?.contains("served"), "it does not serve any more");
    Ok(())
}

fn sockets_are_named_or_refused(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let refused = |policy: &str, reason: &str| -> Result<()> {
        machine.write("/root/refused.json", 0o644, policy.as_bytes())?;
        let outcome = machine.run(["sandboxed", "apply", "/root/refused.json"])?;
        ensure!(
            !outcome.success() && outcome.stderr.contains(reason),
            "not refused because of `{reason}`: {:?}\n{}",
            outcome.status,
            outcome.stderr
        );
        Ok(())
    };
    refused(&POLICY.replace(r#""sockets": ["handed.socket"],"#, ""), "handed.socket hands it sockets")?;
    let drop_in = "/etc/systemd/system/handed.socket.d/more.conf";
    for (more, reason) in [
        ("ExecStartPre=/bin/true", "ExecStartPre= is run outside of the sandbox"),
        ("ListenDatagram=7778", "datagram socket"),
    ] {
        machine.write(drop_in, 0o644, format!("[Socket]\n{more}\n").as_bytes())?;
        machine.check(["systemctl", "daemon-reload"])?;
        refused(POLICY, reason)?;
    }
    machine.script(&format!("rm -r {drop_in}; systemctl daemon-reload"))?;
    // A socket of another name that the service asks for, or that is meant for it.
    machine.write(
        "/etc/systemd/system/other.socket",
        0o644,
        b"[Socket]\nListenStream=7779\nService=handed.service\n",
    )?;
    machine.script("systemctl daemon-reload; systemctl start other.socket || true")?;
    refused(POLICY, "other.socket hands it sockets")
}

/// A socket keeps the control group that it was made in.
fn sockets_are_made_anew(suite: Suite) -> Result<()> {
    let machine = prepared(suite)?;
    let group = |unit: &str| machine.check(["systemctl", "show", "--value", "--property=ControlGroup", unit]);
    sandbox::apply(&machine, &["/root/handed.json"])?;
    let status = machine.run(["sandboxed", "status"])?;
    ensure!(
        status.status == Some(1) && status.stdout.contains("handed.socket was made outside"),
        "status does not notice the old socket:\n{}",
        status.stdout
    );
    sandbox::apply(&machine, &["--restart", "/root/handed.json"])?;
    ensure!(group("handed.socket")?.contains("sandboxed-handed.slice"), "the socket is still the old one");
    machine.check(["sandboxed", "status"])?;
    machine.check(["sandboxed", "remove", "handed"])?;
    ensure!(!group("handed.socket")?.contains("sandboxed"), "the socket is still in the slice that is gone");
    ensure!(tell(&machine, "hello")?.contains("served"), "it does not serve any more");
    Ok(())
}
