//! The kernel's own files. Those that would change something are opened for writing and closed again.

use super::super::{expect_on_host, first_on_host, peek, readable, writable};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::targets::Targets;

/// Declares the channels and the list of the paths they need.
macro_rules! files {
    ($($id:literal $title:literal $guarantee:ident $source:literal $attempt:ident [$($path:literal),+]),* $(,)?) => {
        /// The kernel's files.
        pub(crate) const FILES: &[Channel] = &[
            $(Channel {
                id: $id,
                title: $title,
                guarantee: Guarantee::$guarantee,
                source: $source,
                attempt: |targets| $attempt(targets, &[$($path),+]),
            }),*,
            Channel {
                id: "kernel-symbols",
                title: "read the addresses of the kernel's symbols",
                guarantee: Guarantee::KernelInformationHidden,
                source: "proc(5)",
                attempt: symbols,
            },
            Channel {
                id: "control-group-create",
                title: "create a control group beside those of the services",
                guarantee: Guarantee::ControlGroupsReadOnly,
                source: "cgroups(7)",
                attempt: create_group,
            },
        ];

        /// All paths that are tried: the host side looks which of them exist.
        pub(crate) const PATHS: &[&str] = &[$($($path),+),*, "/proc/kallsyms", "/sys/fs/cgroup/cgroup.procs"];
    };
}

files! {
    "sysctl-write" "change a kernel setting" KernelTunablesReadOnly "sysctl(8)" write ["/proc/sys/kernel/hostname"],
    "core-pattern-write" "choose the program that handles crashes" KernelTunablesReadOnly "core(5)" write
        ["/proc/sys/kernel/core_pattern"],
    "module-loader-write" "choose the program that loads modules" KernelTunablesReadOnly "proc(5)" write
        ["/proc/sys/kernel/modprobe"],
    "magic-key-write" "press the magic system request key" KernelTunablesReadOnly "proc(5)" write ["/proc/sysrq-trigger"],
    "interrupt-affinity-write" "choose the processors for interrupts" KernelTunablesReadOnly "proc(5)" write
        ["/proc/irq/default_smp_affinity"],
    "sysfs-write" "change a setting below /sys" KernelTunablesReadOnly "sysfs(5)" write
        ["/sys/kernel/profiling", "/sys/kernel/mm/transparent_hugepage/enabled", "/sys/kernel/uevent_helper",
         "/sys/power/state", "/sys/devices/system/cpu/cpu1/online"],
    "event-helper-write" "cause device events" KernelTunablesReadOnly "sysfs(5)" write
        ["/sys/class/mem/null/uevent", "/sys/devices/virtual/mem/null/uevent"],
    "binary-formats-write" "register interpreters for the whole machine" KernelTunablesReadOnly "binfmt.d(5)" write
        ["/proc/sys/fs/binfmt_misc/register"],
    "firmware-variables" "read the firmware's variables" HostHidden "sysfs(5)" list
        ["/sys/firmware/efi/efivars"],
    "kernel-memory" "read the kernel's memory" KernelInformationHidden "proc(5)" read ["/proc/kcore"],
    "kernel-page-flags" "read what every page of the machine is used for" KernelInformationHidden "proc(5)" read
        ["/proc/kpageflags"],
    "kernel-messages" "take messages from the log of the kernel" KernelLogClosed "proc(5)" open_only ["/proc/kmsg"],
    "kernel-timers" "see the timers of all processes" KernelInformationHidden "proc(5)" read ["/proc/timer_list"],
    "kernel-slabs" "see what the kernel has allocated" KernelInformationHidden "proc(5)" read ["/proc/slabinfo"],
    "kernel-mappings" "see where the kernel has mapped what" KernelInformationHidden "proc(5)" read
        ["/proc/vmallocinfo", "/proc/iomem"],
    "kernel-configuration" "read how the kernel was built" KernelInformationHidden "proc(5)" read ["/proc/config.gz"],
    "kernel-traces" "use the kernel's tracing" HostHidden "sysfs(5)" list
        ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"],
    "kernel-debugging" "use the kernel's debugging files" HostHidden "sysfs(5)" list ["/sys/kernel/debug"],
    "kernel-security" "use the files of the security modules" HostHidden "sysfs(5)" list
        ["/sys/kernel/security"],
    "kernel-crashes" "read what crashed kernels have left" HostHidden "sysfs(5)" list ["/sys/fs/pstore"],
    "kernel-objects" "see the BPF objects of others" HostHidden "bpf(2)" list ["/sys/fs/bpf"],
}

fn write(targets: &Targets, paths: &[&str]) -> Attempt {
    writable(first_on_host(targets, paths)?)
}

fn read(targets: &Targets, paths: &[&str]) -> Attempt {
    readable(first_on_host(targets, paths)?)
}

fn open_only(targets: &Targets, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    super::super::open(path.as_ref(), std::fs::OpenOptions::new().read(true))?;
    Ok(format!("opened {path}"))
}

fn list(targets: &Targets, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    match std::fs::read_dir(path).step(&format!("list {path}"))?.count() {
        0 => Err(Shut::closed(format!("{path} is empty"))),
        entries => Ok(format!("{entries} entries in {path}")),
    }
}

/// The file is open to all; without the privilege all addresses are zero.
fn symbols(_: &Targets) -> Attempt {
    let table = peek("/proc/kallsyms")?;
    let table = String::from_utf8_lossy(&table);
    let known =
        table.lines().find(|line| line.starts_with(|digit: char| digit.is_ascii_hexdigit() && digit != '0'));
    match known {
        Some(line) => Ok(line.to_owned()),
        None => Err(Shut::closed("all addresses are zero")),
    }
}

fn create_group(targets: &Targets) -> Attempt {
    expect_on_host(targets, "/sys/fs/cgroup/cgroup.procs")?;
    let path = std::path::PathBuf::from(format!("/sys/fs/cgroup/sandboxed-probe-{}", std::process::id()));
    std::fs::create_dir(&path).step(&format!("make {}", path.display()))?;
    std::fs::remove_dir(&path).step("remove it again")?;
    if targets.in_host_namespace("cgroup") == Some(false) {
        return Err(Shut::closed("in a control group namespace of its own"));
    }
    Ok(format!("created and removed {}", path.display()))
}
