//! The ports that the service offers, and to whom.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::policy::object;

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

/// Who may reach an offered port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Peers {
    /// Processes of this machine only, such as a reverse proxy.
    #[default]
    Localhost,
    /// Everybody whom the machine's own firewall lets through.
    Anywhere,
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
