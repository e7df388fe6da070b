//! What there is to learn about the machine.

use std::fs;

use super::{first_on_host, peek, readable};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::call;
use crate::targets::Targets;

/// Declares channels that read a file or list a directory of the kernel's or of the host's.
macro_rules! sources {
    ($($id:literal $title:literal $guarantee:ident $source:literal $attempt:ident [$($path:literal),+]),* $(,)?) => {
        /// Learning about the machine.
        pub(super) const CHANNELS: &[Channel] = &[
            Channel {
                id: "know-host-name",
                title: "learn the name of the host",
                guarantee: Guarantee::HostHidden,
                source: "uname(2)",
                attempt: host_name,
            },
            Channel {
                id: "know-machine-id",
                title: "learn the id of the machine",
                guarantee: Guarantee::HostFilesUnreadable,
                source: "machine-id(5)",
                attempt: |targets| same(targets.host.machine_id.as_deref(), "/etc/machine-id"),
            },
            Channel {
                id: "know-boot-id",
                title: "learn the id of the boot",
                guarantee: Guarantee::KernelInformationHidden,
                source: "proc(5)",
                attempt: |targets| same(targets.host.boot_id.as_deref(), "/proc/sys/kernel/random/boot_id"),
            },
            Channel {
                id: "know-load-by-call",
                title: "learn the uptime, the load and the free memory by a system call",
                guarantee: Guarantee::HostHidden,
                source: "sysinfo(2)",
                attempt: |_| {
                    let mut sysinfo = [0_u8; 112];
                    call!(libc::SYS_sysinfo, &mut sysinfo)?;
                    Ok("the kernel told".into())
                },
            },
            Channel {
                id: "know-disk-usage",
                title: "learn how full the host's disk is",
                guarantee: Guarantee::HostFilesUnreadable,
                source: "statfs(2)",
                attempt: |targets| {
                    let path = crate::sys::c_path(&targets.place("var-lib")?.directory).step("path")?;
                    call!(libc::SYS_statfs, path.as_c_str(), &mut [0_u8; 128])?;
                    Ok("the kernel told".into())
                },
            },
            Channel {
                id: "know-host-mounts",
                title: "learn which devices and directories of the host are mounted",
                guarantee: Guarantee::HostHidden,
                source: "proc(5)",
                attempt: mounts,
            },
            Channel {
                id: "know-own-unit",
                title: "learn the name of its unit and slice",
                guarantee: Guarantee::HostHidden,
                source: "cgroups(7)",
                attempt: own_unit,
            },
            $(Channel {
                id: $id,
                title: $title,
                guarantee: Guarantee::$guarantee,
                source: $source,
                attempt: |targets| $attempt(targets, &[$($path),+]),
            }),*
        ];

        /// All paths that are tried: the host side looks which of them exist.
        pub(crate) const PATHS: &[&str] = &[$($($path),+),*];
    };
}

