//! Sockets from activation, for a service that is not in the machine's network.

use super::check::conflict;
use super::{ABSTRACT_SOCKETS_CLOSED, Network};
use crate::diagnostic::Kind;
use crate::filter;
use crate::planner::{Choice, Finding, Mechanism, Planner, guarantee};
use crate::scalar::SocketName;
use crate::socket::Socket;
use crate::target::{Kernel, Netfilter};

/// What has Landlock keep the service from abstract sockets of others.
pub(super) const SCOPE: &str = "--scope=abstract-unix-socket";

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

    /// The first of the sockets that are handed to the service by which it may send to any name of a unix socket: datagrams
    /// need no connection, and an abstract name is looked up in the network that the socket was made in.
    pub(super) fn handed_datagrams(planner: &Planner<'_>) -> Option<String> {
        let may = |name: &str| {
            let known = planner.sockets.iter().find(|socket| socket.name.as_str() == name);
            known.is_none_or(Socket::unix_datagrams)
        };
        let mut named = planner.policy.sockets.iter().map(SocketName::as_str);
        named.find(|name| may(name)).map(str::to_owned)
    }

    /// How abstract sockets are closed where the service is not in the machine's network: by this mechanism, and by Landlock
    /// beside it where a socket is handed in.
    pub(super) fn abstract_beside_handed(
        planner: &Planner<'_>,
        what: &str,
        mechanism: impl Fn() -> Mechanism,
    ) -> Choice {
        let mechanism = || mechanism().summary(what);
        let streams = "its standard streams, which systemd connects to the journal in the machine's network, take an abstract name \
                       there that nobody has: there is no sandboxed-launch to give them another";
        let named = || mechanism().and_launch("--named-streams");
        let closed = guarantee(&ABSTRACT_SOCKETS_CLOSED);
        let Some(socket) = Self::handed_datagrams(planner) else {
            return closed.by(named()).or(mechanism().leaves_open_as_well(Some(streams.to_owned())));
        };
        let scoped = named()
            .summary(format!(
                "{what}, and a Landlock domain for the sockets that are handed to it, by sandboxed-launch"
            ))
            .and_landlock(vec![SCOPE.to_owned()], Kernel::new(6, 12));
        let open = format!(
            "by a unix datagram socket, such as {socket} hands it or may, it sends to the machine's abstract sockets: Landlock, \
             which would keep it from that, takes sandboxed-launch and Linux 6.12"
        );
        closed
            .by(scoped)
            .or(named().leaves_open_as_well(Some(open.clone())))
            .or(mechanism().leaves_open_as_well(Some(open)).leaves_open_as_well(Some(streams.to_owned())))
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
