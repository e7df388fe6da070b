//! Conditions in the terms of iptables.

use super::{
    IptablesError,
    line::{Conditions, End},
};
use crate::{
    expression::{Among, Field, Match, Per, TcpFlags},
    set::Elements,
    table::Table,
    value::{AddressType, Direction, Family, Protocol, State, Type, Value},
};

/// What a multiport condition takes at most; a range counts as two.
const MULTIPORT: usize = 15;

/// Stands for the label of a rule in a condition that needs a name of its own.
pub(super) const LIMIT_NAME: &str = "{label}";

/// The ways in which one more condition can be met.
pub(super) fn meet(
    condition: &Match,
    way: Conditions,
    family: Family,
    table: &Table,
) -> Result<Vec<Conditions>, IptablesError> {
    let tcp = Protocol::Tcp.number();
    Ok(match condition {
        Match::Lookup { fields, not, among } => {
            if !applies(fields, family) {
                return Ok(Vec::new());
            }
            let elements = elements(among, table)?;
            match fields.as_slice() {
                [field] => one_field(*field, *not, elements, way, family)?,
                _ if *not => return Err(IptablesError::Inexpressible("a list of excluded combinations")),
                _ => {
                    let mut all = Vec::new();
                    for key in elements.iter() {
                        all.extend(combination(fields, key, way.clone())?);
                    }
                    all
                }
            }
        }
        Match::TcpFlags { mask, value, not } => {
            let list = |flags: &TcpFlags| match flags.names() {
                names if names.is_empty() => "NONE".to_owned(),
                names => names.join(",").to_uppercase(),
            };
            let bang = if *not { "! " } else { "" };
            let text = format!("-m tcp {bang}--tcp-flags {} {}", list(mask), list(value));
            way.protocol(tcp).map(|way| way.and(text)).into_iter().collect()
        }
        Match::PacketsOver { rate, per, burst } => {
            let unit = match per {
                Per::Second => "second",
                Per::Minute => "minute",
                Per::Hour => "hour",
            };
            vec![way.and(hashlimit(&format!("{rate}/{unit}"), &burst.to_string()))]
        }
        Match::BytesOver { rate, burst } => {
            vec![way.and(hashlimit(&format!("{rate}b/s"), &format!("{burst}b")))]
        }
        Match::QuotaOver { bytes } => vec![way.and(format!("-m quota ! --quota {bytes}"))],
        Match::ConnectionsOver(count) => {
            vec![way.and(format!("-m connlimit --connlimit-above {count} --connlimit-mask 0"))]
        }
    })
}

fn hashlimit(above: &str, burst: &str) -> String {
    format!("-m hashlimit --hashlimit-above {above} --hashlimit-burst {burst} --hashlimit-name {LIMIT_NAME}")
}

/// Whether packets of this family have all of these fields.
pub(super) fn applies(fields: &[Field], family: Family) -> bool {
    fields.iter().all(|field| match field.value_type() {
        Type::Address4 => family == Family::V4,
        Type::Address6 => family == Family::V6,
        _ => true,
    })
}

pub(super) fn elements<'a>(among: &'a Among, table: &'a Table) -> Result<&'a Elements, IptablesError> {
    match among {
        Among::Values(elements) => Ok(elements),
        Among::Set(name) => match table.sets.get(name) {
            Some(set) if set.learned.is_some() => {
                Err(IptablesError::Inexpressible("a set that rules add to; use connection tracking"))
            }
            Some(set) => Ok(&set.elements),
            None => Err(IptablesError::NoSet(name.clone())),
        },
    }
}

