//! The ruleset: one table for all sandboxes, and for each of them what puts it into the table and takes it out.

use sandboxed_netfilter::filter::Filter as Table;
use sandboxed_netfilter::name::CgroupPath;
use sandboxed_netfilter::table::Ownership;

use super::{Artifacts, EmitError, filter};
use crate::plan::Plan;
use crate::target::Target;

/// The file with the chains of a sandbox: it names no control group, so it can be checked anywhere.
pub(super) fn chains_file(plan: &Plan) -> String {
    format!("sandboxed-{}.nft", plan.name)
}

/// The file with the map elements that lead to the chains. It can be loaded once the slice exists.
pub(super) fn elements_file(plan: &Plan) -> String {
    format!("sandboxed-{}+elements.nft", plan.name)
}

/// The file that takes the sandbox out of the table.
pub(super) fn remove_file(plan: &Plan) -> String {
    format!("sandboxed-{}+remove.nft", plan.name)
}

/// The table without any sandbox.
pub(super) fn table(target: &Target) -> String {
    let ownership = match filter::holder_program(target) {
        Some(_) => Ownership::Owned,
        None => Ownership::Shared,
    };
    // Whether or not a sandbox on this machine needs it now: a later one must be able to rely on it.
    let table = Table { inbound: true, ownership, ..Table::default() };
    table.load().to_string()
}

pub(super) fn emit(plan: &Plan, files: &mut Artifacts) -> Result<(), EmitError> {
    let Some(rules) = &plan.filter else { return Ok(()) };
    let service = &rules.service;
    let root = service.cgroup().ancestor(1).map_or_else(|| CgroupPath::new("sandboxed.slice"), Ok)?;
    let elements = format!("{}{}", Table::close(&root), service.elements_script());
    for (name, text) in [
        (chains_file(plan), service.chains_script().to_string()),
        (elements_file(plan), elements),
        (remove_file(plan), service.remove().to_string()),
    ] {
        files.insert(format!("nftables/{name}"), text);
    }
    Ok(())
}
