//! `sandboxed-launch` on a real systemd: everything a unit can do works as without it, and nothing gets out.

mod confined;
mod mechanisms;
mod notifications;

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::sandbox;
use sandboxed_testbed::{Machine, Suite, Tree};
use serde_json::{Map, Value};

pub(crate) const CASES: &[Case] = &[
    Case::new("launcher::manages", manages),
    Case::new("launcher::stops", stops),
    Case::new("launcher::statuses", statuses),
    Case::new("launcher::activates", activates),
    Case::new("launcher::fails_closed", fails_closed),
    Case::new("launcher::hostile", hostile),
    Case::new("launcher::confined", confined::confined),
    Case::new("launcher::notifications_held_back", notifications::held_back),
    Case::new("launcher::notifications_passed_on", notifications::passed_on),
    Case::new("launcher::mechanisms", mechanisms::mechanisms).on(&[
        Suite::Bookworm,
        Suite::Trixie,
        Suite::Sid,
    ]),
    Case::new("launcher::private_pids_stops", mechanisms::private_pids_stops)
        .on(&[Suite::Trixie, Suite::Sid]),
];

const LAUNCHER: &str = "/usr/local/bin/sandboxed-launch";

/// What the launcher needs of a unit.
const NEEDS: &str = "User=daemon
NoNewPrivileges=yes
AmbientCapabilities=CAP_SYS_ADMIN CAP_SETPCAP
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_SETPCAP
ProtectKernelTunables=yes
ProtectKernelLogs=yes
RuntimeDirectory=launched
RuntimeDirectoryPreserve=yes
";

fn machine(suite: Suite) -> Result<Machine> {
    let machine = Machine::boot(&Tree::base(suite)?)?;
    sandbox::install(&machine)?;
    machine.write("/usr/local/lib/service.py", 0o644, include_bytes!("service.py"))?;
    for (name, program) in notifications::PROGRAMS {
        machine.write(&format!("/usr/local/lib/{name}"), 0o644, program)?;
    }
    machine.write("/usr/local/lib/hostile.py", 0o644, include_bytes!("hostile.py"))?;
    Ok(machine)
}

/// Write `launched.service`, new.
fn unit(machine: &Machine, text: &str) -> Result<()> {
    let text = format!("[Service]\n{NEEDS}{text}\n");
    machine.write("/run/systemd/system/launched.service", 0o644, text.as_bytes())?;
    // Started often, it would run into its start limit.
    let ready =
        "rm -f /run/launched/log; systemctl daemon-reload; systemctl reset-failed launched.service || true";
    machine.script(ready).map(drop)
}

/// The service that tells what happens to it, started by the launcher with these options.
fn service(machine: &Machine, options: &str, text: &str) -> Result<()> {
    let command =
        format!("{LAUNCHER} --pid-namespace {options} -- /usr/bin/python3 /usr/local/lib/service.py");
    unit(
        machine,
        &format!("Type=notify\nExecStart={command}\nExecReload={LAUNCHER} -- kill -HUP $MAINPID\n{text}"),
    )
}

fn property(machine: &Machine, name: &str) -> Result<String> {
    let property = format!("--property={name}");
    Ok(machine.check(["systemctl", "show", "--value", &property, "launched.service"])?.trim().to_owned())
}

fn log(machine: &Machine) -> Result<String> {
    machine.read("/run/launched/log")
}

/// Wait until `what` is so; how long that takes is the machine's business.
fn until(what: &str, mut is_so: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..600 {
        if is_so()? {
            return Ok(());
        }
        sleep(Duration::from_millis(100));
    }
    anyhow::bail!("it never came about: {what}")
}

