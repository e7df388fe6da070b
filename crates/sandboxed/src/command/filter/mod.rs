//! `sandboxed filter`: the resident process that owns the packet filter's table, and those who ask it to change it. Units
//! call this, people need not.
//!
//! A table with an owner (`flags owner`, Linux 5.12) is out of reach for everybody else: `nft flush ruleset`, a reload of
//! the host's firewall and `nft delete table` leave it. It goes when its owner does, so what must not run without it binds
//! itself to the owner's unit. The owner is a socket: every sandbox leaves it with the service manager until its service has
//! ended, so a service that takes its time to end, or does not mind being asked to, has its rules until then.

pub(super) mod hold;
mod installed;
pub(super) mod load;
pub(super) mod manager;
pub(super) mod nft;
pub(crate) mod sockets;
mod uplinks;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};

/// Where the owner listens; the folder belongs to its unit.
const SOCKET: &str = "/run/sandboxed-filter/socket";

/// Hold the packet filter's table, or ask its holder to change it
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
    /// The socket by which the holder is asked.
    #[arg(long, value_name = "PATH", default_value = SOCKET, global = true)]
    socket: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Load the table and keep it, until ended or until nft ends.
    Hold {
        /// The program nft.
        #[arg(long, value_name = "PATH", default_value = "nft")]
        nft: PathBuf,
        /// The file with the table.
        table: PathBuf,
    },
    /// Watch over the rules of iptables, and end when they are not there any more.
    Watch {
        /// The programs that list the rules, iptables-save and ip6tables-save.
        #[arg(required = true)]
        save: Vec<PathBuf>,
    },
    /// Have the holder load these files, as one transaction.
    Load {
        /// Leave the socket that owns the table with the service manager, until the unit that this is called from ends.
        #[arg(long)]
        keep: bool,
        /// Before, hold the sockets of this control group to what is said of them, as `sockets` does: for a unit every further
        /// command is a further process to start.
        #[arg(long, value_name = "GROUP")]
        sockets_of: Option<PathBuf>,
        #[command(flatten)]
        sockets: sockets::Options,
        /// Files in the language of nft.
        #[arg(required = true)]
        files: Vec<PathBuf>,
    },
    /// Hold the sockets that are made in a control group to this, instead of what they were held to before.
    Sockets {
        /// The control group, below /sys/fs/cgroup.
        group: PathBuf,
        #[command(flatten)]
        sockets: sockets::Options,
    },
    /// Have the service manager close what `load --keep` has left with it.
    Release,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    match &options.action {
        Action::Hold { nft, table } => hold::run(nft, table, &options.socket),
        Action::Watch { save } => watch::run(save),
        Action::Load { keep, sockets_of, sockets, files } => {
            if let Some(group) = sockets_of {
                sockets.rules().hold(group)?;
            }
            load::run(files, *keep, &options.socket)
        }
        Action::Sockets { group, sockets } => sockets.rules().hold(group).map(|()| ExitCode::SUCCESS),
        Action::Release => manager::release().map(|()| ExitCode::SUCCESS),
    }
}
