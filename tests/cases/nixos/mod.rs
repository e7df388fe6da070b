//! What Nix builds of a NixOS configuration does on a real systemd what it promises.
//!
//! The configurations and the scripts are those of `nix/tests/*.nix`, which `nix flake check` runs on virtual machines
//! of NixOS. Here Nix evaluates them with NixOS' real module list and builds units, sandboxes and closures; of the
//! machine only systemd and what is below it are Debian's, and packages are made of the tree's programs. So it takes a Nix
//! and NixOS' sources, and no binary cache. The machine switches to the configuration by NixOS' own program.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use sandboxed_cases::harness::Case;
use sandboxed_cases::{neighbour, sandbox};
use sandboxed_testbed::{Machine, Suite, Tree};

/// The release whose systemd is NixOS' own.
const ON: &[Suite] = &[Suite::Trixie];

pub(crate) const CASES: &[Case] = &[
    Case::new("nixos::firewall_iptables", |suite| run(suite, "firewall-iptables")).on(ON).needing(why_not),
    Case::new("nixos::firewall_nftables", |suite| run(suite, "firewall-nftables")).on(ON).needing(why_not),
    Case::new("nixos::isolation", |suite| run(suite, "isolation")).on(ON).needing(why_not),
    Case::new("nixos::private", |suite| run(suite, "private")).on(ON).needing(why_not),
    Case::new("nixos::synapse", |suite| run(suite, "synapse")).on(ON).needing(why_not),
    Case::new("nixos::upgrade", |suite| run(suite, "upgrade")).on(ON).needing(why_not),
];

/// What NixOS has of its own accord: a store that is mounted read-only, and the daemon that writes it.
const STORE: &str = "
mount --bind /nix/store /nix/store
mount -o remount,bind,ro /nix/store
systemd-run --quiet --unit=nix-daemon nix-daemon
until test -S /nix/var/nix/daemon-socket/socket; do sleep 0.1; done
";

/// Build a test, switch a machine to its configuration and run its script there.
fn run(suite: Suite, name: &str) -> Result<()> {
    let tree = Tree::nixos(suite)?;
    let built = build(&tree, name)?;
    let machine = Machine::boot(&tree)?;
    neighbour::connect(&machine)?;
    copy_closure(&machine, &built)?;
    machine.script(STORE)?;

    let words = |file: &str| -> Result<Vec<String>> {
        let text = std::fs::read_to_string(Path::new(&built).join(file))?;
        Ok(text.split_whitespace().map(str::to_owned).collect())
    };
    let node = words("node")?;
    machine.script(&format!(
        "echo {} {} >>/etc/hosts
         {built}/toplevel/activate
         systemctl daemon-reload
         systemctl start sysinit-reactivation.target sysinit.target multi-user.target",
        neighbour::MACHINE,
        node.join(" ")
    ))?;
    machine.write("/root/driver.py", 0o644, include_bytes!("driver.py"))?;
    let script = format!("{built}/script.py");
    let mut command = vec!["python3".to_owned(), "/root/driver.py".to_owned(), script];
    command.extend(node);
    command.extend(words("neighbours")?);
    machine.check(&command).map(drop)
}

/// What `nix/tests/testbed` makes of the test, in the store.
fn build(tree: &Tree, test: &str) -> Result<String> {
    let layers: Vec<_> = tree.directories().iter().map(|layer| layer.to_string_lossy()).collect();
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("nix-build")
        .arg(repository.join("nix/tests/testbed"))
        .args(["--attr", test, "--no-out-link"])
        .args(["--argstr", "layers", &layers.join(":")])
        .arg("--argstr")
        .arg("programs")
        .arg(sandbox::programs()?.canonicalize()?)
        .args(["--option", "substitute", "false", "--option", "allow-import-from-derivation", "false"])
        // Packages are made of the tree, which is in no store and which only its owner may read.
        .args(["--option", "sandbox", "false", "--option", "build-users-group", ""])
        .output()
        .context("cannot run nix-build")?;
    ensure!(output.status.success(), "{test} does not build:\n{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Copy a store path, and all that it refers to, into the machine's store.
fn copy_closure(machine: &Machine, path: &str) -> Result<()> {
    let asked = |words: &[&str], paths: &[&str]| -> Result<String> {
        let output =
            Command::new("nix-store").args(words).args(paths).output().context("cannot run nix-store")?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Ok(String::from_utf8(output.stdout)?)
    };
    let closure = asked(&["--query", "--requisites"], &[path])?;
    let paths: Vec<_> = closure.lines().collect();
    machine.copy_paths(&paths)?;
    let registration = asked(&["--dump-db"], &paths)?;
    let loaded = machine.feed(["nix-store", "--load-db"], registration.as_bytes())?;
    ensure!(loaded.success(), "the machine's Nix does not know its store: {}", loaded.stderr);
    Ok(())
}

/// Why Nix can't build the tests here.
fn why_not() -> Option<String> {
    match Command::new("nix-instantiate").args(["--find-file", "nixpkgs/nixos"]).output() {
        Err(_) => Some("Nix is not installed".to_owned()),
        Ok(found) if !found.status.success() => {
            Some("<nixpkgs/nixos> does not resolve (see NIX_PATH)".to_owned())
        }
        Ok(_) => None,
    }
}
