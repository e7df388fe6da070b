//! Socket files: those that were planted, and those by which a host's daemons take orders.

use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use super::super::{first_on_host, with_token};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::network::{bind, connect, receive, send, socket, unix};
use crate::targets::{SocketKind, Targets};

/// Declares channels that connect to a daemon's socket; where there are several paths, the first that exists.
macro_rules! daemons {
    ($($id:literal $title:literal $guarantee:ident $source:literal $kind:ident [$($path:literal),+]),* $(,)?) => {
        /// Connecting to socket files.
        pub(crate) const SOCKETS: &[Channel] = &[
            Channel {
                id: "socket-file-stream",
                title: "connect to a stream socket file in /run",
                guarantee: Guarantee::RuntimeHidden,
                source: "unix(7)",
                attempt: |targets| planted(targets, "run", SocketKind::Stream),
            },
            Channel {
                id: "socket-file-datagram",
                title: "send to a datagram socket file in /run",
                guarantee: Guarantee::RuntimeHidden,
                source: "unix(7)",
                attempt: |targets| planted(targets, "run", SocketKind::Datagram),
            },
            Channel {
                id: "socket-file-seqpacket",
                title: "connect to a seqpacket socket file in /run",
                guarantee: Guarantee::RuntimeHidden,
                source: "unix(7)",
                attempt: |targets| planted(targets, "run", SocketKind::Seqpacket),
            },
            Channel {
                id: "socket-file-tmp",
                title: "connect to a socket file in /tmp",
                guarantee: Guarantee::TemporaryFilesPrivate,
                source: "unix(7)",
                attempt: |targets| planted(targets, "tmp", SocketKind::Stream),
            },
            Channel {
                id: "socket-file-state",
                title: "connect to a socket file in another service's state",
                guarantee: Guarantee::HostFilesUnreadable,
                source: "unix(7)",
                attempt: |targets| planted(targets, "var-lib", SocketKind::Stream),
            },
            $(Channel {
                id: $id,
                title: $title,
                guarantee: Guarantee::$guarantee,
                source: $source,
                attempt: |targets| daemon(targets, SocketKind::$kind, &[$($path),+]),
            }),*
        ];

        /// All paths that are tried: the host side looks which of them exist.
        pub(crate) const PATHS: &[&str] = &[$($($path),+),*];
    };
}

