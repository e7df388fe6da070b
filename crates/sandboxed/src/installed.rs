//! What `apply` installs on a running system, and where.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::fs::FlockOperation;
use sandboxed_core::emit::Artifacts;
use sandboxed_core::plan::Plan;

use crate::{output, refusal, show};

/// Where everything of ours is kept that no other program looks for by itself: a folder for each sandbox.
const STATE: &str = "/etc/sandboxed";

/// Where an administrator's units are, systemd.unit(5).
pub(crate) const UNITS: &str = "/etc/systemd/system";

/// The tables that all sandboxes share, and the units that own them; they go with the last of them.
const SHARED: [&str; 10] = [
    "/etc/nftables/sandboxed.nft",
    "/etc/nftables/sandboxed+private.nft",
    "/etc/systemd/system/sandboxed-filter.service",
    "/etc/systemd/system/sandboxed-network.service",
    "/etc/nftables/sandboxed+add.v4",
    "/etc/nftables/sandboxed+add.v6",
    "/etc/nftables/sandboxed+purge.v4",
    "/etc/nftables/sandboxed+purge.v6",
    "/etc/nftables/sandboxed+remove.v4",
    "/etc/nftables/sandboxed+remove.v6",
];

/// Keeps others from installing and removing sandboxes until it is dropped: an upgrade plans them all anew at any time. What is
/// locked, flock(2), is a folder that is always there, so that nothing is left behind.
///
/// # Errors
/// If there is no such folder.
pub(crate) fn lock() -> Result<File> {
    let folder = File::open(UNITS).with_context(|| format!("cannot open {UNITS}"))?;
    if rustix::fs::flock(&folder, FlockOperation::NonBlockingLockExclusive).is_err() {
        show::say("waiting for another sandboxed that installs or removes");
        rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
    }
    Ok(folder)
}

/// The files of a sandbox by their absolute paths, with the policy it was planned from.
pub(crate) fn files(plan: &Plan, artifacts: &Artifacts, policy: &str) -> Artifacts {
    let mut files: Artifacts = artifacts
        .iter()
        .map(|(name, text)| match name.as_str() {
            "plan.json" => (format!("{STATE}/{}/plan.json", plan.name), text.clone()),
            name => (format!("/etc/{name}"), text.clone()),
        })
        .collect();
    files.insert(format!("{STATE}/{}/policy.json", plan.name), policy.to_owned());
    // So that `remove` takes away what this version installed, whatever a later one would.
    let names: Vec<String> = files
        .keys()
        .filter(|name| !SHARED.contains(&name.as_str()))
        .map(|name| format!("{name}\n"))
        .collect();
    files.insert(format!("{STATE}/{}/files", plan.name), names.concat());
    files
}

