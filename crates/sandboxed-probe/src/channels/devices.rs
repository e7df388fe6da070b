//! Hardware devices. They are opened and closed again at once. None does anything on being opened, but that the
//! kernel may load its driver. (A watchdog, a serial line and the hibernation image would, so they are not here.)

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use super::{first_on_host, open};
use crate::channel::{Attempt, Channel};
use crate::guarantee::Guarantee;
use crate::targets::Targets;

/// Declares one channel a device; where there are several paths, the first that exists is tried.
macro_rules! devices {
    ($($id:literal $title:literal $source:literal [$($path:literal),+]),* $(,)?) => {
        /// Opening device files.
        pub(super) const CHANNELS: &[Channel] = &[$(Channel {
            id: concat!("device-", $id),
            title: concat!("open ", $title),
            guarantee: Guarantee::DevicesHidden,
            source: $source,
            attempt: |targets| device(targets, &[$($path),+]),
        }),*];

        /// All paths that are tried: the host side looks which of them exist.
        pub(crate) const PATHS: &[&str] = &[$($($path),+),*];
    };
}

devices! {
    "disk" "a disk" "sd(4)" ["/dev/sda", "/dev/vda", "/dev/nvme0n1", "/dev/xvda", "/dev/dm-0", "/dev/loop0"],
    "memory" "physical memory" "mem(4)" ["/dev/mem"],
    "ports" "the input and output ports" "mem(4)" ["/dev/port"],
    "kernel-log" "the kernel's log device" "syslog(2)" ["/dev/kmsg"],
    "console" "the console" "console(4)" ["/dev/console"],
    "virtual-terminal" "a virtual terminal" "tty(4)" ["/dev/tty0", "/dev/tty1"],
    "screen" "a screen's memory" "vcs(4)" ["/dev/vcs", "/dev/vcs1"],
    "graphics" "a graphics card" "drm(7)" ["/dev/dri/card0", "/dev/dri/renderD128", "/dev/fb0"],
    "input" "a keyboard or mouse" "console_ioctl(4)" ["/dev/input/event0", "/dev/input/mice"],
    "virtual-input" "the means to fake a keyboard" "console_ioctl(4)" ["/dev/uinput"],
    "sound" "a sound card" "sound(7)" ["/dev/snd/controlC0", "/dev/snd/timer", "/dev/snd/seq"],
    "tunnel" "the means to make network interfaces" "netdevice(7)" ["/dev/net/tun"],
    "fuse" "the means to make file systems" "fuse(4)" ["/dev/fuse"],
    "loop-control" "the means to make block devices" "loop(4)" ["/dev/loop-control"],
    "virtual-machine" "the hypervisor" "ioctl(2)" ["/dev/kvm"],
    "vhost" "a hypervisor's network" "ioctl(2)" ["/dev/vhost-net", "/dev/vhost-vsock"],
    "userfaultfd" "the userfaultfd device" "userfaultfd(2)" ["/dev/userfaultfd"],
    "microcode" "the processor's registers" "msr(4)" ["/dev/cpu/0/msr", "/dev/cpu/0/cpuid"],
    "device-mapper" "the device mapper" "dmsetup(8)" ["/dev/mapper/control"],
    "autofs" "the automounter" "autofs(5)" ["/dev/autofs"],
    "power" "what decides about latencies" "ioctl(2)" ["/dev/cpu_dma_latency"],
    "dma-heap" "memory for devices" "ioctl(2)" ["/dev/dma_heap/system", "/dev/udmabuf"],
}

fn device(targets: &Targets, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    open(Path::new(path), OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY))?;
    Ok(format!("opened {path}"))
}
