//! What is remembered of the services that run: a file for each, in a folder that goes with the holder's unit.

use std::{
    fs::{self, File},
    io,
    net::{Ipv4Addr, Ipv6Addr},
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
    str::FromStr,
};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;
use sandboxed_netfilter::{name::Interface, private, value::Protocol};
use serde::{Deserialize, Serialize};

/// The folder of the holder's unit.
pub(super) const FOLDER: &str = "/run/sandboxed-network";

/// The folder, and what is in it.
pub(super) struct State {
    folder: PathBuf,
}

/// A port that leads to a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(super) struct Port {
    /// The protocol.
    pub(super) protocol: Protocol,
    /// The port.
    pub(super) port: u16,
}

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("`{text}` is no port; expected tcp/8448 or udp/3478");
        let (protocol, port) = text.split_once('/').ok_or_else(wrong)?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => return Err(wrong()),
        };
        let port = port.parse().ok().filter(|port| *port != 0).ok_or_else(wrong)?;
        Ok(Self { protocol, port })
    }
}

impl TryFrom<String> for Port {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        format!("{}/{}", port.protocol, port.port)
    }
}

/// A service whose network is there, or is being made.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Member {
    /// The machine's end of its cable.
    pub(super) interface: String,
    /// The address of its own end.
    pub(super) address4: Ipv4Addr,
    /// And its IPv6 address.
    pub(super) address6: Ipv6Addr,
    /// The ports that lead to it.
    pub(super) published: Vec<Port>,
    /// The interfaces that it sends by beside those of default routes.
    pub(super) interfaces: Vec<String>,
    /// Whether the rules know it.
    pub(super) loaded: bool,
}

impl Member {
    /// As the rules know it.
    pub(super) fn rules(&self, name: &str) -> Result<private::Member> {
        Ok(private::Member {
            name: name.to_owned(),
            interface: Interface::new(&self.interface)?,
            address4: self.address4,
            address6: self.address6,
            published: self.published.iter().map(|port| (port.protocol, port.port)).collect(),
        })
    }
}

/// The name of a service's namespace, below /run/netns, ip-netns(8).
pub(super) fn namespace(name: &str) -> String {
    format!("sandboxed-{name}")
}

impl State {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where the holder listens.
    pub(super) fn socket(&self) -> PathBuf {
        self.folder.join("socket")
    }

    /// Keeps others from changing members until it is dropped.
    pub(super) fn lock(&self) -> Result<File> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .with_context(|| format!("can't make {}", self.folder.display()))?;
        let path = self.folder.join("lock");
        let file = File::create(&path).with_context(|| format!("can't write {}", path.display()))?;
        rustix::fs::flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    }

    /// Those that are there, by name.
    pub(super) fn members(&self) -> Result<Vec<(String, Member)>> {
        let mut members = Vec::new();
        for (name, text) in files(&self.folder.join("members"))? {
            let member = serde_json::from_str(&text).with_context(|| format!("what is known of {name}"))?;
            members.push((name, member));
        }
        Ok(members)
    }

    /// Takes the folder away, when nothing is remembered any more.
    pub(super) fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("can't remove {}", self.folder.display()))
            }
            _ => Ok(()),
        }
    }

    /// One of them.
    pub(super) fn member(&self, name: &str) -> Result<Option<Member>> {
        Ok(self.members()?.into_iter().find(|(known, _)| known == name).map(|(_, member)| member))
    }

    pub(super) fn remember(&self, name: &str, member: &Member) -> Result<()> {
        write(&self.folder.join("members"), name, &serde_json::to_string(member)?)
    }

    pub(super) fn forget(&self, name: &str) -> Result<()> {
        remove(&self.folder.join("members").join(name))
    }

    /// The settings that were changed for the services' sake, by the path below /proc/sys/net, with dots for slashes.
    pub(super) fn opened(&self) -> Result<Vec<PathBuf>> {
        Ok(files(&self.folder.join("opened"))?.into_iter().map(|(_, path)| path.into()).collect())
    }

    pub(super) fn remember_opened(&self, key: &str, path: &Path) -> Result<()> {
        write(&self.folder.join("opened"), key, &path.display().to_string())
    }

    pub(super) fn forget_opened(&self, key: &str) -> Result<()> {
        remove(&self.folder.join("opened").join(key))
    }
}

/// The files of a folder with their texts, by name. A name that begins with a dot is one that is being written.
fn files(folder: &Path) -> Result<Vec<(String, String)>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).with_context(|| format!("can't read {}", folder.display())),
    };
    let mut files = Vec::new();
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if let (false, Ok(text)) = (name.starts_with(".new-"), fs::read_to_string(entry.path())) {
            files.push((name, text));
        }
    }
    files.sort();
    Ok(files)
}

/// Writes a file as a whole or not at all.
fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("can't make {}", folder.display()))?;
    let new = folder.join(format!(".new-{name}"));
    fs::write(&new, text).with_context(|| format!("can't write {}", new.display()))?;
    fs::rename(&new, folder.join(name))?;
    Ok(())
}

fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("can't remove {}", path.display()))
        }
        _ => Ok(()),
    }
}
