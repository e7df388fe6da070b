//! The conditions of a rule.

use crate::{
    name::Ident,
    set::{Elements, SetError},
    value::{AddressType, Direction, Family, Protocol, State, Type, Value},
};

/// A property of a packet, by the name that nft has for it (nft(8), "PRIMARY EXPRESSIONS" and "PAYLOAD EXPRESSIONS").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Field {
    /// The control group of the socket that sends the packet or will receive it: its ancestor at this level, 1 being
    /// the children of the root. It is the group in which the socket was *made* (`socket cgroupv2 level N`, Linux 5.13).
    CgroupAtLevel(u8),
    /// The interface by which the packet leaves.
    OutInterface,
    /// The interface by which it came.
    InInterface,
    /// The number of the interface by which it leaves: to compare numbers takes half the time that names take.
    OutInterfaceNumber,
    /// The number of the interface by which it came.
    InInterfaceNumber,
    /// The version of the internet protocol.
    Family,
    /// The transport protocol.
    Protocol,
    /// The source in an IPv4 packet.
    Source4,
    /// The destination in an IPv4 packet.
    Destination4,
    /// The source in an IPv6 packet.
    Source6,
    /// The destination in an IPv6 packet.
    Destination6,
    /// The source port of whatever transport protocol. Only after a condition on the protocol does it mean a port.
    SourcePort,
    /// The destination port, as for the source.
    DestinationPort,
    /// What the routing tables say about the source.
    SourceType,
    /// What they say about the destination.
    DestinationType,
    /// The packet's direction in its connection; switches connection tracking on.
    Direction,
    /// The connection's state; switches connection tracking on.
    State,
}

impl Field {
    /// The type of its values.
    pub fn value_type(self) -> Type {
        match self {
            Self::CgroupAtLevel(_) => Type::Cgroup,
            Self::OutInterface | Self::InInterface => Type::Interface,
            Self::OutInterfaceNumber | Self::InInterfaceNumber => Type::InterfaceNumber,
            Self::Family => Type::Family,
            Self::Protocol => Type::Protocol,
            Self::Source4 | Self::Destination4 => Type::Address4,
            Self::Source6 | Self::Destination6 => Type::Address6,
            Self::SourcePort | Self::DestinationPort => Type::Port,
            Self::SourceType | Self::DestinationType => Type::AddressType,
            Self::Direction => Type::Direction,
            Self::State => Type::State,
        }
    }
}

/// TCP's flags, as bits of the header.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data will come.
    pub const FIN: Self = Self(1);
    /// Opens a connection.
    pub const SYN: Self = Self(2);
    /// Aborts it.
    pub const RST: Self = Self(4);
    /// Acknowledges something.
    pub const ACK: Self = Self(16);

    /// The flags that are in either.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// The names of the flags, lowest bit first, as nft and iptables spell them in lower and upper case.
    pub(crate) fn names(self) -> Vec<&'static str> {
        ["fin", "syn", "rst", "psh", "ack", "urg", "ecn", "cwr"]
            .into_iter()
            .enumerate()
            .filter_map(|(bit, name)| (self.0 & (1 << bit) != 0).then_some(name))
            .collect()
    }
}

/// What a rule's field or fields are looked up in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Among {
    /// A named set of the table.
    Set(Ident),
    /// Values written in the rule.
    Values(Elements),
}

/// The unit of a rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Per {
    /// per second
    Second,
    /// per minute
    Minute,
    /// per hour
    Hour,
}

/// A condition on a packet. All of a rule's conditions must hold, and are tried in order.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Match {
    /// The fields, taken together, are (or with `not` are not) among these. If the packet lacks a field (a port in an
    /// ICMP packet, an IPv4 source in an IPv6 packet, a socket) the condition does not hold, with or without `not`.
    Lookup {
        /// One field, or several that are looked up as one key.
        fields: Vec<Field>,
        /// Whether the condition is turned round.
        not: bool,
        /// In what.
        among: Among,
    },
    /// Of TCP's flags in `mask`, exactly those in `value` are set; with `not`, anything else. Never holds for what is
    /// not TCP.
    TcpFlags {
        /// The flags to look at.
        mask: TcpFlags,
        /// The flags that are to be set.
        value: TcpFlags,
        /// Whether the condition is turned round.
        not: bool,
    },
    /// More packets than `rate` come by in the unit of time, beyond a burst.
    PacketsOver {
        /// Packets per unit.
        rate: u32,
        /// The unit.
        per: Per,
        /// Packets that may exceed it at once.
        burst: u32,
    },
    /// More than `rate` bytes a second come by, beyond a burst.
    BytesOver {
        /// Bytes per second.
        rate: u64,
        /// Bytes that may exceed it at once.
        burst: u64,
    },
    /// More than `bytes` have come by since the rule was loaded.
    QuotaOver {
        /// The quota in bytes.
        bytes: u64,
    },
    /// More than this many tracked connections are open (`ct count`); switches connection tracking on.
    ConnectionsOver(u32),
}

