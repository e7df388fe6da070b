//! Processes of the host. The victim is one that the host side has started under the service's own user, so that
//! the kernel's usual permission check would let everything through.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;

use super::{open, peek, with_token};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::{self, NULL, call, process};
use crate::targets::{Targets, Victim};

/// Seeing, reading, signalling, tracing and scheduling processes of others.
pub(super) const CHANNELS: &[Channel] = &[
    Channel {
        id: "see-processes",
        title: "find a process of another service in /proc",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| {
            targets.victim()?;
            let pid = search(targets).ok_or_else(|| Shut::closed("the victim is not in /proc"))?;
            Ok(format!("the victim is process {pid}"))
        },
    },
    Channel {
        id: "probe-process-ids",
        title: "tell by a system call which process ids are taken",
        guarantee: Guarantee::ProcessesHidden,
        source: "getpgid(2)",
        attempt: |targets| {
            let victim = reachable(targets)?;
            call!(libc::SYS_getsid, victim.pid)?;
            Ok(format!("process {} exists", victim.pid))
        },
    },
    Channel {
        id: "hold-process",
        title: "get a file descriptor that refers to a process of another service",
        guarantee: Guarantee::ProcessesHidden,
        source: "pidfd_open(2)",
        attempt: |targets| {
            sys::descriptor(call!(libc::SYS_pidfd_open, reachable(targets)?.pid, 0))?;
            Ok("opened one".into())
        },
    },
    Channel {
        id: "read-arguments",
        title: "read another service's command line",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| {
            let content = peek(in_proc(targets, "cmdline")?)?;
            with_token(targets, &content, "its command line")
        },
    },
    Channel {
        id: "read-environment",
        title: "read another service's environment",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| {
            let content = peek(in_proc(targets, "environ")?)?;
            with_token(targets, &content, "its environment")
        },
    },
    Channel {
        id: "read-process-status",
        title: "read another service's status",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| read(targets, "status"),
    },
    Channel {
        id: "read-process-statistics",
        title: "watch how much another service works",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| read(targets, "stat"),
    },
    Channel {
        id: "read-process-io",
        title: "watch how much another service reads and writes",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| read(targets, "io"),
    },
    Channel {
        id: "read-process-maps",
        title: "read another service's memory layout",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| read(targets, "maps"),
    },
    Channel {
        id: "read-process-mounts",
        title: "read another service's mounts",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| read(targets, "mountinfo"),
    },
    Channel {
        id: "read-process-group",
        title: "read another service's control group",
        guarantee: Guarantee::ProcessesHidden,
        source: "cgroups(7)",
        attempt: |targets| read(targets, "cgroup"),
    },
    Channel {
        id: "read-process-files",
        title: "list another service's open files",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| {
            let entries = fs::read_dir(in_proc(targets, "fd")?)?.count();
            Ok(format!("{entries} open files"))
        },
    },
    Channel {
        id: "read-process-program",
        title: "read another service's program",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| read(targets, "exe"),
    },
    Channel {
        id: "enter-process-root",
        title: "reach files through another service's root directory",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| {
            let root = in_proc(targets, "root")?;
            // Any file that is certain to exist for the victim: its own program.
            let entries = fs::read_dir(&root).step("list it")?.count();
            Ok(format!("{entries} entries in {}", root.display()))
        },
    },
    Channel {
        id: "enter-process-directory",
        title: "reach files through another service's working directory",
        guarantee: Guarantee::ProcessesHidden,
        source: "proc(5)",
        attempt: |targets| {
            let directory = in_proc(targets, "cwd")?;
            let entries = fs::read_dir(&directory).step("list it")?.count();
            Ok(format!("{entries} entries in {}", directory.display()))
        },
    },
    Channel {
        id: "signal",
        title: "send a signal to a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "kill(2)",
        attempt: |targets| {
            process::kill(reachable(targets)?.pid, libc::SIGUSR1)?;
            Ok("sent SIGUSR1".into())
        },
    },
    Channel {
        id: "signal-thread",
        title: "send a signal to a thread of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "tgkill(2)",
        attempt: |targets| {
            let pid = reachable(targets)?.pid;
            call!(libc::SYS_tgkill, pid, pid, libc::SIGUSR1)?;
            Ok("sent SIGUSR1".into())
        },
    },
    Channel {
        id: "signal-descriptor",
        title: "send a signal over a process file descriptor",
        guarantee: Guarantee::ProcessesUntouched,
        source: "pidfd_send_signal(2)",
        attempt: |targets| {
            let pidfd = sys::descriptor(call!(libc::SYS_pidfd_open, reachable(targets)?.pid, 0))
                .step("pidfd_open")?;
            call!(libc::SYS_pidfd_send_signal, &pidfd, libc::SIGUSR1, NULL, 0)?;
            Ok("sent SIGUSR1".into())
        },
    },
    Channel {
        id: "signal-owner",
        title: "have the kernel signal a process of another service when a socket has news",
        guarantee: Guarantee::ProcessesUntouched,
        source: "fcntl(2)",
        attempt: signal_owner,
    },
    Channel {
        id: "trace",
        title: "trace a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "ptrace(2)",
        attempt: |targets| {
            /// `PTRACE_SEIZE`
            const SEIZE: i32 = 0x4206;
            let pid = reachable(targets)?.pid;
            // Seizing does not stop it; the end of this process detaches from it.
            call!(libc::SYS_ptrace, SEIZE, pid, NULL, NULL)?;
            Ok("attached without stopping it".into())
        },
    },
    Channel {
        id: "read-memory",
        title: "read the memory of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "process_vm_readv(2)",
        attempt: |targets| {
            let victim = reachable(targets)?;
            let content = process::read_memory(victim.pid, victim.address, victim.length)?;
            with_token(targets, &content, "its memory")
        },
    },
    Channel {
        id: "write-memory",
        title: "write to the memory of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "process_vm_writev(2)",
        attempt: |targets| {
            let victim = reachable(targets)?;
            process::write_memory(victim.pid, victim.address, targets.token.as_bytes())?;
            Ok("wrote the planted text over itself".into())
        },
    },
    Channel {
        id: "open-memory",
        title: "open the memory of a process of another service as a file",
        guarantee: Guarantee::ProcessesUntouched,
        source: "proc(5)",
        attempt: |targets| {
            open(&in_proc(targets, "mem")?, OpenOptions::new().read(true).write(true))?;
            Ok("opened it for reading and writing".into())
        },
    },
    Channel {
        id: "take-descriptor",
        title: "take an open file from a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "pidfd_getfd(2)",
        attempt: |targets| {
            let victim = reachable(targets)?;
            let pidfd = sys::descriptor(call!(libc::SYS_pidfd_open, victim.pid, 0)).step("pidfd_open")?;
            sys::descriptor(call!(libc::SYS_pidfd_getfd, &pidfd, victim.descriptor, 0))?;
            Ok(format!("have its file descriptor {}", victim.descriptor))
        },
    },
    Channel {
        id: "compare-processes",
        title: "compare kernel objects with those of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "kcmp(2)",
        attempt: |targets| {
            /// `KCMP_VM`
            const MEMORY: i32 = 1;
            call!(libc::SYS_kcmp, process_id(), reachable(targets)?.pid, MEMORY, 0, 0)?;
            Ok("compared its memory with ours".into())
        },
    },
    Channel {
        id: "watch-process-performance",
        title: "count the events of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "perf_event_open(2)",
        attempt: |targets| super::kernel::performance_counter(reachable(targets)?.pid),
    },
    Channel {
        id: "renice",
        title: "change the priority of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "setpriority(2)",
        attempt: |targets| {
            call!(libc::SYS_setpriority, process::PRIORITY_OF_PROCESS, reachable(targets)?.pid, 10)?;
            Ok("made the victim nicer".into())
        },
    },
    Channel {
        id: "reschedule",
        title: "change the scheduling policy of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "sched_setscheduler(2)",
        attempt: |targets| {
            call!(libc::SYS_sched_setscheduler, reachable(targets)?.pid, libc::SCHED_BATCH, &[0_u8; 4])?;
            Ok("made the victim a batch process".into())
        },
    },
    Channel {
        id: "bind-to-processor",
        title: "choose the processors for a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "sched_setaffinity(2)",
        attempt: |targets| {
            let pid = reachable(targets)?.pid;
            let mut mask = [0_u8; 128];
            let length =
                call!(libc::SYS_sched_getaffinity, pid, mask.len(), &mut mask).step("read the mask")?;
            call!(libc::SYS_sched_setaffinity, pid, length, &mask)?;
            Ok("set the victim's processors to what they were".into())
        },
    },
    Channel {
        id: "set-io-priority",
        title: "change the input and output priority of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "ioprio_set(2)",
        attempt: |targets| {
            /// `IOPRIO_WHO_PROCESS`
            const PROCESS: i32 = 1;
            /// `IOPRIO_CLASS_IDLE`
            const IDLE: i32 = 3 << 13;
            call!(libc::SYS_ioprio_set, PROCESS, reachable(targets)?.pid, IDLE)?;
            Ok("made the victim's priority idle".into())
        },
    },
    Channel {
        id: "limit-process",
        title: "change the limits of a process of another service",
        guarantee: Guarantee::ProcessesUntouched,
        source: "prlimit(2)",
        attempt: |targets| {
            process::set_limit(reachable(targets)?.pid, process::CORE, 0, 0)?;
            Ok("forbade the victim to dump core".into())
        },
    },
    Channel {
        id: "offer-to-oom-killer",
        title: "make a process of another service the first to be killed when memory runs out",
        guarantee: Guarantee::ProcessesUntouched,
        source: "proc(5)",
        attempt: |targets| {
            let path = in_proc(targets, "oom_score_adj")?;
            open(&path, OpenOptions::new().write(true))?.write_all(b"900").step("write")?;
            Ok("set the victim's score to 900".into())
        },
    },
    Channel {
        id: "reclaim-memory",
        title: "have the memory of a process of another service paged out",
        guarantee: Guarantee::ProcessesUntouched,
        source: "proc(5)",
        attempt: |targets| {
            let path = in_proc(targets, "clear_refs")?;
            open(&path, OpenOptions::new().write(true))?;
            Ok(format!("opened {} for writing", path.display()))
        },
    },
];

