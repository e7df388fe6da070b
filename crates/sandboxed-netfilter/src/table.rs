//! Chains and tables.

use std::collections::BTreeMap;

use crate::{
    expression::{Among, Field, Match},
    name::Ident,
    rule::{Action, Rule, Verdict},
    set::{Set, Translations, VerdictMap},
    value::{Family, Type},
};

/// Where the kernel hands packets to a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hook {
    /// Packets that are for this machine.
    Input,
    /// Packets that it passes on.
    Forward,
    /// Packets that it sends.
    Output,
    /// Packets that arrive, before it is known whether they are for this machine.
    Prerouting,
    /// Packets that leave, whether it sends them or passes them on.
    Postrouting,
}

/// What a chain that the kernel calls is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Purpose {
    /// It sees every packet.
    #[default]
    Filter,
    /// It sees the first packet of each connection, and what it does to that one's addresses is done to all others. It
    /// switches connection tracking on.
    Translate,
}

/// A chain's place in the kernel, for chains that the kernel itself calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Base {
    /// The hook.
    pub hook: Hook,
    /// Whether it filters or translates addresses.
    pub purpose: Purpose,
    /// Lower numbers come first; 0 is where everyone filters.
    pub priority: i16,
    /// What becomes of packets that no rule decides on: accepted if true, dropped if false.
    pub accept: bool,
}

/// A list of rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Its name.
    pub name: Ident,
    /// Whether the kernel calls it; otherwise other chains do.
    pub base: Option<Base>,
    /// The rules in order.
    pub rules: Vec<Rule>,
}

impl Chain {
    /// A chain that others jump to.
    pub fn new(name: Ident, rules: Vec<Rule>) -> Self {
        Self { name, base: None, rules }
    }

    /// A chain that the kernel calls at the usual place for filters and that accepts what no rule decides on.
    pub fn at(name: Ident, hook: Hook, rules: Vec<Rule>) -> Self {
        let base = Base { hook, purpose: Purpose::Filter, priority: 0, accept: true };
        Self { name, base: Some(base), rules }
    }

    /// A chain that translates addresses of what arrives, or of what leaves, at the usual places for that (nft(8),
    /// "Standard priority names": dstnat, srcnat).
    pub fn translating(name: Ident, hook: Hook, rules: Vec<Rule>) -> Self {
        let priority = if hook == Hook::Prerouting { -100 } else { 100 };
        Self { name, base: Some(Base { hook, purpose: Purpose::Translate, priority, accept: true }), rules }
    }
}

/// Who may change and delete a table. An owned table belongs to the process that loads it, for as long as that keeps its
/// netlink socket open (`nft -i` does; `nft -f` ends, so it loads such a table in vain). Nobody else can change or delete
/// it, and `nft flush ruleset` leaves it. Everyone with the right to may list it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ownership {
    /// Whoever may change any rules.
    #[default]
    Shared,
    /// Its owner alone; when the owner ends, the table is gone (`flags owner`: Linux 5.12).
    Owned,
    /// Its owner alone; when the owner ends, the table stays in force and is open to everyone until another process
    /// adopts it by loading it in the same way (`flags owner, persist`: nft 1.1.3 has it and 1.0.6 has not; docs/netfilter.md).
    Persistent,
}

/// A table of the family `inet`, which sees IPv4 and IPv6.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: Ident,
    /// Who may change and delete it.
    pub ownership: Ownership,
    /// Sets by name.
    pub sets: BTreeMap<Ident, Set>,
    /// Maps by name.
    pub maps: BTreeMap<Ident, VerdictMap>,
    /// Maps from what packets are for to where they go instead, by name.
    pub translations: BTreeMap<Ident, Translations>,
    /// Chains by name.
    pub chains: BTreeMap<Ident, Chain>,
}

/// What is wrong with a table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// A rule or element leads to a chain that is not there.
    #[error("there is no chain {0}")]
    NoChain(Ident),
    /// A rule looks into a set that is not there.
    #[error("there is no set {0}")]
    NoSet(Ident),
    /// A rule looks into a map that is not there.
    #[error("there is no map {0}")]
    NoMap(Ident),
    /// The fields of a rule are not those of the set or map it looks into.
    #[error("{name} holds {expected:?} but is asked for {found:?}")]
    Type {
        /// The set or map.
        name: Ident,
        /// Its types.
        expected: Vec<Type>,
        /// The rule's.
        found: Vec<Type>,
    },
    /// A rule asks for a port before it has asked for the protocol: other protocols have other things in that place.
    #[error("a rule of chain {0} looks at ports of any protocol")]
    Port(Ident),
    /// A rule asks for addresses of both families: no packet has them, and nft refuses it.
    #[error("a rule of chain {0} asks for IPv4 and IPv6 addresses at once")]
    Families(Ident),
    /// A chain can be reached from itself.
    #[error("chain {0} leads back to itself")]
    Loop(Ident),
}

impl Table {
    /// An empty table.
    pub fn new(name: Ident) -> Self {
        Self {
            name,
            ownership: Ownership::default(),
            sets: BTreeMap::new(),
            maps: BTreeMap::new(),
            translations: BTreeMap::new(),
            chains: BTreeMap::new(),
        }
    }

    /// Adds a set, or replaces the one of the same name.
    #[must_use]
    pub fn with_set(mut self, set: Set) -> Self {
        self.sets.insert(set.name.clone(), set);
        self
    }

    /// Adds a map, or replaces the one of the same name.
    #[must_use]
    pub fn with_map(mut self, map: VerdictMap) -> Self {
        self.maps.insert(map.name.clone(), map);
        self
    }

