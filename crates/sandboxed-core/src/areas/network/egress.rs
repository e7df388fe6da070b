//! Where the service may send beyond this machine.

use ipnet::IpNet;
use sandboxed_netfilter::value::Ports;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::check::{NETWORK, conflict, no_such};
use super::{Mode, Network, Peers, Protocol, Resolver};
use crate::number::integer;
use crate::planner::{Finding, Planner};
use crate::policy::{object, present};
use crate::scalar::{InterfaceName, PortRange, Prefix};

/// Where the service may send beyond this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Egress {
    /// To every other machine.
    Any,
    /// To the internet: to no address that is private (RFC 1918, RFC 4193), of a carrier (RFC 6598), link-local, a group's, or
    /// of a cloud's metadata service.
    Internet,
    /// To no other machine, but in answer to those who called it.
    None,
}

/// What becomes of what a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum EgressAction {
    /// It may leave.
    #[default]
    Allow,
    /// It is refused.
    Deny,
}

/// Which transport protocols a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Transports {
    /// All; where ports are named, TCP and UDP.
    #[default]
    Any,
    /// TCP, tcp(7).
    Tcp,
    /// UDP, udp(7).
    Udp,
}

/// A rule for what leaves to other machines. What it does not name, it does not mind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Egress rule")]
pub struct EgressRule {
    /// Whether it lets it leave.
    #[schemars(title = "Action")]
    pub action: EgressAction,
    /// The networks that it is about.
    #[schemars(title = "Networks", extend("examples" = [["192.0.2.0/24", "2001:db8::/32"]]))]
    pub to: Vec<Prefix>,
    /// The transport protocol.
    #[schemars(title = "Protocol")]
    pub protocol: Transports,
    /// The ports at the other end.
    #[schemars(title = "Ports", extend("examples" = [["443", "8000-8010"]]))]
    pub ports: Vec<PortRange>,
    /// The interfaces by which it leaves.
    #[schemars(title = "Interfaces", extend("examples" = [["eth0"]]))]
    pub interfaces: Vec<InterfaceName>,
}

/// Which name servers the service may ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Dns {
    /// All that `egress` lets it reach.
    Any,
    /// Those of its resolver: nothing else is reached on port 53.
    Resolver,
}

/// How much the service may send to other machines. What is not named has no limit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Limits of what leaves")]
pub struct Limits {
    /// TCP connections that it may open in a second.
    #[serde(deserialize_with = "count", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", title = "Connections per second", range(min = 1, max = 1_000_000), extend("examples" = [50]))]
    pub connections_per_second: Option<u32>,
    /// Packets that it may send in a second. What is beyond is lost on the way.
    #[serde(deserialize_with = "count", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", title = "Packets per second", range(min = 1, max = 1_000_000), extend("examples" = [10_000]))]
    pub packets_per_second: Option<u32>,
    /// Kilobytes (1024 bytes) that it may send in a second. What is beyond is lost on the way, and TCP slows down.
    #[serde(deserialize_with = "count", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", title = "Kilobytes per second", range(min = 1, max = 1_000_000), extend("examples" = [4096]))]
    pub kilobytes_per_second: Option<u32>,
    /// Connections that may be open at once. It makes the kernel track the connections of the whole machine.
    #[serde(deserialize_with = "count", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32", title = "Open connections", range(min = 1, max = 1_000_000), extend("examples" = [500]))]
    pub open_connections: Option<u32>,
}

fn count<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u32>, D::Error> {
    struct Count(u32);
    impl<'de> Deserialize<'de> for Count {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let number = integer(deserializer, 1, 1_000_000)?;
            u32::try_from(number).map(Count).map_err(serde::de::Error::custom)
        }
    }
    present::<D, Count>(deserializer).map(|count| count.map(|Count(number)| number))
}

