//! Rules that lead from another slice into the chains of a service, as its filter's helper has them for the service's own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail, ensure};
use sandboxed_netfilter::iptables;
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_systemd::directive::Section;
use sandboxed_systemd::unit::{ExecCommand, ParsedUnit};

use crate::host;

/// How the files end from which a helper takes a service out of the rules, and those from which it puts it in.
const FILES: [(&str, &str); 3] =
    [("+remove.nft", "+elements.nft"), ("+remove.v4", "+add.v4"), ("+remove.v6", "+add.v6")];

/// They are taken away again when this is dropped.
pub(super) struct Rules {
    folder: PathBuf,
    /// What takes them away, and the commands that load it.
    undo: Vec<(ExecCommand, String)>,
}

impl Rules {
    /// Lets the filter treat the group `own` as the helper lets it treat `group`.
    ///
    /// # Errors
    /// If the helper loads no such rules, or they cannot be loaded.
    pub(super) fn load(folder: &Path, helper: &str, group: &str, own: &str) -> Result<Self> {
        let mut rules = Self { folder: folder.to_owned(), undo: Vec::new() };
        let unit = ParsedUnit::parse(&host::unit_text(helper)?)?;
        // What takes rules away changes them and does nothing else; what loads them may leave the table's owner with the
        // service manager, which is the helper's business.
        let mut commands = unit.commands(Section::Service, "ExecStop")?;
        commands.extend(unit.commands(Section::Service, "ExecStopPost")?);
        for (remove, add) in FILES {
            let found = commands.iter().find_map(|command| {
                let stem = command.arguments.iter().find_map(|argument| argument.strip_suffix(remove))?;
                Some((command, stem))
            });
            let Some((command, stem)) = found else { continue };
            let add = lines(&format!("{stem}{add}"), group, own)?;
            let undo = lines(&format!("{stem}{remove}"), group, own)?;
            rules.feed(command, &add)?;
            rules.undo.push((command.clone(), undo));
        }
        ensure!(!rules.undo.is_empty(), "{helper} loads no rules that lead to the service's");
        Ok(rules)
    }

    /// Loads rules as the helper does: with nft, through the process that owns the table, or with iptables-restore.
    fn feed(&self, loader: &ExecCommand, rules: &str) -> Result<()> {
        let file = self.folder.join("rules");
        fs::write(&file, rules)?;
        let options = loader.arguments.iter().take_while(|argument| !argument.starts_with('/'));
        succeed(Command::new(&loader.program).args(options).arg(&file))
    }
}

fn succeed(command: &mut Command) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| format!("cannot run {program}"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(())
}

impl Drop for Rules {
    fn drop(&mut self) {
        // All of it is tried, whatever fails.
        for (loader, undo) in &self.undo {
            let _ = self.feed(loader, undo);
        }
    }
}

/// The lines of a file that name the group, with `own` in its place: chains and their rules are the service's.
fn lines(file: &str, group: &str, own: &str) -> Result<String> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {file}"))?;
    let by_nft = Path::new(file).extension().is_some_and(|end| end == "nft");
    let quoted = |group: &str| -> Result<String> {
        let path = CgroupPath::new(group)?;
        Ok(if by_nft { format!("\"{}\"", path.as_str()) } else { iptables::escaped(&path) })
    };
    let (theirs, ours) = (quoted(group)?, quoted(own)?);
    let lines: String = text
        .lines()
        .filter(|line| line.contains(&theirs))
        .map(|line| line.replace(&theirs, &ours) + "\n")
        .collect();
    ensure!(!lines.is_empty(), "{file} does not name the control group {group}");
    // iptables-restore(8) takes rules by table, as one transaction.
    Ok(if by_nft { lines } else { format!("*filter\n{lines}COMMIT\n") })
}
