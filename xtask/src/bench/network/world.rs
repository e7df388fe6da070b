//! Network namespaces that differ in nothing but their rules, and sockets in them.

use std::{
    cell::RefCell,
    fs::{self, File},
    io::{Read, Write},
    net::{TcpListener, TcpStream, UdpSocket},
    os::fd::AsFd,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use rustix::{
    thread::{LinkNameSpaceType, move_into_link_name_space},
    time::{ClockId, clock_gettime},
};

/// Where nft looks for control groups, whatever is mounted elsewhere.
const CGROUPS: &str = "/sys/fs/cgroup";

/// A network namespace, kept by a process that sleeps in it; both end together.
pub(super) struct World {
    keeper: Child,
    /// The other end of its link, which goes when that namespace does.
    peer: Option<Box<World>>,
    /// Where its processes are, if in a namespace behind it.
    inner: Option<Box<World>>,
}

impl World {
    /// A namespace with an interface `up0`, 10.77.0.1/24, whose other end is in a namespace of its own that drops what
    /// comes.
    pub(super) fn new() -> Result<Self> {
        let mut world = Self { keeper: keeper()?, peer: None, inner: None };
        let peer = Self { keeper: keeper()?, peer: None, inner: None };
        world.run(&[
            "ip",
            "link",
            "add",
            "up0",
            "type",
            "veth",
            "peer",
            "name",
            "up1",
            "netns",
            &peer.keeper.id().to_string(),
        ])?;
        peer.run(&["ip", "link", "set", "up1", "up"])?;
        for command in [
            "ip link set lo up",
            "ip address add 10.77.0.1/24 dev up0",
            "ip link set up0 up",
            "ip neighbour add 10.77.0.2 lladdr 02:00:00:00:00:02 dev up0 nud permanent",
        ] {
            world.run(&command.split(' ').collect::<Vec<_>>())?;
        }
        world.peer = Some(Box::new(peer));
        Ok(world)
    }

    /// The same, with its processes in a further namespace: behind a cable whose end here is `cable`, or a bridge with that
    /// cable in it. Of the addresses that begin with `network`, three numbers, this end has .1 and the other .2.
    pub(super) fn with_inner(cable: &str, bridge: Option<&str>, network: &str) -> Result<Self> {
        let mut world = Self::new()?;
        let inner = Self { keeper: keeper()?, peer: None, inner: None };
        let there = inner.keeper.id();
        let addressed = bridge.unwrap_or(cable);
        let mut commands = vec![format!("ip link add {cable} type veth peer name eth0 netns {there}")];
        if let Some(bridge) = bridge {
            commands.push(format!("ip link add {bridge} type bridge"));
            commands.push(format!("ip link set {bridge} up"));
            commands.push(format!("ip link set {cable} master {bridge}"));
        }
        commands.push(format!("ip link set {cable} up"));
        commands.push(format!("ip address add {network}.1/30 dev {addressed}"));
        commands.push("sysctl -qw net.ipv4.ip_forward=1".to_owned());
        for command in commands {
            world.run(&command.split(' ').collect::<Vec<_>>())?;
        }
        for command in [
            format!("ip address add {network}.2/30 dev eth0"),
            "ip link set eth0 up".to_owned(),
            format!("ip route add default via {network}.1"),
        ] {
            inner.run(&command.split(' ').collect::<Vec<_>>())?;
        }
        world.inner = Some(Box::new(inner));
        Ok(world)
    }

    /// The number of `up0`.
    pub(super) fn uplink(&self) -> Result<u32> {
        let output = Command::new("nsenter")
            .arg(format!("--net={}", self.path().display()))
            .args(["ip", "-o", "link", "show", "up0"])
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.split(':').next().context("no up0")?.trim().parse()?)
    }

    /// Does something in it as a process of this group.
    fn inside<T>(&self, group: Option<&Group>, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let home = File::open("/proc/thread-self/ns/net")?;
        let there = File::open(self.inner.as_deref().unwrap_or(self).path())?;
        let before = Group::current()?;
        if let Some(group) = group {
            group.enter()?;
        }
        move_into_link_name_space(there.as_fd(), Some(LinkNameSpaceType::Network))?;
        let done = work();
        move_into_link_name_space(home.as_fd(), Some(LinkNameSpaceType::Network))?;
        before.enter()?;
        done
    }

    /// Runs a program in it.
    pub(super) fn run(&self, command: &[&str]) -> Result<()> {
        self.feed(command, "")
    }

    /// Runs a program in it that reads `input`.
    pub(super) fn feed(&self, command: &[&str], input: &str) -> Result<()> {
        let mut child = Command::new("nsenter")
            .arg(format!("--net={}", self.path().display()))
            .args(command)
            .stdin(Stdio::piped())
            .spawn()?;
        child.stdin.take().context("no standard input")?.write_all(input.as_bytes())?;
        ensure!(child.wait()?.success(), "{} failed", command.join(" "));
        Ok(())
    }

    /// A socket in it that sends to the peer, made by a process in this group.
    pub(super) fn socket(&self, group: &Group) -> Result<UdpSocket> {
        self.inside(Some(group), || {
            let socket = UdpSocket::bind("0.0.0.0:0")?;
            socket.connect("10.77.0.2:9")?;
            Ok(socket)
        })
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/ns/net", self.keeper.id()))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
        drop(self.peer.take());
        drop(self.inner.take());
    }
}

