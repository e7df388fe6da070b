//! The ports that the service offers, and to whom.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::check::{conflict, not_an_address};
use super::{InternetProtocol, Mode, Network, PORTS_NOT_TAKEN};
use crate::plan::Binds;
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::policy::object;
use crate::scalar::{InterfaceName, Prefix};
use crate::target::Kernel;

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
    /// Plans that the service takes offered ports alone, beside what refuses the callers of others (`filter`, in words). Says whether it is held to
    /// them at least in part, and to which ones the slice's sockets are.
    pub(super) fn keep_ports(
        &self,
        planner: &mut Planner<'_>,
        beside: impl Fn() -> Mechanism,
        filter: Option<&str>,
        otherwise: &str,
    ) -> (bool, Option<Binds>) {
        let binds = self.binds(planner);
        let choice =
            guarantee(&PORTS_NOT_TAKEN).except(self.listen.iter().map(|listen| listen.port.to_string()));
        let choice = match &binds {
            Ok(_) => choice
                .by(beside()
                    .summary(match filter {
                        Some(filter) => format!("{filter}, and a BPF program at bind(2) there"),
                        None => "a BPF program at bind(2) on the service's slice".to_owned(),
                    })
                    .leaves_open("the kernel may give it any free port of its own choice"))
                .with(self.landlock(Mechanism::named("a Landlock domain, by sandboxed-launch"))),
            Err(reason) => choice
                .by(self.landlocked(beside(), filter, Some(reason)))
                .or(beside().leaves_open(format!("{otherwise}: {reason}"))),
        };
        let kept = choice.keep(planner);
        (kept, binds.ok().filter(|_| kept))
    }

    /// The ports that sockets made in the slice can be bound to, or why they are not held to any.
    fn binds(&self, planner: &Planner<'_>) -> Result<Binds, String> {
        if planner.target.program("sandboxed").is_none() {
            return Err(
                "the target does not say where `sandboxed` is, which would hold it to its ports".to_owned()
            );
        }
        let mut ports: BTreeSet<String> =
            self.listen.iter().map(|listen| listen.protocol.with(listen.port)).collect();
        for name in &planner.policy.sockets {
            let socket = planner.sockets.iter().find(|socket| socket.name.as_str() == name.as_str());
            let socket = socket.ok_or_else(|| {
                format!("{} was not read, whose ports are bound in the slice", name.as_str())
            })?;
            ports.extend(socket.ports());
        }
        Ok(Binds { ports, other_udp_ports: self.other_udp_ports })
    }

    /// A mechanism that has Landlock let the service bind offered TCP ports alone. The port 0 is let through: by it the kernel
    /// chooses one, as listen(2) and connect(2) have it do without asking Landlock.
    fn landlock(&self, mechanism: Mechanism) -> Mechanism {
        let tcp = self.listen.iter().filter(|listen| listen.protocol == Protocol::Tcp);
        let ports: BTreeSet<u16> = tcp.map(|listen| listen.port).chain(std::iter::once(0)).collect();
        let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
        mechanism.and_landlock(vec![format!("--tcp-bind-only={}", ports.join(","))], Kernel::new(6, 7))
    }

    /// The same where nothing else holds the service to its ports, and what that leaves open.
    pub(super) fn landlocked(
        &self,
        mechanism: Mechanism,
        filter: Option<&str>,
        reason: Option<&str>,
    ) -> Mechanism {
        let mut left = vec!["the kernel may give it any free TCP port of its own choice"];
        if self.protocols.contains(&InternetProtocol::Udp) {
            left.push("Landlock does not know UDP, so that a free UDP port number can be kept occupied");
        }
        if self.protocols.contains(&InternetProtocol::Mptcp) {
            left.push("Landlock does not know MPTCP, by which TCP ports are taken");
        }
        let filter = filter.map(|filter| format!("{filter}, and ")).unwrap_or_default();
        let mechanism = mechanism.summary(format!("{filter}a Landlock domain, by sandboxed-launch"));
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        self.landlock(mechanism).leaves_open(format!("{}{reason}", left.join("; ")))
    }

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
                planner.find(not_an_address(text, format!("{at}/networks/{index}")));
            }
        }
    }
}
