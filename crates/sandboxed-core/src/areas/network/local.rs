//! Ports of this machine that the service may reach all the same.

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::no_such;
use super::{Mode, Network, Protocol, Resolver};
use crate::planner::Planner;
use crate::scalar::Endpoint;

/// What the service reaches of the machine's own addresses other than the loopback ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum HostAddresses {
    /// Nothing.
    Closed,
    /// The ports that the machine's firewall opens to other machines, as far as the target names them.
    AsRemote,
}

/// A local endpoint, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct LocalEndpoint {
    /// The protocol.
    pub protocol: Protocol,
    /// The address.
    pub address: IpAddr,
    /// The port.
    pub port: u16,
}

impl LocalEndpoint {
    /// In the words of a policy.
    pub(super) fn shown(&self) -> String {
        let protocol = match self.protocol {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        };
        format!("{protocol} {}", std::net::SocketAddr::new(self.address, self.port))
    }

    /// Takes an endpoint apart; the pattern of its type lets through numbers that are too large.
    pub fn parse(endpoint: &Endpoint) -> Option<Self> {
        let (protocol, rest) = endpoint.as_str().split_once(' ')?;
        let (address, port) = rest.rsplit_once(':')?;
        let address = address.trim_start_matches('[').trim_end_matches(']').parse().ok()?;
        let protocol = if protocol == "tcp" { Protocol::Tcp } else { Protocol::Udp };
        Some(Self { protocol, address, port: port.parse().ok().filter(|port| *port != 0)? })
    }
}

impl Network {
    /// The local exceptions, and the name servers that need one. What is no address is an error.
    pub(super) fn allowed(&self, planner: &mut Planner<'_>) -> Vec<LocalEndpoint> {
        let mut allowed = Vec::new();
        for (index, endpoint) in self.allow.iter().enumerate() {
            match LocalEndpoint::parse(endpoint) {
                Some(endpoint) => allowed.push(endpoint),
                None => planner.find(no_such(
                    "an address and port that exist",
                    endpoint.as_str(),
                    format!("/network/allow/{index}"),
                )),
            }
        }
        for (index, server) in self.name_servers.iter().enumerate() {
            if server.as_str().parse::<IpAddr>().is_err() {
                planner.find(no_such(
                    "an address that exists",
                    server.as_str(),
                    format!("/network/nameServers/{index}"),
                ));
            }
        }
        self.contradictions(planner);
        // A name server on this machine (systemd-resolved's, say) is reached like any other local port.
        let asked = self.resolver == Resolver::Host && self.mode == Mode::Filtered;
        let local = planner.target.name_servers.iter().filter(|_| asked);
        for address in local.copied().filter(IpAddr::is_loopback) {
            for protocol in [Protocol::Udp, Protocol::Tcp] {
                allowed.push(LocalEndpoint { protocol, address, port: 53 });
            }
        }
        allowed.sort_unstable();
        allowed.dedup();
        allowed
    }
}