/// This process's own id.
fn process_id() -> i32 {
    i32::try_from(std::process::id()).unwrap_or_default()
}

/// The victim, where its process id means anything. In a PID namespace of the service's own the number would be
/// somebody else's.
fn reachable(targets: &Targets) -> Result<&Victim, Shut> {
    let victim = targets.victim()?;
    if targets.in_host_namespace("pid") == Some(false) {
        return Err(Shut::closed("in a PID namespace of its own"));
    }
    Ok(victim)
}

/// The victim's process id as /proc shows it, which may be another instance than that of our PID namespace.
fn search(targets: &Targets) -> Option<i32> {
    let own = process_id();
    fs::read_dir("/proc").ok()?.filter_map(Result::ok).find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok().filter(|pid| *pid != own)?;
        let arguments = fs::read(entry.path().join("cmdline")).ok()?;
        let planted = arguments.split(|byte| *byte == 0).any(|argument| argument == b"--victim");
        (planted && with_token(targets, &arguments, "").is_ok()).then_some(pid)
    })
}

/// A file of the victim in /proc.
fn in_proc(targets: &Targets, name: &str) -> Result<PathBuf, Shut> {
    let victim = targets.victim()?;
    // A /proc of the host would betray it even from another PID namespace.
    let pid = match search(targets) {
        Some(pid) => pid,
        None => reachable(targets).map(|_| victim.pid)?,
    };
    Ok(PathBuf::from(format!("/proc/{pid}/{name}")))
}

