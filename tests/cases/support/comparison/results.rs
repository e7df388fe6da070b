//! What came out: kept beside the document that is made of it, so that nothing in it is typed by hand.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use sandboxed_probe::{Finding, Verdict, report};
use serde::{Deserialize, Serialize};

use super::contender::CONTENDERS;

/// One contender's trial.
#[derive(Clone, Debug)]
pub struct Trial {
    /// What keeps the service from its work, if anything does.
    pub work: Option<String>,
    /// What the probe found, or why it could not run.
    pub findings: Result<Vec<Finding>, String>,
}

/// What the trials ran on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A kernel of its own.
    Vm,
    /// The outer machine's kernel, by systemd-nspawn(1).
    Container,
}

/// What is kept of a trial.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Kept {
    /// What keeps the service from its work.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub work: Option<String>,
    /// Why the probe could not run.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub not_run: Option<String>,
    /// `open`, `closed` and `not-applicable`, and the channels that are, with blanks between.
    #[serde(default)]
    pub verdicts: BTreeMap<String, String>,
}

/// All trials of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What they ran on.
    pub machine: Kind,
    /// Names and versions of what took part.
    pub versions: BTreeMap<String, String>,
    /// By the contenders' names.
    pub trials: BTreeMap<String, Kept>,
}

impl Comparison {
    /// One without trials.
    pub fn new(machine: Kind, versions: BTreeMap<String, String>) -> Self {
        Self { machine, versions, trials: BTreeMap::new() }
    }

    /// Reads what was kept.
    ///
    /// # Errors
    /// It is not there, or damaged.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))
    }

    /// Keeps it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))
    }

    /// Adds a trial, in place of an earlier one of the same contender.
    ///
    /// # Errors
    /// The probe did not try what it lists.
    pub fn add(&mut self, name: &str, trial: &Trial) -> Result<()> {
        let mut kept = Kept { work: trial.work.clone(), not_run: None, verdicts: BTreeMap::new() };
        match &trial.findings {
            Err(reason) => kept.not_run = Some(reason.clone()),
            Ok(findings) => {
                let tried = findings.iter().map(|finding| finding.channel.as_str());
                ensure!(
                    tried.eq(report::list().iter().map(|channel| channel.id)),
                    "{name}: not every channel was tried"
                );
                for finding in findings {
                    let list = kept.verdicts.entry(word(finding.verdict).to_owned()).or_default();
                    list.push_str(if list.is_empty() { "" } else { " " });
                    list.push_str(&finding.channel);
                }
            }
        }
        self.trials.insert(name.to_owned(), kept);
        Ok(())
    }

    /// What came out for a contender and a channel; `None` where the probe did not run.
    pub fn verdict(&self, contender: &str, channel: &str) -> Option<Verdict> {
        let verdicts = &self.trials.get(contender)?.verdicts;
        let all = [Verdict::Open, Verdict::Closed, Verdict::NotApplicable];
        let has = |verdict: &Verdict| {
            verdicts.get(word(*verdict)).is_some_and(|list| list.split(' ').any(|one| one == channel))
        };
        all.into_iter().find(has)
    }

    /// How many channels have a verdict under a contender; of those for which `of` holds.
    pub fn count(&self, contender: &str, verdict: Verdict, of: impl Fn(&report::Listed) -> bool) -> usize {
        let listed = report::list();
        let counted = listed.iter().filter(|channel| of(channel));
        counted.filter(|channel| self.verdict(contender, channel.id) == Some(verdict)).count()
    }

    /// The contenders that were tried, in their order.
    pub fn tried(&self) -> impl Iterator<Item = &'static str> {
        CONTENDERS.iter().map(|contender| contender.name).filter(|name| self.trials.contains_key(*name))
    }
}

/// A verdict as it is kept.
fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Open => "open",
        Verdict::Closed => "closed",
        Verdict::NotApplicable => "not-applicable",
    }
}
