//! `sandboxed network`: what the units of services with a network of their own run. People need not call it.
//!
//! One resident process for the machine ([`hold`]) owns the table of rules and sees to the interfaces; for each service,
//! [`up`] makes its network before it starts and [`down`] takes that away after its end. `docs/network-private.md` has the
//! whole picture.

mod address;
mod foreign;
mod forwarding;
mod hold;
mod ip;
mod member;
mod up;
mod watch;

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Args, Subcommand};
use ipnet::{Ipv4Net, Ipv6Net};

/// Make the network of a service that has one of its own, or hold the rules of all of them
#[derive(Debug, Args)]
pub(crate) struct Options {
    #[command(subcommand)]
    action: Action,
    /// Where what runs is remembered; the folder belongs to the holder's unit.
    #[arg(long, value_name = "DIR", default_value = member::FOLDER, global = true)]
    folder: PathBuf,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Load the table of rules and keep it, and see to the interfaces, until ended or until nft ends.
    Hold {
        /// The program nft.
        #[arg(long, value_name = "PATH", default_value = "nft")]
        nft: PathBuf,
        /// The program ip.
        #[arg(long, value_name = "PATH", default_value = "ip")]
        ip: PathBuf,
        /// The program systemctl.
        #[arg(long, value_name = "PATH", default_value = "systemctl")]
        systemctl: PathBuf,
        /// The file with the table.
        table: PathBuf,
    },
    /// After the holder's end: cut the cables of services that have not ended yet, and undo what was changed of the machine.
    Restore {
        /// The program ip.
        #[arg(long, value_name = "PATH", default_value = "ip")]
        ip: PathBuf,
    },
    /// Make a service's network.
    Up(Up),
    /// Load a service's rules anew.
    Reload {
        /// The file with the service's rules.
        rules: PathBuf,
    },
    /// Take a service's network away.
    Down {
        /// The program ip.
        #[arg(long, value_name = "PATH", default_value = "ip")]
        ip: PathBuf,
        /// The name of the sandbox.
        name: String,
    },
}

/// What a service's network is to be.
#[derive(Debug, Args)]
struct Up {
    /// The program ip.
    #[arg(long, value_name = "PATH", default_value = "ip")]
    ip: PathBuf,
    /// The program nft, to look for rules of others that stand in the way.
    #[arg(long, value_name = "PATH", default_value = "nft")]
    nft: PathBuf,
    /// A port that leads to the service from other machines.
    #[arg(long = "publish", value_name = "tcp/PORT|udp/PORT")]
    published: Vec<member::Port>,
    /// A further interface that the service sends by.
    #[arg(long = "interface", value_name = "NAME")]
    interfaces: Vec<String>,
    /// The IPv4 network of its cable, instead of one that is chosen.
    #[arg(long, value_name = "NETWORK/30")]
    network4: Option<Ipv4Net>,
    /// The same for IPv6.
    #[arg(long, value_name = "NETWORK/64")]
    network6: Option<Ipv6Net>,
    /// The name of the sandbox.
    name: String,
    /// The file with the service's rules.
    rules: PathBuf,
}

pub(crate) fn run(options: &Options) -> Result<ExitCode> {
    let state = member::State::new(&options.folder);
    match &options.action {
        Action::Hold { nft, ip, systemctl, table } => {
            return hold::run(&hold::Programs { nft, ip, systemctl }, table, &state);
        }
        Action::Restore { ip } => up::restore(&ip::Ip::new(ip), &state)?,
        Action::Up(up) => up::up(up, &state)?,
        Action::Reload { rules } => drop(up::load(&up::read(rules)?, &state)?),
        Action::Down { ip, name } => up::down(&ip::Ip::new(ip), name, &state)?,
    }
    Ok(ExitCode::SUCCESS)
}
