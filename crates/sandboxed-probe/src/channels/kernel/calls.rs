//! System calls that administer, debug or program the kernel. Where a call would have an effect, its arguments are
//! such that the kernel refuses them after it has decided about the permission: the source says in which order.

use crate::channel::{Attempt, Channel, Shut, Step, past_the_gate};
use crate::guarantee::Guarantee;
use crate::sys::{self, NULL, call};
use crate::targets::Targets;

/// System calls.
pub(crate) const CALLS: &[Channel] = &[
    Channel {
        id: "bpf-map",
        title: "create a BPF map",
        guarantee: Guarantee::SystemCallsLimited,
        source: "bpf(2)",
        attempt: |_| {
            /// `BPF_MAP_CREATE`, `BPF_MAP_TYPE_ARRAY`; key, value and table of the smallest size.
            const CREATE: i32 = 0;
            let map: [u8; 72] = sys::fields(&[
                (0, &2_u32.to_ne_bytes()),
                (4, &4_u32.to_ne_bytes()),
                (8, &4_u32.to_ne_bytes()),
                (12, &1_u32.to_ne_bytes()),
            ]);
            sys::descriptor(call!(libc::SYS_bpf, CREATE, &map, map.len()))?;
            Ok("created a map".into())
        },
    },
    Channel {
        id: "performance-counter",
        title: "count events of its own processes",
        guarantee: Guarantee::SystemCallsLimited,
        source: "perf_event_open(2)",
        attempt: |_| performance_counter(0),
    },
    Channel {
        id: "userfaultfd",
        title: "handle page faults in user space",
        guarantee: Guarantee::SystemCallsLimited,
        source: "userfaultfd(2)",
        attempt: |_| {
            /// `UFFD_USER_MODE_ONLY`: what callers without privileges have to ask for.
            const USER_MODE_ONLY: i32 = 1;
            sys::descriptor(call!(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY))?;
            Ok("opened one".into())
        },
    },
    Channel {
        id: "userfaultfd-kernel",
        title: "handle page faults of the kernel in user space",
        guarantee: Guarantee::SystemCallsLimited,
        source: "userfaultfd(2)",
        attempt: |_| {
            sys::descriptor(call!(libc::SYS_userfaultfd, libc::O_CLOEXEC))?;
            Ok("opened one".into())
        },
    },
    Channel {
        id: "io-uring",
        title: "set up a ring for system calls that no filter sees",
        guarantee: Guarantee::SystemCallsLimited,
        source: "io_uring_setup(2)",
        attempt: |_| {
            sys::descriptor(call!(libc::SYS_io_uring_setup, 1, &mut [0_u8; 120]))?;
            Ok("set one up".into())
        },
    },
    Channel {
        id: "add-key",
        title: "add a key to a keyring of its own",
        guarantee: Guarantee::SystemCallsLimited,
        source: "add_key(2)",
        attempt: |_| {
            /// `KEY_SPEC_PROCESS_KEYRING`: gone with the process.
            const PROCESS: i32 = -2;
            call!(libc::SYS_add_key, c"user", c"sandboxed-probe", b"x", 1, PROCESS)?;
            Ok("added a key".into())
        },
    },
    Channel {
        id: "keyctl",
        title: "manage keyrings",
        guarantee: Guarantee::SystemCallsLimited,
        source: "keyctl(2)",
        attempt: |_| {
            /// `KEYCTL_GET_KEYRING_ID` of the process's own keyring, which is made by asking.
            const GET: i32 = 0;
            const PROCESS: i32 = -2;
            call!(libc::SYS_keyctl, GET, PROCESS, 1)?;
            Ok("made a keyring for the process".into())
        },
    },
    Channel {
        id: "personality",
        title: "turn off address randomisation for its programs",
        guarantee: Guarantee::PersonalityLocked,
        source: "personality(2)",
        attempt: |_| {
            call!(libc::SYS_personality, libc::ADDR_NO_RANDOMIZE)?;
            Ok("turned it off".into())
        },
    },
    Channel {
        id: "trace-own-child",
        title: "trace a process of its own",
        guarantee: Guarantee::SystemCallsLimited,
        source: "ptrace(2)",
        attempt: |_| {
            /// `PTRACE_TRACEME`
            const TRACE_ME: i32 = 0;
            call!(libc::SYS_ptrace, TRACE_ME, 0, NULL, NULL)?;
            Ok("is ready to be traced".into())
        },
    },
    Channel {
        id: "load-module",
        title: "load a kernel module",
        guarantee: Guarantee::KernelModulesClosed,
        source: "init_module(2)",
        // CAP_SYS_MODULE first, then the image: nothing is not a module.
        attempt: |_| past_the_gate(call!(libc::SYS_init_module, b"", 0, c""), &[libc::ENOEXEC, libc::EINVAL]),
    },
    Channel {
        id: "load-module-file",
        title: "load a kernel module from a file",
        guarantee: Guarantee::KernelModulesClosed,
        source: "init_module(2)",
        // CAP_SYS_MODULE first, then the flags and the descriptor.
        attempt: |_| {
            past_the_gate(call!(libc::SYS_finit_module, -1, c"", 0x4000), &[libc::EBADF, libc::EINVAL])
        },
    },
    Channel {
        id: "unload-module",
        title: "unload a kernel module",
        guarantee: Guarantee::KernelModulesClosed,
        source: "delete_module(2)",
        // CAP_SYS_MODULE first, then the name, which no module has.
        attempt: |_| {
            past_the_gate(
                call!(libc::SYS_delete_module, c"sandboxed no such module", libc::O_NONBLOCK),
                &[libc::ENOENT],
            )
        },
    },
    Channel {
        id: "prepare-kernel",
        title: "prepare another kernel to boot into",
        guarantee: Guarantee::SystemCallsLimited,
        source: "kexec_load(2)",
        // CAP_SYS_BOOT first, then the flags, which do not exist: no image is touched.
        attempt: |_| past_the_gate(call!(libc::SYS_kexec_load, 0, 0, NULL, 0x7ff0), &[libc::EINVAL]),
    },
    Channel {
        id: "reboot",
        title: "reboot the machine",
        guarantee: Guarantee::SystemCallsLimited,
        source: "reboot(2)",
        // CAP_SYS_BOOT first, then the magic numbers, which are wrong: nothing happens.
        attempt: |_| past_the_gate(call!(libc::SYS_reboot, 1, 2, 3, NULL), &[libc::EINVAL]),
    },
    Channel {
        id: "set-clock",
        title: "set the clock",
        guarantee: Guarantee::ClockUnchanged,
        source: "adjtimex(2)",
        // Sets the length of a tick to what it is.
        attempt: |_| {
            /// `ADJ_TICK`
            const TICK: u32 = 0x4000;
            /// Offset of the field `tick` in `struct timex` of 64-bit machines.
            const OFFSET: usize = 88;
            let mut timex = [0_u8; 208];
            call!(libc::SYS_adjtimex, &mut timex).step("read the clock")?;
            for (to, from) in timex.iter_mut().zip(TICK.to_ne_bytes()) {
                *to = from;
            }
            let tick = timex
                .get(OFFSET..OFFSET + 8)
                .and_then(|bytes| bytes.try_into().ok())
                .map_or(0, i64::from_ne_bytes);
            if !(9_000..=11_000).contains(&tick) {
                return Err(Shut::missing("the layout of the clock's state is not known here"));
            }
            call!(libc::SYS_adjtimex, &mut timex)?;
            Ok(format!("set the tick to {tick} µs, which it was"))
        },
    },
    Channel {
        id: "wake-machine",
        title: "set an alarm that wakes the machine",
        guarantee: Guarantee::NoCapabilities,
        source: "timerfd_create(2)",
        attempt: |_| {
            sys::descriptor(call!(libc::SYS_timerfd_create, libc::CLOCK_BOOTTIME_ALARM, libc::TFD_CLOEXEC))?;
            Ok("created an alarm timer, not armed".into())
        },
    },
    Channel {
        id: "calls-32-bit",
        title: "make 32-bit system calls",
        guarantee: Guarantee::NativeSystemCalls,
        source: "syscall(2)",
        attempt: calls_32_bit,
    },
    Channel {
        id: "calls-x32",
        title: "make system calls of the x32 architecture",
        guarantee: Guarantee::NativeSystemCalls,
        source: "syscall(2)",
        attempt: |_| {
            /// `__X32_SYSCALL_BIT`
            const X32: i64 = 0x4000_0000;
            if !cfg!(target_arch = "x86_64") {
                return Err(Shut::missing("another architecture"));
            }
            let result = call!(libc::SYS_getpid + X32);
            if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOSYS)) {
                // What a kernel without x32 answers, and a filter has no reason to.
                return Err(Shut::missing("the kernel has no x32 calls"));
            }
            Ok(format!("getpid returned {}", result?))
        },
    },
    Channel {
        id: "swap",
        title: "turn swap space off",
        guarantee: Guarantee::SystemCallsLimited,
        source: "swapoff(2)",
        // CAP_SYS_ADMIN first, then the path.
        attempt: |_| past_the_gate(call!(libc::SYS_swapoff, c"/sandboxed/no/such/file"), &[libc::ENOENT]),
    },
    Channel {
        id: "accounting",
        title: "turn process accounting on",
        guarantee: Guarantee::SystemCallsLimited,
        source: "acct(2)",
        // CAP_SYS_PACCT first, then the path.
        attempt: |_| past_the_gate(call!(libc::SYS_acct, c"/sandboxed/no/such/file"), &[libc::ENOENT]),
    },
    Channel {
        id: "host-name",
        title: "rename the host",
        guarantee: Guarantee::HostnameUnchanged,
        source: "sethostname(2)",
        attempt: |targets| {
            let name = std::fs::read_to_string("/proc/sys/kernel/hostname").step("read the name")?;
            let name = name.trim();
            call!(libc::SYS_sethostname, name.as_bytes(), name.len())?;
            match targets.in_host_namespace("uts") {
                Some(false) => Err(Shut::closed("in a UTS namespace of its own")),
                _ => Ok("gave the host the name that it has".into()),
            }
        },
    },
    Channel {
        id: "quota",
        title: "administer disk quotas",
        guarantee: Guarantee::SystemCallsLimited,
        source: "quotactl(2)",
        // Q_SYNC of everything is for anybody; on a file that is no device it says so.
        attempt: |_| {
            /// QCMD(`Q_SYNC`, USRQUOTA)
            const SYNC: i64 = 0x80_0001 << 8;
            past_the_gate(
                call!(libc::SYS_quotactl, SYNC, c"/sandboxed/no/such/file", 0, NULL),
                &[libc::ENOENT, libc::ESRCH],
            )
        },
    },
    Channel {
        id: "raw-io-permission",
        title: "get direct access to input and output ports",
        guarantee: Guarantee::SystemCallsLimited,
        source: "ioperm(2)",
        attempt: io_permission,
    },
    Channel {
        id: "local-descriptors",
        title: "change the processor's segment table",
        guarantee: Guarantee::SystemCallsLimited,
        source: "modify_ldt(2)",
        attempt: |_| {
            #[cfg(target_arch = "x86_64")]
            {
                let mut table = [0_u8; 64];
                let length = table.len();
                let result = call!(libc::SYS_modify_ldt, 0, &mut table, length);
                if result.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOSYS)) {
                    return Err(Shut::missing("the kernel has no modify_ldt"));
                }
                result?;
                Ok("read it".into())
            }
            #[cfg(not(target_arch = "x86_64"))]
            Err(Shut::missing("another architecture"))
        },
    },
    Channel {
        id: "kernel-log",
        title: "read the log of the kernel",
        guarantee: Guarantee::KernelLogClosed,
        source: "syslog(2)",
        attempt: |_| {
            /// `SYSLOG_ACTION_READ_ALL`
            const READ_ALL: i32 = 3;
            let mut text = [0_u8; 512];
            let length = text.len();
            let read = call!(libc::SYS_syslog, READ_ALL, &mut text, length)?;
            Ok(format!("read {read} bytes"))
        },
    },
    Channel {
        id: "move-pages",
        title: "move memory between the nodes of the machine",
        guarantee: Guarantee::SystemCallsLimited,
        source: "migrate_pages(2)",
        attempt: |_| {
            // From no node to no node.
            let result = call!(libc::SYS_migrate_pages, 0, 1, &[0_u8; 8], &[0_u8; 8]);
            past_the_gate(result, &[libc::EINVAL])
        },
    },
];