/// A condition on a single field. Where iptables takes lists, it gets one.
fn one_field(
    field: Field,
    not: bool,
    elements: &Elements,
    way: Conditions,
    family: Family,
) -> Result<Vec<Conditions>, IptablesError> {
    let values: Vec<&Value> = elements.iter().flatten().collect();
    let bang = if not { "! " } else { "" };
    Ok(match field {
        Field::Family => {
            let named = values.iter().any(|value| **value == Value::Family(family));
            if named == not { Vec::new() } else { vec![way] }
        }
        Field::SourceType | Field::DestinationType => {
            let end = if field == Field::SourceType { "src" } else { "dst" };
            let kinds: Vec<AddressType> = values.iter().filter_map(|value| address_type(value)).collect();
            address_types(end, not, &kinds, &way, family)
        }
        Field::State => {
            let states: Vec<&str> = values.iter().filter_map(|value| state(value)).collect();
            vec![way.and(format!("-m conntrack {bang}--ctstate {}", states.join(",")))]
        }
        Field::Direction => match values.as_slice() {
            [Value::Direction(direction)] => {
                let reply = (*direction == Direction::Reply) != not;
                vec![way.and(format!("-m conntrack --ctdir {}", if reply { "REPLY" } else { "ORIGINAL" }))]
            }
            // Both directions, or none.
            _ if not => Vec::new(),
            _ => vec![way],
        },
        Field::SourcePort | Field::DestinationPort if !not => {
            with_ports(way).into_iter().flat_map(|way| multiport(field, &values, &way)).collect()
        }
        _ if not => match values.as_slice() {
            [value] => excluded_value(field, value, way)?.into_iter().collect(),
            _ => return Err(IptablesError::Inexpressible("a list of excluded values here")),
        },
        _ => {
            let mut all = Vec::new();
            for value in values {
                all.extend(combination(&[field], std::slice::from_ref(value), way.clone())?);
            }
            all
        }
    })
}

/// Every field has its value.
fn combination(fields: &[Field], key: &[Value], way: Conditions) -> Result<Vec<Conditions>, IptablesError> {
    let mut ways = vec![way];
    // The protocol first: ports depend on it.
    let is_port = |field: &Field| matches!(field, Field::SourcePort | Field::DestinationPort);
    let pairs = || fields.iter().zip(key);
    for (field, value) in
        pairs().filter(|(field, _)| !is_port(field)).chain(pairs().filter(|(field, _)| is_port(field)))
    {
        let mut met = Vec::new();
        for way in ways {
            met.extend(one_value(*field, value, way)?);
        }
        ways = met;
    }
    Ok(ways)
}

fn one_value(field: Field, value: &Value, way: Conditions) -> Result<Vec<Conditions>, IptablesError> {
    Ok(match (field, value) {
        (Field::Protocol, Value::Protocols(0, u8::MAX)) => vec![way],
        (Field::Protocol, Value::Protocols(first, last)) => {
            (*first..=*last).filter_map(|number| way.clone().protocol(number)).collect()
        }
        (Field::OutInterface | Field::InInterface, value) => {
            vec![way.interface(field == Field::OutInterface, interface(field, false, value)?)?]
        }
        (Field::SourcePort | Field::DestinationPort, value) => {
            with_ports(way).into_iter().flat_map(|way| multiport(field, &[value], &way)).collect()
        }
        // iptables refuses to be asked for "not every address", and drops the question for every address.
        (_, Value::Addresses4(..) | Value::Addresses6(..)) if value.is_every_address() => vec![way],
        (_, Value::Addresses4(..) | Value::Addresses6(..)) => vec![address(field, false, value, way)],
        (_, Value::InterfaceNumber(_)) => {
            return Err(IptablesError::Inexpressible("the number of an interface"));
        }
        (_, Value::Family(_) | Value::AddressType(_) | Value::Direction(_) | Value::State(_)) => {
            return Err(IptablesError::Inexpressible("this field in a combination"));
        }
        _ => {
            return Err(IptablesError::Inexpressible("a condition on the control group in a service's rule"));
        }
    })
}

/// The field is there and does not have this value.
fn excluded_value(field: Field, value: &Value, way: Conditions) -> Result<Option<Conditions>, IptablesError> {
    Ok(match (field, value) {
        (Field::OutInterface | Field::InInterface, value) => {
            Some(way.interface(field == Field::OutInterface, interface(field, true, value)?)?)
        }
        (_, Value::Addresses4(..) | Value::Addresses6(..)) if value.is_every_address() => None,
        (_, Value::Addresses4(..) | Value::Addresses6(..)) => Some(address(field, true, value, way)),
        _ => return Err(IptablesError::Inexpressible("an excluded value of this kind")),
    })
}

