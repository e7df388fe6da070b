//! The process that systemd started: the unit's main process, outside of the namespace.
//!
//! It lives as long as the service's main process does and ends as that ended, so everything systemd does with a main
//! process (`Restart=`, `$MAINPID`, the watchdog, exit statuses) works as without a launcher.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use rustix::process::{
    DumpableBehavior, Pid, WaitOptions, WaitStatus, getpid, getppid, set_dumpable_behavior, waitpid,
};
use rustix::thread::CapabilitySet;

use crate::capabilities;
use crate::failure::{Failure, Step};
use crate::init::{self, Init};
use crate::link::{Ending, LONGEST_NOTIFICATION, Order, Report};
use crate::namespace;
use crate::notification::Notification;
use crate::notify;
use crate::options::{NotifyAccess, Options};
use crate::outbox::{Message, Outbox};
use crate::proc_mount::OldProc;
use crate::seccomp;
use crate::service;
use crate::stdio;
use crate::sys::message;
use crate::sys::process::{self, Fork, close_all_but};
use crate::sys::signal::{self, SignalSet};
use crate::sys::time;

/// Starts the service in a PID namespace and returns the exit status it ended with. If it ended by a signal, so does
/// this process.
pub(crate) fn run(options: &Options) -> Result<c_int, Failure> {
    let all = SignalSet::all_but_faults();
    let failed = |what| Failure::at(Step::Signals, what);
    let original_mask = all.block().map_err(failed("block signals"))?;
    let signals = all.descriptor().map_err(failed("read signals"))?;

    let mounts = service::mounts()?;
    let manager = notify::manager_socket()?;
    let connection = manager.as_deref().map(notify::connect).transpose()?;
    namespace::leave(options.namespaces)?;
    namespace::refresh_mounts(options.namespaces, &mounts)?;
    let old_proc = OldProc::survey(&mounts)?;
    let heard = options.notify_access != NotifyAccess::None && !options.ready_on_exec;
    let notifications = manager.as_deref().filter(|_| heard).map(notify::take_the_place_of).transpose()?;

    let (own_link, init_link) =
        socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
            .map_err(Failure::at(Step::Fork, "make a pair of sockets"))?;
    let supervisor = getpid().as_raw_nonzero().get();
    match process::fork().map_err(Failure::at(Step::Fork, "start the init of the PID namespace"))? {
        Fork::Child => {
            drop((own_link, signals, connection));
            let init = Init { options, original_mask, old_proc, notifications, link: init_link, supervisor };
            process::exit(init::run(init).unwrap_or_else(|failure| {
                failure.report();
                failure.exit_status()
            }))
        }
        Fork::Parent(init) => {
            drop((init_link, notifications, old_proc));
            let outbox = Outbox::new(Instant::now());
            let supervisor =
                Supervisor { init, signals, link: own_link, manager: connection, outbox, options };
            supervisor.give_up_privileges()?;
            Ok(end_as(supervisor.watch()))
        }
    }
}

/// How long what the service said last may take after its end.
const LAST_WORDS: Duration = Duration::from_secs(1);

struct Supervisor<'a> {
    init: Pid,
    signals: OwnedFd,
    link: OwnedFd,
    manager: Option<OwnedFd>,
    outbox: Outbox,
    options: &'a Options,
}