fn read(targets: &Targets, name: &str) -> Attempt {
    let path = in_proc(targets, name)?;
    let length = peek(&path)?.len();
    Ok(format!("read {length} bytes of {}", path.display()))
}

/// The permission to signal is checked when the signal is due and nobody is told, so the host side has the last word:
/// this is the only attempt that sends SIGUSR2, and the victim counts.
fn signal_owner(targets: &Targets) -> Attempt {
    let victim = reachable(targets)?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().step("socketpair")?;
    let ours: std::os::fd::OwnedFd = ours.into();
    call!(libc::SYS_fcntl, &ours, libc::F_SETOWN, victim.pid)?;
    call!(libc::SYS_fcntl, &ours, F_SETSIG, libc::SIGUSR2).step("choose the signal")?;
    call!(libc::SYS_fcntl, &ours, libc::F_SETFL, libc::O_ASYNC | libc::O_NONBLOCK).step("ask for it")?;
    (&theirs).write_all(b"x").step("cause it")?;
    let owner = call!(libc::SYS_fcntl, &ours, libc::F_GETOWN).step("ask who the owner is")?;
    if i32::try_from(owner) == Ok(victim.pid) {
        Ok("the victim is signalled when data arrives".into())
    } else {
        Err(Shut::closed("the owner was not accepted"))
    }
}

/// `F_SETSIG` of fcntl(2).
const F_SETSIG: i32 = 10;