/// A software counter of a process, of user space only, which is what may be allowed without privileges.
pub(crate) fn performance_counter(pid: i32) -> Attempt {
    /// `PERF_TYPE_SOFTWARE` and `PERF_COUNT_SW_TASK_CLOCK`; `exclude_kernel` and `exclude_hv` in the flags.
    const SOFTWARE: u32 = 1;
    const TASK_CLOCK: u64 = 1;
    const EXCLUDE: u64 = 1 << 5 | 1 << 6;
    let attributes: [u8; 112] = sys::fields(&[
        (0, &SOFTWARE.to_ne_bytes()),
        (4, &112_u32.to_ne_bytes()),
        (8, &TASK_CLOCK.to_ne_bytes()),
        (40, &EXCLUDE.to_ne_bytes()),
    ]);
    sys::descriptor(call!(libc::SYS_perf_event_open, &attributes, pid, -1, -1, 0))?;
    Ok("opened a counter".into())
}

#[cfg(target_arch = "x86_64")]
fn calls_32_bit(_: &Targets) -> Attempt {
    let result = sys::memory::getpid_32();
    if result == i64::from(std::process::id()) {
        return Ok(format!("getpid returned {result}"));
    }
    let number = i32::try_from(-result).unwrap_or(libc::ENOSYS);
    Err(std::io::Error::from_raw_os_error(number).into())
}

#[cfg(not(target_arch = "x86_64"))]
fn calls_32_bit(_: &Targets) -> Attempt {
    Err(Shut::missing("another architecture"))
}

#[cfg(target_arch = "x86_64")]
fn io_permission(_: &Targets) -> Attempt {
    // Port 0x80 is the one that has no effect; it is not used either.
    call!(libc::SYS_ioperm, 0x80, 1, 1)?;
    Ok("may use port 0x80".into())
}

#[cfg(not(target_arch = "x86_64"))]
fn io_permission(_: &Targets) -> Attempt {
    Err(Shut::missing("another architecture"))
}