/// The names of the sandboxes that are installed.
///
/// # Errors
/// If their folder cannot be read.
pub(crate) fn names() -> Result<Vec<String>> {
    let folder = Path::new(STATE);
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).with_context(|| format!("cannot read {STATE}"))? {
        let entry = entry?;
        if entry.path().join("policy.json").exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The folder of a sandbox.
pub(crate) fn folder(name: &str) -> PathBuf {
    Path::new(STATE).join(name)
}

/// The file that is there from before the first change of an `apply` until systemd has taken the last: where it stayed,
/// something failed in between.
pub(crate) fn unfinished(name: &str) -> PathBuf {
    folder(name).join("unfinished")
}

/// The policy that a sandbox was planned from.
///
/// # Errors
/// If no such sandbox is installed.
pub(crate) fn policy(name: &str) -> Result<String> {
    let path = folder(name).join("policy.json");
    std::fs::read_to_string(&path)
        .with_context(|| format!("no sandbox `{name}` is installed ({} is absent)", path.display()))
}

/// The units of an installed sandbox, as its plan names them.
///
/// # Errors
/// If its plan cannot be read.
pub(crate) fn units(name: &str) -> Result<Vec<String>> {
    planned(name, "units")
}

/// The socket units of an installed sandbox, as its plan names them.
///
/// # Errors
/// If its plan cannot be read.
pub(crate) fn sockets(name: &str) -> Result<Vec<String>> {
    planned(name, "sockets")
}

fn planned(name: &str, list: &str) -> Result<Vec<String>> {
    let path = folder(name).join("plan.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let plan: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let units = plan.pointer(&format!("/sandboxes/{name}/{list}")).and_then(|units| units.as_array());
    Ok(units.into_iter().flatten().filter_map(|unit| unit.as_str()).map(str::to_owned).collect())
}

/// The units that only this sandbox has: what loads its rules, makes its network, or hands ports through.
///
/// # Errors
/// If no such sandbox is installed.
pub(crate) fn own_units(name: &str) -> Result<Vec<String>> {
    let list = folder(name).join("files");
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("no sandbox `{name}` is installed ({} is absent)", list.display()))?;
    let unit = |path: &str| {
        path.strip_prefix("/etc/systemd/system/").filter(|unit| !unit.contains('/')).map(str::to_owned)
    };
    Ok(text.lines().filter_map(unit).filter(|unit| unit.starts_with("sandboxed-")).collect())
}

/// How the files on disk differ from these.
#[derive(Debug, Default)]
pub(crate) struct Difference {
    /// The sign that an `apply` began, where none was there before.
    begun: Option<PathBuf>,
    /// Path, text on disk (absent where there is none), text as it should be (absent where it should not be there).
    pub(crate) changes: BTreeMap<String, (Option<String>, Option<String>)>,
}

impl Difference {
    /// Compares. Files that an earlier plan of the same sandbox installed and this one does not are to go.
    pub(crate) fn of(name: &str, files: &Artifacts) -> Self {
        let mut changes = BTreeMap::new();
        for (path, text) in files {
            let there = std::fs::read_to_string(path).ok();
            if there.as_ref() != Some(text) {
                changes.insert(path.clone(), (there, Some(text.clone())));
            }
        }
        let before = std::fs::read_to_string(folder(name).join("files")).unwrap_or_default();
        for path in before.lines().filter(|path| !files.contains_key(*path)) {
            if let Ok(there) = std::fs::read_to_string(path) {
                changes.insert(path.to_owned(), (Some(there), None));
            }
        }
        let begun = Some(unfinished(name)).filter(|sign| !sign.exists());
        Self { begun, changes }
    }

    /// Makes the disk so. New files appear first and each as a whole; what is to go, goes last.
    ///
    /// # Errors
    /// If a file cannot be written or taken away.
    pub(crate) fn settle(&self) -> Result<()> {
        let written =
            self.changes.iter().filter_map(|(path, (_, text))| Some((path.clone(), text.clone()?))).collect();
        if let Err(unwritten) = output::install(Path::new("/"), &written) {
            // Nothing has changed, so nothing is unfinished and nothing stays; unless some files had their names already.
            let begun = self.begun.as_ref().filter(|_| written.iter().all(|(path, text)| !is(path, text)));
            if let Some(sign) = begun {
                let _ = take_away(sign);
            }
            return Err(unwritten);
        }
        for (path, (_, text)) in &self.changes {
            if text.is_none() {
                take_away(Path::new(path))?;
            }
        }
        Ok(())
    }

    /// As a unified diff, for people.
    pub(crate) fn text(&self) -> String {
        let one = |(path, (there, wanted)): (&String, &(Option<String>, Option<String>))| {
            let (there, wanted) =
                (there.as_deref().unwrap_or_default(), wanted.as_deref().unwrap_or_default());
            similar::TextDiff::from_lines(there, wanted).unified_diff().header(path, path).to_string()
        };
        self.changes.iter().map(one).collect()
    }
}

/// Whether a file has this text.
fn is(path: &str, text: &str) -> bool {
    std::fs::read_to_string(path).is_ok_and(|there| there == text)
}

/// Takes a sandbox's files away, and folders that they leave empty. The table that all share goes with the last sandbox.
///
/// # Errors
/// If a file cannot be taken away.
pub(crate) fn uninstall(name: &str) -> Result<()> {
    let list = folder(name).join("files");
    let text = std::fs::read_to_string(&list)
        .with_context(|| format!("no sandbox `{name}` is installed ({} is absent)", list.display()))?;
    refusal::lift(name, &units(name)?)?;
    for path in text.lines() {
        take_away(Path::new(path))?;
    }
    for path in [unfinished(name), list] {
        take_away(&path)?;
    }
    if names()?.is_empty() {
        for path in SHARED.iter().chain(&REPLAN) {
            take_away(Path::new(path))?;
        }
    }
    Ok(())
}

/// Takes a file away if it is there, and the folders above that are empty then and that only our files make.
///
/// # Errors
/// If it stays.
pub(crate) fn take_away(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Ok(()) => {}
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot take away {}", path.display())),
    }
    let ours = |folder: &&Path| {
        let units = folder.starts_with(UNITS) || folder.starts_with("/run/systemd/system");
        let drop_ins = units && folder.extension().is_some_and(|extension| extension == "d");
        let ours =
            [Path::new("/etc/nftables"), Path::new("/run/sandboxed/refused"), Path::new("/run/sandboxed")];
        drop_ins || folder.starts_with(STATE) || ours.contains(folder)
    };
    for folder in path.ancestors().skip(1).take_while(ours) {
        // Fails where something else is inside, which is as it should be.
        if std::fs::remove_dir(folder).is_err() {
            break;
        }
    }
    Ok(())
}

/// The units that plan every sandbox anew after an upgrade.
pub(crate) const REPLAN: [&str; 2] =
    ["/etc/systemd/system/sandboxed-replan.path", "/etc/systemd/system/sandboxed-replan.service"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_begin_is_not_unfinished() {
        let folder = tempfile::tempdir().unwrap();
        let at = |path: &str| folder.path().join(path);
        let change = |path: &str| (at(path).display().to_string(), (None, Some("new".to_owned())));
        std::fs::write(at("file"), "").unwrap();
        std::fs::write(at("unfinished"), "").unwrap();
        let changes = BTreeMap::from([change("a/b/c"), change("file/d")]);
        let difference = Difference { begun: Some(at("unfinished")), changes: changes.clone() };
        difference.settle().unwrap_err();
        assert!(!at("unfinished").exists() && !at("a").exists());
        // What began before, or has changed something, is.
        std::fs::write(at("unfinished"), "").unwrap();
        Difference { begun: None, changes: changes.clone() }.settle().unwrap_err();
        assert!(at("unfinished").exists());
        std::fs::create_dir_all(at("a/b")).unwrap();
        std::fs::write(at("a/b/c"), "new").unwrap();
        Difference { begun: Some(at("unfinished")), changes }.settle().unwrap_err();
        assert!(at("unfinished").exists());
        std::fs::remove_file(at("file")).unwrap();
        let done = Difference { begun: Some(at("unfinished")), changes: BTreeMap::from([change("file/d")]) };
        done.settle().unwrap();
        assert!(at("unfinished").exists() && at("file/d").exists());
    }
}
