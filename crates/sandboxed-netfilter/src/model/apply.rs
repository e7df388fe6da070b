//! What a script does to a loaded table.

use super::Loaded;
use crate::{
    expression::{Among, Match},
    name::Ident,
    rule::{Action, Verdict},
    script::{Command, Script},
    table::{Chain, Table, TableError},
};

/// Why the kernel would refuse a script.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApplyError {
    /// A command names something that is not there.
    #[error("{0} is not there")]
    Missing(Ident),
    /// An element that is to be deleted is not there.
    #[error("{0} has no such element")]
    NoElement(Ident),
    /// A key is there already with another verdict.
    #[error("{0} has the element already, with another verdict")]
    Exists(Ident),
    /// A chain that is to be deleted has rules, or something leads to it.
    #[error("chain {0} is in use")]
    Busy(Ident),
    /// An element has another type than its set.
    #[error(transparent)]
    Element(#[from] crate::set::SetError),
    /// The table would be wrong afterwards.
    #[error(transparent)]
    Table(#[from] TableError),
}

impl Loaded {
    /// Applies a script as one transaction: if anything in it is refused, nothing changes.
    ///
    /// # Errors
    /// What the kernel would refuse.
    pub fn apply(&mut self, script: &Script) -> Result<(), ApplyError> {
        let mut next = self.clone();
        for command in &script.commands {
            next.command(&script.table, command)?;
        }
        if let Some(table) = &next.table {
            table.check()?;
        }
        *self = next;
        Ok(())
    }

    fn command(&mut self, name: &Ident, command: &Command) -> Result<(), ApplyError> {
        match command {
            Command::AddTable => {
                self.table.get_or_insert_with(|| Table::new(name.clone()));
                return Ok(());
            }
            Command::Block(block) => {
                let table = self.table.get_or_insert_with(|| Table::new(name.clone()));
                return add_block(table, block);
            }
            Command::DeleteTable => {
                self.table = None;
                self.learned.clear();
                return Ok(());
            }
            Command::FlushSet(set) | Command::DeleteSet(set) => {
                self.learned.remove(set);
            }
            _ => {}
        }
        let table = self.table.as_mut().ok_or_else(|| ApplyError::Missing(name.clone()))?;
        change(table, command)
    }
}

fn add_block(table: &mut Table, block: &Table) -> Result<(), ApplyError> {
    table.ownership = block.ownership;
    for set in block.sets.values() {
        let there = table.sets.entry(set.name.clone()).or_insert_with(|| set.clone());
        for key in set.elements.iter() {
            there.elements.insert(key.clone())?;
        }
    }
    for map in block.maps.values() {
        let there = table.maps.entry(map.name.clone()).or_insert_with(|| map.clone());
        there.elements.extend(map.elements.clone());
    }
    for map in block.translations.values() {
        table.translations.entry(map.name.clone()).or_insert_with(|| map.clone());
    }
    for chain in block.chains.values() {
        let empty = Chain { rules: Vec::new(), ..chain.clone() };
        let there = table.chains.entry(chain.name.clone()).or_insert(empty);
        there.rules.extend(chain.rules.iter().cloned());
    }
    Ok(())
}

fn change(table: &mut Table, command: &Command) -> Result<(), ApplyError> {
    let missing = |name: &Ident| ApplyError::Missing(name.clone());
    match command {
        Command::AddTable | Command::DeleteTable | Command::Block(_) => {}
        Command::AddSet(set) => {
            table.sets.entry(set.name.clone()).or_insert_with(|| (**set).clone());
        }
        Command::DeleteSet(name) => {
            if is_looked_into(table, name) {
                return Err(ApplyError::Busy(name.clone()));
            }
            table.sets.remove(name).ok_or_else(|| missing(name))?;
        }
        Command::AddChain(name, base) => {
            let chain = Chain { name: name.clone(), base: *base, rules: Vec::new() };
            table.chains.entry(name.clone()).or_insert(chain);
        }
        Command::FlushChain(name) => {
            table.chains.get_mut(name).ok_or_else(|| missing(name))?.rules.clear();
        }
        Command::DeleteChain(name) => {
            let chain = table.chains.get(name).ok_or_else(|| missing(name))?;
            if !chain.rules.is_empty() || is_referred_to(table, name) {
                return Err(ApplyError::Busy(name.clone()));
            }
            table.chains.remove(name);
        }
        Command::AddRule(name, rule) => {
            let chain = table.chains.get_mut(name).ok_or_else(|| missing(name))?;
            chain.rules.push((**rule).clone());
        }
        Command::AddElements(name, keys) => {
            let set = table.sets.get_mut(name).ok_or_else(|| missing(name))?;
            for key in keys {
                set.elements.insert(key.clone())?;
            }
        }
        Command::AddVerdicts(name, elements) => {
            let map = table.maps.get_mut(name).ok_or_else(|| missing(name))?;
            for (key, verdict) in elements {
                if map.elements.get(key).is_some_and(|there| there != verdict) {
                    return Err(ApplyError::Exists(name.clone()));
                }
                map.elements.insert(key.clone(), verdict.clone());
            }
        }
        // The model follows a packet to its verdict, not to another address.
        Command::DeleteElements(name, _) if table.translations.contains_key(name) => {}
        Command::DeleteElements(name, keys) => {
            for key in keys {
                let found = match (table.maps.get_mut(name), table.sets.get_mut(name)) {
                    (Some(map), _) => map.elements.remove(key).is_some(),
                    (None, Some(set)) => set.elements.remove(key),
                    (None, None) => return Err(missing(name)),
                };
                if !found {
                    return Err(ApplyError::NoElement(name.clone()));
                }
            }
        }
        Command::AddTranslations(name, _) => {
            table.translations.get(name).ok_or_else(|| missing(name))?;
        }
        Command::FlushSet(name) => table.sets.get_mut(name).ok_or_else(|| missing(name))?.elements.clear(),
        Command::FlushMap(name) => table.maps.get_mut(name).ok_or_else(|| missing(name))?.elements.clear(),
    }
    Ok(())
}

fn is_looked_into(table: &Table, name: &Ident) -> bool {
    let looks =
        |condition: &Match| matches!(condition, Match::Lookup { among: Among::Set(set), .. } if set == name);
    table.chains.values().flat_map(|chain| &chain.rules).any(|rule| {
        rule.matches.iter().any(looks) || matches!(&rule.action, Action::Learn { set, .. } if set == name)
    })
}

fn is_referred_to(table: &Table, name: &Ident) -> bool {
    let leads_here =
        |verdict: &Verdict| matches!(verdict, Verdict::Jump(chain) | Verdict::Goto(chain) if chain == name);
    let rules = table.chains.values().flat_map(|chain| &chain.rules);
    let elements = table.maps.values().flat_map(|map| map.elements.values());
    let by_rule = rules
        .filter_map(|rule| match &rule.action {
            Action::Verdict(verdict) => Some(verdict),
            _ => None,
        })
        .any(leads_here);
    by_rule || elements.into_iter().any(leads_here)
}
