//! The mode `filtered` where the target has iptables only: less than nftables gives, and what is missing is named.

use super::check::no_rules;
use super::{
    EGRESS_LIMITED, HOST_NETWORKS_CLOSED, HostAddresses, LOCAL_PORTS_CLOSED, LocalEndpoint, Network,
    OFFER_LIMITED,
};
use crate::filter::{self, Uplinks};
use crate::plan::Filter;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::target::Netfilter;

/// What anybody may do to rules of iptables.
const FLUSHED: &str = "whoever flushes iptables' rules, or puts one before them, opens this";

impl Network {
    pub(super) fn filtered_by_iptables(&self, planner: &mut Planner<'_>, allowed: &[LocalEndpoint]) {
        let missing = ["iptables-restore", "ip6tables-restore"]
            .into_iter()
            .find(|program| planner.target.program(program).is_none())
            .map(|program| format!("the target does not say where `{program}` is"));
        let gap = match planner.target.program("sandboxed") {
            Some(_) => format!(
                "{FLUSHED} for up to a second, until that is noticed and all processes of the service are killed"
            ),
            None => format!(
                "{FLUSHED} until the service is started anew: the target does not say where `sandboxed` is, which would notice"
            ),
        };
        let rules = || Mechanism::named("rules of iptables on the service's slice").unless(missing.clone());
        let as_remote = (self.host_addresses == HostAddresses::AsRemote)
            .then(|| "what the machine's firewall opens to other machines".to_owned());
        let local = guarantee(&LOCAL_PORTS_CLOSED)
            .by(rules().leaves_open(gap.clone()))
            .except(allowed.iter().map(LocalEndpoint::shown).chain(as_remote))
            .keep(planner);
        let named = !self.uplinks.is_empty();
        let others = if named {
            rules().leaves_open(gap)
        } else {
            rules().leaves_open(
                "containers, virtual machines and VPNs of this machine are reached: iptables has no set that could follow the \
                 uplinks; name them in `uplinks`",
            )
        };
        let kept = guarantee(&HOST_NETWORKS_CLOSED).by(others).keep(planner);
        let restricts = self.restricts_egress().then(|| "to restrict what leaves needs nftables".to_owned());
        guarantee(&EGRESS_LIMITED)
            .by(rules().unless(restricts))
            .except(self.egress_exceptions())
            .keep(planner);
        // iptables does not know whose port a packet is for.
        let otherwise = "the service can take any free port of this machine";
        let (_, sockets) = self.keep_sockets(planner, || Mechanism::named("nothing"), None, otherwise);
        guarantee(&OFFER_LIMITED)
            .by(rules().leaves_open(
                "iptables does not know which service a packet is for: whoever the machine's own firewall lets through reaches the \
                 ports",
            ))
            .keep(planner);
        if !(local || kept && named || sockets.is_some()) {
            return;
        }
        let uplinks = if named && kept { Uplinks::Named } else { Uplinks::Everything };
        let scope = filter::Scope { local, offer: false, egress: false, uplinks };
        let firewall = &planner.target.firewall;
        let asked = filter::Asked {
            network: self,
            allowed,
            name_servers: &[],
            firewall,
            flavour: Netfilter::Iptables,
            scope,
        };
        match filter::build(&planner.plan.name, &planner.plan.slice, &asked) {
            Ok(filter) => planner.plan.filter = Some(Filter { sockets, ..filter }),
            Err(error) => {
                no_rules(planner, &error, "use nftables, or offer nothing by UDP and name fewer ports");
            }
        }
    }
}
