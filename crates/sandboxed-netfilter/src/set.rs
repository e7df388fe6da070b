//! Sets of values, and maps from values to verdicts.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::{
    name::Ident,
    rule::Verdict,
    value::{Family, State, Type, Value},
};

/// Why something can't be an element.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SetError {
    /// A condition on no values could never hold, and nft can't write it.
    #[error("a list of values may not be empty")]
    Empty,
    /// The element has another type than the set.
    #[error("expected a value of type {expected:?}, found {found:?}")]
    Type {
        /// The types of the set.
        expected: Vec<Type>,
        /// The types of the element.
        found: Vec<Type>,
    },
    /// Two elements that overlap without one containing the other, and whose difference can't be written.
    #[error("{0:?} and {1:?} overlap")]
    Overlap(Vec<Value>, Vec<Value>),
}

/// Elements of one type, or of one combination of types, none of which overlaps another.
///
/// The kernel refuses overlapping elements in some kinds of set and merges them silently in others, so what is put in
/// is cut into disjoint pieces that together mean the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements {
    types: Vec<Type>,
    keys: BTreeSet<Vec<Value>>,
}

impl Elements {
    /// At least one element.
    ///
    /// # Errors
    /// If there is none, or one has another type.
    pub fn new(types: &[Type], keys: impl IntoIterator<Item = Vec<Value>>) -> Result<Self, SetError> {
        let mut elements = Self::empty(types);
        for key in keys {
            elements.insert(key)?;
        }
        if elements.keys.is_empty() { Err(SetError::Empty) } else { Ok(elements) }
    }

    /// No elements as yet.
    pub fn empty(types: &[Type]) -> Self {
        Self { types: types.to_vec(), keys: BTreeSet::new() }
    }

    pub(crate) fn single(value: Value) -> Self {
        Self { types: vec![value.value_type()], keys: BTreeSet::from([vec![value]]) }
    }

    pub(crate) fn of_states(states: &[State]) -> Self {
        let keys = states.iter().map(|state| vec![Value::State(*state)]).collect();
        Self { types: vec![Type::State], keys }
    }

    /// Adds what is not there yet.
    ///
    /// # Errors
    /// If the element has another type than the others, or overlaps one in a way that can't be taken apart (which only
    /// interface prefixes combined with ranges can).
    pub fn insert(&mut self, key: Vec<Value>) -> Result<(), SetError> {
        let found: Vec<Type> = key.iter().map(Value::value_type).collect();
        if found != self.types {
            return Err(SetError::Type { expected: self.types.clone(), found });
        }
        self.keys.retain(|old| !contains(&key, old));
        let mut pieces = vec![key];
        for old in &self.keys {
            let mut rest = Vec::new();
            for piece in pieces {
                subtract(piece, old, &mut rest)?;
            }
            pieces = rest;
        }
        self.keys.extend(pieces);
        Ok(())
    }

    /// The types that an element consists of.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// The elements in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Vec<Value>> {
        self.keys.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether one of them covers this key, which consists of single values.
    pub fn contains(&self, key: &[Value]) -> bool {
        self.keys.iter().any(|element| contains(element, key))
    }

    /// Takes exactly this element away.
    pub(crate) fn remove(&mut self, key: &[Value]) -> bool {
        self.keys.remove(key)
    }

    /// Takes all away.
    pub(crate) fn clear(&mut self) {
        self.keys.clear();
    }

    pub(crate) fn has_intervals(&self) -> bool {
        self.keys.iter().flatten().any(Value::is_interval)
    }
}

fn contains(outer: &[Value], inner: &[Value]) -> bool {
    outer.len() == inner.len() && outer.iter().zip(inner).all(|(outer, inner)| covers(outer, inner))
}

/// Whether everything in `inner` is in `outer`, both possibly standing for many values.
fn covers(outer: &Value, inner: &Value) -> bool {
    match (outer, inner) {
        (Value::InterfacePrefix(short), Value::InterfacePrefix(long)) => {
            long.as_str().starts_with(short.as_str())
        }
        _ => outer.contains(inner),
    }
}

/// Puts what `from` has beyond `other` into `rest`, as disjoint pieces.
fn subtract(from: Vec<Value>, other: &[Value], rest: &mut Vec<Vec<Value>>) -> Result<(), SetError> {
    let mut common = from;
    let original = common.clone();
    let mut pieces = Vec::new();
    for (position, theirs) in other.iter().enumerate() {
        let Some(ours) = common.get(position).cloned() else { break };
        let mut piece = |value: Value| {
            let mut piece = common.clone();
            if let Some(place) = piece.get_mut(position) {
                *place = value;
            }
            pieces.push(piece);
        };
        let value_type = ours.value_type();
        let both = match (ours.interval(), theirs.interval()) {
            (Some((first, last)), Some((low, high))) => {
                let (start, end) = (first.max(low), last.min(high));
                if start > end {
                    rest.push(original);
                    return Ok(());
                }
                if first < start {
                    Value::from_interval(value_type, first, start - 1).into_iter().for_each(&mut piece);
                }
                if end < last {
                    Value::from_interval(value_type, end + 1, last).into_iter().for_each(&mut piece);
                }
                Value::from_interval(value_type, start, end).unwrap_or(ours)
            }
            _ if covers(theirs, &ours) => ours,
            _ if covers(&ours, theirs) => return Err(SetError::Overlap(original, other.to_vec())),
            _ => {
                rest.push(original);
                return Ok(());
            }
        };
        if let Some(place) = common.get_mut(position) {
            *place = both;
        }
    }
    rest.extend(pieces);
    Ok(())
}

