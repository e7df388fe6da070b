//! What rules compare packets with: addresses, ports, protocols, interfaces, control groups.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use crate::name::{CgroupPath, Interface};

/// The type of a value, by the names of nft's data types (nft(8), "DATA TYPES").
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Type {
    /// A control group of the unified tree.
    Cgroup,
    /// The name of a network interface.
    Interface,
    /// The number of a network interface.
    InterfaceNumber,
    /// A transport protocol.
    Protocol,
    /// An IPv4 address.
    Address4,
    /// An IPv6 address.
    Address6,
    /// A port.
    Port,
    /// IPv4 or IPv6.
    Family,
    /// What the routing tables say about an address.
    AddressType,
    /// The direction of a packet in its tracked connection.
    Direction,
    /// The state of a tracked connection.
    State,
}

impl Type {
    /// The name by which a set declares its keys, or `None` for types that this crate only uses in rules.
    pub fn nft_name(self) -> Option<&'static str> {
        match self {
            Self::Cgroup => Some("cgroupsv2"),
            Self::Interface => Some("ifname"),
            Self::InterfaceNumber => Some("iface_index"),
            Self::Protocol => Some("inet_proto"),
            Self::Address4 => Some("ipv4_addr"),
            Self::Address6 => Some("ipv6_addr"),
            Self::Port => Some("inet_service"),
            Self::State => Some("ct_state"),
            Self::Family | Self::AddressType | Self::Direction => None,
        }
    }
}

/// A transport protocol that services speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Protocol {
    /// ICMP
    Icmp,
    /// TCP
    Tcp,
    /// UDP
    Udp,
    /// DCCP
    Dccp,
    /// ICMP for IPv6
    Icmpv6,
    /// SCTP
    Sctp,
    /// UDP-Lite
    UdpLite,
}

impl Protocol {
    /// All of them, by number.
    pub const ALL: [Self; 7] =
        [Self::Icmp, Self::Tcp, Self::Udp, Self::Dccp, Self::Icmpv6, Self::Sctp, Self::UdpLite];

    /// The number that IANA assigned.
    pub fn number(self) -> u8 {
        match self {
            Self::Icmp => 1,
            Self::Tcp => 6,
            Self::Udp => 17,
            Self::Dccp => 33,
            Self::Icmpv6 => 58,
            Self::Sctp => 132,
            Self::UdpLite => 136,
        }
    }

    /// Whether its packets carry ports.
    pub fn has_ports(self) -> bool {
        !matches!(self, Self::Icmp | Self::Icmpv6)
    }

    /// The name that both nft and iptables know.
    pub fn name(self) -> &'static str {
        match self {
            Self::Icmp => "icmp",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Dccp => "dccp",
            Self::Icmpv6 => "icmpv6",
            Self::Sctp => "sctp",
            Self::UdpLite => "udplite",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The version of the internet protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// What the routing tables say about an address (`fib … type`, `-m addrtype`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AddressType {
    /// Another machine's.
    Unicast,
    /// This machine's.
    Local,
    /// Everyone's on a link.
    Broadcast,
    /// A service's with several machines.
    Anycast,
    /// A group's.
    Multicast,
}

/// Which side of a tracked connection sent a packet (`ct direction`). Using it switches connection tracking on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Direction {
    /// The side that opened it.
    Original,
    /// The other one.
    Reply,
}

/// The state of a tracked connection (`ct state`). Using it switches connection tracking on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Its first packet.
    New,
    /// Packets were seen both ways.
    Established,
    /// A packet about another connection, such as an ICMP error.
    Related,
    /// A packet that fits nowhere.
    Invalid,
    /// A packet that is exempt from tracking.
    Untracked,
}

/// Ports from `first` to `last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ports {
    first: u16,
    last: u16,
}

impl Ports {
    /// Every port.
    pub const ANY: Self = Self { first: 0, last: u16::MAX };

    /// A range that includes both ends, in either order.
    pub fn range(first: u16, last: u16) -> Self {
        Self { first: first.min(last), last: first.max(last) }
    }

    /// The lowest port.
    pub fn first(self) -> u16 {
        self.first
    }

    /// The highest port.
    pub fn last(self) -> u16 {
        self.last
    }
}

impl From<u16> for Ports {
    fn from(port: u16) -> Self {
        Self { first: port, last: port }
    }
}

/// A value of a rule or set; ranges include both ends.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Value {
    /// A control group and, as the rule says at which level it looks, all below it.
    Cgroup(CgroupPath),
    /// An interface by name.
    Interface(Interface),
    /// An interface by its number, which the kernel gives to no other as long as the machine runs (if_nametoindex(3)).
    InterfaceNumber(u32),
    /// All interfaces whose names begin so.
    InterfacePrefix(Interface),
    /// Transport protocols by number, from – to.
    Protocols(u8, u8),
    /// IPv4 addresses, from – to.
    Addresses4(Ipv4Addr, Ipv4Addr),
    /// IPv6 addresses, from – to.
    Addresses6(Ipv6Addr, Ipv6Addr),
    /// Ports.
    Ports(Ports),
    /// A version of the internet protocol.
    Family(Family),
    /// What kind of address it is.
    AddressType(AddressType),
    /// A direction of a connection.
    Direction(Direction),
    /// The state of a connection.
    State(State),
}

