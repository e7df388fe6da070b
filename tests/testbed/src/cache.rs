//! Trees are made once and kept: each in a directory named after everything that went into it.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rustix::fs::FlockOperation;

/// Where trees are kept: `$SANDBOXED_TESTBED`, else `$XDG_CACHE_HOME/sandboxed/testbed`, else below `~/.cache`.
///
/// # Errors
/// None of the variables says where.
pub fn root() -> Result<PathBuf> {
    let variable = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let root = variable("SANDBOXED_TESTBED")
        .or_else(|| variable("XDG_CACHE_HOME").map(|cache| cache.join("sandboxed/testbed")))
        .or_else(|| variable("HOME").map(|home| home.join(".cache/sandboxed/testbed")));
    root.context("neither SANDBOXED_TESTBED nor XDG_CACHE_HOME nor HOME is set")
}

/// The directory that `recipe` makes, called `name`: found in the cache, or made by `make` in a directory that
/// becomes the cached one only when it is complete. Several processes that ask at once wait for one of them.
pub(crate) fn made(name: &str, recipe: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<PathBuf> {
    let root = root()?;
    // overlayfs separates its options by these, and knows no quoting that every kernel understands.
    if root.to_string_lossy().contains([':', ',', '\\']) {
        bail!("the cache directory {} has a colon, comma or backslash in its path", root.display());
    }
    fs::create_dir_all(&root).with_context(|| format!("cannot create {}", root.display()))?;
    let entry = root.join(format!("{name}-{:016x}", fingerprint(recipe)));
    if entry.is_dir() {
        return Ok(entry);
    }
    let lock = File::create(entry.with_extension("lock")).context("cannot lock the cache")?;
    rustix::fs::flock(&lock, FlockOperation::LockExclusive).context("cannot lock the cache")?;
    if entry.is_dir() {
        return Ok(entry);
    }
    let unfinished = entry.with_extension("unfinished");
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).with_context(|| format!("cannot remove {}", unfinished.display()))?;
    }
    fs::create_dir(&unfinished)?;
    make(&unfinished)?;
    fs::write(unfinished.join("recipe"), recipe)?;
    fs::rename(&unfinished, &entry)?;
    Ok(entry)
}

/// A short name for the recipe. The hash need not be the same for other compilers: another value only makes the tree anew.
fn fingerprint(recipe: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    recipe.hash(&mut hasher);
    hasher.finish()
}
