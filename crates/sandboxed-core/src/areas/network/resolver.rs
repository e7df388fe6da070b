//! How the service resolves names.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Network;
use super::check::conflict;
use crate::planner::{Finding, Planner};

/// How the service resolves names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Resolver {
    /// As the machine does: its /etc/resolv.conf, and a name server on this machine where that names one.
    Host,
    /// By the servers of `nameServers`, which other machines run.
    Servers,
    /// Not at all.
    None,
}

impl Network {
    /// The service's own resolv.conf.
    pub(super) fn resolver(&self, planner: &mut Planner<'_>) {
        if self.resolver == Resolver::Servers {
            let lines = self.name_servers.iter().map(|server| format!("nameserver {server}\n"));
            planner.plan.resolv_conf = Some(lines.collect());
        }
    }

    pub(super) fn resolver_contradictions(&self, planner: &mut Planner<'_>) {
        match (self.resolver, self.name_servers.is_empty()) {
            (Resolver::Servers, true) => {
                let kind = conflict("the resolver `servers` needs at least one", "add them to `nameServers`");
                planner.find(Finding::new(kind, "/network/resolver"));
            }
            (Resolver::Host | Resolver::None, false) => {
                let kind = conflict(
                    "name servers are only used by the resolver `servers`",
                    "set `resolver` to `servers`, or leave them out",
                );
                planner.find(
                    Finding::new(kind, "/network/nameServers").related("/network/resolver", "the resolver"),
                );
            }
            _ => {}
        }
    }
}
