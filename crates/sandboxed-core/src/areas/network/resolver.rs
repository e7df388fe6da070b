//! How the service resolves names.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::conflict;
use super::{Mode, Network};
use crate::areas::filesystem::below;
use crate::planner::{Finding, Planner};
use crate::target::Target;

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

    /// The name servers that the service's resolver asks.
    pub(super) fn resolver_servers(&self, target: &Target) -> Vec<IpAddr> {
        match self.resolver {
            Resolver::Host => target.name_servers.clone(),
            Resolver::Servers => {
                self.name_servers.iter().filter_map(|server| server.as_str().parse().ok()).collect()
            }
            Resolver::None => Vec::new(),
        }
    }

    pub(super) fn resolver_contradictions(&self, planner: &mut Planner<'_>) {
        self.resolver_elsewhere(planner);
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
    /// Where the service is not in the machine's network, the machine's own resolver is not there, and must not be reached by
    /// another way.
    fn resolver_elsewhere(&self, planner: &mut Planner<'_>) {
        if self.mode == Mode::Filtered {
            return;
        }
        for (index, socket) in planner.policy.ipc.sockets.iter().enumerate() {
            let path = socket.path();
            let path = path.strip_prefix("/var").unwrap_or(path);
            if ["/run/nscd", "/run/systemd/resolve"].into_iter().any(|resolver| below(path, resolver)) {
                let kind = conflict(
                    "who answers there resolves names for the service in the machine's network",
                    "leave it out, and name `nameServers`",
                );
                let finding = Finding::new(kind, format!("/ipc/sockets/{index}"));
                planner.find(finding.related("/network/mode", "because of this"));
            }
        }
        let asks = matches!(self.mode, Mode::Private | Mode::Joined) && self.resolver == Resolver::Host;
        let stub = planner.target.name_servers.iter().find(|address| address.is_loopback());
        if let Some(stub) = stub.filter(|_| asks) {
            let kind = conflict(
                &format!("this machine resolves names at {stub}, which is not in the service's network"),
                "set `resolver` to `servers` and name them in `nameServers` (`resolvectl dns` shows those that systemd-resolved \
                 asks)",
            );
            planner.find(Finding::new(kind, "/network/resolver").related("/network/mode", "because of this"));
        }
    }
}
