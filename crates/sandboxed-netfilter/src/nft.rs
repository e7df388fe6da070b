//! The text that `nft -f` reads (nft(8)).

use std::fmt::{self, Display, Formatter};

use crate::{
    expression::{Among, Field, Match, Per, TcpFlags},
    rule::{Action, Reject, Rule, Verdict},
    set::{Elements, Set, Translations, VerdictMap},
    table::{Base, Chain, Hook, Ownership, Purpose, Table},
    value::{AddressType, Direction, Family, State, Type, Value},
};

/// Writes items with a separator between them.
pub(crate) fn join<T: Display>(
    f: &mut Formatter<'_>,
    separator: &str,
    items: impl IntoIterator<Item = T>,
) -> fmt::Result {
    for (position, item) in items.into_iter().enumerate() {
        if position > 0 {
            f.write_str(separator)?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// Something that is written by a closure.
struct Text<F: Fn(&mut Formatter<'_>) -> fmt::Result>(F);

impl<F: Fn(&mut Formatter<'_>) -> fmt::Result> Display for Text<F> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        (self.0)(f)
    }
}

/// A key of one or several parts: `tcp . 127.0.0.1 . 5432`.
pub(crate) fn key(parts: &[Value]) -> impl Display + '_ {
    Text(move |f| join(f, " . ", parts))
}

fn fields(fields: &[Field]) -> impl Display + '_ {
    Text(move |f| join(f, " . ", fields))
}

fn types(types: &[Type]) -> impl Display + '_ {
    Text(move |f| join(f, " . ", types.iter().filter_map(|value_type| value_type.nft_name())))
}

/// A range of addresses, as a prefix where it is one: nft 1.0.6 lists them so, and people read them so.
fn addresses<A: Display + PartialEq>(
    f: &mut Formatter<'_>,
    (first, last): (A, A),
    (low, high): (u128, u128),
    bits: u32,
) -> fmt::Result {
    let size = high - low;
    // `size & (size + 1) == 0`: one less than a power of two; `low & size == 0`: aligned to it.
    let aligned = size & size.wrapping_add(1) == 0 && low & size == 0;
    if first == last {
        write!(f, "{first}")
    } else if aligned {
        write!(f, "{first}/{}", bits - size.trailing_ones())
    } else {
        write!(f, "{first}-{last}")
    }
}

impl Display for Value {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let interval = self.interval().unwrap_or_default();
        match self {
            Self::Cgroup(path) => path.fmt(f),
            Self::Interface(name) => name.fmt(f),
            Self::InterfaceNumber(number) => number.fmt(f),
            Self::InterfacePrefix(prefix) => write!(f, "\"{}*\"", prefix.as_str()),
            Self::Protocols(first, last) => {
                let known =
                    crate::value::Protocol::ALL.into_iter().find(|protocol| protocol.number() == *first);
                match known {
                    Some(protocol) if first == last => protocol.fmt(f),
                    _ if first == last => first.fmt(f),
                    _ => write!(f, "{first}-{last}"),
                }
            }
            Self::Addresses4(first, last) => addresses(f, (*first, *last), interval, 32),
            Self::Addresses6(first, last) => addresses(f, (*first, *last), interval, 128),
            Self::Ports(ports) if ports.first() == ports.last() => ports.first().fmt(f),
            Self::Ports(ports) => write!(f, "{}-{}", ports.first(), ports.last()),
            Self::Family(Family::V4) => f.write_str("ipv4"),
            Self::Family(Family::V6) => f.write_str("ipv6"),
            Self::AddressType(address_type) => f.write_str(match address_type {
                AddressType::Unicast => "unicast",
                AddressType::Local => "local",
                AddressType::Broadcast => "broadcast",
                AddressType::Anycast => "anycast",
                AddressType::Multicast => "multicast",
            }),
            Self::Direction(Direction::Original) => f.write_str("original"),
            Self::Direction(Direction::Reply) => f.write_str("reply"),
            Self::State(state) => f.write_str(match state {
                State::New => "new",
                State::Established => "established",
                State::Related => "related",
                State::Invalid => "invalid",
                State::Untracked => "untracked",
            }),
        }
    }
}

impl Display for Field {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::CgroupAtLevel(level) => return write!(f, "socket cgroupv2 level {level}"),
            Self::OutInterface => "oifname",
            Self::InInterface => "iifname",
            Self::OutInterfaceNumber => "oif",
            Self::InInterfaceNumber => "iif",
            Self::Family => "meta nfproto",
            Self::Protocol => "meta l4proto",
            Self::Source4 => "ip saddr",
            Self::Destination4 => "ip daddr",
            Self::Source6 => "ip6 saddr",
            Self::Destination6 => "ip6 daddr",
            Self::SourcePort => "th sport",
            Self::DestinationPort => "th dport",
            Self::SourceType => "fib saddr type",
            Self::DestinationType => "fib daddr type",
            Self::Direction => "ct direction",
            Self::State => "ct state",
        })
    }
}

impl Display for TcpFlags {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let names = self.names();
        if names.is_empty() { f.write_str("0x0") } else { join(f, "|", names) }
    }
}

impl Display for Elements {
    /// Between braces, unless it is a single value.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut keys = self.iter();
        match (keys.next(), keys.next()) {
            // A range or a key of several parts is only read between braces, or means something else without. A prefix need
            // not be, and is compared faster than looked up.
            (Some(only), None)
                if only.len() == 1 && only.iter().all(|value| !value.is_interval() || value.is_prefix()) =>
            {
                key(only).fmt(f)
            }
            _ => {
                f.write_str("{ ")?;
                join(f, ", ", self.iter().map(|parts| key(parts)))?;
                f.write_str(" }")
            }
        }
    }
}