impl Match {
    /// `field` is one of `values`.
    ///
    /// # Errors
    /// If there are none, or one has another type.
    pub fn is<V: Into<Value>>(field: Field, values: impl IntoIterator<Item = V>) -> Result<Self, SetError> {
        Self::all(&[field], values.into_iter().map(|value| vec![value.into()]))
    }

    /// `field` is there and none of `values`.
    ///
    /// # Errors
    /// As for [`Match::is`].
    pub fn is_not<V: Into<Value>>(
        field: Field,
        values: impl IntoIterator<Item = V>,
    ) -> Result<Self, SetError> {
        let among = Among::Values(Elements::new(
            &[field.value_type()],
            values.into_iter().map(|value| vec![value.into()]),
        )?);
        Ok(Self::Lookup { fields: vec![field], not: true, among })
    }

    /// The fields, taken together, are one of `keys`.
    ///
    /// # Errors
    /// If there is no key, or one has not the fields' number and types.
    pub fn all(fields: &[Field], keys: impl IntoIterator<Item = Vec<Value>>) -> Result<Self, SetError> {
        let types: Vec<Type> = fields.iter().map(|field| field.value_type()).collect();
        let among = Among::Values(Elements::new(&types, keys)?);
        Ok(Self::Lookup { fields: fields.to_vec(), not: false, among })
    }

    /// The fields, taken together, are in a named set. Whether the types agree is checked with the table.
    pub fn in_set(fields: &[Field], set: &Ident) -> Self {
        Self::Lookup { fields: fields.to_vec(), not: false, among: Among::Set(set.clone()) }
    }

    /// The fields are there and not in a named set.
    pub fn not_in_set(fields: &[Field], set: &Ident) -> Self {
        Self::Lookup { fields: fields.to_vec(), not: true, among: Among::Set(set.clone()) }
    }

    pub(crate) fn is_one(field: Field, value: Value) -> Self {
        Self::Lookup { fields: vec![field], not: false, among: Among::Values(Elements::single(value)) }
    }

    /// The packet's transport protocol.
    pub fn protocol(protocol: Protocol) -> Self {
        Self::is_one(Field::Protocol, protocol.into())
    }

    /// The packet's version of the internet protocol.
    pub fn family(family: Family) -> Self {
        Self::is_one(Field::Family, family.into())
    }

    /// The packet is for an address of this machine: of loopback, or any other that it has.
    pub fn to_this_machine() -> Self {
        Self::is_one(Field::DestinationType, AddressType::Local.into())
    }

    /// A TCP segment that does not open a connection: everything but a lone SYN, which is the only segment by which a
    /// socket without special rights can begin to talk to one that did not call it.
    pub fn not_opening() -> Self {
        let mask = TcpFlags::SYN.with(TcpFlags::ACK);
        Self::TcpFlags { mask, value: TcpFlags::SYN, not: true }
    }

    /// A TCP segment that opens a connection.
    pub fn opening() -> Self {
        let mask = TcpFlags::SYN.with(TcpFlags::ACK);
        Self::TcpFlags { mask, value: TcpFlags::SYN, not: false }
    }

    /// An answer in a tracked connection; switches connection tracking on.
    pub fn reply() -> Self {
        Self::is_one(Field::Direction, Direction::Reply.into())
    }

    /// A packet of a tracked connection, or about one; switches connection tracking on.
    pub fn tracked() -> Self {
        Self::Lookup {
            fields: vec![Field::State],
            not: false,
            among: Among::Values(Elements::of_states(&[State::Established, State::Related])),
        }
    }

    /// Whether it makes the kernel track the connections of the whole host.
    pub fn needs_conntrack(&self) -> bool {
        match self {
            Self::Lookup { fields, .. } => {
                fields.iter().any(|field| matches!(field, Field::Direction | Field::State))
            }
            Self::ConnectionsOver(_) => true,
            _ => false,
        }
    }
}
