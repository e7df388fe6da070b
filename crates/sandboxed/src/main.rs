//! `sandboxed`: run a service you only half trust as an ordinary systemd unit, kept apart from the machine.

mod cli;
mod command;
mod earlier;
mod host;
mod input;
mod installed;
mod lines;
mod output;
mod pages;
mod refusal;
mod report;
mod show;
mod systemctl;
mod verify;
mod wrap;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::run()
}
