//! What there is only so much of. Attempts go a little beyond the limit that the plan states, or beyond a modest
//! default, and give everything back at once.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex};

use super::{Scratch, expect_on_host, open};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::{self, c_path, call, process};
use crate::targets::Targets;

/// Tasks, memory, processor time, disk space, descriptors and priorities.
pub(super) const CHANNELS: &[Channel] = &[
    Channel {
        id: "tasks",
        title: "start more tasks than it was given",
        guarantee: Guarantee::TasksLimited,
        source: "systemd.resource-control(5)",
        attempt: tasks,
    },
    Channel {
        id: "memory",
        title: "use memory without a limit",
        guarantee: Guarantee::MemoryLimited,
        source: "systemd.resource-control(5)",
        attempt: |targets| unlimited(targets, "memory.max"),
    },
    Channel {
        id: "swap-space",
        title: "use swap space without a limit",
        guarantee: Guarantee::MemoryLimited,
        source: "systemd.resource-control(5)",
        attempt: |targets| unlimited(targets, "memory.swap.max"),
    },
    Channel {
        id: "processor-time",
        title: "take processor time without a limit or a share",
        guarantee: Guarantee::ProcessorsShared,
        source: "systemd.resource-control(5)",
        attempt: |targets| unlimited(targets, "cpu.max"),
    },
    Channel {
        id: "disk-bandwidth",
        title: "read and write without a limit",
        guarantee: Guarantee::DisksShared,
        source: "systemd.resource-control(5)",
        attempt: |targets| unlimited(targets, "io.max"),
    },
    Channel {
        id: "descriptors",
        title: "open more files than it was given",
        guarantee: Guarantee::OpenFilesLimited,
        source: "getrlimit(2)",
        attempt: descriptors,
    },
    Channel {
        id: "raise-limits",
        title: "raise a hard limit",
        guarantee: Guarantee::NoCapabilities,
        source: "prlimit(2)",
        attempt: |_| {
            let limit = process::CORE;
            process::set_limit(0, limit, 0, 0).step("lower it")?;
            let (_, lowered) = process::limit(limit)?;
            if lowered != 0 {
                return Err(Shut::closed(format!("setting it succeeds, and it stays {lowered}")));
            }
            process::set_limit(0, limit, 0, 4096)?;
            Ok("raised the limit for core dumps from 0 to 4096".into())
        },
    },
    Channel {
        id: "core-dumps",
        title: "dump core",
        guarantee: Guarantee::NoCoreDumps,
        source: "core(5)",
        attempt: |_| match process::limit(process::CORE)? {
            // Less than a page is no dump.
            (_, hard @ 0..4096) => Err(Shut::closed(format!("the hard limit is {hard}"))),
            (_, u64::MAX) => Ok("there is no hard limit".into()),
            (_, hard) => Ok(format!("the hard limit is {hard} bytes")),
        },
    },
    Channel {
        id: "core-handler",
        title: "have the host's handler of core dumps started",
        guarantee: Guarantee::NoCoreDumps,
        source: "core(5)",
        attempt: core_handler,
    },
    Channel {
        id: "fill-disk",
        title: "fill the disk that its state is on",
        guarantee: Guarantee::DiskSpaceLimited,
        source: "fallocate(2)",
        attempt: fill_disk,
    },
    Channel {
        id: "fill-shared-memory",
        title: "fill /dev/shm, which is the machine's memory",
        guarantee: Guarantee::DiskSpaceLimited,
        source: "tmpfs(5)",
        attempt: |_| roomy("/dev/shm"),
    },
    Channel {
        id: "fill-tmp",
        title: "fill /tmp",
        guarantee: Guarantee::DiskSpaceLimited,
        source: "file-hierarchy(7)",
        attempt: |_| roomy("/tmp"),
    },
    Channel {
        id: "fill-var-tmp",
        title: "fill /var/tmp",
        guarantee: Guarantee::DiskSpaceLimited,
        source: "file-hierarchy(7)",
        attempt: |_| roomy("/var/tmp"),
    },
    Channel {
        id: "lock-memory",
        title: "keep memory from being paged out",
        guarantee: Guarantee::SystemCallsLimited,
        source: "mlock(2)",
        attempt: |_| {
            // More than the 8 MiB that everybody may have by default.
            let memory = vec![1_u8; 9 << 20];
            call!(libc::SYS_mlock, memory.as_slice(), memory.len())?;
            Ok(format!("locked {} bytes", memory.len()))
        },
    },
    Channel {
        id: "realtime",
        title: "run before everything else",
        guarantee: Guarantee::NoRealtime,
        source: "sched(7)",
        attempt: |_| {
            call!(libc::SYS_sched_setscheduler, 0, libc::SCHED_FIFO, &1_i32.to_ne_bytes())?;
            let _ = call!(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &0_i32.to_ne_bytes());
            Ok("had a real-time priority for a moment".into())
        },
    },
    Channel {
        id: "deadline",
        title: "reserve processor time",
        guarantee: Guarantee::NoRealtime,
        source: "sched_setattr(2)",
        attempt: |_| {
            /// `SCHED_DEADLINE` with 0.1 ms in every 100 ms.
            const DEADLINE: u32 = 6;
            let attributes: [u8; 48] = sys::fields(&[
                (0, &48_u32.to_ne_bytes()),
                (4, &DEADLINE.to_ne_bytes()),
                (24, &100_000_u64.to_ne_bytes()),
                (32, &100_000_000_u64.to_ne_bytes()),
                (40, &100_000_000_u64.to_ne_bytes()),
            ]);
            call!(libc::SYS_sched_setattr, 0, &attributes, 0)?;
            let _ = call!(libc::SYS_sched_setscheduler, 0, libc::SCHED_OTHER, &0_i32.to_ne_bytes());
            Ok("had a reservation for a moment".into())
        },
    },
    Channel {
        id: "raise-priority",
        title: "be less nice",
        guarantee: Guarantee::ProcessorsShared,
        source: "setpriority(2)",
        attempt: |_| {
            call!(libc::SYS_setpriority, process::PRIORITY_OF_PROCESS, 0, -5)?;
            Ok("has nice value -5".into())
        },
    },
    Channel {
        id: "io-realtime",
        title: "read and write before everybody else",
        guarantee: Guarantee::DisksShared,
        source: "ioprio_set(2)",
        attempt: |_| {
            // IOPRIO_WHO_PROCESS, IOPRIO_CLASS_RT.
            call!(libc::SYS_ioprio_set, 1, 0, 1_i32 << 13)?;
            Ok("had a real-time priority".into())
        },
    },
    Channel {
        id: "oom-score",
        title: "be the last to be killed when memory runs out",
        guarantee: Guarantee::ProcessorsShared,
        source: "proc(5)",
        attempt: |_| {
            // The file is to be this process's own.
            process::let_others_trace(true)?;
            let mut file = open("/proc/self/oom_score_adj".as_ref(), OpenOptions::new().write(true))?;
            file.write_all(b"-900").step("write")?;
            Ok("has a score of -900".into())
        },
    },
    Channel {
        id: "leave-control-group",
        title: "move to a control group without limits",
        guarantee: Guarantee::ControlGroupsReadOnly,
        source: "cgroups(7)",
        attempt: |targets| {
            let path = "/sys/fs/cgroup/cgroup.procs";
            expect_on_host(targets, path)?;
            open(path.as_ref(), OpenOptions::new().write(true))?.write_all(b"0").step("write")?;
            if targets.in_host_namespace("cgroup") == Some(false) {
                return Err(Shut::closed("the root of a control group namespace of its own"));
            }
            Ok("moved to the root of all groups".into())
        },
    },
    Channel {
        id: "change-own-limits",
        title: "write to the limits of its own control group",
        guarantee: Guarantee::ControlGroupsReadOnly,
        source: "cgroups(7)",
        attempt: |targets| {
            expect_on_host(targets, "/sys/fs/cgroup/cgroup.procs")?;
            let path = own_group()?.join("cgroup.max.depth");
            open(&path, OpenOptions::new().write(true))?;
            Ok(format!("opened {} for writing", path.display()))
        },
    },
    Channel {
        id: "shared-segments",
        title: "keep shared memory that outlives it",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "shmget(2)",
        attempt: |targets| {
            let id = call!(libc::SYS_shmget, libc::IPC_PRIVATE, 1 << 20, 0o600 | libc::IPC_CREAT)?;
            let _ = call!(libc::SYS_shmctl, id, libc::IPC_RMID, sys::NULL);
            if targets.in_host_namespace("ipc") == Some(false) {
                return Err(Shut::closed("in an IPC namespace, which ends with the service"));
            }
            Ok("made a segment that stays until it is removed (and removed it)".into())
        },
    },
];

