//! The ports that the service offers, and to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{NETWORK, conflict, no_such};
use super::{Mode, Network};
use crate::planner::{Finding, Planner};
use crate::policy::object;
use crate::scalar::{InterfaceName, Prefix};

/// A port that the service offers.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Offered port")]
pub struct Listen {
    /// The port.
    #[schemars(title = "Port", range(min = 1, max = 65535), example = &8008)]
    #[serde(deserialize_with = "port")]
    pub port: u16,
    /// The transport protocol.
    #[serde(default)]
    #[schemars(title = "Protocol")]
    pub protocol: Protocol,
    /// Who may reach it.
    #[serde(default)]
    #[schemars(title = "Reachable from")]
    pub from: Peers,
    /// The interfaces by which those come whom `from` calls `named`; all but the loopback one where none is named.
    #[serde(default)]
    #[schemars(title = "Interfaces", extend("examples" = [["eth1"]]))]
    pub interfaces: Vec<InterfaceName>,
    /// The networks from which those come whom `from` calls `named`; all where none is named.
    #[serde(default)]
    #[schemars(title = "Networks", extend("examples" = [["192.0.2.0/24"]]))]
    pub networks: Vec<Prefix>,
}

/// A transport protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Protocol {
    /// TCP, tcp(7).
    #[default]
    Tcp,
    /// UDP, udp(7).
    Udp,
}

impl Protocol {
    /// A port of this protocol, as commands of ours are told it.
    pub(crate) fn with(self, port: u16) -> String {
        match self {
            Self::Tcp => format!("tcp/{port}"),
            Self::Udp => format!("udp/{port}"),
        }
    }
}

/// Who may reach an offered port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Peers {
    /// Processes of this machine only, such as a reverse proxy.
    #[default]
    Localhost,
    /// Everybody whom the machine's own firewall lets through.
    Anywhere,
    /// Other machines that come by one of `interfaces` and from one of `networks`, and that the machine's own firewall lets
    /// through.
    Named,
}

/// What becomes of a socket that the service binds to a UDP port which it does not offer, in the mode `filtered`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum OtherPorts {
    /// It is refused, with EPERM.
    #[default]
    Refused,
    /// The kernel chooses a free port instead, as for port 0. Resolvers that choose the source ports of their queries themselves
    /// (Twisted's, unbound) work with this alone.
    Replaced,
}

/// A list of objects; see [`object`].
pub(super) fn objects<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Listen>, D::Error> {
    #[derive(Deserialize)]
    struct Item(#[serde(deserialize_with = "object")] Listen);
    Vec::<Item>::deserialize(deserializer).map(|items| items.into_iter().map(|Item(listen)| listen).collect())
}

/// A port number: not 0, which means "any" to bind(2). 80.0 is 80 in JSON.
fn port<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u16, D::Error> {
    use crate::number::integer;
    integer(deserializer, 1, u64::from(u16::MAX))
        .and_then(|n| u16::try_from(n).map_err(serde::de::Error::custom))
}

impl Network {
    pub(super) fn offer_contradictions(&self, planner: &mut Planner<'_>) {
        for (index, listen) in self.listen.iter().enumerate() {
            let at = format!("/network/listen/{index}");
            let names_some = !listen.interfaces.is_empty() || !listen.networks.is_empty();
            if listen.from == Peers::Named && matches!(self.mode, Mode::None | Mode::Joined) {
                let kind = conflict(
                    "only the modes `filtered` and `private` have this",
                    "use one of these modes, or leave this out",
                );
                let finding = Finding::new(kind, format!("{at}/from"));
                planner.find(finding.related("/network/mode", "another mode because of this"));
            }
            match (listen.from, names_some) {
                (Peers::Named, false) => {
                    let kind = conflict("nobody is named", "name `interfaces` or `networks`");
                    planner.find(Finding::new(kind, format!("{at}/from")));
                }
                (Peers::Localhost | Peers::Anywhere, true) => {
                    let kind = conflict(
                        "interfaces and networks only count for those whom `from` calls `named`",
                        "set `from` to `named`, or leave them out",
                    );
                    planner.find(Finding::new(kind, format!("{at}/from")));
                }
                _ => {}
            }
            for (index, _) in listen.networks.iter().enumerate().filter(|(_, net)| net.network().is_none()) {
                let text = listen.networks.get(index).map_or("", Prefix::as_str);
                planner.find(no_such(NETWORK, text, format!("{at}/networks/{index}")));
            }
        }
    }
}
