//! The owner of the table.

use std::{
    env, fs,
    io::{self, Read, Write},
    os::{
        linux::net::SocketAddrExt,
        unix::{
            ffi::OsStrExt,
            fs::PermissionsExt,
            net::{SocketAddr, UnixDatagram, UnixListener, UnixStream},
        },
    },
    path::Path,
    process::{self, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use sandboxed_netfilter::{filter::names, name::Ident, script::Script};

use super::nft::{Loaded, Nft};

/// The most that one request may hold, in bytes: ten thousand sandboxes at once.
const LIMIT: u64 = 64 << 20;
/// How long a client may take to send its request.
const PATIENCE: Duration = Duration::from_secs(10);
/// The answer to a request that took effect.
pub(super) const LOADED: &str = "loaded\n";

/// Holds the table until something ends it. It never ends well: without nft the table is gone, and whoever is bound to this
/// process must end too.
pub(super) fn run(program: &Path, table: &Path, socket: &Path) -> Result<ExitCode> {
    let mut nft = own(program, table, &names::table())?;
    let listener = listen(socket)?;
    notify_ready()?;
    for client in listener.incoming() {
        // A client that goes away in the middle is no reason to give up the table.
        if let Err(error) = client.and_then(|client| serve(&mut nft, client)) {
            eprintln!("a request failed: {error}");
        }
    }
    Ok(ExitCode::FAILURE)
}

/// Loads a table and owns it; when nft ends, and the table with it, so does this process.
pub(in crate::command) fn own(program: &Path, table: &Path, name: &Ident) -> Result<Nft> {
    let (mut nft, mut child) = Nft::start(program)?;
    thread::spawn(move || {
        let status = child.wait();
        eprintln!("nft has ended ({status:?}), and the table with it");
        process::exit(1);
    });
    let text = fs::read_to_string(table).with_context(|| format!("can't read {}", table.display()))?;
    // One that somebody else left there without an owner can't be taken over, only replaced.
    let replaced = format!("{}{text}", Script::delete(name));
    if let Loaded::No(reason) = nft.load(&replaced)? {
        bail!("the table was refused: {reason}");
    }
    Ok(nft)
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

/// A request is a script until the end of what the client sends; the answer is [`LOADED`], or what speaks against it. A
/// client that gets no answer must not take that for success.
pub(in crate::command) fn serve(nft: &mut Nft, mut client: UnixStream) -> io::Result<()> {
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    let mut script = String::new();
    if (&client).take(LIMIT + 1).read_to_string(&mut script)? as u64 > LIMIT {
        return client.write_all(b"the request is too long");
    }
    match nft.load(&script) {
        Ok(Loaded::Yes) => client.write_all(LOADED.as_bytes()),
        Ok(Loaded::No(reason)) => client.write_all(reason.as_bytes()),
        Err(error) => client.write_all(format!("{error:#}").as_bytes()),
    }
}

/// Tells systemd that the table is there (`Type=notify`, `sd_notify(3)`).
pub(in crate::command) fn notify_ready() -> Result<()> {
    let Some(path) = env::var_os("NOTIFY_SOCKET") else { return Ok(()) };
    let address = match path.as_bytes().strip_prefix(b"@") {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(&path)?,
    };
    UnixDatagram::unbound()?.send_to_addr(b"READY=1", &address)?;
    Ok(())
}