/// Whether a crash would have the kernel start a handler: a piped pattern does at every limit but 1, one that names a socket
/// at every limit (Linux 6.16). Crashing is not tried, for the handler would work.
fn core_handler(targets: &Targets) -> Attempt {
    match targets.host.core_pattern.as_deref() {
        Some(pattern) if pattern.starts_with('@') => {
            return Ok(format!(
                "the core_pattern {pattern} names a socket, for which the kernel asks for no limit"
            ));
        }
        Some(pattern) if !pattern.starts_with('|') => {
            return Err(Shut::missing(format!("the host has no handler: its core_pattern is {pattern}")));
        }
        _ => {}
    }
    if process::limit(process::CORE)? != (1, 1) {
        let (soft, hard) = process::limit(process::CORE)?;
        return Ok(format!("the limits are {soft} and {hard}, not 1"));
    }
    process::set_limit(0, process::CORE, 0, 0).step("lower the limit")?;
    match process::limit(process::CORE)? {
        (1, 1) => Err(Shut::closed("the limit is 1 and cannot be lowered to 0")),
        (soft, _) => Ok(format!("lowered the limit from 1 to {soft}")),
    }
}

/// Tries one task more than the plan gives, or 1024: with the tasks that wait in it, a few megabytes.
fn tasks(targets: &Targets) -> Attempt {
    const MODEST: u64 = 1024;
    /// Beyond this the attempt itself would be a burden.
    const MOST: u64 = 8192;
    let given = targets.limits.tasks.unwrap_or(MODEST);
    if given > MOST {
        return Err(Shut::missing(format!("{given} tasks are too many to try")));
    }
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let mut threads = Vec::new();
    let mut refusal = None;
    while threads.len() as u64 <= given && refusal.is_none() {
        let gate = Arc::clone(&gate);
        let wait = move || {
            let (opened, signal) = &*gate;
            if let Ok(opened) = opened.lock() {
                drop(signal.wait_while(opened, |opened| !*opened));
            }
        };
        match std::thread::Builder::new().stack_size(16 * 1024).spawn(wait) {
            Ok(thread) => threads.push(thread),
            Err(error) => refusal = Some(error),
        }
    }
    if let Ok(mut opened) = gate.0.lock() {
        *opened = true;
    }
    gate.1.notify_all();
    let count = threads.len();
    for thread in threads {
        let _ = thread.join();
    }
    match refusal {
        None => Ok(format!("ran {count} tasks at once")),
        Some(error) => Err::<(), _>(error).step(&format!("task {}", count + 1)).map(|()| String::new()),
    }
}

