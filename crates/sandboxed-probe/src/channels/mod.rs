//! All channels, a file (or a folder of files) a group.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::channel::{Attempt, Channel, Group, Shut, Step};
use crate::targets::Targets;

mod devices;
mod filesystem;
mod information;
mod ipc;
mod kernel;
mod network;
mod privileges;
mod processes;
mod resources;

/// Channels that belong together.
#[derive(Debug)]
pub struct Section {
    /// The group that they are in.
    pub group: Group,
    /// The channels.
    pub channels: &'static [Channel],
}

/// Every channel, in the order of reports.
pub const SECTIONS: &[Section] = &[
    Section { group: Group::Filesystem, channels: filesystem::WRITE },
    Section { group: Group::Filesystem, channels: filesystem::READ },
    Section { group: Group::Filesystem, channels: filesystem::OTHER },
    Section { group: Group::Filesystem, channels: devices::CHANNELS },
    Section { group: Group::Network, channels: network::LOCAL },
    Section { group: Group::Network, channels: network::OTHER },
    Section { group: Group::Network, channels: network::PORTS },
    Section { group: Group::Processes, channels: processes::CHANNELS },
    Section { group: Group::Ipc, channels: ipc::OBJECTS },
    Section { group: Group::Ipc, channels: ipc::SOCKETS },
    Section { group: Group::Kernel, channels: kernel::CALLS },
    Section { group: Group::Kernel, channels: kernel::NAMESPACES },
    Section { group: Group::Kernel, channels: kernel::MEMORY },
    Section { group: Group::Kernel, channels: kernel::FAMILIES },
    Section { group: Group::Kernel, channels: kernel::PROTOCOLS },
    Section { group: Group::Kernel, channels: kernel::FILES },
    Section { group: Group::Privileges, channels: privileges::CHANNELS },
    Section { group: Group::Resources, channels: resources::CHANNELS },
    Section { group: Group::Information, channels: information::CHANNELS },
];

/// Every channel with its group.
pub fn all() -> impl Iterator<Item = (Group, &'static Channel)> {
    SECTIONS.iter().flat_map(|section| section.channels.iter().map(move |channel| (section.group, channel)))
}

/// Every path at which some channel expects something that not all hosts have.
pub(crate) fn paths() -> impl Iterator<Item = &'static str> {
    let lists = [devices::PATHS, ipc::PATHS, kernel::PATHS, information::PATHS, &["/dev/mqueue"]];
    lists.into_iter().flatten().copied()
}

/// Opens a file the way the attempt needs it.
fn open(path: &Path, options: &mut OpenOptions) -> Result<File, Shut> {
    options.open(path).step(&format!("open {}", path.display()))
}

/// Reads the beginning of a file. Files of the kernel may be endless or block, so this reads once.
fn peek(path: impl AsRef<Path>) -> Result<Vec<u8>, Shut> {
    let path = path.as_ref();
    let mut buffer = vec![0; 64 * 1024];
    let mut file = open(path, OpenOptions::new().read(true))?;
    let length = file.read(&mut buffer).step(&format!("read {}", path.display()))?;
    buffer.truncate(length);
    Ok(buffer)
}

/// Evidence that a file could be read, if it is not empty.
fn readable(path: &str) -> Attempt {
    match peek(path)?.len() {
        0 => Err(Shut::closed(format!("{path} is empty"))),
        length => Ok(format!("read {length} bytes of {path}")),
    }
}

/// Evidence that what was planted has been reached: the token is in it.
fn with_token(targets: &Targets, content: &[u8], from: &str) -> Attempt {
    let token = targets.token.as_bytes();
    if !token.is_empty() && content.windows(token.len()).any(|window| window == token) {
        Ok(format!("found the planted text in {from}"))
    } else {
        Err(Shut::closed(format!("{from} does not have the planted text")))
    }
}

/// Whether a file of the host is worth trying. Inside of the sandbox its absence is the sandbox's work; only the host
/// side knows whether it exists at all.
fn expect_on_host(targets: &Targets, path: &str) -> Result<(), Shut> {
    if targets.host.surveyed && !targets.host.existing.iter().any(|known| known == Path::new(path)) {
        return Err(Shut::missing(format!("the host has no {path}")));
    }
    Ok(())
}

/// The first of several files that the host has, or the first one if nobody has looked.
fn first_on_host<'a>(targets: &Targets, paths: &[&'a str]) -> Result<&'a str, Shut> {
    let found = if targets.host.surveyed {
        paths.iter().find(|path| expect_on_host(targets, path).is_ok())
    } else {
        paths.iter().find(|path| Path::new(path).exists()).or_else(|| paths.first())
    };
    found.copied().ok_or_else(|| Shut::missing(format!("the host has none of {}", paths.join(", "))))
}

/// A file of our own in a directory that the service may write to, removed when dropped.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    /// Makes an empty file. Fails if there is no directory to write to.
    fn file(targets: &Targets) -> Result<(Scratch, File), Shut> {
        let path = Scratch::directory(targets)?.join(format!(".sandboxed-probe-{}", std::process::id()));
        let file =
            OpenOptions::new().read(true).write(true).create_new(true).open(&path).step("create a file")?;
        Ok((Scratch { path }, file))
    }

    /// The directory: the one that the plan names, or the first of the usual ones that takes a file.
    fn directory(targets: &Targets) -> Result<PathBuf, Shut> {
        let of_systemd = ["STATE_DIRECTORY", "RUNTIME_DIRECTORY", "CACHE_DIRECTORY"]
            .iter()
            .filter_map(std::env::var_os)
            .filter_map(|list| list.to_str().and_then(|list| list.split(':').next()).map(PathBuf::from));
        let usual = ["/tmp", "/var/tmp", "/dev/shm"].map(PathBuf::from);
        let mut candidates = targets.scratch.iter().cloned().chain(of_systemd).chain(usual);
        candidates
            .find(|directory| is_writable(directory))
            .ok_or_else(|| Shut::closed("there is no place to write to"))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// Whether a file can be made in a directory.
fn is_writable(directory: &Path) -> bool {
    let path = directory.join(format!(".sandboxed-probe-try-{}", std::process::id()));
    let made = OpenOptions::new().write(true).create_new(true).open(&path).is_ok();
    if made {
        let _ = fs::remove_file(&path);
    }
    made
}

/// Opens a file for writing and writes nothing: for files in which a byte would have an effect.
fn writable(path: &str) -> Attempt {
    open(Path::new(path), OpenOptions::new().write(true))?;
    Ok(format!("opened {path} for writing"))
}

/// Appends the token to a planted file.
fn append(targets: &Targets, path: &Path) -> Attempt {
    let mut file = open(path, OpenOptions::new().append(true))?;
    file.write_all(targets.token.as_bytes()).step("write")?;
    Ok(format!("wrote to {}", path.display()))
}

/// A file's metadata, as evidence that it can be seen.
fn seen(path: &Path) -> io::Result<String> {
    let metadata = fs::symlink_metadata(path)?;
    Ok(format!("{} is there, {} bytes", path.display(), metadata.len()))
}
