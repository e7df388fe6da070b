//! The last steps before the service's program: environment, Landlock, signals, execve(2).

use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};

use rustix::mount::MountAttrFlags;
use rustix::process::getpid;

use crate::capabilities;
use crate::failure::{Failure, Step};
use crate::landlock;
use crate::mountinfo::Mounts;
use crate::namespace;
use crate::options::Options;
use crate::proc_mount;
use crate::seccomp;
use crate::sys::process;

/// Where systemd tells a process its own id, so that children do not take what is meant for it: `sd_listen_fds(3)`,
/// `sd_watchdog_enabled(3)`, systemd.exec(5).
const OWN_ID: [&str; 3] = ["LISTEN_PID", "WATCHDOG_PID", "SYSTEMD_EXEC_PID"];

/// The same by the id of a pidfd, which cannot be known of a process that is yet to start; it is optional.
const OWN_DESCRIPTOR_ID: &str = "LISTEN_PIDFDID";

/// Confines this process and becomes the program, for commands beside the main process: no process namespace, no init.
pub(crate) fn run_in_place(options: &Options) -> Result<Infallible, Failure> {
    namespace::leave(options.namespaces)?;
    namespace::refresh_mounts(options.namespaces, &mounts()?)?;
    if options.namespaces.user {
        // Not through /proc itself: that may be read-only.
        namespace::enter_user_namespace(&proc_mount::new_instance(&[], MountAttrFlags::empty())?)?;
    }
    capabilities::drop_all_but(options.keep_capabilities.0)?;
    seccomp::install(options)?;
    landlock::enter(&options.landlock)?;
    Err(execute(options, std::env::vars_os().collect()))
}

/// What is mounted where.
pub(crate) fn mounts() -> Result<Mounts, Failure> {
    match std::fs::read("/proc/self/mountinfo") {
        Ok(text) => Ok(Mounts::parse(&text)),
        // No /proc, then there is none to renew.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Mounts::default()),
        Err(error) => Err(Failure::at(Step::Namespaces, "read /proc/self/mountinfo")(error)),
    }
}

/// The environment with this process in the place of `supervisor`, the process that systemd had in mind.
pub(crate) fn environment(options: &Options, supervisor: i32) -> Vec<(OsString, OsString)> {
    let own = OsString::from(getpid().as_raw_nonzero().to_string());
    let supervisor = OsString::from(supervisor.to_string());
    std::env::vars_os()
        .filter(|(name, _)| name != OWN_DESCRIPTOR_ID && !(options.ready_on_exec && name == "NOTIFY_SOCKET"))
        .map(|(name, value)| {
            let is_us = value == supervisor && OWN_ID.iter().any(|own_id| name == *own_id);
            if is_us { (name, own.clone()) } else { (name, value) }
        })
        .collect()
}

/// Becomes the program. Returns only to say why that failed.
pub(crate) fn execute(options: &Options, environment: Vec<(OsString, OsString)>) -> Failure {
    let program = options.command.first().map(OsString::as_os_str).unwrap_or_default();
    let error = try_execute(options, program, environment).map_or_else(|error| error, |never| match never {});
    Failure::at(Step::Execute, format_args!("execute {}", program.display()))(error)
}

fn try_execute(
    options: &Options,
    program: &OsStr,
    environment: Vec<(OsString, OsString)>,
) -> Result<Infallible, io::Error> {
    let mut arguments = Vec::new();
    for (index, argument) in options.command.iter().enumerate() {
        let argument = options.argv0.as_ref().filter(|_| index == 0).unwrap_or(argument);
        arguments.push(CString::new(argument.as_bytes())?);
    }
    let path = environment.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
    let mut variables = Vec::new();
    for (name, value) in environment {
        variables.push(CString::new([name.into_vec(), value.into_vec()].join(&b'='))?);
    }
    let mut failure = io::Error::from(io::ErrorKind::NotFound);
    for candidate in candidates(program, path.as_deref()) {
        let error = process::execute(&CString::new(candidate)?, &arguments, &variables);
        // As execvp(3): what is not there, or may not be executed, leaves the next directory a chance.
        match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {}
            io::ErrorKind::PermissionDenied => failure = error,
            _ => return Err(error),
        }
    }
    Err(failure)
}

/// The paths at which `program` may be.
fn candidates(program: &OsStr, path: Option<&OsStr>) -> Vec<Vec<u8>> {
    let name = program.as_bytes();
    if name.contains(&b'/') {
        return vec![name.to_vec()];
    }
    let path = path.unwrap_or_default().as_bytes();
    path.split(|byte| *byte == b':')
        .filter(|directory| directory.starts_with(b"/"))
        .map(|directory| [directory, b"/", name].concat())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_searched_in_absolute_directories_alone() {
        assert_eq!(candidates("/bin/a".as_ref(), None), [b"/bin/a".to_vec()]);
        assert_eq!(candidates("./a".as_ref(), Some("/bin".as_ref())), [b"./a".to_vec()]);
        let path = OsStr::new("/usr/bin::.:bin:/bin");
        assert_eq!(candidates("a".as_ref(), Some(path)), [b"/usr/bin/a".to_vec(), b"/bin/a".to_vec()]);
        assert!(candidates("a".as_ref(), None).is_empty());
    }
}