daemons! {
    "dbus-system" "connect to the system bus" MessageBusClosed "dbus-daemon(1)" Stream ["/run/dbus/system_bus_socket"],
    "varlink-users" "look users up over varlink" RuntimeHidden "systemd-userdbd.service(8)" Stream
        ["/run/systemd/userdb/io.systemd.DynamicUser", "/run/systemd/userdb/io.systemd.Multiplexer"],
    "varlink-resolver" "use the host's resolver over varlink" RuntimeHidden "systemd-resolved.service(8)" Stream
        ["/run/systemd/resolve/io.systemd.Resolve"],
    "varlink-manager" "ask the service manager over varlink" RuntimeHidden "systemd(1)" Stream
        ["/run/systemd/io.systemd.Manager", "/run/systemd/io.systemd.ManagedOOM"],
    "varlink-machine" "manage virtual machines over varlink" RuntimeHidden "systemd-machined.service(8)" Stream
        ["/run/systemd/machine/io.systemd.Machine"],
    "varlink-host-name" "ask for the host's name over varlink" RuntimeHidden "systemd-hostnamed.service(8)" Stream
        ["/run/systemd/io.systemd.Hostname"],
    "varlink-credentials" "have secrets decrypted over varlink" RuntimeHidden "systemd-creds(1)" Stream
        ["/run/systemd/io.systemd.Credentials"],
    "name-service-cache" "use the host's name service" RuntimeHidden "nscd(8)" Stream
        ["/run/nscd/socket", "/var/run/nscd/socket"],
    "manager-private" "talk to the service manager" RuntimeHidden "systemctl(1)" Stream ["/run/systemd/private"],
    "device-manager" "talk to the device manager" RuntimeHidden "udevadm(8)" Seqpacket ["/run/udev/control"],
    "journal-native" "write journal entries with fields of its choice" JournalUnforged
        "systemd-journald.service(8)" Datagram ["/run/systemd/journal/socket"],
    "journal-stream" "open log streams under any name" JournalUnforged "systemd-journald.service(8)" Stream
        ["/run/systemd/journal/stdout"],
    "syslog" "write log messages under any name" JournalUnforged "syslog(3)" Datagram
        ["/dev/log", "/run/systemd/journal/dev-log"],
    "coredump-socket" "hand core dumps to the host" RuntimeHidden "systemd-coredump(8)" Seqpacket
        ["/run/systemd/coredump"],
    "docker" "give orders to Docker" RuntimeHidden "docker(1)" Stream ["/run/docker.sock", "/var/run/docker.sock"],
    "podman" "give orders to Podman" RuntimeHidden "podman-system-service(1)" Stream
        ["/run/podman/podman.sock"],
    "containerd" "give orders to containerd" RuntimeHidden "containerd(8)" Stream
        ["/run/containerd/containerd.sock", "/run/crio/crio.sock"],
    "libvirt" "give orders to libvirt" RuntimeHidden "libvirtd(8)" Stream
        ["/run/libvirt/libvirt-sock", "/run/libvirt/virtqemud-sock"],
    "incus" "give orders to Incus" RuntimeHidden "incus(1)" Stream
        ["/run/incus/unix.socket", "/var/lib/incus/unix.socket", "/var/lib/lxd/unix.socket"],
    "nix-daemon" "have the Nix daemon build and fetch" HostFilesUnreadable "nix-daemon(8)" Stream
        ["/nix/var/nix/daemon-socket/socket"],
    "snap-daemon" "give orders to snapd" RuntimeHidden "snap(8)" Stream ["/run/snapd.socket"],
    "package-daemon" "have packages installed" RuntimeHidden "pkcon(1)" Stream ["/run/fwupd.sock"],
    "display-server" "talk to the display server" TemporaryFilesPrivate "Xserver(1)" Stream ["/tmp/.X11-unix/X0"],
    "print-server" "talk to the print server" RuntimeHidden "cupsd(8)" Stream ["/run/cups/cups.sock"],
    "service-discovery" "talk to the service discovery" RuntimeHidden "avahi-daemon(8)" Stream
        ["/run/avahi-daemon/socket"],
    "postgresql" "connect to PostgreSQL" RuntimeHidden "postgres(1)" Stream ["/run/postgresql/.s.PGSQL.5432"],
    "mysql" "connect to MySQL" RuntimeHidden "mysqld(8)" Stream ["/run/mysqld/mysqld.sock"],
    "redis" "connect to Redis" RuntimeHidden "redis-server(1)" Stream
        ["/run/redis/redis-server.sock", "/run/redis/redis.sock"],
}

fn open(kind: SocketKind) -> Result<OwnedFd, Shut> {
    let kind = match kind {
        SocketKind::Stream => libc::SOCK_STREAM,
        SocketKind::Datagram => libc::SOCK_DGRAM,
        SocketKind::Seqpacket => libc::SOCK_SEQPACKET,
    };
    socket(libc::AF_UNIX, kind, 0).step("socket")
}

/// Exchanges a message with a planted socket and looks for the token in the answer.
pub(crate) fn talk(targets: &Targets, kind: SocketKind, address: &[u8]) -> Attempt {
    let socket = open(kind)?;
    if kind == SocketKind::Datagram {
        // For the answer we need a name: with nothing but the family given, the kernel chooses an abstract one.
        bind(&socket, &crate::sys::network::family(libc::AF_UNIX)).step("bind")?;
    }
    connect(&socket, address).step("connect")?;
    if kind == SocketKind::Datagram {
        send(&socket, &targets.greeting(), 0, &[]).step("send")?;
    }
    let mut buffer = [0; 256];
    match receive(&socket, &mut buffer) {
        Ok(length) => with_token(targets, buffer.get(..length).unwrap_or_default(), "the answer"),
        // Datagrams go one way where the answer is held back.
        Err(error) if kind == SocketKind::Datagram => {
            Ok(format!("sent a datagram, and the answer failed: {error}"))
        }
        Err(error) => Err(error.into()),
    }
}

fn planted(targets: &Targets, place: &str, kind: SocketKind) -> Attempt {
    let file = targets.sockets.iter().find(|file| file.place == place && file.kind == kind);
    let file = file.ok_or_else(|| Shut::missing(format!("no socket was planted in {place}")))?;
    talk(targets, kind, &unix(file.path.as_os_str().as_bytes(), false))
}

/// Connects, which asks the daemon for nothing, and closes again.
fn daemon(targets: &Targets, kind: SocketKind, paths: &[&str]) -> Attempt {
    let path = first_on_host(targets, paths)?;
    let socket = open(kind)?;
    connect(&socket, &unix(Path::new(path).as_os_str().as_bytes(), false))
        .step(&format!("connect to {path}"))?;
    Ok(format!("connected to {path}"))
}
