//! What the kernel does with a packet under a table, as a function: so that tests can ask whether rules mean what a policy
//! says, without a kernel. (Other tests compare this with the kernel.)

mod apply;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
};

pub use apply::ApplyError;

use crate::{
    expression::{Among, Field, Match, TcpFlags},
    name::{CgroupPath, Ident, Interface},
    rule::{Action, Reject, Rule, Verdict},
    table::{Chain, Hook, Table},
    value::{AddressType, Direction, Family, State, Value},
};

/// A packet at a hook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Packet {
    /// Where it is.
    pub hook: Hook,
    /// The control group in which the socket was made that sends it, or that will receive it. The kernel itself sends
    /// without one: resets and ICMP errors, and the SYN-ACK of a connection that is not open yet.
    pub cgroup: Option<CgroupPath>,
    /// The interface by which it leaves.
    pub out_interface: Option<Interface>,
    /// The interface by which it came.
    pub in_interface: Option<Interface>,
    /// The numbers of the interfaces by which it leaves and came.
    pub interface_numbers: (Option<u32>, Option<u32>),
    /// Its source. An IPv4 address mapped into IPv6 is IPv4 on the wire, so convert it.
    pub source: IpAddr,
    /// Its destination, of the same family.
    pub destination: IpAddr,
    /// What the routing tables say about the source.
    pub source_type: AddressType,
    /// What they say about the destination.
    pub destination_type: AddressType,
    /// The number of its transport protocol.
    pub protocol: u8,
    /// Source and destination port, if the protocol has ports.
    pub ports: Option<(u16, u16)>,
    /// TCP's flags, if it is TCP.
    pub tcp_flags: Option<TcpFlags>,
    /// Its direction, where connections are tracked.
    pub direction: Option<Direction>,
    /// The state of its connection, where they are tracked.
    pub state: Option<State>,
    /// Whether every limit on rate, quota or connections is exceeded by it, or none.
    pub exceeds_limits: bool,
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Outcome {
    /// It goes on.
    Accepted,
    /// It is gone.
    Dropped,
    /// It is gone, and the sender knows.
    Rejected(Reject),
}

/// A loaded table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    table: Option<Table>,
    learned: BTreeMap<Ident, BTreeSet<Vec<Value>>>,
}

/// How a chain was left.
enum End {
    /// With a decision.
    Outcome(Outcome),
    /// With none: whoever jumped here goes on.
    Undecided,
}

/// How deeply chains may jump (`NFT_JUMP_STACK_SIZE`). Going to a chain needs no room, but is counted here too, so that a
/// loop ends.
const DEPTH: usize = 16;

impl Loaded {
    /// A kernel without the table.
    pub fn nothing() -> Self {
        Self { table: None, learned: BTreeMap::new() }
    }

    /// A table that was loaded just now.
    pub fn table(table: Table) -> Self {
        Self { table: Some(table), learned: BTreeMap::new() }
    }

    /// The table as it is, if there is one.
    pub fn state(&self) -> Option<&Table> {
        self.table.as_ref()
    }

    /// What becomes of a packet; a set may learn from it.
    pub fn judge(&mut self, packet: &Packet) -> Outcome {
        let Some(table) = &self.table else { return Outcome::Accepted };
        let mut run = Run { table, learned: &mut self.learned, packet };
        let mut bases: Vec<_> = table
            .chains
            .values()
            .filter_map(|chain| Some((chain.base?, chain)))
            .filter(|(base, _)| base.hook == packet.hook)
            .collect();
        bases.sort_by_key(|(base, _)| base.priority);
        for (base, chain) in bases {
            let outcome = match run.chain(chain, 0) {
                End::Outcome(outcome) => outcome,
                End::Undecided if base.accept => Outcome::Accepted,
                End::Undecided => Outcome::Dropped,
            };
            // To accept means that this base chain is done with it; the next still sees it.
            if outcome != Outcome::Accepted {
                return outcome;
            }
        }
        Outcome::Accepted
    }
}

/// One packet on its way through one table.
struct Run<'a> {
    table: &'a Table,
    learned: &'a mut BTreeMap<Ident, BTreeSet<Vec<Value>>>,
    packet: &'a Packet,
}