/// A list of objects; see [`object`].
pub(super) fn objects<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<EgressRule>, D::Error> {
    #[derive(Deserialize)]
    struct Item(#[serde(deserialize_with = "object")] EgressRule);
    Vec::<Item>::deserialize(deserializer).map(|items| items.into_iter().map(|Item(rule)| rule).collect())
}

impl Prefix {
    /// The network, if there is one: the pattern lets through numbers that are too large.
    pub fn network(&self) -> Option<IpNet> {
        self.as_str().parse().ok().map(|net: IpNet| net.trunc())
    }
}

impl PortRange {
    /// The ports, if there are such; 0 is none.
    pub fn ports(&self) -> Option<Ports> {
        let (first, last) = self.as_str().split_once('-').unwrap_or((self.as_str(), self.as_str()));
        let number = |text: &str| text.parse::<u16>().ok().filter(|port| *port != 0);
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then(|| Ports::range(first, last))
    }
}

impl Network {
    /// Whether anything beyond the choice of interfaces restricts what leaves to other machines.
    pub(crate) fn restricts_egress(&self) -> bool {
        self.egress != Egress::Any
            || !self.egress_rules.is_empty()
            || self.dns != Dns::Any
            || self.limits != Limits::default()
    }

    /// What the policy lets the service reach elsewhere, in words.
    pub(super) fn egress_exceptions(&self) -> Vec<String> {
        let scope = match self.egress {
            Egress::Any => Some("every other machine"),
            Egress::Internet => Some("the internet"),
            Egress::None => None,
        };
        let rules = self.egress_rules.iter().filter(|rule| rule.action == EgressAction::Allow).map(|rule| {
            let to: Vec<&str> = rule.to.iter().map(Prefix::as_str).collect();
            let ports: Vec<&str> = rule.ports.iter().map(PortRange::as_str).collect();
            let protocol = match rule.protocol {
                Transports::Any => "",
                Transports::Tcp => "tcp ",
                Transports::Udp => "udp ",
            };
            let to = if to.is_empty() { "anywhere".to_owned() } else { to.join(" and ") };
            let ports =
                if ports.is_empty() { String::new() } else { format!(" port {}", ports.join(" and ")) };
            format!("{protocol}{to}{ports}")
        });
        let offers =
            |protocol| self.listen.iter().any(|l| l.protocol == protocol && l.from != Peers::Localhost);
        let callers = if !self.restricts_egress() {
            None
        } else if offers(Protocol::Udp) {
            // A packet's source is what its sender says.
            Some("whoever calls it, and by UDP whoever somebody says to be")
        } else {
            offers(Protocol::Tcp).then_some("whoever calls it")
        };
        scope.into_iter().chain(callers).map(str::to_owned).chain(rules).collect()
    }

    pub(super) fn egress_contradictions(&self, planner: &mut Planner<'_>) {
        let plain = Self::default();
        let mut fields = vec![("hostAddresses", self.host_addresses != plain.host_addresses)];
        let mut modes = "only the mode `filtered` has this";
        if matches!(self.mode, Mode::None | Mode::Joined) {
            modes = "only the modes `filtered` and `private` have this";
            fields.extend([
                ("uplinks", !self.uplinks.is_empty()),
                ("interfaces", !self.interfaces.is_empty()),
                ("egress", self.egress != plain.egress),
                ("egressRules", !self.egress_rules.is_empty()),
                ("dns", self.dns != plain.dns),
                ("limits", self.limits != plain.limits),
            ]);
        }
        for (field, _) in fields.into_iter().filter(|(_, used)| *used && self.mode != Mode::Filtered) {
            let kind = conflict(modes, "use another mode, or leave this out");
            let finding = Finding::new(kind, format!("/network/{field}"));
            planner.find(finding.related("/network/mode", "this mode"));
        }
        for (index, rule) in self.egress_rules.iter().enumerate() {
            let at = format!("/network/egressRules/{index}");
            for (index, prefix) in rule.to.iter().enumerate().filter(|(_, prefix)| prefix.network().is_none())
            {
                planner.find(no_such(NETWORK, prefix.as_str(), format!("{at}/to/{index}")));
            }
            for (index, range) in rule.ports.iter().enumerate().filter(|(_, range)| range.ports().is_none()) {
                planner.find(no_such(
                    "a port from 1 to 65535, or a range of them that begins with the lower",
                    range.as_str(),
                    format!("{at}/ports/{index}"),
                ));
            }
        }
        let unknown = self.resolver == Resolver::Host && planner.target.name_servers.is_empty();
        if self.dns == Dns::Resolver && unknown {
            let kind = conflict(
                "the target does not say which name servers the machine has",
                "name them in `nameServers` and set `resolver` to `servers`, or in the target's `nameServers`",
            );
            planner.find(Finding::new(kind, "/network/dns"));
        }
    }
}
