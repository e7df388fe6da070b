//! A control group for each machine, so that the systemd instances do not meet in one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};

/// The prefix of our groups' names; the process id of their maker follows, then a running number.
const PREFIX: &str = "sandboxed-testbed-";

/// A group in the unified hierarchy, removed when it is dropped.
#[derive(Debug)]
pub(crate) struct Cgroup {
    name: String,
}

impl Cgroup {
    /// A new group at the top of the hierarchy.
    pub(crate) fn new() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        remove_abandoned();
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let group = Self { name: format!("{PREFIX}{}-{number}", std::process::id()) };
        fs::create_dir(group.path()?).context("cannot make a control group")?;
        Ok(group)
    }

    /// Where its files are.
    pub(crate) fn path(&self) -> Result<PathBuf> {
        Ok(unified().context("this machine has no unified cgroup hierarchy mounted")?.join(&self.name))
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        remove(&self.name);
    }
}

/// Groups whose maker was killed before it could remove them.
fn remove_abandoned() {
    let Some(names) = unified().and_then(|root| fs::read_dir(root).ok()) else { return };
    for name in names.flatten().filter_map(|entry| entry.file_name().into_string().ok()) {
        let maker = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if maker.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            remove(&name);
        }
    }
}

/// Remove the group `name` and those below it, in every hierarchy: beside a version 1 hierarchy systemd-nspawn makes
/// a twin of it there. Processes that were killed just now may take a moment to leave.
fn remove(name: &str) {
    for hierarchy in hierarchies() {
        let group = hierarchy.join(name);
        for _ in 0..50 {
            if !group.exists() || remove_tree(&group).is_ok() {
                break;
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A group's files can't be removed and need not be: only directories are.
fn remove_tree(group: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(group)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(group)
}

/// The mount point of the version 2 hierarchy: /sys/fs/cgroup, or a directory in it on a hybrid system.
fn unified() -> Option<PathBuf> {
    mounts().find(|(kind, _)| kind == "cgroup2").map(|(_, point)| point)
}

fn hierarchies() -> Vec<PathBuf> {
    mounts().filter(|(kind, _)| kind == "cgroup2" || kind == "cgroup").map(|(_, point)| point).collect()
}

/// Type and mount point of what is mounted: `proc_pid_mountinfo(5)`, fields 9 (after the separator) and 5.
fn mounts() -> impl Iterator<Item = (String, PathBuf)> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let parse = |line: &str| {
        let (before, after) = line.split_once(" - ")?;
        Some((after.split(' ').next()?.to_owned(), PathBuf::from(before.split(' ').nth(4)?)))
    };
    table.lines().filter_map(parse).collect::<Vec<_>>().into_iter()
}
