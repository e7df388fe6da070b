//! The mode in which the service uses the machine's network, through a filter.

use sandboxed_systemd::value::Value;

use super::{LOCAL_PORTS_CLOSED, LocalEndpoint, Network, OFFER_LIMITED, PORTS_NOT_TAKEN, Protocol};
use crate::diagnostic::Kind;
use crate::filter;
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::target::{Kernel, Netfilter};

impl Network {
    pub(super) fn filtered(&self, planner: &mut Planner<'_>, allowed: &[LocalEndpoint]) {
        let without = match planner.target.netfilter {
            Netfilter::Nftables => planner
                .target
                .program("nft")
                .is_none()
                .then(|| "the target does not say where `nft` is".to_owned()),
            Netfilter::Iptables => Some("the filter needs nftables; the target has iptables only".to_owned()),
            Netfilter::None => Some("the target has no packet filter".to_owned()),
        };
        let rules = || {
            Mechanism::named("a packet filter on the service's slice")
                .since_kernel(Kernel::new(5, 13))
                .unless(without.clone())
        };
        let shown = |endpoint: &LocalEndpoint| match endpoint.protocol {
            Protocol::Tcp => format!("tcp {}", std::net::SocketAddr::new(endpoint.address, endpoint.port)),
            Protocol::Udp => format!("udp {}", std::net::SocketAddr::new(endpoint.address, endpoint.port)),
        };
        // Where nothing local is asked for, systemd's own filter is a second layer that knows nothing of the first.
        let alone = allowed.is_empty() && self.listen.is_empty();
        let closed = if alone {
            rules()
                .and("IPAddressDeny", Value::words(["localhost"]))
                .summary("a packet filter on the service's slice, and systemd's own")
        } else {
            rules()
        };
        let filtered =
            guarantee(&LOCAL_PORTS_CLOSED).by(closed).except(allowed.iter().map(shown)).keep(planner);
        let offered = self.listen.iter().map(|listen| listen.port.to_string());
        let taken = guarantee(&PORTS_NOT_TAKEN)
            .by(rules().summary("a packet filter on the service's slice").leaves_open(
                "callers of another TCP port are refused, but the service can keep a free port number occupied",
            ))
            .except(offered)
            .keep(planner);
        let limited = guarantee(&OFFER_LIMITED).by(rules()).keep(planner);
        if filtered || taken || limited {
            let scope = filter::Scope { local: filtered, offer: taken || limited };
            match filter::build(&planner.plan.name, &planner.plan.slice, self, allowed, scope) {
                Ok(filter) => planner.plan.filter = Some(filter),
                Err(error) => {
                    let help = "name fewer ports and exceptions".to_owned();
                    planner
                        .find(Finding::new(Kind::Conflict { reason: error.to_string(), help }, "/network"));
                }
            }
        }
        self.abstract_sockets(planner);
    }
}