/// A named set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// Its name.
    pub name: Ident,
    /// What is in it when it is loaded.
    pub elements: Elements,
    /// Whether elements may be ranges or prefixes, also those that come later.
    pub interval: bool,
    /// Whether rules add elements to it.
    pub learned: Option<Learned>,
}

/// How a set forgets what rules added to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Learned {
    /// How long an element stays after the last packet that added it. Whole seconds.
    pub timeout: Duration,
    /// The most elements it may hold; when it is full, nothing more is learned.
    pub size: u32,
}

impl Set {
    /// A set of these types without elements.
    pub fn empty(name: Ident, types: &[Type]) -> Self {
        Self { name, elements: Elements::empty(types), interval: false, learned: None }
    }

    /// A set that rules fill: with whom connection tracking would remember after a UDP packet that was not answered, as long
    /// as it would.
    pub fn learning(name: Ident, types: &[Type]) -> Self {
        let learned = Some(Learned { timeout: Duration::from_secs(30), size: 65_536 });
        Self { learned, ..Self::empty(name, types) }
    }

    /// A set that is filled now and not changed later.
    pub fn of(name: Ident, elements: Elements) -> Self {
        Self { name, interval: elements.has_intervals(), elements, learned: None }
    }
}

/// A named map from keys to verdicts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerdictMap {
    /// Its name.
    pub name: Ident,
    /// What a key consists of.
    pub types: Vec<Type>,
    /// What is in it when it is loaded.
    pub elements: BTreeMap<Vec<Value>, Verdict>,
}

impl VerdictMap {
    /// A map without elements.
    pub fn empty(name: Ident, types: &[Type]) -> Self {
        Self { name, types: types.to_vec(), elements: BTreeMap::new() }
    }
}

/// A map from what a connection is for to the address and port that it goes to instead. It is declared empty: which
/// addresses there are is known only when it is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Translations {
    /// Its name.
    pub name: Ident,
    /// The types of its keys.
    pub key: Vec<Type>,
    /// The family of the addresses that it leads to.
    pub family: Family,
}

impl Translations {
    /// The types of what the keys lead to.
    pub fn target(&self) -> [Type; 2] {
        match self.family {
            Family::V4 => [Type::Address4, Type::Port],
            Family::V6 => [Type::Address6, Type::Port],
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::value::Ports;

    fn key() -> impl Strategy<Value = Vec<Value>> {
        (0..4u8, 0..4u8, 0..20u16, 0..20u16).prop_map(|(a, b, c, d)| {
            vec![Value::Protocols(a.min(b), a.max(b)), Value::Ports(Ports::range(c, d))]
        })
    }

    proptest! {
        #[test]
        fn cutting_elements_apart_keeps_their_meaning(keys in prop::collection::vec(key(), 1..12)) {
            let elements = Elements::new(&[Type::Protocol, Type::Port], keys.clone()).unwrap();
            for protocol in 0..5 {
                for port in 0..22u16 {
                    let point = [Value::Protocols(protocol, protocol), Value::Ports(port.into())];
                    let holders = elements.iter().filter(|element| contains(element, &point)).count();
                    let meant = keys.iter().any(|key| contains(key, &point));
                    prop_assert_eq!(holders, usize::from(meant));
                }
            }
        }
    }

    #[test]
    fn an_interface_is_swallowed_by_its_prefix_in_either_order() {
        let name = || vec![Value::Interface("eth0".parse().unwrap())];
        let prefix = || vec![Value::InterfacePrefix("eth".parse().unwrap())];
        for keys in [[name(), prefix()], [prefix(), name()]] {
            let elements = Elements::new(&[Type::Interface], keys).unwrap();
            assert_eq!(elements.iter().collect::<Vec<_>>(), [&prefix()]);
        }
    }

    #[test]
    fn values_of_another_type_are_refused() {
        let mut elements = Elements::empty(&[Type::Port]);
        let error = elements.insert(vec![Value::Family(Family::V4)]).unwrap_err();
        assert!(matches!(error, SetError::Type { .. }));
        assert_eq!(Elements::new(&[Type::Port], []), Err(SetError::Empty));
    }
}