/// The directory of the process's own control group, where it is to be seen.
fn own_group() -> Result<std::path::PathBuf, Shut> {
    let membership = fs::read_to_string("/proc/self/cgroup").step("read /proc/self/cgroup")?;
    let path = membership.lines().find_map(|line| line.strip_prefix("0::"));
    let path = path.ok_or_else(|| Shut::missing("there is no unified control group hierarchy"))?;
    Ok(std::path::Path::new("/sys/fs/cgroup").join(path.trim_start_matches('/')))
}

/// Whether neither the process's own group nor one above it has a limit. Trying it out would be the interference
/// itself. Where the groups are hidden, only the host side can tell.
fn unlimited(targets: &Targets, file: &str) -> Attempt {
    let hidden = || Shut::missing("control groups are hidden: the host side has to look");
    if targets.in_host_namespace("cgroup") == Some(false) {
        return Err(hidden());
    }
    let own = own_group()?;
    if !own.join("cgroup.procs").exists() {
        return Err(hidden());
    }
    crate::plant::limited(&own, file)
}

/// Opens one file more than the plan gives, or 65536, by duplicating one.
fn descriptors(targets: &Targets) -> Attempt {
    const MODEST: u64 = 65536;
    const MOST: u64 = 1 << 20;
    let given = targets.limits.descriptors.unwrap_or(MODEST);
    if given > MOST {
        return Err(Shut::missing(format!("{given} descriptors are too many to try")));
    }
    let (_, hard) = process::limit(process::DESCRIPTORS)?;
    process::set_limit(0, process::DESCRIPTORS, hard, hard).step("raise the soft limit")?;
    let one = fs::File::open("/proc/self/status").or_else(|_| fs::File::open("/")).step("open a file")?;
    let mut all: Vec<OwnedFd> = Vec::new();
    while all.len() as u64 <= given {
        let next = one.as_fd().try_clone_to_owned();
        all.push(next.step(&format!("descriptor {}", all.len() + 1))?);
    }
    Ok(format!("had {} files open", all.len()))
}

