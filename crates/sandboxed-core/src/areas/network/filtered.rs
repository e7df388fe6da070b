//! The mode in which the service uses the machine's network, through a filter.

use sandboxed_systemd::value::Value;

use super::check::no_rules;
use super::{
    EGRESS_LIMITED, HOST_NETWORKS_CLOSED, HostAddresses, LOCAL_PORTS_CLOSED, LocalEndpoint, Network,
    OFFER_LIMITED, PROTOCOLS_LIMITED,
};
use crate::filter::{self, Uplinks};
use crate::plan::Filter;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::target::{Kernel, Netfilter};

impl Network {
    pub(super) fn filtered(&self, planner: &mut Planner<'_>, allowed: &[LocalEndpoint]) {
        let flavour = planner.target.netfilter;
        if flavour == Netfilter::Iptables {
            self.filtered_by_iptables(planner, allowed);
            return self.abstract_sockets(planner);
        }
        let without = match flavour {
            Netfilter::None => Some("the target has no packet filter".to_owned()),
            _ => planner
                .target
                .program("nft")
                .is_none()
                .then(|| "the target does not say where `nft` is".to_owned()),
        };
        let rules = || {
            Mechanism::named("a packet filter on the service's slice")
                .since_kernel(Kernel::new(5, 13))
                .unless(without.clone())
        };
        let as_remote = match self.host_addresses {
            HostAddresses::Closed => None,
            HostAddresses::AsRemote => Some("what the machine's firewall opens to other machines".to_owned()),
        };
        // Where nothing local is asked for, systemd's own filter is a second layer that knows nothing of the first.
        let alone = allowed.is_empty() && self.listen.is_empty() && as_remote.is_none();
        let closed = if alone {
            rules()
                .and("IPAddressDeny", Value::words(["localhost"]))
                .summary("a packet filter on the service's slice, and systemd's own")
        } else {
            rules()
        };
        // Nobody can flush a table that has an owner.
        let closed = if planner.target.program("sandboxed").is_some() {
            closed
        } else {
            closed.leaves_open(
                "whoever flushes nftables, as a reload of nftables.service does, takes the filter away until the helper is \
                 restarted: the target does not say where `sandboxed` is, which would own the table",
            )
        };
        let filtered = guarantee(&LOCAL_PORTS_CLOSED)
            .by(closed)
            .except(allowed.iter().map(LocalEndpoint::shown).chain(as_remote))
            .keep(planner);
        let (uplinks, kept) = self.uplinks(planner, rules);
        let egress = guarantee(&EGRESS_LIMITED).by(rules()).except(self.egress_exceptions()).keep(planner);
        let otherwise =
            "callers of another TCP port are refused, but the service can keep a free port number occupied";
        let (taken, sockets) =
            self.keep_sockets(planner, rules, Some("a packet filter on the service's slice"), otherwise);
        let bound = if sockets.as_ref().is_some_and(|sockets| sockets.binds.is_some()) {
            "the UDP ports that the kernel chooses for it"
        } else {
            "any UDP port that the service has bound and does not offer"
        };
        let datagrams = format!(
            "datagrams of other machines reach {bound}: without connection tracking they could be answers"
        );
        let rare = if planner.keeps(&PROTOCOLS_LIMITED) {
            ""
        } else {
            "; so do packets of rare transport protocols (SCTP)"
        };
        let limited =
            guarantee(&OFFER_LIMITED).by(rules().leaves_open(format!("{datagrams}{rare}"))).keep(planner);
        if filtered || kept || taken || limited || sockets.is_some() || egress && self.restricts_egress() {
            let scope = filter::Scope { local: filtered, offer: taken || limited, egress, uplinks };
            let name_servers = self.resolver_servers(planner.target);
            let firewall = &planner.target.firewall;
            let asked = filter::Asked {
                network: self,
                allowed,
                name_servers: &name_servers,
                firewall,
                flavour,
                scope,
            };
            match filter::build(&planner.plan.name, &planner.plan.slice, &asked) {
                Ok(filter) => {
                    if filter.conntrack {
                        planner.plan.notes.push(
                            "`limits.openConnections` makes the kernel track the connections of the whole machine"
                                .to_owned(),
                        );
                    }
                    planner.plan.filter = Some(Filter { sockets, ..filter });
                }
                Err(error) => no_rules(planner, &error, "name fewer ports and exceptions"),
            }
        }
        self.abstract_sockets(planner);
    }

    /// By which interfaces the service may send, and whether that keeps anything from it.
    fn uplinks(&self, planner: &mut Planner<'_>, rules: impl Fn() -> Mechanism) -> (Uplinks, bool) {
        let named = !self.uplinks.is_empty();
        let followed = (!named && planner.target.program("sandboxed").is_none())
            .then(|| "the target does not say where `sandboxed` is".to_owned());
        let uplinks = match (named, &followed) {
            (true, _) => Uplinks::Named,
            (false, None) => Uplinks::Followed,
            (false, Some(_)) => Uplinks::Everything,
        };
        let by =
            if named { "the uplinks that the policy names" } else { "the uplinks, as the routes change" };
        let kept = guarantee(&HOST_NETWORKS_CLOSED)
            .by(rules().summary(format!("a packet filter on the service's slice, which knows {by}")).unless(followed))
            .or(rules().leaves_open(
                "containers, virtual machines and VPNs of this machine are reached: the target does not say where `sandboxed` \
                 is, which would follow the uplinks; or name them in `uplinks`",
            ))
            .except(self.interfaces.iter().map(ToString::to_string))
            .keep(planner);
        if kept { (uplinks, uplinks != Uplinks::Everything) } else { (Uplinks::Everything, false) }
    }
}
