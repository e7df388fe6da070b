//! What plans become: files, as they go under /etc.

mod door;
mod filter;
mod iptables;
mod network;
mod nft;
mod report;
mod unit;
mod verify;

use std::collections::BTreeMap;

use sandboxed_systemd::unit::{Rendered, WriteError};
use sandboxed_systemd::value::ValueError;

use crate::neighbours::{self, Meeting, Paths};
use crate::plan::{Plan, Setting, Settings};
use crate::target::Target;

pub use report::report;
pub use unit::{DROP_IN, UPGRADED, refusal, replan};

/// Files by their path below the output folder.
pub type Artifacts = BTreeMap<String, String>;

/// The file that says what was planned, and which files are beside it.
pub const PLAN: &str = "plan.json";

/// Whether a path below the output folder is one that files of ours can have: they are named so that nothing else is.
pub fn is_ours(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    let plain = |part: &&str| !part.is_empty() && *part != "." && *part != "..";
    parts.iter().all(plain)
        && match parts.as_slice() {
            ["systemd", "system", file] | ["nftables" | "tmpfiles.d", file] => file.starts_with("sandboxed"),
            ["systemd", "system", folder, file] => folder.strip_suffix(".d").is_some() && *file == DROP_IN,
            ["sandboxed", _, file] => *file == RESOLV_CONF,
            _ => false,
        }
}

/// The service's own resolv.conf, in its folder.
const RESOLV_CONF: &str = "resolv.conf";

