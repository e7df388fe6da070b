//! Sockets from activation, for a service that is not in the machine's network.

use super::Network;
use super::check::conflict;
use crate::diagnostic::Kind;
use crate::filter;
use crate::planner::{Finding, Mechanism, Planner};
use crate::target::{Kernel, Netfilter};

impl Network {
    /// What closes the sockets that are handed to the service: a mechanism as it is where there are none, and with a packet
    /// filter beside it where there are.
    pub(super) fn with_handed(planner: &Planner<'_>, mechanism: Mechanism, what: &str) -> Mechanism {
        if planner.policy.sockets.is_empty() {
            return mechanism;
        }
        let filters =
            planner.target.netfilter == Netfilter::Nftables && planner.target.program("nft").is_some();
        let without = "the sockets that are handed to it need a packet filter, and the target does not say where `nft` is";
        mechanism
            .summary(format!("{what}, and a packet filter on the sockets that are handed to it"))
            .since_kernel(Kernel::new(5, 13))
            .unless((!filters).then(|| without.to_owned()))
    }

    /// Plans that filter.
    pub(super) fn filter_handed(planner: &mut Planner<'_>) {
        for (index, name) in planner.policy.sockets.iter().enumerate() {
            let datagrams = planner
                .sockets
                .iter()
                .any(|socket| socket.name.as_str() == name.as_str() && socket.datagrams());
            if datagrams {
                let kind = conflict(
                    "a datagram socket of the machine's network could send to anybody from there",
                    "use the mode `filtered`, which knows who called, or have the socket accept streams",
                );
                let finding = Finding::new(kind, format!("/sockets/{index}"));
                planner.findings.push(finding.related("/network/mode", "because of this"));
            }
        }
        if planner.policy.sockets.is_empty() {
            return;
        }
        match filter::handed(&planner.plan.name, &planner.plan.slice) {
            Ok(filter) => planner.plan.filter = Some(filter),
            Err(error) => {
                let help = "choose another name".to_owned();
                planner.find(Finding::new(Kind::Conflict { reason: error.to_string(), help }, "/name"));
            }
        }
    }
}