    /// Adds a map of destinations, or replaces the one of the same name.
    #[must_use]
    pub fn with_translations(mut self, map: Translations) -> Self {
        self.translations.insert(map.name.clone(), map);
        self
    }

    /// Adds a chain, or replaces the one of the same name.
    #[must_use]
    pub fn with_chain(mut self, chain: Chain) -> Self {
        self.chains.insert(chain.name.clone(), chain);
        self
    }

    /// Whether loading it makes the kernel track the connections of the whole host.
    pub fn needs_conntrack(&self) -> bool {
        let translates = |chain: &Chain| chain.base.is_some_and(|base| base.purpose == Purpose::Translate);
        let tracks =
            |chain: &Chain| chain.rules.iter().flat_map(|rule| &rule.matches).any(Match::needs_conntrack);
        self.chains.values().any(|chain| translates(chain) || tracks(chain))
    }

    /// Checks that everything that is referred to is there, that types agree, and that no chain leads to itself: what
    /// the kernel would refuse, found where no kernel is at hand.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), TableError> {
        for chain in self.chains.values() {
            for rule in &chain.rules {
                self.check_rule(rule)?;
                if asks_for_port_of_any_protocol(rule) {
                    return Err(TableError::Port(chain.name.clone()));
                }
                if asks_for_both_families(rule) {
                    return Err(TableError::Families(chain.name.clone()));
                }
            }
        }
        for verdict in self.maps.values().flat_map(|map| map.elements.values()) {
            self.check_verdict(verdict)?;
        }
        for name in self.chains.keys() {
            self.check_loops(name, &mut Vec::new())?;
        }
        Ok(())
    }

    fn check_rule(&self, rule: &Rule) -> Result<(), TableError> {
        let agree = |name: &Ident, expected: &[Type], fields: &[Field]| {
            let found: Vec<Type> = fields.iter().map(|field| field.value_type()).collect();
            if found == expected {
                Ok(())
            } else {
                Err(TableError::Type { name: name.clone(), expected: expected.to_vec(), found })
            }
        };
        let set_types = |name: &Ident| match self.sets.get(name) {
            Some(set) => Ok(set.elements.types()),
            None => Err(TableError::NoSet(name.clone())),
        };
        for condition in &rule.matches {
            if let Match::Lookup { fields, among: Among::Set(name), .. } = condition {
                agree(name, set_types(name)?, fields)?;
            }
        }
        match &rule.action {
            Action::Verdict(verdict) => self.check_verdict(verdict),
            Action::Learn { set, fields } => agree(set, set_types(set)?, fields),
            Action::Map { fields, map } => {
                let found = self.maps.get(map).ok_or_else(|| TableError::NoMap(map.clone()))?;
                agree(map, &found.types, fields)
            }
            Action::Redirect { fields, map, .. } => {
                let found = self.translations.get(map).ok_or_else(|| TableError::NoMap(map.clone()))?;
                agree(map, &found.key, fields)
            }
            Action::Reject(_) | Action::Log(_) | Action::Masquerade => Ok(()),
        }
    }

    fn check_verdict(&self, verdict: &Verdict) -> Result<(), TableError> {
        match verdict {
            Verdict::Jump(chain) | Verdict::Goto(chain) if !self.chains.contains_key(chain) => {
                Err(TableError::NoChain(chain.clone()))
            }
            _ => Ok(()),
        }
    }

    fn check_loops<'a>(&'a self, name: &'a Ident, path: &mut Vec<&'a Ident>) -> Result<(), TableError> {
        if path.contains(&name) {
            return Err(TableError::Loop(name.clone()));
        }
        path.push(name);
        for rule in self.chains.get(name).into_iter().flat_map(|chain| &chain.rules) {
            let verdicts: Vec<&Verdict> = match &rule.action {
                Action::Verdict(verdict) => vec![verdict],
                Action::Map { map, .. } => {
                    self.maps.get(map).into_iter().flat_map(|map| map.elements.values()).collect()
                }
                _ => Vec::new(),
            };
            for verdict in verdicts {
                if let Verdict::Jump(next) | Verdict::Goto(next) = verdict {
                    self.check_loops(next, path)?;
                }
            }
        }
        path.pop();
        Ok(())
    }
}

fn asks_for_port_of_any_protocol(rule: &Rule) -> bool {
    let mut protocol_known = false;
    for condition in &rule.matches {
        match condition {
            Match::TcpFlags { .. } => protocol_known = true,
            Match::Lookup { fields, not, .. } => {
                let has = |wanted: &[Field]| fields.iter().any(|field| wanted.contains(field));
                protocol_known |= !not && has(&[Field::Protocol]);
                if !protocol_known && has(&[Field::SourcePort, Field::DestinationPort]) {
                    return true;
                }
            }
            _ => {}
        }
    }
    match &rule.action {
        // Where the protocol is a part of the key, it is known.
        Action::Redirect { fields, .. } if fields.contains(&Field::Protocol) => false,
        Action::Learn { fields, .. } | Action::Map { fields, .. } | Action::Redirect { fields, .. } => {
            let ports = |field: &Field| matches!(field, Field::SourcePort | Field::DestinationPort);
            !protocol_known && fields.iter().any(ports)
        }
        _ => false,
    }
}

fn asks_for_both_families(rule: &Rule) -> bool {
    let asks_for = |family: Family, address: Type| {
        rule.matches.iter().any(|condition| match condition {
            Match::Lookup { fields, not, among: Among::Values(values) } if fields == &[Field::Family] => {
                !not && values.iter().len() == 1 && values.contains(&[family.into()])
            }
            Match::Lookup { fields, .. } => fields.iter().any(|field| field.value_type() == address),
            _ => false,
        })
    };
    asks_for(Family::V4, Type::Address4) && asks_for(Family::V6, Type::Address6)
}
