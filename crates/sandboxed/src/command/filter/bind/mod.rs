//! The ports that the sockets of a control group may be bound to: a BPF program at bind(2), which the kernel asks for every
//! socket that was made in the group or below it, cgroups(7), bpf(2).
//!
//! systemd has the same as `SocketBindDeny=`. That takes systemd built with BPF (Debian 12 ignores it), libbpf, and some 60 ms at
//! every start; this takes neither, is there once for each start of the slice, and fails where the kernel lacks it. What is
//! attached stays for as long as the group does, whoever attached it ends.

mod kernel;
mod program;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use sandboxed_core::areas::network::OtherPorts;
use sandboxed_core::plan::Binds;

use kernel::{Hook, Program};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Let sockets of a control group be bound to these ports alone, and to those that the kernel chooses
#[derive(Debug, Args)]
pub(super) struct Options {
    /// The control group, below /sys/fs/cgroup.
    group: PathBuf,
    /// The ports, each as `tcp/8008` or `udp/53`.
    ports: Vec<Port>,
    /// Have the kernel choose the port where another UDP port is asked for, instead of refusing it.
    #[arg(long)]
    replace_udp: bool,
}

/// A port of a transport protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Port {
    protocol: Protocol,
    number: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Protocol {
    Tcp,
    Udp,
}

impl FromStr for Port {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (protocol, number) = text.split_once('/').context("a port is written as tcp/8008")?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => bail!("`{protocol}` is neither tcp nor udp"),
        };
        let number: u16 = number.parse().with_context(|| format!("`{number}` is no port"))?;
        Ok(Self { protocol, number })
    }
}

pub(super) fn run(options: &Options) -> Result<()> {
    hold(&options.group, &options.ports.iter().copied().collect(), options.replace_udp)
}

/// Holds the sockets of a group to what a plan says.
///
/// # Errors
/// If the kernel does not let it be.
pub(crate) fn hold_as_planned(group: &Path, binds: &Binds) -> Result<()> {
    hold(group, &ports(binds)?, replaces_udp(binds))
}

/// Holds the sockets of a group to these ports, instead of those before.
pub(super) fn hold(group: &Path, ports: &BTreeSet<Port>, replaces_udp: bool) -> Result<()> {
    let instructions = program::only(ports, replaces_udp);
    let group = open(group)?;
    for hook in Hook::ALL {
        let new = Program::load(hook, &instructions)
            .context("a policy that accepts `ports-not-taken` does without")?;
        let before = Program::attached(group.as_fd(), hook)?;
        // While both are there a port has to be in both: there is no moment in which it may take others.
        new.attach(group.as_fd(), hook)?;
        for old in before.iter().filter(|old| old.is_ours()) {
            old.detach(group.as_fd(), hook)?;
        }
    }
    Ok(())
}

fn ports(binds: &Binds) -> Result<BTreeSet<Port>> {
    binds.ports.iter().map(|port| port.parse()).collect()
}

fn replaces_udp(binds: &Binds) -> bool {
    binds.other_udp_ports == OtherPorts::Replaced
}

/// Whether the sockets of this group are held to these ports: our programs are there, and are what they would be now.
///
/// # Errors
/// If the kernel does not say, as to those who are not root.
pub(crate) fn is_in_force(group: &Path, binds: &Binds) -> Result<bool> {
    let instructions = program::only(&ports(binds)?, replaces_udp(binds));
    let group = open(group)?;
    let mut all = true;
    for hook in Hook::ALL {
        let planned = Program::load(hook, &instructions)?;
        let attached = Program::attached(group.as_fd(), hook)?;
        all &= attached.iter().any(|program| program.is_ours() && program.tag == planned.tag);
    }
    Ok(all)
}

fn open(group: &Path) -> Result<File> {
    let path = Path::new(GROUPS).join(group);
    File::open(&path).with_context(|| format!("there is no control group {}", path.display()))
}
