//! What an earlier `build` left in the folder that a new one writes to. The folder may be anybody's: no link below it is
//! followed, and nothing is taken away but what an earlier `plan.json` lists and what is named as only our files are.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use anyhow::{Context, Result, bail, ensure};
use rustix::fd::OwnedFd;
use rustix::fs::{AtFlags, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;
use sandboxed_core::emit::{self, Artifacts, PLAN};
use serde::Deserialize;

/// The files of an earlier plan that a new one does not have.
#[derive(Debug)]
pub(crate) struct Left {
    folder: OwnedFd,
    files: Vec<String>,
}

/// `plan.json`, as far as it is needed here.
#[derive(Debug, Default, Deserialize)]
struct Listing {
    #[serde(default)]
    files: Vec<String>,
}

impl Left {
    /// What is to go from a folder that these files are written to. Nothing is changed yet.
    ///
    /// # Errors
    /// If there are units of ours that no plan accounts for, or if files of ours could be reached through a link alone.
    pub(crate) fn of(folder: &Path, files: &Artifacts) -> Result<Self> {
        let open =
            rustix::fs::open(folder, OFlags::DIRECTORY | OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
                .with_context(|| format!("cannot open {}", folder.display()))?;
        let listed = listed(folder)?;
        let accounted = |file: &String| listed.as_ref().is_some_and(|listed| listed.files.contains(file));
        let units = units(&open)?;
        if let Some(unit) = units.iter().find(|unit| !accounted(unit)) {
            let plan =
                if listed.is_some() { "its plan.json does not list" } else { "no plan.json accounts for" };
            bail!(
                "{0} has {unit}, which {plan}: it would stay beside what is written, with a sandbox that nobody planned; take it away, \
                 or name another folder",
                folder.display()
            );
        }
        let listed = listed.unwrap_or_default().files;
        let mut left = Self { folder: open, files: Vec::new() };
        for file in listed.into_iter().filter(|file| emit::is_ours(file) && !files.contains_key(file)) {
            if let Some((parent, name)) = left.parent(&file)?
                && kind(&parent, name)?.is_some_and(|kind| kind != FileType::Directory)
            {
                left.files.push(file);
            }
        }
        Ok(left)
    }

    /// Takes these files away, and the folders that only they were in. Returns which they are.
    ///
    /// # Errors
    /// If one stays.
    pub(crate) fn take_away(self) -> Result<Vec<String>> {
        for file in &self.files {
            let Some((parent, name)) = self.parent(file)? else { continue };
            match rustix::fs::unlinkat(&parent, name, AtFlags::empty()) {
                Ok(()) | Err(Errno::NOENT) => {}
                Err(error) => return Err(error).with_context(|| format!("cannot take away {file}")),
            }
            // Drop-ins and what a sandbox has for itself are alone in a folder that has a name of its own.
            if file.matches('/').count() > 1
                && let Some((folder, _)) = file.rsplit_once('/')
                && let Some((above, name)) = self.parent(folder)?
                && name != OsStr::new("system")
            {
                // Fails where something else is inside, which is as it should be.
                let _ = rustix::fs::unlinkat(&above, name, AtFlags::REMOVEDIR);
            }
        }
        Ok(self.files)
    }

    /// The folder that a file is in, if it is there, and the file's name in it.
    fn parent<'a>(&self, file: &'a str) -> Result<Option<(OwnedFd, &'a OsStr)>> {
        let (above, name) = file.rsplit_once('/').unwrap_or((".", file));
        Ok(below(&self.folder, above)?.map(|parent| (parent, OsStr::new(name))))
    }
}

/// What the `plan.json` in a folder lists, if there is one.
fn listed(folder: &Path) -> Result<Option<Listing>> {
    let path = folder.join(PLAN);
    match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text)
            .map(Some)
            .with_context(|| format!("{} is damaged; it would say what is to go from there", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The units and drop-ins of ours that are below a folder.
fn units(folder: &OwnedFd) -> Result<Vec<String>> {
    let top = "systemd/system";
    let mut found = Vec::new();
    let Some(units) = below(folder, top)? else { return Ok(found) };
    for name in names(&units)? {
        let path = format!("{top}/{name}");
        let drop_in = format!("{path}/{}", emit::DROP_IN);
        if kind(&units, OsStr::new(&name))? == Some(FileType::Directory) {
            // What else is in there is not ours, and neither is a link to another folder.
            if emit::is_ours(&drop_in)
                && let Some(inner) = below(folder, &path)?
                && kind(&inner, OsStr::new(emit::DROP_IN))?.is_some()
            {
                found.push(drop_in);
            }
        } else if emit::is_ours(&path) {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// The names in a folder, as far as they are text: ours are.
fn names(folder: &OwnedFd) -> Result<Vec<String>> {
    let entries = Dir::read_from(folder)?.collect::<Result<Vec<_>, _>>()?;
    let name = |entry: &rustix::fs::DirEntry| entry.file_name().to_str().ok().map(str::to_owned);
    Ok(entries.iter().filter_map(name).filter(|name| name != "." && name != "..").collect())
}

/// What kind of file there is, links as such.
fn kind(folder: &OwnedFd, name: &OsStr) -> Result<Option<FileType>> {
    match rustix::fs::statat(folder, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(found) => Ok(Some(FileType::from_raw_mode(found.st_mode))),
        Err(Errno::NOENT) => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot look at {}", name.display())),
    }
}

/// A folder below another, if it is there.
fn below(folder: &OwnedFd, path: &str) -> Result<Option<OwnedFd>> {
    let mut here = folder.try_clone()?;
    for part in path.split('/').filter(|part| *part != ".") {
        let name = OsStr::from_bytes(part.as_bytes());
        match kind(&here, name)? {
            None => return Ok(None),
            found => ensure!(
                found == Some(FileType::Directory),
                "`{part}` in {path} is not a folder; links are not followed"
            ),
        }
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::RDONLY | OFlags::CLOEXEC;
        here = rustix::fs::openat(&here, name, flags, Mode::empty())
            .with_context(|| format!("cannot open {path}"))?;
    }
    Ok(Some(here))
}