/// Reserves space, without writing, beyond what the plan gives. Only where four times as much is free.
fn fill_disk(targets: &Targets) -> Attempt {
    const MODEST: u64 = 256 << 20;
    const MOST: u64 = 16 << 30;
    let size = targets.limits.disk.map_or(MODEST, |limit| limit + (1 << 20));
    let (scratch, file) = Scratch::file(targets)?;
    let (_, free) = space(&scratch.path)?;
    if size > MOST {
        return Err(Shut::missing(format!("{size} bytes are too many to try")));
    }
    if free < size {
        return Err(Shut::closed(format!("only {free} bytes are free there")));
    }
    if free / 4 < size {
        return Err(Shut::missing(format!("only {free} bytes are free: too few to try {size}")));
    }
    call!(libc::SYS_fallocate, file.as_fd(), 0, 0, size)?;
    Ok(format!("reserved {size} bytes in {}", scratch.path.display()))
}

/// Whether a directory is writable and larger than 1 GiB.
fn roomy(directory: &str) -> Attempt {
    const MODEST: u64 = 1 << 30;
    let path = std::path::Path::new(directory);
    let try_it = path.join(format!(".sandboxed-probe-room-{}", std::process::id()));
    open(&try_it, OpenOptions::new().write(true).create_new(true))?;
    let _ = fs::remove_file(&try_it);
    let (size, _) = space(path)?;
    if size <= MODEST {
        return Err(Shut::closed(format!("{directory} takes {size} bytes at most")));
    }
    Ok(format!("{directory} takes {size} bytes"))
}

/// Size and free bytes of the file system that a path is on: statfs(2).
fn space(path: &std::path::Path) -> Result<(u64, u64), Shut> {
    let path = c_path(path).step("path")?;
    let mut statfs = [0_u8; 128];
    call!(libc::SYS_statfs, path.as_c_str(), &mut statfs).step("statfs")?;
    // f_bsize, f_blocks and f_bavail of `struct statfs` of 64-bit machines.
    let field = |offset: usize| {
        statfs.get(offset..offset + 8).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes)
    };
    Ok((field(8) * field(16), field(8) * field(32)))
}
