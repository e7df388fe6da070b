//! `cargo xtask testbed`: the trees to test on, and a way into them for people.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use sandboxed_testbed::{Machine, Suite, Tree, cache_root, install_missing};

/// Make the trees to test on (Debian with its own systemd, cached) and see that they boot.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Arguments {
    /// Which ones: bookworm (systemd 252), trixie (257), sid (the newest). The first two if none is named.
    suites: Vec<Suite>,
    #[command(subcommand)]
    verb: Option<Verb>,
}

#[derive(Subcommand)]
enum Verb {
    /// Boot a machine and run a command in it as root; its exit status becomes ours.
    Exec {
        #[command(flatten)]
        boot: Boot,
        /// The command and its arguments.
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// Boot a machine and run a shell in it; it is gone when the shell ends.
    Shell {
        #[command(flatten)]
        boot: Boot,
    },
    /// Remove every cached tree.
    Clean,
}

#[derive(Args)]
struct Boot {
    /// bookworm, trixie or sid.
    suite: Suite,
    /// What is installed besides a base system.
    #[arg(long, value_enum)]
    with: Option<With>,
    /// As a virtual machine with a kernel of its own, which takes a minute.
    #[arg(long)]
    vm: bool,
    /// Copy a file or directory of this machine into the booted one first.
    #[arg(long, value_name = "FROM:TO")]
    copy: Vec<String>,
}

/// What can be installed.
#[derive(Clone, Copy, clap::ValueEnum)]
enum With {
    /// The Matrix homeserver Synapse, and nginx.
    Synapse,
    /// What switching to a configuration of NixOS takes, and Synapse.
    Nixos,
    /// Docker, podman, systemd-nspawn and bubblewrap.
    Engines,
}

impl Boot {
    fn machine(&self) -> Result<Machine> {
        install_missing()?;
        let tree = match self.with {
            None => Tree::base(self.suite)?,
            Some(With::Synapse) => Tree::synapse(self.suite)?,
            Some(With::Nixos) => Tree::nixos(self.suite)?,
            Some(With::Engines) => Tree::engines(self.suite)?,
        };
        let machine = if self.vm { Machine::boot_vm(&tree.with_kernel()?)? } else { Machine::boot(&tree)? };
        for copy in &self.copy {
            let (from, to) = copy.split_once(':').context("--copy is FROM:TO")?;
            let from = Path::new(from);
            if from.is_dir() { machine.copy_tree(from, to)? } else { machine.copy(from, to)? }
        }
        Ok(machine)
    }
}

/// Do what the command line asks for.
///
/// # Errors
/// A tree can't be made, or a machine not be booted.
pub(crate) fn run(arguments: Arguments) -> Result<ExitCode> {
    match arguments.verb {
        None => make(&arguments.suites),
        Some(Verb::Exec { boot, command }) => inside(&boot.machine()?, &command),
        Some(Verb::Shell { boot }) if boot.vm => {
            bail!("a shell needs a terminal, which a virtual machine has none of: use `exec --vm`")
        }
        Some(Verb::Shell { boot }) => inside(&boot.machine()?, &["bash".to_owned(), "-l".to_owned()]),
        Some(Verb::Clean) => clean(),
    }
}

fn make(suites: &[Suite]) -> Result<ExitCode> {
    install_missing()?;
    for &suite in if suites.is_empty() { &Suite::STABLE } else { suites } {
        let machine = Machine::boot(&Tree::base(suite)?)?;
        let version = machine.check(["systemctl", "--version"])?;
        let version = version.lines().next().unwrap_or_default();
        if let Some(expected) = suite.systemd() {
            ensure!(version.starts_with(&format!("systemd {expected} ")), "{suite} has {version}");
        }
        println!("{suite}: {version}");
        machine.power_off()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A command in the machine on our own standard streams; a virtual machine has none to lend, so there it is heard at its
/// end.
fn inside(machine: &Machine, words: &[String]) -> Result<ExitCode> {
    let status = if let Some(mut command) = machine.command(words) {
        command.status().context("cannot run nsenter")?.code()
    } else {
        let outcome = machine.run(words)?;
        print!("{}", outcome.stdout);
        eprint!("{}", outcome.stderr);
        outcome.status
    };
    Ok(ExitCode::from(status.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)))
}

fn clean() -> Result<ExitCode> {
    let root = cache_root()?;
    if root.exists() {
        std::fs::remove_dir_all(&root).with_context(|| format!("cannot remove {}", root.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