fn keeper() -> Result<Child> {
    let mut keeper = Command::new("unshare").args(["--net", "sleep", "infinity"]).spawn()?;
    // `unshare` becomes `sleep` once it is in the namespace.
    for _ in 0..500 {
        let name = fs::read_to_string(format!("/proc/{}/comm", keeper.id()))?;
        if name.trim() == "sleep" {
            return Ok(keeper);
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    keeper.kill()?;
    anyhow::bail!("no network namespace could be made; this needs root")
}

/// A namespace of a sandbox, and a peer that takes connections and reads what comes.
pub(super) struct Pair<'a> {
    world: &'a World,
    group: &'a Group,
    /// A connection for much data, and word from the reader whenever it has got so many bytes.
    data: RefCell<TcpStream>,
    read: Receiver<usize>,
}

impl<'a> Pair<'a> {
    pub(super) fn new(world: &'a World, group: &'a Group) -> Result<Self> {
        let peer = world.peer.as_deref().context("no peer")?;
        peer.run(&["ip", "address", "add", "10.77.0.2/24", "dev", "up1"])?;
        peer.run(&["ip", "link", "set", "up1", "address", "02:00:00:00:00:02"])?;
        let listener = peer.inside(None, || Ok(TcpListener::bind("10.77.0.2:80")?))?;
        let (tell, read) = channel();
        std::thread::spawn(move || {
            // The first is the one for much data.
            let Ok((mut data, _)) = listener.accept() else { return };
            std::thread::spawn(move || {
                let mut room = vec![0; 1 << 18];
                while let Ok(more) = data.read(&mut room) {
                    if more == 0 || tell.send(more).is_err() {
                        return;
                    }
                }
            });
            for connection in listener.incoming() {
                drop(connection);
            }
        });
        let data = world.inside(Some(group), || Ok(TcpStream::connect("10.77.0.2:80")?))?;
        Ok(Self { world, group, data: RefCell::new(data), read })
    }

    /// The processor time that it takes to open and close so many connections, both ends and what lies between together.
    pub(super) fn connect(&self, connections: usize) -> Result<Duration> {
        self.world.inside(Some(self.group), || {
            let before = processor_time();
            for _ in 0..connections {
                let mut connection = TcpStream::connect("10.77.0.2:80")?;
                // Until the peer has closed it, so that it is the peer who remembers the ports.
                let _ = connection.read(&mut [0])?;
            }
            Ok(processor_time().saturating_sub(before))
        })
    }

    /// The time that so many connections take, from the first call to the last byte.
    pub(super) fn connect_time(&self, connections: usize) -> Result<Duration> {
        let start = Instant::now();
        self.connect(connections)?;
        Ok(start.elapsed())
    }

    /// The time until so many bytes have arrived.
    pub(super) fn bulk(&self, bytes: usize) -> Result<Duration> {
        let start = Instant::now();
        let block = vec![0; 1 << 18];
        let mut data = self.data.borrow_mut();
        for _ in 0..bytes / block.len() {
            data.write_all(&block)?;
        }
        let mut arrived = 0;
        while arrived < bytes / block.len() * block.len() {
            arrived += self.read.recv()?;
        }
        Ok(start.elapsed())
    }
}

/// The processor time of this process.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// The processor time that sending so many datagrams takes.
pub(super) fn send(socket: &UdpSocket, datagrams: usize) -> Result<Duration> {
    let before = processor_time();
    for _ in 0..datagrams {
        socket.send(&[0; 64])?;
    }
    Ok(processor_time().saturating_sub(before))
}

/// A control group.
pub(super) struct Group(PathBuf);

impl Group {
    /// An existing group, by its path below the root.
    pub(super) fn at(path: &str) -> Self {
        Self(Path::new(CGROUPS).join(path))
    }

    /// The group that this process is in.
    fn current() -> Result<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup")?;
        let path =
            groups.lines().find_map(|line| line.strip_prefix("0::/")).context("no unified cgroup tree")?;
        Ok(Self::at(path))
    }

    fn enter(&self) -> Result<()> {
        Ok(fs::write(self.0.join("cgroup.procs"), std::process::id().to_string())?)
    }
}

/// Control groups that this benchmark made, which go with it.
#[derive(Default)]
pub(super) struct Groups(Vec<PathBuf>);

impl Groups {
    /// Makes a group, whose parent exists.
    pub(super) fn add(&mut self, path: &str) -> Result<()> {
        let path = Path::new(CGROUPS).join(path);
        fs::create_dir(&path).with_context(|| format!("can't make {}", path.display()))?;
        self.0.push(path);
        Ok(())
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}

/// Whether nft finds control groups here.
pub(super) fn has_unified_tree() -> bool {
    Path::new(CGROUPS).join("cgroup.controllers").exists()
}
