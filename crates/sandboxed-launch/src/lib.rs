//! `sandboxed-launch` starts a systemd service's program confined by what a unit file cannot say, on every version of
//! systemd, without root: in a PID namespace whose init it is, without any capability, inside a Landlock domain, behind
//! a last system call filter. It knows no policy: whoever writes the unit says what to do by options.
//!
//! Three processes:
//!
//! - the **supervisor**, which systemd started: the unit's main process outside of the namespace. It passes signals on,
//!   speaks to the service manager, and ends as the service ended ([`supervisor`]).
//! - the **init** of the namespace: reaps, decides which signals the service has to get, and takes notifications ([`init`]).
//! - the **service**, which does the last steps of its own confinement and executes the program ([`service`]).
//!
//! No option needs more than `CAP_SYS_ADMIN` and `CAP_SETPCAP`, and none of the three has them by the time the program runs.
//! Without a PID namespace there is only the last of the three.

mod capabilities;
mod failure;
mod forwarding;
mod init;
mod landlock;
mod link;
mod mountinfo;
mod namespace;
mod notification;
mod notify;
mod options;
mod outbox;
mod proc_mount;
mod protocol;
mod room;
mod seccomp;
mod service;
mod stdio;
mod supervisor;
mod sys;

pub use sys::process::arguments;

use std::ffi::{OsString, c_int};

use failure::Failure;
use options::{Options, Request};

/// Does what the command line asks for, and returns the exit status if that is not to become another program.
pub fn run(arguments: Vec<OsString>) -> c_int {
    let result = match options::parse(arguments) {
        Ok(Request::Help) => {
            print!("{}", options::HELP);
            return 0;
        }
        Ok(Request::Version) => {
            println!("sandboxed-launch {}", env!("CARGO_PKG_VERSION"));
            return 0;
        }
        Ok(Request::Launch(options)) => launch(&options),
        Err(error) => Err(Failure::from(error)),
    };
    result.unwrap_or_else(|failure| {
        failure.report();
        failure.exit_status()
    })
}

fn launch(options: &Options) -> Result<c_int, Failure> {
    if options.named_streams {
        stdio::name()?;
    }
    if options.namespaces.pid {
        return supervisor::run(options);
    }
    service::run_in_place(options).map(|never| match never {})
}
