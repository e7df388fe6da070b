//! Writing files: each appears whole or not at all.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use sandboxed_core::emit::Artifacts;
use sandboxed_core::parallel;
use tempfile::TempPath;

use crate::host;

/// Writes a folder with all files in it. A folder that is not there yet appears with everything in it, or not at all;
/// into one that is there, files are written as [`install`] does, but without waiting for the disk.
///
/// # Errors
/// If a file cannot be written.
pub(crate) fn write_all(folder: &Path, files: &Artifacts) -> Result<()> {
    if folder.symlink_metadata().is_ok() {
        return replace(folder, files, false);
    }
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
    replace(folder, files, true)
}

fn replace(folder: &Path, files: &Artifacts, durable: bool) -> Result<()> {
    make_folders(folder, files)?;
    let files: Vec<_> = files.iter().collect();
    let ready = parallel::map(host::processors(), &files, |(name, text)| {
        let path = folder.join(name);
        Ok((prepare(&path, text, durable)?, path))
    });
    // All of them, before the first becomes visible.
    let ready: Vec<(TempPath, PathBuf)> = ready.into_iter().collect::<Result<_>>()?;
    for (file, path) in ready {
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

/// Makes the folders that the files are in.
fn make_folders(folder: &Path, files: &Artifacts) -> Result<()> {
    // Files come in the order of their names, so those of one folder mostly come together.
    let mut folders: Vec<&Path> = files.keys().filter_map(|name| Path::new(name).parent()).collect();
    folders.dedup();
    let made = parallel::map(host::processors(), &folders, |below| {
        let wanted = folder.join(below);
        std::fs::create_dir_all(&wanted).with_context(|| format!("cannot make {}", wanted.display()))
    });
    made.into_iter().collect()
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
