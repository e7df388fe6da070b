//! Notices when interfaces, addresses, routes, their settings or namespaces change.

use std::{fs, io, os::fd::OwnedFd, path::Path, process::Command, thread, time::Duration};

use anyhow::{Context, Result};
use rustix::{
    event::{PollFd, PollFlags, poll},
    fs::inotify,
    net::{self, AddressFamily, SocketFlags, SocketType, netlink},
};

use super::member::{State, namespace};

/// Where ip-netns(8) has its namespaces.
const NAMESPACES: &str = "/run/netns";
/// What the kernel tells of, as bits of rtnetlink(7)'s groups (linux/rtnetlink.h): links (1), IPv4 addresses (5) and routes
/// (7), IPv6 addresses (9) and routes (11), and the settings of interfaces in both families (24, 25).
const GROUPS: u32 = 1 | 1 << 4 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 23 | 1 << 24;
/// Changes come in bursts: this long after the first, all of them are looked at together.
const BURST: Duration = Duration::from_millis(20);

/// Rings when something changes. What it was is looked up, not read out of the messages.
pub(super) struct Bell {
    network: OwnedFd,
    namespaces: OwnedFd,
}

impl Bell {
    pub(super) fn new() -> Result<Self> {
        // ip makes the folder with the first namespace, and mounts it on itself, which is the same folder.
        fs::create_dir_all(NAMESPACES).with_context(|| format!("can't make {NAMESPACES}"))?;
        let namespaces = inotify::init(inotify::CreateFlags::CLOEXEC | inotify::CreateFlags::NONBLOCK)?;
        let gone = inotify::WatchFlags::DELETE | inotify::WatchFlags::MOVED_FROM;
        inotify::add_watch(&namespaces, NAMESPACES, gone)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        // The protocol of routes is number 0 (NETLINK_ROUTE).
        let network = net::socket_with(AddressFamily::NETLINK, SocketType::RAW, flags, None)?;
        net::bind(&network, &netlink::SocketAddrNetlink::new(0, GROUPS))?;
        Ok(Self { network, namespaces })
    }

    /// Calls `look` whenever it has rung, for as long as that goes well.
    pub(super) fn answer(self, mut look: impl FnMut() -> Result<()>) -> Result<()> {
        loop {
            let mut both =
                [PollFd::new(&self.network, PollFlags::IN), PollFd::new(&self.namespaces, PollFlags::IN)];
            match poll(&mut both, None) {
                Err(rustix::io::Errno::INTR) => continue,
                result => result?,
            };
            thread::sleep(BURST);
            drain(&self.network)?;
            drain(&self.namespaces)?;
            look()?;
        }
    }
}

/// Reads what there is. That more was told than there was room for is no loss: all is looked up anyway.
fn drain(descriptor: &OwnedFd) -> io::Result<()> {
    let mut buffer = [0_u8; 16_384];
    loop {
        match rustix::io::read(descriptor, &mut buffer) {
            Err(rustix::io::Errno::AGAIN) => return Ok(()),
            Err(rustix::io::Errno::INTR | rustix::io::Errno::NOBUFS) | Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
    }
}

/// Stops the networks, and with them the services, of which something was taken away by somebody else.
pub(super) fn end_those_without_network(state: &State, systemctl: &Path) -> Result<()> {
    let _lock = state.lock()?;
    for (name, member) in state.members()? {
        let there = Path::new(NAMESPACES).join(namespace(&name)).exists()
            && Path::new("/sys/class/net").join(&member.interface).exists();
        if !there {
            let unit = format!("sandboxed-{name}-network.service");
            eprintln!(
                "the network of the sandbox `{name}` was taken away: {unit} is stopped, and the service with it"
            );
            let status = Command::new(systemctl).args(["stop", "--no-block", &unit]).status();
            status.context("can't run systemctl")?;
        }
    }
    Ok(())
}