impl Run<'_> {
    fn chain(&mut self, chain: &Chain, depth: usize) -> End {
        for rule in &chain.rules {
            if !rule.matches.iter().all(|condition| self.holds(condition)) {
                continue;
            }
            let verdict = match self.act(rule) {
                Ok(Some(verdict)) => verdict,
                Ok(None) => continue,
                Err(outcome) => return End::Outcome(outcome),
            };
            let next = |name: &Ident| self.table.chains.get(name).filter(|_| depth < DEPTH);
            match verdict {
                Verdict::Accept => return End::Outcome(Outcome::Accepted),
                Verdict::Drop => return End::Outcome(Outcome::Dropped),
                Verdict::Return => return End::Undecided,
                Verdict::Goto(name) => match next(&name) {
                    Some(next) => return self.chain(next, depth + 1),
                    None => return End::Outcome(Outcome::Dropped),
                },
                Verdict::Jump(name) => match next(&name).map(|next| self.chain(next, depth + 1)) {
                    Some(End::Undecided) => {}
                    Some(decided) => return decided,
                    None => return End::Outcome(Outcome::Dropped),
                },
            }
        }
        End::Undecided
    }

    /// What a rule does whose conditions hold: a verdict, nothing that would end the chain, or a refusal.
    fn act(&mut self, rule: &Rule) -> Result<Option<Verdict>, Outcome> {
        match &rule.action {
            Action::Verdict(verdict) => Ok(Some(verdict.clone())),
            Action::Reject(Reject::TcpReset) if self.packet.tcp_flags.is_none() => Ok(None),
            Action::Reject(reject) => Err(Outcome::Rejected(*reject)),
            Action::Map { fields, map } => Ok(self.key(fields).and_then(|key| {
                let elements = &self.table.maps.get(map)?.elements;
                let covers =
                    |element: &[Value]| element.iter().zip(&key).all(|(outer, inner)| outer.contains(inner));
                elements.iter().find(|(element, _)| covers(element)).map(|(_, verdict)| verdict.clone())
            })),
            Action::Learn { set, fields } => {
                if let Some(key) = self.key(fields) {
                    self.learned.entry(set.clone()).or_default().insert(key);
                }
                Ok(None)
            }
            // What is done to addresses decides nothing by itself.
            Action::Redirect { .. } | Action::Masquerade | Action::Log(_) => Ok(None),
        }
    }

    fn holds(&self, condition: &Match) -> bool {
        match condition {
            Match::Lookup { fields, not, among } => {
                let Some(key) = self.key(fields) else { return false };
                let found = match among {
                    Among::Values(elements) => elements.contains(&key),
                    Among::Set(name) => {
                        let declared = self.table.sets.get(name);
                        declared.is_some_and(|set| set.elements.contains(&key))
                            || self.learned.get(name).is_some_and(|learned| learned.contains(&key))
                    }
                };
                found != *not
            }
            Match::TcpFlags { mask, value, not } => {
                self.packet.tcp_flags.is_some_and(|flags| (flags.0 & mask.0 == value.0) != *not)
            }
            Match::PacketsOver { .. }
            | Match::BytesOver { .. }
            | Match::QuotaOver { .. }
            | Match::ConnectionsOver(_) => self.packet.exceeds_limits,
        }
    }

    /// The packet's values for these fields, if it has all of them.
    fn key(&self, fields: &[Field]) -> Option<Vec<Value>> {
        fields.iter().map(|field| self.field(*field)).collect()
    }

    fn field(&self, field: Field) -> Option<Value> {
        let packet = self.packet;
        let v4 = |address: IpAddr| match address {
            IpAddr::V4(address) => Some(Value::Addresses4(address, address)),
            IpAddr::V6(_) => None,
        };
        let v6 = |address: IpAddr| match address {
            IpAddr::V6(address) => Some(Value::Addresses6(address, address)),
            IpAddr::V4(_) => None,
        };
        match field {
            Field::CgroupAtLevel(level) => packet.cgroup.as_ref()?.ancestor(level).map(Value::Cgroup),
            Field::OutInterface => packet.out_interface.clone().map(Value::Interface),
            Field::InInterface => packet.in_interface.clone().map(Value::Interface),
            Field::OutInterfaceNumber => packet.interface_numbers.0.map(Value::InterfaceNumber),
            Field::InInterfaceNumber => packet.interface_numbers.1.map(Value::InterfaceNumber),
            Field::Family => {
                let family = if packet.destination.is_ipv4() { Family::V4 } else { Family::V6 };
                Some(Value::Family(family))
            }
            Field::Protocol => Some(Value::Protocols(packet.protocol, packet.protocol)),
            Field::Source4 => v4(packet.source),
            Field::Destination4 => v4(packet.destination),
            Field::Source6 => v6(packet.source),
            Field::Destination6 => v6(packet.destination),
            Field::SourcePort => packet.ports.map(|(port, _)| port.into()),
            Field::DestinationPort => packet.ports.map(|(_, port)| port.into()),
            Field::SourceType => Some(packet.source_type.into()),
            Field::DestinationType => Some(packet.destination_type.into()),
            Field::Direction => packet.direction.map(Value::Direction),
            Field::State => packet.state.map(Value::State),
        }
    }
}