sources! {
    "know-uptime" "learn how long the machine has been up" KernelInformationHidden "proc(5)" read ["/proc/uptime"],
    "know-load" "learn the load of the machine" KernelInformationHidden "proc(5)" read ["/proc/loadavg"],
    "know-pressure" "learn what the machine is short of" KernelInformationHidden "proc(5)" read
        ["/proc/pressure/cpu", "/proc/pressure/memory"],
    "know-processor-times" "learn what the processors do" KernelInformationHidden "proc(5)" read ["/proc/stat"],
    "know-memory-usage" "learn how the machine's memory is used" KernelInformationHidden "proc(5)" read ["/proc/meminfo"],
    "know-memory-events" "count the machine's page faults and swaps" KernelInformationHidden "proc(5)" read ["/proc/vmstat"],
    "know-interrupts" "count the machine's interrupts" KernelInformationHidden "proc(5)" read ["/proc/interrupts"],
    "know-soft-interrupts" "count the machine's deferred interrupts" KernelInformationHidden "proc(5)" read ["/proc/softirqs"],
    "know-disk-activity" "count what the disks read and write" KernelInformationHidden "proc(5)" read ["/proc/diskstats"],
    "know-file-locks" "learn who has locked what" KernelInformationHidden "proc(5)" read ["/proc/locks"],
    "know-traffic" "count what the network interfaces send and receive" KernelInformationHidden "proc(5)" traffic
        ["/proc/net/dev"],
    "know-own-traffic" "count the same by a process of its own" KernelInformationHidden "proc(5)" traffic
        ["/proc/self/net/dev"],
    "know-open-files" "learn how many files the machine has open" KernelInformationHidden "proc(5)" read
        ["/proc/sys/fs/file-nr"],
    "know-processors" "learn what processors the machine has" KernelInformationHidden "proc(5)" read ["/proc/cpuinfo"],
    "know-partitions" "learn what disks the machine has" KernelInformationHidden "proc(5)" read ["/proc/partitions"],
    "know-block-devices" "list the machine's disks" HostHidden "sysfs(5)" list ["/sys/block"],
    "know-buses" "list what is on the machine's buses" HostHidden "sysfs(5)" list
        ["/sys/bus/pci/devices", "/sys/bus/virtio/devices", "/sys/bus/platform/devices"],
    "know-firmware" "learn the maker, model and serial number of the machine" HostHidden "sysfs(5)" list
        ["/sys/class/dmi/id", "/proc/device-tree"],
    "know-hardware-addresses" "list the network interfaces with their hardware addresses" HostHidden "sysfs(5)"
        interfaces ["/sys/class/net"],
    "know-temperatures" "read the machine's sensors" HostHidden "sysfs(5)" list
        ["/sys/class/hwmon", "/sys/class/thermal"],
    "know-device-database" "read the device manager's database" RuntimeHidden "udev(7)" list ["/run/udev/data"],
    "know-boot-parameters" "learn how the kernel was started" KernelInformationHidden "proc(5)" read ["/proc/cmdline"],
    "know-modules" "learn what modules the kernel has loaded" KernelInformationHidden "proc(5)" read ["/proc/modules"],
    "know-file-systems" "learn what file systems the kernel has" KernelInformationHidden "proc(5)" read ["/proc/filesystems"],
    "know-drivers" "learn what drivers the kernel has" KernelInformationHidden "proc(5)" read ["/proc/devices"],
    "know-cryptography" "learn what ciphers the kernel has loaded" KernelInformationHidden "proc(5)" read ["/proc/crypto"],
    "know-kernel-version" "learn the exact kernel and its compiler" KernelInformationHidden "proc(5)" read ["/proc/version"],
    "know-swap-space" "learn where the machine swaps to" KernelInformationHidden "proc(5)" read ["/proc/swaps"],
    "know-services" "list the machine's services by their control groups" HostHidden "cgroups(7)" groups
        ["/sys/fs/cgroup"],
    "know-units" "list the machine's units" HostFilesUnreadable "systemd.unit(5)" list
        ["/etc/systemd/system", "/run/systemd/units"],
    "know-packages" "list the installed packages" HostFilesUnreadable "dpkg(1)" list
        ["/var/lib/dpkg/info", "/var/lib/rpm", "/var/lib/pacman/local", "/nix/var/nix/profiles"],
    "know-sessions" "learn who is logged in" RuntimeHidden "utmp(5)" read ["/run/utmp"],
    "know-log-ins" "learn who has logged in" HostFilesUnreadable "utmp(5)" read ["/var/log/wtmp"],
    "know-users" "list the users of the machine" HostFilesUnreadable "passwd(5)" users ["/etc/passwd"],
    "know-homes" "list the home directories" HomesHidden "readdir(3)" list ["/home"],
}

fn read(targets: &Targets, paths: &[&str]) -> Attempt {
    readable(first_on_host(targets, paths)?)
}

fn list(targets: &Targets, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    match fs::read_dir(path).step(&format!("list {path}"))?.count() {
        0 => Err(Shut::closed(format!("{path} is empty"))),
        entries => Ok(format!("{entries} entries in {path}")),
    }
}

