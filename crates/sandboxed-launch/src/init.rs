//! The init of the PID namespace.
//!
//! The kernel kills a namespace with its init, and does not let a namespace's processes kill it. So the init never ends
//! before the last process of the service has, and never kills any: who is killed when is the service manager's to say.

use std::ffi::c_int;
use std::io;
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::MountAttrFlags;
use rustix::process::{self, DumpableBehavior, Pid, PidfdFlags, WaitOptions, setsid, wait};

use crate::capabilities;
use crate::failure::{Failure, Step};
use crate::forwarding::Forwarding;
use crate::landlock;
use crate::link::{Ending, LONGEST_NOTIFICATION, Order, Report};
use crate::namespace;
use crate::notification::{Descriptors, Notification};
use crate::notify;
use crate::options::{NotifyAccess, Options};
use crate::proc_mount::{self, OldProc};
use crate::seccomp;
use crate::service;
use crate::stdio;
use crate::supervisor::ending;
use crate::sys::message;
use crate::sys::process::{Fork, close_all_but, exit, fork};
use crate::sys::signal::{self, Origin, SignalSet};
use crate::sys::time;

/// How many notifications are read at a time, so that a flood of them delays nothing else: more than a socket's queue
/// holds (`net.unix.max_dgram_qlen`), so that what a process sent before it ended is read before its end is seen.
const NOTIFICATIONS_AT_ONCE: usize = 1024;

/// What the init gets from the supervisor.
pub(crate) struct Init<'a> {
    /// What was asked for.
    pub(crate) options: &'a Options,
    /// The signal mask that the service is to have.
    pub(crate) original_mask: SignalSet,
    /// The /proc to replace.
    pub(crate) old_proc: Option<OldProc>,
    /// The socket on which the service sends notifications.
    pub(crate) notifications: Option<OwnedFd>,
    /// To the supervisor.
    pub(crate) link: OwnedFd,
    /// The supervisor's id outside of the namespace.
    pub(crate) supervisor: i32,
}

/// Sets the namespace up, starts the service and stays until its last process has ended.
pub(crate) fn run(init: Init<'_>) -> Result<c_int, Failure> {
    let Init { options, original_mask, old_proc, notifications, link, supervisor } = init;
    let signals =
        SignalSet::all_but_faults().descriptor().map_err(Failure::at(Step::Signals, "read signals"))?;
    prepare(options, old_proc)?;
    if !wait_for_start(&link) {
        // The supervisor has said why.
        return Ok(Step::Fork.exit_status());
    }
    let (exec_end, exec_pipe) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)
        .map_err(Failure::at(Step::Fork, "make a pipe"))?;
    match fork().map_err(Failure::at(Step::Fork, "start the service"))? {
        Fork::Child => {
            drop((exec_end, signals, notifications, link));
            let failure = become_service(options, &original_mask, supervisor);
            failure.report();
            // Tells the end of this process from that of the pipe, which is closed when the program runs.
            let _ = rustix::io::write(&exec_pipe, b"!");
            exit(failure.exit_status())
        }
        Fork::Parent(main) => {
            drop(exec_pipe);
            let mut keep = vec![signals.as_raw_fd(), link.as_raw_fd(), exec_end.as_raw_fd()];
            keep.extend(notifications.as_ref().map(std::os::fd::AsRawFd::as_raw_fd));
            keep.sort_unstable();
            capabilities::give_up_rest()?;
            close_all_but(&keep).map_err(Failure::at(Step::Fork, "close the service's descriptors"))?;
            stdio::let_go();
            let running = Running {
                options,
                forwarding: Forwarding::new(options.kill_mode),
                main: Some(Main { id: main, descriptor: None }),
                link: Some(link),
                notifications,
                watchdog: notify::watchdog(),
                signals,
                exec_pipe: Some(exec_end),
            };
            running.until_all_have_ended();
            Ok(0)
        }
    }
}