/// Notifications, reloads, signals and the watchdog.
fn manages(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    service(&machine, "--user-namespace", "WatchdogSec=20")?;
    machine.check(["systemctl", "start", "launched"])?;
    ensure!(property(&machine, "StatusText")? == "up");
    ensure!(log(&machine)? == "started True\n", "the watchdog's process id is wrong: {}", log(&machine)?);
    let main = property(&machine, "MainPID")?;
    machine.check(["systemctl", "reload", "launched"])?;
    until("reloaded", || Ok(property(&machine, "StatusText")? == "reloaded"))?;
    ensure!(log(&machine)?.matches("reloaded").count() == 1, "reloaded more than once");
    // To the main process alone, and to all: once each.
    machine.check(["systemctl", "kill", "--signal=HUP", "--kill-who=main", "launched"])?;
    until("a second reload", || Ok(log(&machine)?.matches("reloaded").count() == 2))?;
    machine.check(["systemctl", "kill", "--signal=HUP", "launched"])?;
    until("a third reload", || Ok(log(&machine)?.matches("reloaded").count() >= 3))?;
    ensure!(property(&machine, "MainPID")? == main, "the main process changed");
    machine.check(["systemctl", "stop", "launched"])?;
    ensure!(log(&machine)?.ends_with("terminated 1\nclean\n"), "{}", log(&machine)?);

    service(&machine, "", "WatchdogSec=1\nEnvironment=FED=2")?;
    machine.check(["systemctl", "start", "launched"])?;
    until("the watchdog's end", || Ok(property(&machine, "ActiveState")? == "failed"))?;
    ensure!(property(&machine, "Result")? == "watchdog", "{}", property(&machine, "Result")?);
    Ok(())
}

/// No stop ends the service before its own clean-up, however it is asked to stop: 200 stops, a second each.
fn stops(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    for (mode, at_once) in [("control-group", 100), ("mixed", 100)] {
        let text = format!("Type=notify\nKillMode={mode}\n{NEEDS}");
        let command = format!(
            "{LAUNCHER} --pid-namespace --kill-mode={mode} -- /usr/bin/python3 /usr/local/lib/service.py"
        );
        let text = format!("[Service]\n{text}ExecStart={command}\n");
        machine.write("/run/systemd/system/launched@.service", 0o644, text.as_bytes())?;
        machine.script("rm -f /run/launched/log; systemctl daemon-reload")?;
        for first in (0..at_once).step_by(20) {
            let names: Vec<String> = (first..first + 20).map(|number| format!("launched@{number}")).collect();
            machine.check(["systemctl", "start"].into_iter().chain(names.iter().map(String::as_str)))?;
            machine.check(["systemctl", "stop"].into_iter().chain(names.iter().map(String::as_str)))?;
        }
        let log = log(&machine)?;
        let count = |line: &str| log.lines().filter(|known| *known == line).count();
        let counts = (count("terminated 1"), count("clean"), count("terminated 2"));
        ensure!(
            counts == (at_once, at_once, 0),
            "{mode}: of {at_once} stops {counts:?} began, ended, came twice"
        );
        let failed = machine.check(["systemctl", "list-units", "--failed", "--no-legend", "launched@*"])?;
        ensure!(failed.is_empty(), "{mode}: {failed}");
    }
    Ok(())
}

/// The unit ends as its program ends.
fn statuses(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    for (script, expected) in
        [("exit 0", "0 success"), ("exit 7", "7 exit-code"), ("kill -KILL $$$$", "9 signal")]
    {
        unit(
            &machine,
            &format!("Type=oneshot\nExecStart={LAUNCHER} --pid-namespace -- /bin/sh -c '{script}'"),
        )?;
        machine.run(["systemctl", "start", "launched"])?;
        let ended = format!("{} {}", property(&machine, "ExecMainStatus")?, property(&machine, "Result")?);
        ensure!(ended == expected, "`{script}` ended as {ended}");
    }
    Ok(())
}

/// Sockets, credentials, the working directory, the mask and the environment arrive.
fn activates(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    let socket = "[Socket]\nListenStream=/run/launched.socket\n";
    machine.write("/run/systemd/system/launched.socket", 0o644, socket.as_bytes())?;
    let script = "test $$LISTEN_PID = $$$$ && test $$LISTEN_FDS = 1 && test -S /proc/self/fd/3 \
                  && test $$(cat $$CREDENTIALS_DIRECTORY/word) = secret && test $$PWD = /usr && test $$(umask) = 0027 \
                  && test $$WORD = hello && exec sleep infinity";
    unit(
        &machine,
        &format!(
            "Type=exec\nSetCredential=word:secret\nWorkingDirectory=/usr\nUMask=0027\nEnvironment=WORD=hello\n\
             ExecStart={LAUNCHER} --pid-namespace -- /bin/sh -c '{script}'"
        ),
    )?;
    machine.check(["systemctl", "start", "launched.socket"])?;
    machine.check(["systemctl", "start", "launched.service"])?;
    sleep(Duration::from_secs(2));
    let state = property(&machine, "ActiveState")?;
    ensure!(state == "active", "something did not arrive: {state}\n{}", machine.journal("launched.service")?);
    Ok(())
}

