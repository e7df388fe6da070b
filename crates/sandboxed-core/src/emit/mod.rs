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
use std::num::NonZero;
use std::thread;

use sandboxed_systemd::unit::WriteError;
use sandboxed_systemd::value::ValueError;

use crate::parallel;
use crate::plan::Plan;

pub use report::{Report, SandboxReport};
pub use unit::{DROP_IN, refusal, replan};

/// Files by their path below the output folder.
pub type Artifacts = BTreeMap<String, String>;

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
}

/// The files of the sandboxes of a machine, where there are a few; see [`artifacts_of_many`].
///
/// # Errors
/// As [`artifacts_of_many`].
pub fn artifacts(plans: &[Plan]) -> Result<Artifacts, EmitError> {
    artifacts_of_many(plans, NonZero::<usize>::MIN)
}

/// The files of all sandboxes of a machine, made by so many threads at the most, and one for `plan.json`.
///
/// # Errors
/// If something cannot be written for systemd or netfilter, or if two sandboxes share a name or a unit.
pub fn artifacts_of_many(plans: &[Plan], workers: NonZero<usize>) -> Result<Artifacts, EmitError> {
    distinct(plans)?;
    let (report, parts) = thread::scope(|scope| {
        let report = scope.spawn(|| Report::new(plans).to_text());
        let parts = parallel::map(workers, plans, sandbox);
        (report.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), parts)
    });
    let parts = parts.into_iter().collect::<Result<Vec<_>, _>>()?;
    let mut files: Artifacts = parts.into_iter().flatten().collect();
    if let Some(plan) = plans.iter().find(|plan| filter::by_iptables(plan).is_some()) {
        iptables::emit_shared(plan, &mut files)?;
    } else if let Some(table) = nft::table(plans) {
        files.insert("nftables/sandboxed.nft".to_owned(), table);
        let filtered = plans.iter().find(|plan| plan.filter.is_some());
        if let Some(holder) = filtered.map(filter::holder).transpose()?.flatten() {
            files.insert(format!("systemd/system/{}", filter::HOLDER), holder);
        }
    }
    network::shared(plans, &mut files)?;
    files.insert("plan.json".to_owned(), report);
    Ok(files)
}

/// The files of one sandbox.
fn sandbox(plan: &Plan) -> Result<Artifacts, EmitError> {
    let mut files = Artifacts::new();
    unit::emit(plan, &mut files)?;
    match filter::by_iptables(plan) {
        Some(service) => iptables::emit(plan, service, &mut files),
        None => nft::emit(plan, &mut files)?,
    }
    verify::emit(plan, &mut files)?;
    network::emit(plan, &mut files)?;
    if let Some(text) = &plan.resolv_conf {
        files.insert(resolv_conf(plan), text.clone());
    }
    Ok(files)
}

/// Where the service's own resolv.conf goes, below the output folder.
pub(crate) fn resolv_conf(plan: &Plan) -> String {
    format!("sandboxed/{}/resolv.conf", plan.name)
}

/// No name and no unit twice.
fn distinct(plans: &[Plan]) -> Result<(), EmitError> {
    let mut names: BTreeMap<String, &str> = BTreeMap::new();
    for plan in plans {
        let units = plan.units.iter().map(|unit| &unit.name).chain(&plan.sockets);
        let claims = units.map(|unit| format!("sandbox {}", unit.as_str()));
        for claim in claims.chain([format!("have the name {}", plan.name)]) {
            if let Some(first) = names.insert(claim.clone(), &plan.name) {
                return Err(EmitError::Twice {
                    first: first.to_owned(),
                    second: plan.name.clone(),
                    what: claim,
                });
            }
        }
    }
    Ok(())
}