/// Why artifacts cannot be written. The types of the policy rule most of it out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EmitError {
    /// A directive or value that systemd does not take.
    #[error(transparent)]
    Unit(#[from] WriteError),
    /// A path that systemd does not take.
    #[error(transparent)]
    Value(#[from] ValueError),
    /// A name that systemd does not take.
    #[error(transparent)]
    Name(#[from] sandboxed_systemd::name::InvalidName),
    /// A name that netfilter does not take.
    #[error(transparent)]
    Netfilter(#[from] sandboxed_netfilter::name::NameError),
    /// A rule that iptables has nothing for.
    #[error(transparent)]
    Iptables(#[from] sandboxed_netfilter::iptables::IptablesError),
    /// The target does not say where a program is.
    #[error("the target does not say where `{0}` is")]
    Program(&'static str),
    /// A file that two sandboxes would write.
    #[error("two sandboxes would both write `{0}`")]
    Path(String),
    /// Two sandboxes on one machine that cannot both be.
    #[error("the sandboxes `{first}` and `{second}` both {what}")]
    Twice {
        /// The first.
        first: String,
        /// The second.
        second: String,
        /// What both do.
        what: String,
    },
    /// A sandbox that could reach into another by what it writes.
    #[error("{reason}")]
    Reach {
        /// The one that writes.
        writer: String,
        /// The other.
        other: String,
        /// What it could do, and what helps.
        reason: String,
    },
}

impl EmitError {
    /// The sandboxes that cannot both be, where it is that.
    pub fn clash(&self) -> Option<[&str; 2]> {
        match self {
            Self::Twice { first, second, .. } => Some([first, second]),
            Self::Reach { writer, other, .. } => Some([writer, other]),
            _ => None,
        }
    }
}

/// What one sandbox becomes: its own files, its entry in `plan.json`, and what it has of the files that all share.
#[derive(Debug)]
pub struct Part {
    name: String,
    /// What no other sandbox may have.
    claims: Vec<String>,
    paths: Paths,
    shares: Vec<Shared>,
    target: Target,
    files: Artifacts,
    report: String,
}

/// What the sandboxes of a machine share. It depends on the target alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shared {
    /// The table of the packet filter.
    Table,
    /// The same for a target that has iptables only.
    Iptables,
    /// What makes networks of services' own.
    Network,
}

impl Part {
    /// What this plan becomes.
    ///
    /// # Errors
    /// If something cannot be written for systemd or netfilter.
    pub fn new(plan: &Plan) -> Result<Self, EmitError> {
        let rendered = Directives::new(plan)?;
        let mut files = Artifacts::new();
        unit::emit(plan, &rendered, &mut files)?;
        let mut shares = Vec::new();
        if let Some(service) = filter::by_iptables(plan) {
            shares.push(Shared::Iptables);
            iptables::emit(plan, service, &mut files);
        } else if plan.filter.is_some() {
            shares.push(Shared::Table);
            nft::emit(plan, &mut files)?;
        }
        verify::emit(plan, &mut files)?;
        if network::emit(plan, &mut files)? {
            shares.push(Shared::Network);
        }
        if let Some(text) = &plan.resolv_conf {
            files.insert(resolv_conf(plan), text.clone());
        }
        let units = plan.units.iter().map(|unit| &unit.name).chain(&plan.sockets);
        let claims = units.map(|unit| format!("sandbox {}", unit.as_str()));
        Ok(Self {
            claims: claims.chain([format!("have the name {}", plan.name)]).collect(),
            name: plan.name.clone(),
            paths: plan.paths.clone(),
            shares,
            target: plan.target.clone(),
            report: report::entry(&report::SandboxReport::new(plan, &rendered)),
            files,
        })
    }
}

/// The directives of a plan that go into its units and into `plan.json`, quoted once for both.
#[derive(Debug)]
struct Directives<'a> {
    service: Vec<Quoted<'a>>,
    slice: Vec<Quoted<'a>>,
}

/// A setting with its value as systemd reads it; without where it empties a list.
type Quoted<'a> = (&'a Setting, Option<Rendered>);

impl<'a> Directives<'a> {
    fn new(plan: &'a Plan) -> Result<Self, WriteError> {
        Ok(Self { service: quoted(&plan.service)?, slice: quoted(&plan.slice_settings)? })
    }
}

fn quoted(settings: &Settings) -> Result<Vec<Quoted<'_>>, WriteError> {
    let one = |setting: &Setting| {
        setting.value.as_ref().map(|value| Rendered::new(setting.section, setting.name, value)).transpose()
    };
    settings.iter().map(|setting| Ok((setting, one(setting)?))).collect()
}

/// The files of the sandboxes of a machine.
///
/// # Errors
/// If something cannot be written for systemd or netfilter, or if two sandboxes share a name or a unit, or one could reach into
/// another.
pub fn artifacts(plans: &[Plan]) -> Result<Artifacts, EmitError> {
    join(plans.iter().map(Part::new).collect::<Result<_, _>>()?)
}

/// The files of all these sandboxes, which are on one machine.
///
/// # Errors
/// If two sandboxes share a name, a unit or a file, one could reach into another, or something that all share cannot be written.
pub fn join(parts: Vec<Part>) -> Result<Artifacts, EmitError> {
    let together = Together::of(parts.iter());
    if let Some(clash) = together.clashes.into_iter().next() {
        return Err(clash);
    }
    let mut files = Artifacts::new();
    let target = |what| parts.iter().find(|part| part.shares.contains(&what)).map(|part| &part.target);
    if let Some(target) = target(Shared::Iptables) {
        iptables::emit_shared(target, &mut files)?;
    } else if let Some(target) = target(Shared::Table) {
        files.insert("nftables/sandboxed.nft".to_owned(), nft::table(target));
        if let Some(holder) = filter::holder(target)? {
            files.insert(format!("systemd/system/{}", filter::HOLDER), holder);
        }
    }
    if let Some(target) = target(Shared::Network) {
        network::shared(target, &mut files)?;
    }
    let mut entries = Vec::with_capacity(parts.len());
    let mut all: Vec<(String, String)> = files.into_iter().collect();
    for part in parts {
        all.extend(part.files);
        entries.push((part.name, part.report));
    }
    // Sorted at once, which takes a fraction of the time that as many insertions do.
    all.sort_unstable();
    // So that a later `build` into the same folder knows what this one wrote.
    let paths: Vec<&str> = all.iter().map(|(path, _)| path.as_str()).collect();
    let report = report::text(entries, &together.shared, &paths);
    all.push((PLAN.to_owned(), report));
    // Names are made so that none meets another; were one to, a sandbox would lose its rules without a word.
    let twice = all.iter().zip(all.iter().skip(1)).find(|((path, _), (next, _))| path == next);
    if let Some(((path, _), _)) = twice {
        return Err(EmitError::Path(path.clone()));
    }
    Ok(all.into_iter().collect())
}

/// Where the service's own resolv.conf goes, below the output folder.
pub(crate) fn resolv_conf(plan: &Plan) -> String {
    format!("sandboxed/{}/{RESOLV_CONF}", plan.name)
}

/// What the sandboxes of one machine are to each other.
#[derive(Debug, Default)]
pub struct Together {
    /// Why some of them cannot both be; [`EmitError::clash`] says which.
    pub clashes: Vec<EmitError>,
    /// What some of them share on purpose, in words.
    pub shared: Vec<String>,
}

impl Together {
    /// Compares each with all others.
    pub fn of<'a>(parts: impl Iterator<Item = &'a Part>) -> Self {
        let parts: Vec<&Part> = parts.collect();
        let mut together = Self { clashes: twice(&parts), shared: Vec::new() };
        let paths: Vec<(&str, &Paths)> = parts.iter().map(|part| (part.name.as_str(), &part.paths)).collect();
        for meeting in neighbours::meetings(&paths) {
            match meeting {
                Meeting::Shared(what) => together.shared.push(what),
                Meeting::Reach { writer, other, reason } => {
                    together.clashes.push(EmitError::Reach { writer, other, reason });
                }
            }
        }
        together
    }
}

/// Names and units that more than one has.
fn twice(parts: &[&Part]) -> Vec<EmitError> {
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut found = Vec::new();
    for part in parts {
        for claim in &part.claims {
            if let Some(first) = names.insert(claim, &part.name) {
                found.push(EmitError::Twice {
                    first: first.to_owned(),
                    second: part.name.clone(),
                    what: claim.clone(),
                });
            }
        }
    }
    found
}