/// Everything that needs privileges, and their end.
fn prepare(options: &Options, old_proc: Option<OldProc>) -> Result<(), Failure> {
    // Not through the new /proc: that may be read-only.
    let writable = options
        .namespaces
        .user
        .then(|| proc_mount::new_instance(&[], MountAttrFlags::empty()))
        .transpose()?;
    old_proc.map_or(Ok(()), |old| old.replace(&options.proc))?;
    writable.as_ref().map_or(Ok(()), namespace::enter_user_namespace)?;
    capabilities::drop_all_but(options.keep_capabilities.0)?;
    seccomp::install(options)?;
    // The service may be of our user: it must not trace us or read our memory. Executing its program makes it an
    // ordinary process again.
    process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .map_err(Failure::at(Step::Capabilities, "refuse tracers"))
}

/// Waits until the supervisor has given its privileges up; `false` if it failed.
fn wait_for_start(link: &OwnedFd) -> bool {
    let _ = poll(&mut [PollFd::new(link, PollFlags::IN)], None);
    let text = message::receive(link.as_fd(), 64).ok().flatten().and_then(|message| message.text);
    text.is_some_and(|text| Order::parse(&text).is_ok_and(|order| order == Order::Start))
}

/// The service's own last steps.
fn become_service(options: &Options, original_mask: &SignalSet, supervisor: i32) -> Failure {
    // As systemd has it for a main process: a session of its own, so that what it sends its process group stays there.
    let prepared = setsid()
        .map_err(Failure::at(Step::Fork, "start a session"))
        .and_then(|_| landlock::enter(&options.landlock))
        .and_then(|()| original_mask.block().map_err(Failure::at(Step::Signals, "restore the signal mask")));
    match prepared {
        Ok(_) => service::execute(options, service::environment(options, supervisor)),
        Err(failure) => failure,
    }
}

/// The service's main process.
struct Main {
    id: Pid,
    /// For one that the service named: it need not be our child, and then its parent hears of its end, not we.
    descriptor: Option<OwnedFd>,
}

struct Running<'a> {
    options: &'a Options,
    forwarding: Forwarding,
    /// Until it has ended.
    main: Option<Main>,
    /// Until the main process has ended, or the supervisor.
    link: Option<OwnedFd>,
    notifications: Option<OwnedFd>,
    /// The unit's `WatchdogSec=` in microseconds.
    watchdog: Option<u64>,
    signals: OwnedFd,
    /// Until the program runs.
    exec_pipe: Option<OwnedFd>,
}

