//! What the service's sockets may do on this machine: which ports they take, and how many.

use std::collections::BTreeSet;

use serde::Deserializer;

use super::{InternetProtocol, Network, PORTS_NOT_EXHAUSTED, PORTS_NOT_TAKEN, Protocol};
use crate::number::integer;
use crate::plan::{Binds, Sockets};
use crate::planner::{Mechanism, Planner, guarantee};
use crate::target::Kernel;

/// The most open sockets.
pub(super) fn open_sockets<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let number = integer(deserializer, 16, 1_000_000)?;
    u32::try_from(number).map_err(serde::de::Error::custom)
}

impl Network {
    /// Plans that the service takes offered ports alone, beside what refuses the callers of others (`filter`, in words), and that it
    /// leaves some for others. Says whether it is held to its ports at least in part, and to what the slice's sockets are.
    pub(super) fn keep_sockets(
        &self,
        planner: &mut Planner<'_>,
        beside: impl Fn() -> Mechanism,
        filter: Option<&str>,
        otherwise: &str,
    ) -> (bool, Option<Sockets>) {
        let (taken, binds) = self.keep_ports(planner, &beside, filter, otherwise);
        let without = Self::holder(planner).err();
        let counted =
            Mechanism::named("BPF programs at socket(2), bind(2) and connect(2) on the service's slice")
                .since_kernel(Kernel::new(5, 13))
                .leaves_open(self.not_counted(!planner.policy.sockets.is_empty()));
        let kept = guarantee(&PORTS_NOT_EXHAUSTED)
            .by(counted.unless(without.clone()))
            .or(Mechanism::named("nothing")
                .leaves_open(format!("the service can take all ports: {}", without.unwrap_or_default())))
            .except([format!("{} sockets", self.open_sockets)])
            .keep(planner);
        let open_sockets = (kept && Self::holder(planner).is_ok()).then_some(self.open_sockets);
        let sockets = Sockets { binds, open_sockets };
        (taken, (sockets.binds.is_some() || open_sockets.is_some()).then_some(sockets))
    }

    /// What uses up ports, or the tracking of connections, without a socket that is counted.
    fn not_counted(&self, handed: bool) -> String {
        let mut left = vec!["several sandboxes may use up the machine's ports together"];
        if self
            .protocols
            .iter()
            .any(|protocol| matches!(protocol, InternetProtocol::Tcp | InternetProtocol::Mptcp))
        {
            if handed || self.listen.iter().any(|listen| listen.protocol == Protocol::Tcp) {
                left.push("a connection that it accepted can be made a further port that it listens at");
            }
            left.push(
                "a connection that it has ended keeps its port for as long as the other end does not read",
            );
        }
        if self.limits.open_connections.is_none() {
            left.push(
                "a machine that tracks connections, for a firewall or containers, has a table of them that datagrams to many \
                 ports fill (`limits.openConnections` counts them)",
            );
        }
        left.join("; ")
    }

    /// Why nothing could hold the service's sockets to anything.
    fn holder(planner: &Planner<'_>) -> Result<(), String> {
        match planner.target.program("sandboxed") {
            Some(_) => Ok(()),
            None => {
                Err("the target does not say where `sandboxed` is, which would hold it to its ports"
                    .to_owned())
            }
        }
    }

    fn keep_ports(
        &self,
        planner: &mut Planner<'_>,
        beside: &impl Fn() -> Mechanism,
        filter: Option<&str>,
        otherwise: &str,
    ) -> (bool, Option<Binds>) {
        let binds = self.binds(planner);
        let choice =
            guarantee(&PORTS_NOT_TAKEN).except(self.listen.iter().map(|listen| listen.port.to_string()));
        let left = if binds.as_ref().is_ok_and(Binds::offer_udp) {
            "the kernel may give it any free port of its own choice, or a UDP port that a service of the same user shares (SO_REUSEPORT)"
        } else {
            "the kernel may give it any free port of its own choice"
        };
        let choice = match &binds {
            Ok(_) => choice
                .by(beside()
                    .summary(match filter {
                        Some(filter) => {
                            format!("{filter}, and BPF programs at bind(2) and setsockopt(2) there")
                        }
                        None => "BPF programs at bind(2) and setsockopt(2) on the service's slice".to_owned(),
                    })
                    .leaves_open(left))
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
        Self::holder(planner)?;
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
            left.push("Landlock does not know UDP, so that a UDP port can be kept occupied, or shared with a socket that allows it");
        }
        if self.protocols.contains(&InternetProtocol::Mptcp) {
            left.push("Landlock does not know MPTCP, by which TCP ports are taken");
        }
        let filter = filter.map(|filter| format!("{filter}, and ")).unwrap_or_default();
        let mechanism = mechanism.summary(format!("{filter}a Landlock domain, by sandboxed-launch"));
        let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
        self.landlock(mechanism).leaves_open(format!("{}{reason}", left.join("; ")))
    }
}