impl Supervisor<'_> {
    /// The init waits for our word, so no service runs while this process can still do anything.
    fn give_up_privileges(&self) -> Result<(), Failure> {
        lock_up(self.options)?;
        let mut keep = vec![self.signals.as_raw_fd(), self.link.as_raw_fd()];
        keep.extend(self.manager.as_ref().map(std::os::fd::AsRawFd::as_raw_fd));
        keep.sort_unstable();
        // Sockets that the service gets would otherwise stay open here when the service closes them.
        close_all_but(&keep).map_err(Failure::at(Step::Fork, "close the service's descriptors"))?;
        stdio::let_go();
        Order::Start
            .send(self.link.as_fd())
            .or_else(ignore_gone)
            .map_err(Failure::at(Step::Fork, "start the service"))
    }

    /// Passes signals in and notifications out until the service has ended.
    fn watch(mut self) -> Ending {
        loop {
            self.send_what_is_due();
            let mut polled =
                [PollFd::new(&self.signals, PollFlags::IN), PollFd::new(&self.link, PollFlags::IN)];
            let timeout = self.outbox.deadline().map(time::until);
            let _ = poll(&mut polled, timeout.as_ref());
            let has_spoken = polled.get(1).is_some_and(|link| !link.revents().is_empty());
            while let Ok(Some(received)) = signal::receive(self.signals.as_fd()) {
                self.pass_on(received);
            }
            if has_spoken {
                match self.read_report() {
                    Ok(Some(Report::Ended { ending, alone })) => {
                        self.send_the_rest();
                        if alone {
                            // So that the unit's cgroup is empty by the time systemd hears of our end.
                            let _ = waitpid(Some(self.init), WaitOptions::empty());
                        }
                        return ending;
                    }
                    Ok(Some(Report::Running)) => self.take(b"READY=1", Vec::new()),
                    Ok(Some(Report::Notification(text, descriptors))) => self.take(&text, descriptors),
                    Ok(None) => {}
                    Err(_) => return self.init_ended(),
                }
            }
        }
    }

    fn pass_on(&self, received: signal::Received) {
        let from_manager = getppid().is_some_and(|manager| manager.as_raw_nonzero().get() == received.sender);
        if received.signal == libc::SIGCHLD || received.origin == signal::Origin::Kernel {
            return;
        }
        let order = Order::Signal { signal: received.signal, origin: received.origin, from_manager };
        // An init that has gone is noticed by the link.
        let _ = order.send(self.link.as_fd());
    }

    fn read_report(&self) -> io::Result<Option<Report>> {
        let Some(message) = message::receive(self.link.as_fd(), LONGEST_NOTIFICATION + 1)? else {
            return Ok(None);
        };
        // The limit of open files may leave no room for what the service wants to be kept: then that is lost.
        let Some(text) = message.text else { return Ok(None) };
        Report::parse(&text, message.descriptors).map(Some)
    }

    /// The init has looked at it as well; but it speaks with hostile processes, and this one does not.
    fn take(&mut self, text: &[u8], descriptors: Vec<OwnedFd>) {
        if self.manager.is_some() {
            self.outbox.take(Notification::parse(text, notify::watchdog()), descriptors);
        }
    }

    fn send_what_is_due(&mut self) {
        let Some(manager) = &self.manager else { return };
        let now = Instant::now();
        while let Some(message) = self.outbox.due(now) {
            if !send(manager, &message) {
                return self.outbox.give_back(message, now);
            }
        }
    }

    /// What the service said last counts as well, if the service manager takes it in time.
    fn send_the_rest(&mut self) {
        let Some(manager) = &self.manager else { return };
        let deadline = Instant::now() + LAST_WORDS;
        for message in self.outbox.rest() {
            while !send(manager, &message) {
                let room = &mut [PollFd::new(manager, PollFlags::OUT)];
                if Instant::now() >= deadline || poll(room, Some(&time::until(deadline))).is_err() {
                    return;
                }
            }
        }
    }

    /// The init ended without a word about the service: setting it up failed, or somebody killed the init.
    fn init_ended(&self) -> Ending {
        match waitpid(Some(self.init), WaitOptions::empty()) {
            Ok(Some((_, status))) => ending(status),
            _ => Ending::Exited(Step::Fork.exit_status()),
        }
    }
}

/// Says whether the service manager took a notification, or never will: where its socket is full it may later.
fn send(manager: &OwnedFd, message: &Message) -> bool {
    let descriptors: Vec<_> = message.descriptors.iter().map(|descriptor| descriptor.as_fd()).collect();
    let sent = message::send(manager.as_fd(), message.text.as_bytes(), &descriptors);
    !sent.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

/// Makes this process, which executes no program, as powerless as the service, and untouchable for it.
pub(crate) fn lock_up(options: &Options) -> Result<(), Failure> {
    capabilities::drop_all_but(CapabilitySet::empty())?;
    seccomp::install(options)?;
    set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Failure::at(Step::Capabilities, "refuse tracers"))
}

/// How a process ended, from what wait(2) says.
pub(crate) fn ending(status: WaitStatus) -> Ending {
    match (status.exit_status(), status.terminating_signal()) {
        (Some(status), _) => Ending::Exited(status),
        (None, Some(signal)) => Ending::Killed(signal),
        (None, None) => Ending::Exited(Step::Fork.exit_status()),
    }
}

/// Ends this process as the service ended, or returns the exit status to end with.
fn end_as(ending: Ending) -> c_int {
    match ending {
        Ending::Exited(status) => status,
        Ending::Killed(signal) => {
            // A core of ours would be of no use; the service's own has been written where it belongs. Being "not
            // dumpable" sees to that.
            signal::die_by(signal);
            // We are the init of a namespace ourselves, which no signal ends: as a shell would say it.
            128_i32.saturating_add(signal)
        }
    }
}

fn ignore_gone(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) }
}