impl Running<'_> {
    fn until_all_have_ended(mut self) {
        loop {
            self.sleep();
            self.read_signals();
            self.read_orders();
            for (signal, origin) in self.forwarding.due(Instant::now()) {
                self.signal_main(signal, origin);
            }
            self.see_whether_it_runs();
            self.read_notifications();
            if self.reap() {
                return;
            }
        }
    }

    /// Until something happens.
    fn sleep(&self) {
        let main = self.main.as_ref().and_then(|main| main.descriptor.as_ref());
        let sources = [
            Some(&self.signals),
            self.link.as_ref(),
            self.notifications.as_ref(),
            self.exec_pipe.as_ref(),
            main,
        ];
        let mut polled: Vec<_> =
            sources.into_iter().flatten().map(|source| PollFd::new(source, PollFlags::IN)).collect();
        let timeout = self.forwarding.deadline().map(time::until);
        let _ = poll(&mut polled, timeout.as_ref());
    }

    fn read_signals(&mut self) {
        while let Ok(Some(received)) = signal::receive(self.signals.as_fd()) {
            // The service may send us what it likes: only what comes from outside counts.
            if received.sender == 0 && received.origin != Origin::Kernel {
                self.forwarding.sent_to_all(received.signal, Instant::now());
            }
        }
    }

    fn read_orders(&mut self) {
        while let Some(link) = &self.link {
            match message::receive(link.as_fd(), 64).and_then(|message| {
                message.map(|message| Order::parse(&message.text.unwrap_or_default())).transpose()
            }) {
                Ok(None) => return,
                Ok(Some(Order::Start)) => {}
                Ok(Some(Order::Signal { signal, origin, from_manager })) => {
                    if let Some((signal, origin)) =
                        self.forwarding.requested(signal, origin, from_manager, Instant::now())
                    {
                        self.signal_main(signal, origin);
                    }
                }
                // The supervisor, which is the main process to everybody else, was killed: then so is the one it stood
                // for, and what happens to the rest is the service manager's to say.
                Err(_) => {
                    self.link = None;
                    self.signal_main(libc::SIGKILL, Origin::Process);
                }
            }
        }
    }

    fn signal_main(&self, signal: i32, origin: Origin) {
        if let Some(main) = &self.main {
            // One that has just ended is about to be reaped.
            let _ = signal::send(main.id, signal, origin);
        }
    }

    fn see_whether_it_runs(&mut self) {
        let Some(pipe) = &self.exec_pipe else { return };
        if matches!(poll(&mut [PollFd::new(pipe, PollFlags::IN)], Some(&Timespec::default())), Ok(0) | Err(_))
        {
            return;
        }
        if self.options.ready_on_exec && rustix::io::read(pipe, &mut [0_u8; 1]) == Ok(0) {
            self.report(&Report::Running);
        }
        self.exec_pipe = None;
    }

    fn read_notifications(&mut self) {
        for _ in 0..NOTIFICATIONS_AT_ONCE {
            let received = match &self.notifications {
                None => return,
                Some(socket) => message::receive(socket.as_fd(), LONGEST_NOTIFICATION),
            };
            let Ok(Some(received)) = received else { return };
            let Some(text) = received.text.filter(|_| self.believes(received.sender)) else { continue };
            let notification = Notification::parse(&text, self.watchdog);
            if let Some(id) = notification.main {
                self.set_main(id);
            }
            let text = notification.text().into_bytes();
            if !text.is_empty() {
                let meant = notification.descriptors != Descriptors::None;
                let descriptors = if meant { received.descriptors } else { Vec::new() };
                self.report(&Report::Notification(text, descriptors));
            }
        }
    }

    /// Whether notifications of this process count: `NotifyAccess=`. One outside of the namespace is none of the service.
    fn believes(&self, sender: Option<i32>) -> bool {
        match (sender, self.options.notify_access) {
            (None | Some(0), _) | (_, NotifyAccess::None) => false,
            (Some(_), NotifyAccess::All) => true,
            (Some(sender), NotifyAccess::Main) => {
                self.main.as_ref().is_some_and(|main| main.id.as_raw_nonzero().get() == sender)
            }
        }
    }

    /// The service says that another process is its main one.
    fn set_main(&mut self, id: i32) {
        let Some(id) = Pid::from_raw(id) else { return };
        if self.main.as_ref().is_some_and(|main| main.id == id) {
            return;
        }
        // Fails if there is no such process.
        if let Ok(descriptor) = process::pidfd_open(id, PidfdFlags::empty()) {
            self.main = Some(Main { id, descriptor: Some(descriptor) });
        }
    }

    /// Takes the ended processes away. Returns whether there are no others left.
    fn reap(&mut self) -> bool {
        let mut ended = None;
        let alone = loop {
            match wait(WaitOptions::NOHANG) {
                Ok(Some((id, status))) => {
                    if self.main.as_ref().is_some_and(|main| main.id == id) {
                        ended = Some(ending(status));
                    }
                }
                Ok(None) => break false,
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => break true,
            }
        };
        if ended.is_none() && self.main_has_ended_elsewhere() {
            // Its parent knows how; systemd calls that a success as well.
            ended = Some(Ending::Exited(0));
        }
        if let Some(ending) = ended {
            self.main = None;
            self.report(&Report::Ended { ending, alone });
            self.link = None;
            self.notifications = None;
        }
        alone
    }

    fn main_has_ended_elsewhere(&self) -> bool {
        let Some(Main { id, descriptor: Some(descriptor) }) = &self.main else { return false };
        let ended = matches!(
            poll(&mut [PollFd::new(descriptor, PollFlags::IN)], Some(&Timespec::default())),
            Ok(1..)
        );
        // One of our own children may have ended since we last looked; it is still there to be reaped.
        ended && matches!(process::waitpid(Some(*id), WaitOptions::NOHANG), Err(rustix::io::Errno::CHILD))
    }

    fn report(&self, report: &Report) {
        if let Some(link) = &self.link {
            // Without a supervisor there is nobody to hear it.
            let _: io::Result<()> = report.send(link.as_fd());
        }
    }
}
