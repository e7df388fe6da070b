//! What verification needs of an installed plan.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use sandboxed_core::plan::Sockets;
use sandboxed_core::target::Netfilter;
use serde::Deserialize;

use crate::installed;

/// `plan.json`
#[derive(Debug, Deserialize)]
struct File {
    sandboxes: BTreeMap<String, Planned>,
}

/// One sandbox in it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Planned {
    /// The units of the service.
    pub(super) units: Vec<String>,
    /// Their slice.
    pub(super) slice: String,
    /// The slice's control group.
    pub(super) control_group: String,
    /// What it was planned for.
    pub(super) target: Target,
    /// The packet filter.
    pub(super) filter: Option<Filter>,
    /// What became of each guarantee.
    pub(super) guarantees: Vec<Outcome>,
    /// The directives of its units, each with its lines.
    pub(super) directives: BTreeMap<String, Vec<String>>,
}

/// What it was planned for.
#[derive(Debug, Deserialize)]
pub(super) struct Target {
    /// By what packets are filtered.
    pub(super) netfilter: Netfilter,
}

/// The packet filter.
#[derive(Debug, Deserialize)]
pub(super) struct Filter {
    /// The helper unit that loads it.
    pub(super) unit: String,
    /// The ports that sockets made in the slice can be bound to.
    pub(super) sockets: Option<Sockets>,
}

/// What became of a guarantee.
#[derive(Debug, Deserialize)]
pub(super) struct Outcome {
    /// Its id.
    pub(super) guarantee: String,
    /// `kept`, `weak` or `waived`.
    pub(super) status: String,
    /// By what, unless it is waived.
    #[serde(default)]
    pub(super) mechanism: String,
    /// What stays open all the same.
    #[serde(default)]
    pub(super) exceptions: Vec<String>,
    /// What stays open, for a weak one.
    pub(super) weakness: Option<String>,
    /// Why the policy does without it.
    pub(super) reason: Option<String>,
}

/// Reads the plan of an installed sandbox.
///
/// # Errors
/// If there is none, or it is damaged.
pub(super) fn read(name: &str) -> Result<Planned> {
    installed::policy(name)?;
    let path = installed::folder(name).join("plan.json");
    let text = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
    let file: File = serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let planned = file.sandboxes.into_iter().find(|(sandbox, _)| sandbox == name);
    planned.map(|(_, planned)| planned).with_context(|| format!("{} says nothing of {name}", path.display()))
}

impl Planned {
    /// What became of a guarantee.
    pub(super) fn outcome(&self, guarantee: &str) -> Option<&Outcome> {
        self.guarantees.iter().find(|outcome| outcome.guarantee == guarantee)
    }

    /// Whether a guarantee is kept without exceptions.
    pub(super) fn keeps_wholly(&self, guarantee: &str) -> bool {
        self.outcome(guarantee)
            .is_some_and(|outcome| outcome.status == "kept" && outcome.exceptions.is_empty())
    }

    /// Whether it is the launcher that keeps a guarantee.
    pub(super) fn is_launched(&self, guarantee: &str) -> bool {
        self.outcome(guarantee).is_some_and(|outcome| outcome.mechanism.ends_with("by sandboxed-launch"))
    }

    /// The value of a directive, where the plan sets it to one.
    pub(super) fn directive(&self, name: &str) -> Option<&str> {
        self.directives.get(name).and_then(|lines| lines.last()).map(String::as_str)
    }

    /// Whether the plan switches a directive on.
    pub(super) fn is_on(&self, name: &str) -> bool {
        self.directive(name).is_some_and(|value| !matches!(value, "no" | "false" | "0" | "off" | ""))
    }
}