fn interface(field: Field, not: bool, value: &Value) -> Result<String, IptablesError> {
    let option = if field == Field::OutInterface { "-o" } else { "-i" };
    let bang = if not { "! " } else { "" };
    match value {
        Value::Interface(name) => Ok(format!("{bang}{option} {name}")),
        Value::InterfacePrefix(prefix) => Ok(format!("{bang}{option} \"{}+\"", prefix.as_str())),
        _ => Err(IptablesError::Inexpressible("an interface that is none")),
    }
}

fn address(field: Field, not: bool, value: &Value, way: Conditions) -> Conditions {
    let end = if matches!(field, Field::Source4 | Field::Source6) { End::Source } else { End::Destination };
    let range = match value {
        Value::Addresses4(first, last) => format!("{first}-{last}"),
        Value::Addresses6(first, last) => format!("{first}-{last}"),
        _ => String::new(),
    };
    // A value prints itself as a prefix where it is one.
    let text = value.to_string();
    let prefix = (!text.contains('-')).then_some(text);
    way.address(end, not, prefix, &range)
}

/// One way for each protocol that has ports, if none is known yet; none at all if the one that is known has no ports.
fn with_ports(way: Conditions) -> Vec<Conditions> {
    match way.known_protocol() {
        Some(number) => {
            let known = Protocol::ALL.into_iter().find(|protocol| protocol.number() == number);
            if known.is_some_and(Protocol::has_ports) { vec![way] } else { Vec::new() }
        }
        None => Protocol::ALL
            .into_iter()
            .filter(|protocol| protocol.has_ports())
            .filter_map(|protocol| way.clone().protocol(protocol.number()))
            .collect(),
    }
}

fn multiport(field: Field, values: &[&Value], way: &Conditions) -> Vec<Conditions> {
    let option = if field == Field::SourcePort { "--sports" } else { "--dports" };
    let mut chunks: Vec<(usize, Vec<String>)> = Vec::new();
    for value in values {
        let Value::Ports(ports) = value else { continue };
        let (size, text) = if ports.first() == ports.last() {
            (1, ports.first().to_string())
        } else {
            (2, format!("{}:{}", ports.first(), ports.last()))
        };
        match chunks.last_mut() {
            Some((used, chunk)) if *used + size <= MULTIPORT => {
                *used += size;
                chunk.push(text);
            }
            _ => chunks.push((size, vec![text])),
        }
    }
    chunks
        .into_iter()
        .map(|(_, chunk)| way.clone().and(format!("-m multiport {option} {}", chunk.join(","))))
        .collect()
}

/// A condition on what the routing tables say about an address.
fn address_types(
    end: &str,
    not: bool,
    kinds: &[AddressType],
    way: &Conditions,
    family: Family,
) -> Vec<Conditions> {
    use AddressType::{Anycast, Broadcast, Local, Multicast, Unicast};
    let name = |kind: &AddressType| match kind {
        Unicast => "UNICAST",
        Local => "LOCAL",
        Broadcast => "BROADCAST",
        Anycast => "ANYCAST",
        Multicast => "MULTICAST",
    };
    if family == Family::V4 {
        let bang = if not { "! " } else { "" };
        let names: Vec<&str> = kinds.iter().map(name).collect();
        return vec![way.clone().and(format!("-m addrtype {bang}--{end}-type {}", names.join(",")))];
    }
    // In IPv6, xt_addrtype refuses BROADCAST, wants an address to be of all listed types, and calls local addresses
    // unicast too; so each type is asked for on its own, and unicast is what is none of the others.
    let special = [Local, Anycast, Multicast];
    [Unicast, Local, Anycast, Multicast]
        .into_iter()
        .filter(|kind| kinds.contains(kind) != not)
        .map(|kind| match kind {
            Unicast => special.iter().fold(way.clone(), |way, other| {
                way.and(format!("-m addrtype ! --{end}-type {}", name(other)))
            }),
            _ => way.clone().and(format!("-m addrtype --{end}-type {}", name(&kind))),
        })
        .collect()
}

fn address_type(value: &Value) -> Option<AddressType> {
    match value {
        Value::AddressType(kind) => Some(*kind),
        _ => None,
    }
}

fn state(value: &Value) -> Option<&'static str> {
    let Value::State(state) = value else { return None };
    Some(match state {
        State::New => "NEW",
        State::Established => "ESTABLISHED",
        State::Related => "RELATED",
        State::Invalid => "INVALID",
        State::Untracked => "UNTRACKED",
    })
}
