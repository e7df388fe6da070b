//! Writing files: each appears whole or not at all.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::{Context, Result};
use sandboxed_core::emit::Artifacts;
use tempfile::NamedTempFile;

/// Writes all files below a folder. The parts that may fail (making folders, writing, reaching the disk) come first
/// for all of them; the renames that make them visible come last.
///
/// # Errors
/// If a file cannot be written; then nothing that was there has changed, unless a rename itself failed.
pub(crate) fn write_all(folder: &Path, files: &Artifacts) -> Result<()> {
    let mut ready = Vec::with_capacity(files.len());
    for (name, text) in files {
        let path = folder.join(name);
        ready.push((prepare(&path, text)?, path));
    }
    for (file, path) in ready {
        file.persist(&path).with_context(|| format!("cannot write {}", path.display()))?;
    }
    Ok(())
}

fn prepare(path: &Path, text: &str) -> Result<NamedTempFile> {
    let folder = path.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let context = || format!("cannot write in {}", folder.display());
    let mut file =
        tempfile::Builder::new().prefix(".sandboxed-").tempfile_in(folder).with_context(context)?;
    file.write_all(text.as_bytes()).with_context(context)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644)).with_context(context)?;
    file.as_file().sync_all().with_context(context)?;
    Ok(file)
}