impl Value {
    /// The type it has.
    pub fn value_type(&self) -> Type {
        match self {
            Self::Cgroup(_) => Type::Cgroup,
            Self::Interface(_) | Self::InterfacePrefix(_) => Type::Interface,
            Self::InterfaceNumber(_) => Type::InterfaceNumber,
            Self::Protocols(..) => Type::Protocol,
            Self::Addresses4(..) => Type::Address4,
            Self::Addresses6(..) => Type::Address6,
            Self::Ports(_) => Type::Port,
            Self::Family(_) => Type::Family,
            Self::AddressType(_) => Type::AddressType,
            Self::Direction(_) => Type::Direction,
            Self::State(_) => Type::State,
        }
    }

    /// All protocols.
    pub fn any_protocol() -> Self {
        Self::Protocols(0, u8::MAX)
    }

    /// As a range of numbers, for the types where ranges mean something.
    pub(crate) fn interval(&self) -> Option<(u128, u128)> {
        let pair = |first: u128, last: u128| Some((first.min(last), first.max(last)));
        match self {
            Self::Protocols(first, last) => pair(u128::from(*first), u128::from(*last)),
            Self::Addresses4(first, last) => pair(u128::from(first.to_bits()), u128::from(last.to_bits())),
            Self::Addresses6(first, last) => pair(first.to_bits(), last.to_bits()),
            Self::Ports(ports) => pair(u128::from(ports.first), u128::from(ports.last)),
            _ => None,
        }
    }

    /// The other way round. `None` if the type has no ranges or the numbers don't fit it.
    pub(crate) fn from_interval(value_type: Type, first: u128, last: u128) -> Option<Self> {
        Some(match value_type {
            Type::Protocol => Self::Protocols(u8::try_from(first).ok()?, u8::try_from(last).ok()?),
            Type::Address4 => Self::Addresses4(
                Ipv4Addr::from_bits(u32::try_from(first).ok()?),
                Ipv4Addr::from_bits(u32::try_from(last).ok()?),
            ),
            Type::Address6 => Self::Addresses6(Ipv6Addr::from_bits(first), Ipv6Addr::from_bits(last)),
            Type::Port => Self::Ports(Ports::range(u16::try_from(first).ok()?, u16::try_from(last).ok()?)),
            _ => return None,
        })
    }

    /// Whether it stands for more than one value, so that a set needs the flag `interval`.
    pub(crate) fn is_interval(&self) -> bool {
        match self {
            Self::InterfacePrefix(_) => true,
            _ => self.interval().is_some_and(|(first, last)| first != last),
        }
    }

    /// Whether it stands for the addresses of one network.
    pub(crate) fn is_prefix(&self) -> bool {
        let addresses = matches!(self, Self::Addresses4(..) | Self::Addresses6(..));
        let (low, high) = self.interval().unwrap_or_default();
        let size = high - low;
        // One less than a power of two, and aligned to it.
        addresses && size & size.wrapping_add(1) == 0 && low & size == 0
    }

    /// Whether it stands for all addresses of its family.
    pub(crate) fn is_every_address(&self) -> bool {
        let every = match self {
            Self::Addresses4(..) => u128::from(u32::MAX),
            Self::Addresses6(..) => u128::MAX,
            _ => return false,
        };
        self.interval() == Some((0, every))
    }

    /// Whether `other`, which is a single value, is among these.
    pub(crate) fn contains(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::InterfacePrefix(prefix), Self::Interface(name)) => {
                name.as_str().starts_with(prefix.as_str())
            }
            _ => match (self.interval(), other.interval()) {
                (Some((first, last)), Some((low, high))) if self.value_type() == other.value_type() => {
                    first <= low && high <= last
                }
                _ => self == other,
            },
        }
    }
}

impl From<Protocol> for Value {
    fn from(protocol: Protocol) -> Self {
        Self::Protocols(protocol.number(), protocol.number())
    }
}

impl From<Ipv4Net> for Value {
    fn from(net: Ipv4Net) -> Self {
        Self::Addresses4(net.network(), net.broadcast())
    }
}

impl From<Ipv6Net> for Value {
    fn from(net: Ipv6Net) -> Self {
        Self::Addresses6(net.network(), net.broadcast())
    }
}

impl From<IpNet> for Value {
    fn from(net: IpNet) -> Self {
        match net {
            IpNet::V4(net) => net.into(),
            IpNet::V6(net) => net.into(),
        }
    }
}

macro_rules! value_from {
    ($($from:ident => $variant:ident),*) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

value_from!(
    CgroupPath => Cgroup, Interface => Interface, u16 => Ports, Ports => Ports, Family => Family,
    AddressType => AddressType, Direction => Direction, State => State
);
