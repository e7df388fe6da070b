//! What sockets that were made in a control group or below it may do: BPF programs which the kernel asks when one is made, bound,
//! connected or changed, cgroups(7), bpf(2).
//!
//! - At bind(2): the ports that it may have. systemd has the same as `SocketBindDeny=`. That takes systemd built with BPF (Debian
//!   12 ignores it), libbpf, and some 60 ms at every start; this takes neither, is there once for each start of the slice, and
//!   fails where the kernel lacks it.
//! - At setsockopt(2): that the ports which the kernel chooses are nobody else's.
//! - At socket(2), bind(2) and connect(2): that there are ports left to choose from.
//!
//! What is attached stays for as long as the group does, whoever attached it ends.

mod bind;
mod count;
mod instruction;
mod kernel;
mod map;
mod options;
mod port;

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::Path;

use anyhow::{Context, Result};
use clap::Args;
use rustix::fs::{FlockOperation, flock};
use sandboxed_core::areas::network::OtherPorts;
use sandboxed_core::plan;

use count::Count;
use instruction::Code;
use kernel::{Hook, Program};
use port::{Port, Protocol};

/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// What sockets may do.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Hold sockets to the ports that are named, and to those that the kernel chooses.
    #[arg(long)]
    hold_ports: bool,
    /// Such a port, as `tcp/8008` or `udp/53`.
    #[arg(long = "port", value_name = "PORT", requires = "hold_ports")]
    ports: Vec<Port>,
    /// Have the kernel choose the port where another UDP port is asked for, instead of refusing it.
    #[arg(long, requires = "hold_ports")]
    replace_udp: bool,
    /// How many there may be. Twice as many TCP connections may begin in a minute.
    #[arg(long, value_name = "COUNT")]
    open_sockets: Option<u32>,
}

/// The same, as it is asked of the kernel.
pub(crate) struct Rules {
    ports: Option<Ports>,
    most: Option<u32>,
}

/// The ports that sockets are held to.
struct Ports {
    ports: BTreeSet<Port>,
    replaces_udp: bool,
}

impl Ports {
    fn offer_udp(&self) -> bool {
        self.ports.iter().any(|port| port.protocol == Protocol::Udp)
    }
}

impl Options {
    pub(super) fn rules(&self) -> Rules {
        let ports = Ports { ports: self.ports.iter().copied().collect(), replaces_udp: self.replace_udp };
        Rules { ports: self.hold_ports.then_some(ports), most: self.open_sockets }
    }
}

impl Rules {
    /// What a plan says.
    ///
    /// # Errors
    /// If it names something that is no port.
    pub(crate) fn planned(sockets: &plan::Sockets) -> Result<Self> {
        let ports = sockets.binds.as_ref().map(|binds| -> Result<_> {
            Ok(Ports {
                ports: binds.ports.iter().map(|port| port.parse()).collect::<Result<_>>()?,
                replaces_udp: binds.other_udp_ports == OtherPorts::Replaced,
            })
        });
        Ok(Self { ports: ports.transpose()?, most: sockets.open_sockets })
    }

    /// Holds the sockets of a group to this, instead of what they were held to before.
    ///
    /// # Errors
    /// If the kernel does not let it be.
    pub(crate) fn hold(&self, group: &Path) -> Result<()> {
        let group = open(group)?;
        // Two at once would leave some of the programs of each.
        flock(&group, FlockOperation::LockExclusive).context("the control group cannot be locked")?;
        let before = Attached::to(&group)?;
        let planned = self.load(&before)?;
        if before.are(&planned) {
            return Ok(());
        }
        for (hook, new) in planned {
            // While both are there both have to allow what is asked: there is no moment in which it may do more.
            if let Some(new) = new {
                new.attach(group.as_fd(), hook)?;
            }
            for old in before.ours(hook) {
                old.detach(group.as_fd(), hook)?;
            }
        }
        Ok(())
    }

    /// Whether the sockets of this group are held to this: our programs are there, and are what they would be now.
    ///
    /// # Errors
    /// If the kernel does not say, as to those who are not root.
    pub(crate) fn are_in_force(&self, group: &Path) -> Result<bool> {
        let attached = Attached::to(&open(group)?)?;
        Ok(attached.are(&self.load(&attached)?))
    }

    /// Has the kernel take the programs, for each hook that there is. They go on to count where others have begun.
    fn load(&self, before: &Attached) -> Result<Planned> {
        let count = self.most.map(|most| Count::with(&before.maps(), most)).transpose().context(WITHOUT)?;
        let program = |hook| {
            let code = self.program(hook, count.as_ref());
            let program = code.map(|code| Program::load(hook, &code)).transpose().context(WITHOUT)?;
            Ok((hook, program))
        };
        Hook::ALL.into_iter().map(program).collect()
    }

    /// What a hook's program says, where there is to be one.
    fn program(&self, hook: Hook, count: Option<&Count>) -> Option<Code> {
        match hook {
            Hook::Open => count.map(Count::opened),
            Hook::Close => count.map(Count::closed),
            Hook::Connect4 | Hook::Connect6 => count.map(bind::connect),
            Hook::Bind4 | Hook::Bind6 => {
                (self.ports.is_some() || count.is_some()).then(|| bind::program(self.ports.as_ref(), count))
            }
            Hook::SetOption => self.ports.as_ref().map(|ports| options::program(ports.offer_udp())),
        }
    }
}

/// How a service does without.
const WITHOUT: &str = "a policy that accepts `ports-not-taken` and `ports-not-exhausted` does without";

/// The programs that there are to be.
type Planned = Vec<(Hook, Option<Program>)>;

/// The programs that a group has.
struct Attached(Vec<(Hook, Vec<Program>)>);

impl Attached {
    fn to(group: &File) -> Result<Self> {
        let at = |hook| Ok((hook, Program::attached(group.as_fd(), hook)?));
        Hook::ALL.into_iter().map(at).collect::<Result<_>>().map(Self)
    }

    fn ours(&self, hook: Hook) -> impl Iterator<Item = &Program> {
        let there = self.0.iter().filter(move |(at, _)| *at == hook).flat_map(|(_, programs)| programs);
        there.filter(|program| program.is_ours())
    }

    /// The maps of ours: where all is well these are the two that those which count share.
    fn maps(&self) -> BTreeSet<u32> {
        let ours = Hook::ALL.into_iter().flat_map(|hook| self.ours(hook));
        ours.flat_map(|program| program.maps.iter().copied()).collect()
    }

    /// Whether ours are these and no others, down to what they share.
    fn are(&self, planned: &Planned) -> bool {
        planned.iter().all(|(hook, planned)| {
            let ours = self.ours(*hook).map(|program| (program.tag, &program.maps));
            ours.eq(planned.iter().map(|program| (program.tag, &program.maps)))
        })
    }
}

fn open(group: &Path) -> Result<File> {
    let path = Path::new(GROUPS).join(group);
    File::open(&path).with_context(|| format!("there is no control group {}", path.display()))
}