impl Display for Match {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let operator = |not: bool| if not { "!= " } else { "" };
        match self {
            Self::Lookup { fields: looked_up, not, among } => {
                write!(f, "{} {}", fields(looked_up), operator(*not))?;
                match among {
                    Among::Set(set) => write!(f, "@{set}"),
                    Among::Values(values) => values.fmt(f),
                }
            }
            Self::TcpFlags { mask, value, not } => {
                let operator = if *not { "!=" } else { "==" };
                write!(f, "tcp flags & ({mask}) {operator} {value}")
            }
            Self::PacketsOver { rate, per, burst } => {
                let unit = match per {
                    Per::Second => "second",
                    Per::Minute => "minute",
                    Per::Hour => "hour",
                };
                write!(f, "limit rate over {rate}/{unit} burst {burst} packets")
            }
            Self::BytesOver { rate, burst } => {
                write!(f, "limit rate over {rate} bytes/second burst {burst} bytes")
            }
            Self::QuotaOver { bytes } => write!(f, "quota over {bytes} bytes"),
            Self::ConnectionsOver(count) => write!(f, "ct count over {count}"),
        }
    }
}

impl Display for Verdict {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Accept => f.write_str("accept"),
            Self::Drop => f.write_str("drop"),
            Self::Return => f.write_str("return"),
            Self::Jump(chain) => write!(f, "jump {chain}"),
            Self::Goto(chain) => write!(f, "goto {chain}"),
        }
    }
}

impl Display for Reject {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AdminProhibited => "reject with icmpx admin-prohibited",
            Self::PortUnreachable => "reject with icmpx port-unreachable",
            Self::TcpReset => "reject with tcp reset",
        })
    }
}

impl Display for Action {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Verdict(verdict) => verdict.fmt(f),
            Self::Reject(reject) => reject.fmt(f),
            Self::Map { fields: looked_up, map } => write!(f, "{} vmap @{map}", fields(looked_up)),
            Self::Learn { set, fields: learned } => write!(f, "update @{set} {{ {} }}", fields(learned)),
            Self::Redirect { family, fields: looked_up, map } => {
                let family = match family {
                    Family::V4 => "ip",
                    Family::V6 => "ip6",
                };
                write!(f, "dnat {family} to {} map @{map}", fields(looked_up))
            }
            Self::Masquerade => f.write_str("masquerade"),
            Self::Log(prefix) => write!(f, "log prefix {prefix}"),
        }
    }
}

impl Display for Rule {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for condition in &self.matches {
            write!(f, "{condition} ")?;
        }
        if self.counter {
            f.write_str("counter ")?;
        }
        self.action.fmt(f)?;
        match &self.comment {
            Some(comment) => write!(f, " comment {comment}"),
            None => Ok(()),
        }
    }
}

impl Display for Base {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let hook = match self.hook {
            Hook::Input => "input",
            Hook::Forward => "forward",
            Hook::Output => "output",
            Hook::Prerouting => "prerouting",
            Hook::Postrouting => "postrouting",
        };
        let purpose = match self.purpose {
            Purpose::Filter => "filter",
            Purpose::Translate => "nat",
        };
        let policy = if self.accept { "accept" } else { "drop" };
        write!(f, "type {purpose} hook {hook} priority {}; policy {policy};", self.priority)
    }
}

impl Display for Set {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "set {} {{ type {};", self.name, types(self.elements.types()))?;
        if self.interval {
            f.write_str(" flags interval;")?;
        }
        if let Some(learned) = self.learned {
            let seconds = learned.timeout.as_secs();
            write!(f, " flags dynamic,timeout; timeout {seconds}s; size {};", learned.size)?;
        }
        if !self.elements.is_empty() {
            f.write_str(" elements = { ")?;
            join(f, ", ", self.elements.iter().map(|parts| key(parts)))?;
            f.write_str(" }")?;
        }
        f.write_str(" }")
    }
}

impl Display for VerdictMap {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "map {} {{ type {} : verdict;", self.name, types(&self.types))?;
        if !self.elements.is_empty() {
            f.write_str(" elements = { ")?;
            join(
                f,
                ", ",
                self.elements
                    .iter()
                    .map(|(parts, verdict)| Text(move |f| write!(f, "{} : {verdict}", key(parts)))),
            )?;
            f.write_str(" }")?;
        }
        f.write_str(" }")
    }
}

impl Display for Translations {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "map {} {{ type {} : {}; }}", self.name, types(&self.key), types(&self.target()))
    }
}

impl Display for Chain {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\tchain {} {{", self.name)?;
        if let Some(base) = self.base {
            writeln!(f, "\t\t{base}")?;
        }
        for rule in &self.rules {
            writeln!(f, "\t\t{rule}")?;
        }
        f.write_str("\t}")
    }
}

impl Display for Table {
    /// The block that adds the table, or adds to it: rules that are there stay and come first.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "table inet {} {{", self.name)?;
        match self.ownership {
            Ownership::Shared => {}
            Ownership::Owned => writeln!(f, "\tflags owner;")?,
            Ownership::Persistent => writeln!(f, "\tflags owner, persist;")?,
        }
        for map in self.maps.values() {
            writeln!(f, "\t{map}")?;
        }
        for map in self.translations.values() {
            writeln!(f, "\t{map}")?;
        }
        for set in self.sets.values() {
            writeln!(f, "\t{set}")?;
        }
        for chain in self.chains.values() {
            writeln!(f, "{chain}")?;
        }
        writeln!(f, "}}")
    }
}
