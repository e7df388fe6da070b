//! What the host side has planted for the probe to find. Everything is optional: a channel without its target
//! says so instead of guessing.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::channel::Shut;

/// The targets, as `--plan` reads them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Targets {
    /// Random text that everything planted contains: whoever can tell it has reached a target.
    pub token: String,
    /// Directories planted on the host, by the short name of the place (`etc`, `var-lib`, …).
    pub places: BTreeMap<String, Place>,
    /// Files that are planted once, not in every place.
    pub files: Files,
    /// Addresses at which the host listens for the probe.
    pub listeners: Vec<Listener>,
    /// Socket files that were planted.
    pub sockets: Vec<SocketFile>,
    /// Names of abstract sockets that were planted.
    pub abstract_sockets: Vec<AbstractSocket>,
    /// Ports that are free on the host and that the service was not given.
    pub free_ports: Vec<u16>,
    /// A process of the host, under the service's own user.
    pub victim: Option<Victim>,
    /// System V and POSIX objects.
    pub ipc: Ipc,
    /// Facts about the host that the probe should not be able to tell.
    pub host: Host,
    /// What the service was given.
    pub limits: Limits,
    /// A directory that the sandbox lets the service write to.
    pub scratch: Option<PathBuf>,
    /// The channel that is being tried. Datagrams carry it, so that the host side knows which ones arrive.
    #[serde(skip)]
    pub(crate) channel: &'static str,
}

/// A planted directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Place {
    /// Everybody may create files in it.
    pub directory: PathBuf,
    /// A file in it which everybody may read and that contains the token.
    pub readable: PathBuf,
    /// A file in it which everybody may write.
    pub writable: PathBuf,
}

/// Single planted files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Files {
    /// Belongs to the service's user, and nobody else may open it.
    pub owned: Option<PathBuf>,
    /// Belongs to root, and nobody else may open it.
    pub secret: Option<PathBuf>,
    /// A named pipe that the host reads from and everybody may write to.
    pub fifo: Option<PathBuf>,
    /// A terminal that everybody may write to, as `mesg y` makes it.
    pub terminal: Option<PathBuf>,
    /// Kind and bytes of a file handle (`name_to_handle_at(2)`) of a planted file.
    pub handle: Option<(i32, Vec<u8>)>,
    /// A store path of another service (Nix).
    pub store: Option<PathBuf>,
}

/// Transport of a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Protocol {
    /// A stream that sends the token to whoever connects.
    Tcp,
    /// Answers a datagram with the token.
    Udp,
}

/// A listener of the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listener {
    /// Transport.
    pub protocol: Protocol,
    /// Local address it is bound to.
    pub address: IpAddr,
    /// Interface index, for link-local addresses, otherwise 0.
    #[serde(default)]
    pub scope: u32,
    /// Port.
    pub port: u16,
}

/// Type of a unix socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SocketKind {
    /// `SOCK_STREAM`
    Stream,
    /// `SOCK_DGRAM`
    Datagram,
    /// `SOCK_SEQPACKET`
    Seqpacket,
}

/// A planted socket file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SocketFile {
    /// Short name of the place that it is in.
    pub place: String,
    /// Its type.
    pub kind: SocketKind,
    /// Its path.
    pub path: PathBuf,
}

/// A planted abstract socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AbstractSocket {
    /// Its type.
    pub kind: SocketKind,
    /// Its name, without the leading zero byte.
    pub name: String,
}

/// A process that only waits, with the token in its arguments, its environment and its memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Victim {
    /// Its process id on the host.
    pub pid: i32,
    /// Address of the token in its memory.
    pub address: u64,
    /// Length of what is there.
    pub length: usize,
    /// A file descriptor of it that refers to a pipe with the token.
    pub descriptor: i32,
    /// A TCP port on 127.0.0.1 on which it listens with `SO_REUSEPORT`.
    pub shared_tcp_port: u16,
    /// The same for UDP.
    pub shared_udp_port: u16,
    /// A UDP port on 127.0.0.1, chosen by the kernel, with `SO_REUSEADDR`.
    pub reused_udp_port: u16,
    /// Serial of a key in its user's keyring; 0 where the kernel has none.
    pub key: i32,
    /// Description under which that key is found.
    pub key_description: String,
}

/// Objects of inter-process communication. An absent one could not be made.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Ipc {
    /// Key and id of a shared memory segment with the token.
    pub shared_memory: Option<(i32, i32)>,
    /// Key and id of a semaphore set.
    pub semaphore: Option<(i32, i32)>,
    /// Value of its semaphore.
    pub semaphore_value: i32,
    /// Key and id of a message queue with the token as a message of type 1.
    pub message_queue: Option<(i32, i32)>,
    /// Name of a POSIX message queue, with the leading slash.
    pub posix_queue: Option<String>,
    /// Path below /dev/shm of a POSIX shared memory object with the token.
    pub posix_memory: Option<PathBuf>,
}

/// What is true of the host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Host {
    /// Numbers of the namespaces, by name as in /proc/self/ns.
    pub namespaces: BTreeMap<String, u64>,
    /// `gethostname(2)`
    pub name: Option<String>,
    /// machine-id(5)
    pub machine_id: Option<String>,
    /// `/proc/sys/kernel/random/boot_id`
    pub boot_id: Option<String>,
    /// `/proc/sys/kernel/core_pattern`
    pub core_pattern: Option<String>,
    /// Known files, sockets and devices which exist on the host; only these are expected inside.
    pub existing: Vec<PathBuf>,
    /// Whether `existing` was filled in: then what is not listed does not exist.
    pub surveyed: bool,
}

/// What the service was given. Defaults are used for what is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Limits {
    /// `TasksMax=`
    pub tasks: Option<u64>,
    /// `LimitNOFILE=`
    pub descriptors: Option<u64>,
    /// The sockets that the service may have open.
    pub sockets: Option<u64>,
    /// Bytes the service may store.
    pub disk: Option<u64>,
}

impl Targets {
    /// What datagrams say.
    pub(crate) fn greeting(&self) -> Vec<u8> {
        format!("{} {}", self.token, self.channel).into_bytes()
    }

    /// The planted directory in `name`.
    pub(crate) fn place(&self, name: &str) -> Result<&Place, Shut> {
        self.places.get(name).ok_or_else(|| Shut::missing(format!("nothing was planted in {name}")))
    }

    /// The victim.
    pub(crate) fn victim(&self) -> Result<&Victim, Shut> {
        self.victim.as_ref().ok_or_else(|| Shut::missing("no victim process was planted"))
    }

    /// Whether the process is in the host's namespace of this kind; unknown where nothing was planted or /proc is
    /// hidden.
    pub(crate) fn in_host_namespace(&self, kind: &str) -> Option<bool> {
        let host = self.host.namespaces.get(kind)?;
        crate::sys::process::namespace(kind).ok().map(|own| own == *host)
    }
}
