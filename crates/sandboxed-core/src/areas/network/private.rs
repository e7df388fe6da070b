//! The mode in which the service has a network of its own: `docs/network-private.md`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use sandboxed_netfilter::value::Protocol as Transport;
use sandboxed_systemd::value::{AbsPath, Value};

use super::check::{conflict, no_rules};
use super::{
    EGRESS_LIMITED, HOST_NETWORKS_CLOSED, LOCAL_PORTS_CLOSED, LocalEndpoint, Network, OFFER_LIMITED,
    PORTS_NOT_EXHAUSTED, PORTS_NOT_TAKEN, Peers, Protocol,
};
use crate::diagnostic::Kind;
use crate::filter::{self, Asked, Scope, Uplinks};
use crate::plan::{Door, Namespace, Private};
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::target::{Kernel, Netfilter};

/// The program that hands connections through.
const PROXY: &str = "systemd-socket-proxyd";

impl Network {
    pub(super) fn private(&self, planner: &mut Planner<'_>, allowed: &[LocalEndpoint]) {
        let doors = self.doors(planner, allowed);
        let prefixes = self.cable(planner);
        let place = format!("/run/netns/sandboxed-{}", planner.plan.name);
        let missing = ["sandboxed", "nft", "ip", "systemctl"]
            .into_iter()
            .chain((!doors.is_empty()).then_some(PROXY))
            .find(|program| planner.target.program(program).is_none());
        let without = match planner.target.netfilter {
            Netfilter::Nftables => {
                missing.map(|program| format!("the target does not say where `{program}` is"))
            }
            Netfilter::Iptables | Netfilter::None => {
                Some("a network of its own needs nftables, which the target does not have".to_owned())
            }
        };
        let own = |summary: &str| {
            Mechanism::service("NetworkNamespacePath", AbsPath::new(&place).ok().map(Value::Path))
                .summary(summary)
                // Tables with an owner; `docs/netfilter.md`.
                .since_kernel(Kernel::new(5, 12))
                .unless(without.clone())
        };
        let outward = doors.iter().filter(|door| !door.inward).map(|door| format!("tcp {}", door.to));
        let closed = own("a network of its own, from which whatever is for this machine is refused");
        let mut kept = guarantee(&LOCAL_PORTS_CLOSED).by(closed).except(outward).keep(planner);
        kept |= guarantee(&HOST_NETWORKS_CLOSED)
            .by(own("a network of its own, from which only the uplinks are reached"))
            .except(self.interfaces.iter().map(ToString::to_string))
            .keep(planner);
        kept |= guarantee(&EGRESS_LIMITED)
            .by(own("a network of its own, from which only the uplinks are reached"))
            .except(self.egress_exceptions())
            .keep(planner);
        let offered = || self.listen.iter().map(|listen| listen.port.to_string());
        kept |= guarantee(&PORTS_NOT_TAKEN)
            .by(own("a network of its own, whose ports are not this machine's"))
            .except(offered())
            .keep(planner);
        kept |= guarantee(&PORTS_NOT_EXHAUSTED)
            .by(own("a network of its own, whose ports are not this machine's, and rules that count its connections"))
            .except([format!("{} connections", self.limits.open_connections.unwrap_or(self.open_sockets))])
            .keep(planner);
        kept |= guarantee(&OFFER_LIMITED)
            .by(own("a network of its own, into which only offered ports lead"))
            .except(offered())
            .keep(planner);
        let what = "a network of its own, to which abstract sockets belong";
        kept |= Self::abstract_beside_handed(planner, what, || own(what)).keep(planner);
        if !kept {
            return;
        }
        Self::filter_handed(planner);
        let scope = Scope { local: true, offer: true, egress: true, uplinks: Uplinks::Followed };
        let name_servers = self.resolver_servers(planner.target);
        let firewall = &planner.target.firewall;
        let asked = Asked {
            network: self,
            allowed: &[],
            name_servers: &name_servers,
            firewall,
            flavour: Netfilter::Nftables,
            scope,
        };
        match filter::private(&planner.plan.name, &asked) {
            Ok(chains) => {
                if self.listen.iter().any(|listen| listen.from != Peers::Localhost) {
                    planner.plan.notes.push(
                        "ports offered to other machines are led to the service before the machine's own firewall decides on \
                         incoming packets: it sees them as packets that are passed on"
                            .to_owned(),
                    );
                }
                planner.plan.namespace = Some(Namespace::Private(Private {
                    chains,
                    prefixes,
                    interfaces: self
                        .uplinks
                        .iter()
                        .chain(&self.interfaces)
                        .map(ToString::to_string)
                        .collect(),
                    published: self.published(),
                    doors,
                }));
            }
            Err(error) => no_rules(planner, &error, "name fewer ports"),
        }
    }

