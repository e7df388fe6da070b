//! Writing files: each appears whole or not at all.

use std::collections::BTreeSet;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use sandboxed_core::emit::{Artifacts, PLAN};
use sandboxed_core::parallel;
use tempfile::TempPath;

use crate::earlier::Left;
use crate::host;

/// Writes a folder with all files in it, and returns which files of an earlier plan it took away. A folder that is not there yet
/// appears with everything in it, or not at all; into one that is there, files are written as [`install`] does, but without
/// waiting for the disk.
///
/// # Errors
/// If a file cannot be written, or the folder has units of ours that no plan in it accounts for.
pub(crate) fn write_all(folder: &Path, files: &Artifacts) -> Result<Vec<String>> {
    let nothing = || format!("nothing was written to {}", folder.display());
    if folder.symlink_metadata().is_err() {
        return make(folder, files).map(|()| Vec::new()).with_context(nothing);
    }
    let left = Left::of(folder, files).with_context(nothing)?;
    let ready = prepare_all(folder, files, false).with_context(nothing)?;
    // What is listed last: it never leaves out what is still there.
    let plan = folder.join(PLAN);
    let (last, first): (Vec<_>, Vec<_>) = ready.into_iter().partition(|(_, path)| *path == plan);
    let written = show(first).and_then(|()| left.take_away()).and_then(|gone| show(last).map(|()| gone));
    written.with_context(|| {
        format!("{} has files of this plan and of the one before, and is of no use", folder.display())
    })
}

/// Writes a folder that is not there yet.
fn make(folder: &Path, files: &Artifacts) -> Result<()> {
    let parent = folder.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
    let context = || format!("cannot write in {}", parent.display());
    let whole = tempfile::Builder::new().prefix(".sandboxed-").tempdir_in(parent).with_context(context)?;
    std::fs::set_permissions(whole.path(), std::fs::Permissions::from_mode(0o755)).with_context(context)?;
    make_folders(whole.path(), files)?;
    let files: Vec<_> = files.iter().collect();
    let written = parallel::map(host::processors(), &files, |(name, text)| {
        std::fs::write(whole.path().join(name), text)
    });
    written.into_iter().collect::<std::io::Result<()>>().with_context(context)?;
    std::fs::rename(whole.path(), folder).with_context(|| format!("cannot make {}", folder.display()))?;
    // Nothing is left under that name for it to take away.
    drop(whole.keep());
    Ok(())
}

/// Writes all files below a folder that is there. What may fail (making folders, writing, reaching the disk) comes first
/// for all of them; the renames that make them visible come last.
///
/// # Errors
/// If a file cannot be written; then nothing that was there has changed, unless a rename itself failed.
pub(crate) fn install(folder: &Path, files: &Artifacts) -> Result<()> {
    // A unit or a ruleset that is empty after a power failure would be an open sandbox.
    show(prepare_all(folder, files, true)?)
}

/// Writes all files beside those that they replace, under names of their own; nothing that is there changes.
fn prepare_all(folder: &Path, files: &Artifacts, durable: bool) -> Result<Vec<(TempPath, PathBuf)>> {
    let made = make_folders(folder, files)?;
    let files: Vec<_> = files.iter().collect();
    let ready = parallel::map(host::processors(), &files, |(name, text)| {
        let path = folder.join(name);
        // A rename would fail, when others are done already.
        ensure!(!path.symlink_metadata().is_ok_and(|there| there.is_dir()), "{} is a folder", path.display());
        Ok((prepare(&path, text, durable)?, path))
    });
    // All of them, before the first becomes visible.
    let ready: Result<Vec<_>> = ready.into_iter().collect();
    if ready.is_err() {
        unmake(&made);
    }
    ready
}

/// Gives prepared files their names.
fn show(ready: Vec<(TempPath, PathBuf)>) -> Result<()> {
    for (file, path) in ready {
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Makes the folders that the files are in, or none. Returns those that were not there.
fn make_folders(folder: &Path, files: &Artifacts) -> Result<Vec<PathBuf>> {
    // Files come in the order of their names, so those of one folder mostly come together.
    let mut folders: Vec<&Path> = files.keys().filter_map(|name| Path::new(name).parent()).collect();
    folders.dedup();
    let absent: BTreeSet<PathBuf> = folders
        .iter()
        .flat_map(|below| below.ancestors())
        .map(|below| folder.join(below))
        .filter(|wanted| !wanted.exists())
        .collect();
    // Those above come before those below.
    let absent: Vec<PathBuf> = absent.into_iter().collect();
    let made = parallel::map(host::processors(), &folders, |below| {
        let wanted = folder.join(below);
        std::fs::create_dir_all(&wanted).with_context(|| format!("cannot make {}", wanted.display()))
    });
    if let Err(error) = made.into_iter().collect::<Result<()>>() {
        unmake(&absent);
        return Err(error);
    }
    Ok(absent)
}

/// Takes folders away that were made for nothing.
fn unmake(made: &[PathBuf]) {
    for folder in made.iter().rev() {
        // Fails where somebody has found a use for it.
        let _ = std::fs::remove_dir(folder);
    }
}

fn prepare(path: &Path, text: &str, durable: bool) -> Result<TempPath> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let context = || format!("cannot write in {}", folder.display());
    let mut file =
        tempfile::Builder::new().prefix(".sandboxed-").tempfile_in(folder).with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).with_context(context)?;
    if durable {
        file.as_file().sync_all().with_context(context)?;
    }
    // Closed here: there may be more files than a process may have open.
    Ok(file.into_temp_path())
}
