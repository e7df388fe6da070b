//! The owner of the rules for all services with a network of their own.

use std::{
    path::Path,
    process::{self, ExitCode},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
};

use anyhow::{Result, bail};
use sandboxed_netfilter::private::names;

use super::{forwarding, ip::Ip, member::State, watch};
use crate::command::filter::{
    hold::{listen, own, serve},
    manager,
    nft::{Loaded, Nft},
};

/// The programs that it runs.
pub(super) struct Programs<'a> {
    pub(super) nft: &'a Path,
    pub(super) ip: &'a Path,
    pub(super) systemctl: &'a Path,
}

/// Holds the table until something ends it. It never ends well: without nft the table is gone, and whoever is bound to this
/// process must end too.
pub(super) fn run(programs: &Programs<'_>, table: &Path, state: &State) -> Result<ExitCode> {
    let ip = Arc::new(Ip::new(programs.ip));
    let systemctl = programs.systemctl.to_owned();
    // An earlier one may have been killed.
    forwarding::restore(state)?;
    let nft = Arc::new(Mutex::new(own(programs.nft, table, &names::table())?));
    let listener = listen(&state.socket())?;
    let bell = watch::Bell::new()?;
    refresh(&mut lock(&nft), &ip, state)?;
    let watched = (Arc::clone(&nft), Arc::clone(&ip), State::new(state.folder()));
    thread::spawn(move || {
        let (nft, ip, state) = watched;
        let ended = bell.answer(|| {
            refresh(&mut lock(&nft), &ip, &state)?;
            watch::end_those_without_network(&state, &systemctl)
        });
        if let Err(error) = ended {
            eprintln!("the interfaces can no longer be watched: {error:#}");
        }
        process::exit(1);
    });
    manager::ready()?;
    for client in listener.incoming() {
        let mut nft = lock(&nft);
        // Whoever asked finds the interfaces as the members want them now.
        let served = client.and_then(|client| {
            let refreshed = refresh(&mut nft, &ip, state);
            serve(&mut nft, client).map(|()| refreshed)
        });
        // A client that goes away in the middle is no reason to give up the table.
        match served {
            Ok(Ok(())) => {}
            Ok(Err(error)) => eprintln!("the interfaces could not be brought up to date: {error:#}"),
            Err(error) => eprintln!("a request failed: {error}"),
        }
    }
    Ok(ExitCode::FAILURE)
}

fn lock(nft: &Mutex<Nft>) -> MutexGuard<'_, Nft> {
    nft.lock().unwrap_or_else(PoisonError::into_inner)
}

fn refresh(nft: &mut Nft, ip: &Ip, state: &State) -> Result<()> {
    forwarding::refresh(ip, state, |interfaces| match nft.load(&interfaces.script().to_string())? {
        Loaded::Yes => Ok(()),
        Loaded::No(reason) => bail!("the interfaces were refused: {reason}"),
    })
}