/// Interfaces other than the loopback one, which every network namespace has.
fn interfaces(targets: &Targets, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    let mut entries = fs::read_dir(path).step(&format!("list {path}"))?.filter_map(Result::ok);
    let other = entries.find(|entry| entry.file_name() != "lo" && entry.path().join("address").exists());
    other
        .map(|entry| format!("saw {}", entry.path().display()))
        .ok_or_else(|| Shut::closed("only the loopback interface"))
}

fn traffic(targets: &Targets, paths: &[&str]) -> Attempt {
    let table = peek(first_on_host(targets, paths)?)?;
    let table = String::from_utf8_lossy(&table);
    let counted = table.lines().skip(2).filter_map(|line| line.split_once(':'));
    let other = counted.map(|(name, _)| name.trim()).find(|name| *name != "lo");
    let other = other.ok_or_else(|| Shut::closed("only the loopback interface"))?;
    if targets.in_host_namespace("net") == Some(false) {
        return Err(Shut::closed(format!(
            "{other} is no interface of the machine's: it has a network of its own"
        )));
    }
    Ok(format!("saw the counters of {other}"))
}

/// Control groups of others below the root: a namespace of its own has none.
fn groups(targets: &Targets, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    let entries = fs::read_dir(path).step(&format!("list {path}"))?.filter_map(Result::ok);
    match entries.filter(|entry| entry.path().join("cgroup.procs").exists()).count() {
        0 => Err(Shut::closed("no control group in it")),
        count => Ok(format!("{count} control groups in {path}")),
    }
}

/// Users that are not the service's own, root or nobody: what a list made for the service would have.
fn users(targets: &Targets, paths: &[&str]) -> Attempt {
    let own = crate::sys::process::identity().0.to_string();
    let database = peek(first_on_host(targets, paths)?)?;
    let database = String::from_utf8_lossy(&database);
    let others = database.lines().filter(|line| {
        line.split(':').nth(2).is_some_and(|number| !matches!(number, "0" | "65534") && number != own)
    });
    match others.count() {
        0 => Err(Shut::closed("only the service's own")),
        count => Ok(format!("{count} other users in /etc/passwd")),
    }
}

fn host_name(targets: &Targets) -> Attempt {
    let host =
        targets.host.name.as_deref().ok_or_else(|| Shut::missing("the host's name was not planted"))?;
    let mut names = [0_u8; 65 * 6];
    call!(libc::SYS_uname, &mut names)?;
    let own = names.get(65..130).unwrap_or_default().split(|byte| *byte == 0).next().unwrap_or_default();
    let own = String::from_utf8_lossy(own);
    if own == host { Ok(format!("it is {own}")) } else { Err(Shut::closed(format!("believes it is {own}"))) }
}

fn same(host: Option<&str>, path: &str) -> Attempt {
    let host = host.ok_or_else(|| Shut::missing(format!("the host's {path} was not planted")))?;
    let content = peek(path)?;
    if String::from_utf8_lossy(&content).trim() == host {
        Ok(format!("{path} is the host's"))
    } else {
        Err(Shut::closed(format!("{path} is another one")))
    }
}

/// A device, or a directory of the host as the source of a bind mount, in the list of mounts.
fn mounts(_: &Targets) -> Attempt {
    let table = fs::read_to_string("/proc/self/mountinfo")?;
    let telling = table.lines().find(|line| {
        let mut fields = line.split(' ');
        let root = fields.nth(3).unwrap_or_default();
        let source = line.split(" - ").nth(1).and_then(|rest| rest.split(' ').nth(1)).unwrap_or_default();
        source.starts_with("/dev/") || root.len() > 1 && !line.contains(" - proc ")
    });
    telling.map(str::to_owned).ok_or_else(|| Shut::closed("neither a device nor a path of the host is in it"))
}

fn own_unit(_: &Targets) -> Attempt {
    let membership = peek("/proc/self/cgroup")?;
    let membership = String::from_utf8_lossy(&membership).into_owned();
    let path = membership.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    if path.is_empty() || path == "/" || path.starts_with("/../") {
        return Err(Shut::closed("the path is relative to a namespace of its own"));
    }
    Ok(format!("it is in {path}"))
}