/// Whatever cannot be had keeps the program from running, and the journal says why.
fn fails_closed(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    for (change, options, status, message) in [
        ("AmbientCapabilities=\n", "--pid-namespace", "226", "cannot leave the namespaces"),
        ("RestrictNamespaces=yes\n", "--pid-namespace", "226", "cannot leave the namespaces"),
        ("SystemCallFilter=~@mount\nSystemCallErrorNumber=EPERM\n", "--pid-namespace", "226", "cannot "),
        ("", "--pid-namespace --execute-only=/nowhere", "228", "/nowhere"),
        ("", "--keep-capabilities=cap_net_raw", "218", "CAP_NET_RAW"),
        ("", "--pid-name-space", "2", "is no option"),
    ] {
        let command = format!("{LAUNCHER} {options} -- /bin/touch /run/launched/ran");
        unit(&machine, &format!("{change}Type=oneshot\nExecStart={command}"))?;
        let outcome = machine.run(["systemctl", "start", "launched"])?;
        ensure!(!outcome.success(), "{options} {change}: the service started");
        ensure!(machine.run(["test", "-e", "/run/launched/ran"])?.status == Some(1), "the program ran");
        let ended = property(&machine, "ExecMainStatus")?;
        ensure!(ended == status, "{options} {change}: {ended}");
        let journal = machine.journal("launched.service")?;
        ensure!(
            journal.contains(message),
            "{options} {change}: the journal does not say {message:?}:\n{journal}"
        );
    }
    Ok(())
}

/// Each attempt succeeds without the launcher and fails with it.
fn hostile(suite: Suite) -> Result<()> {
    let machine = machine(suite)?;
    let victim = "import signal, socket, time; signal.signal(signal.SIGUSR1, lambda *_: None); s = socket.socket(socket.AF_UNIX); \
                  s.bind(chr(0) + 'launcher-victim'); s.listen()\nwhile True: time.sleep(1)";
    machine.write("/usr/local/lib/victim.py", 0o644, victim.as_bytes())?;
    machine.script(
        "systemd-run --quiet --unit=victim --property=User=daemon python3 /usr/local/lib/victim.py \"launcher's victim\"",
    )?;
    let victim = machine.check(["systemctl", "show", "--value", "--property=MainPID", "victim.service"])?;
    let program = format!("/usr/bin/python3 /usr/local/lib/hostile.py {}", victim.trim());

    // As it is with what the launcher is given, and without the launcher.
    let plain = attempts(&machine, &format!("NoNewPrivileges=no\nExecStart={program}"))?;
    let failed: Vec<_> = plain.iter().filter(|(_, obstacle)| !obstacle.is_null()).collect();
    ensure!(failed.is_empty(), "without the launcher these fail too, so they show nothing: {failed:#?}");

    for options in ["", "--user-namespace"] {
        let command =
            format!("{LAUNCHER} --pid-namespace {options} --scope=abstract-unix-socket,signal -- {program}");
        let launched = attempts(&machine, &format!("ExecStart={command}"))?;
        let succeeded: Vec<_> = launched.iter().filter(|(_, obstacle)| obstacle.is_null()).collect();
        ensure!(succeeded.is_empty(), "with {options:?} these succeed: {succeeded:#?}");
    }
    Ok(())
}

fn attempts(machine: &Machine, text: &str) -> Result<Map<String, Value>> {
    unit(machine, &format!("Type=oneshot\n{text}"))?;
    let outcome = machine.run(["systemctl", "start", "launched"])?;
    let journal = machine.journal("launched.service")?;
    ensure!(outcome.success(), "the hostile program did not run to its end:\n{journal}");
    let report = journal.lines().rfind(|line| line.starts_with('{')).context("no report in the journal")?;
    Ok(serde_json::from_str(report)?)
}