    /// What leads through the wall: ports offered to this machine, and ports of this machine that are allowed.
    fn doors(&self, planner: &mut Planner<'_>, allowed: &[LocalEndpoint]) -> Vec<Door> {
        let mut doors = Vec::new();
        for (index, listen) in self.listen.iter().enumerate() {
            match (listen.protocol, listen.from) {
                (Protocol::Tcp, from @ (Peers::Localhost | Peers::Anywhere)) => {
                    let addresses: [IpAddr; 2] = match from {
                        Peers::Localhost => [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
                        // So that nobody else on this machine has the port, whose packets the service gets.
                        Peers::Anywhere | Peers::Named => {
                            [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()]
                        }
                    };
                    doors.push(Door {
                        inward: true,
                        listen: addresses.map(|address| SocketAddr::new(address, listen.port)).to_vec(),
                        to: SocketAddr::new(Ipv4Addr::LOCALHOST.into(), listen.port),
                    });
                }
                // Nobody on this machine is among them.
                (Protocol::Udp, Peers::Anywhere) | (_, Peers::Named) => {}
                (Protocol::Udp, Peers::Localhost) => {
                    let kind = conflict(
                        "only TCP can be handed from this machine into a network of the service's own",
                        "offer the port to everybody (`from`), or use the mode `filtered`",
                    );
                    let finding = Finding::new(kind, format!("/network/listen/{index}"));
                    planner.find(finding.related("/network/mode", "because of this"));
                }
            }
        }
        for endpoint in allowed {
            let address = SocketAddr::new(endpoint.address, endpoint.port);
            let own_port = self.listen.iter().any(|l| l.protocol == Protocol::Tcp && l.port == endpoint.port);
            let reason = match endpoint.protocol {
                Protocol::Udp => "only TCP can be handed out of a network of the service's own",
                Protocol::Tcp if !endpoint.address.is_loopback() => {
                    "a network of the service's own has this machine's loopback addresses, and no other of its addresses"
                }
                Protocol::Tcp if own_port => "the service offers this port itself",
                Protocol::Tcp => {
                    doors.push(Door { inward: false, listen: vec![address], to: address });
                    continue;
                }
            };
            let kind = conflict(reason, "leave it out, or use the mode `filtered`");
            let wanted =
                |text: &crate::scalar::Endpoint| LocalEndpoint::parse(text).as_ref() == Some(endpoint);
            let field = self
                .allow
                .iter()
                .position(wanted)
                .map_or_else(|| "/network/resolver".to_owned(), |index| format!("/network/allow/{index}"));
            planner.find(Finding::new(kind, field).related("/network/mode", "because of this"));
        }
        doors
    }

    /// The networks that the policy names for the cable.
    fn cable(&self, planner: &mut Planner<'_>) -> Vec<IpNet> {
        let mut networks: Vec<IpNet> = Vec::new();
        for (index, prefix) in self.prefixes.iter().enumerate() {
            let field = format!("/network/prefixes/{index}");
            let wrong = |expected: &str| Kind::WrongValue {
                value: prefix.as_str().into(),
                expected: expected.to_owned(),
                instead: None,
            };
            let Ok(network) = prefix.as_str().parse::<IpNet>() else {
                planner.find(Finding::new(wrong("a network that exists"), field));
                continue;
            };
            if network.max_prefix_len() - network.prefix_len() < 2 {
                planner.find(Finding::new(wrong("a network of at least four addresses"), field));
            } else if networks.iter().any(|known| known.max_prefix_len() == network.max_prefix_len()) {
                let kind = conflict("the cable has one network of each family", "leave one of them out");
                planner.find(Finding::new(kind, field));
            } else {
                networks.push(network.trunc());
            }
        }
        networks
    }

    /// The ports that lead to the service from other machines.
    fn published(&self) -> Vec<(Transport, u16)> {
        let others = self.listen.iter().filter(|listen| listen.from != Peers::Localhost);
        let mut ports: Vec<_> = others.map(|listen| (transport(listen.protocol), listen.port)).collect();
        ports.sort_unstable();
        ports.dedup();
        ports
    }
}

fn transport(protocol: Protocol) -> Transport {
    match protocol {
        Protocol::Tcp => Transport::Tcp,
        Protocol::Udp => Transport::Udp,
    }
}
