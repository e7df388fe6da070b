//! The owner of the table.

use std::{
    collections::BTreeSet,
    fs,
    io::{self, IoSlice, Read, Write},
    mem::MaybeUninit,
    os::{
        fd::AsFd,
        unix::{
            fs::PermissionsExt,
            net::{UnixListener, UnixStream},
        },
    },
    path::Path,
    process::{self, ExitCode},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use sandboxed_netfilter::{
    filter::{Filter, names},
    name::Ident,
    script::Script,
};

use super::{
    installed, manager,
    nft::{Loaded, Nft, when_free},
    uplinks,
};

/// The most that one request may hold, in bytes: ten thousand sandboxes at once.
const LIMIT: u64 = 64 << 20;
/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// The answer to a request that took effect.
pub(super) const LOADED: &str = "loaded\n";

/// A thread that panicked in the middle of a request left nft in a state that nobody knows.
pub(super) const LOST: &str = "an earlier request went wrong";

/// Holds the table until something ends it. It never ends well: without nft the table is gone, and whoever is bound to this
/// process must end too.
pub(super) fn run(program: &Path, table: &Path, socket: &Path) -> Result<ExitCode> {
    let mut nft = start(program)?;
    // Before the routes are read, so that no change is missed in between.
    let notices = uplinks::notices()?;
    let now = uplinks::now()?;
    load_table(&mut nft, table, &now)?;
    let nft = Arc::new(Mutex::new(nft));
    let following = Arc::clone(&nft);
    thread::spawn(move || {
        let error = uplinks::follow(&notices, now, &following);
        eprintln!("{error:#}");
        process::exit(1);
    });
    let listener = listen(socket)?;
    manager::ready()?;
    for client in listener.incoming() {
        // A client that goes away in the middle is no reason to give up the table.
        let served = client.and_then(|client| {
            let mut nft = nft.lock().map_err(|_| io::Error::other(LOST))?;
            serve(&mut nft, client)
        });
        if let Err(error) = served {
            eprintln!("a request failed: {error}");
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Starts nft; when that ends, and the table with it, so does this process.
fn start(program: &Path) -> Result<Nft> {
    let (nft, mut child) = Nft::start(program)?;
    thread::spawn(move || {
        let status = child.wait();
        eprintln!("nft has ended ({status:?}), and the table with it");
        process::exit(1);
    });
    Ok(nft)
}

/// Loads a table and owns it; when nft ends, and the table with it, so does this process.
pub(in crate::command) fn own(program: &Path, table: &Path, name: &Ident) -> Result<Nft> {
    let mut nft = start(program)?;
    let text = fs::read_to_string(table).with_context(|| format!("can't read {}", table.display()))?;
    // One that somebody else left there without an owner can't be taken over, only replaced.
    let replaced = format!("{}{text}", Script::delete(name));
    if let Loaded::No(reason) = when_free(|| nft.load(&replaced))? {
        bail!("the table was refused: {reason}");
    }
    Ok(nft)
}

/// Loads the table with the uplinks, and with the sandboxes whose slices are there: an owner that takes over from somebody
/// else must not leave them without their rules.
fn load_table(nft: &mut Nft, table: &Path, uplinks: &BTreeSet<u32>) -> Result<()> {
    let text = fs::read_to_string(table).with_context(|| format!("can't read {}", table.display()))?;
    let uplinks: Vec<u32> = uplinks.iter().copied().collect();
    // One that somebody else left there without an owner can't be taken over, only replaced.
    let bare = format!("{}{text}{}", Script::delete(&names::table()), Filter::set_uplinks(&uplinks));
    let folder = table.parent().unwrap_or(Path::new("/"));
    let mut alone = None;
    let loaded = when_free(|| {
        let (rules, unread) = installed::running(folder);
        for file in unread {
            eprintln!("{file}: what has no rules is closed");
        }
        let together: String = rules.values().map(String::as_str).collect();
        // What has no rules, or none that are accepted, is refused all that it sends: the table knows its slice.
        let closed = format!("{bare}{}", installed::closing()?);
        if let Loaded::No(reason) = nft.load(&format!("{closed}{together}"))? {
            alone = Some((reason, rules));
            return nft.load(&closed);
        }
        alone = None;
        Ok(Loaded::Yes)
    })?;
    if let Loaded::No(reason) = loaded {
        bail!("the table was refused: {reason}");
    }
    if let Some((reason, rules)) = alone {
        eprintln!("the rules of running sandboxes were refused, and are loaded one by one: {reason}");
        for (name, rules) in rules {
            if let Loaded::No(reason) = nft.load(&rules)? {
                eprintln!("{name} has no rules, so all that it sends is refused: {reason}");
            }
        }
    }
    Ok(())
}

/// Listens for those who may write to the socket: its owner alone.
pub(in crate::command) fn listen(socket: &Path) -> Result<UnixListener> {
    match fs::remove_file(socket) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
        _ => {}
    }
    let listener =
        UnixListener::bind(socket).with_context(|| format!("can't listen at {}", socket.display()))?;
    fs::set_permissions(socket, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// A request is a script until the end of what the client sends; the answer is [`LOADED`] with the socket that owns the table,
/// or what speaks against it. A client that gets no answer must not take that for success.
pub(in crate::command) fn serve(nft: &mut Nft, mut client: UnixStream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut script = String::new();
    if (&client).take(LIMIT + 1).read_to_string(&mut script)? as u64 > LIMIT {
        return client.write_all(b"the request is too long");
    }
    match nft.load(&script) {
        Ok(Loaded::Yes) => match nft.owner() {
            Ok(owner) => {
                let shared = [owner.as_fd()];
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut beside = SendAncillaryBuffer::new(&mut space);
                beside.push(SendAncillaryMessage::ScmRights(&shared));
                let words = [IoSlice::new(LOADED.as_bytes())];
                sendmsg(&client, &words, &mut beside, SendFlags::NOSIGNAL)?;
                Ok(())
            }
            Err(error) => client.write_all(format!("{error:#}").as_bytes()),
        },
        Ok(Loaded::No(reason)) => client.write_all(reason.as_bytes()),
        Err(error) => client.write_all(format!("{error:#}").as_bytes()),
    }
}
