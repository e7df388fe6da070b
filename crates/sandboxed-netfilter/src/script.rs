//! Changes to loaded tables. What one script holds takes effect at once or not at all: nft sends it as one transaction.

use std::{
    collections::BTreeMap,
    fmt::{self, Display, Formatter},
};

use crate::{
    name::Ident,
    nft::{join, key},
    rule::{Rule, Verdict},
    set::Set,
    table::{Base, Chain, Table},
    value::Value,
};

/// One change. Names refer to the script's table.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Command {
    /// Adds the table if it is not there.
    AddTable,
    /// Deletes it with all that is in it.
    DeleteTable,
    /// Adds what the table is missing; existing chains get its rules in addition.
    Block(Table),
    /// Adds a set if it is not there, with what it is to hold.
    AddSet(Box<Set>),
    /// Deletes a set that no rule refers to any more.
    DeleteSet(Ident),
    /// Adds a chain if it is not there.
    AddChain(Ident, Option<Base>),
    /// Takes all rules out of a chain.
    FlushChain(Ident),
    /// Deletes a chain that nothing refers to any more.
    DeleteChain(Ident),
    /// Adds a rule at the end of a chain.
    AddRule(Ident, Box<Rule>),
    /// Adds elements to a set; those that are there already are fine. Paths of control groups are looked up now and must
    /// exist.
    AddElements(Ident, Vec<Vec<Value>>),
    /// Adds elements to a map; those that are there already, with the same verdict, are fine.
    AddVerdicts(Ident, Vec<(Vec<Value>, Verdict)>),
    /// Adds elements to a map of destinations: a key, and the address and port that it leads to.
    AddTranslations(Ident, Vec<(Vec<Value>, Vec<Value>)>),
    /// Deletes elements from a set or map; they must be there. Paths of control groups are looked up now, so an element
    /// whose group is gone can't be deleted any more: see [`Command::FlushMap`].
    DeleteElements(Ident, Vec<Vec<Value>>),
    /// Empties a set.
    FlushSet(Ident),
    /// Empties a map.
    FlushMap(Ident),
}

/// Changes to one table of the family `inet`, as one transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Script {
    /// The table's name.
    pub table: Ident,
    /// The changes in order.
    pub commands: Vec<Command>,
}

impl Script {
    /// Nothing to do as yet.
    pub fn new(table: Ident) -> Self {
        Self { table, commands: Vec::new() }
    }

    /// Loads a table, or brings a loaded one to the same state: its chains get exactly these rules, while chains, sets
    /// and elements that it does not name stay. (A set or base chain whose *declaration* changed can't be brought along;
    /// the kernel refuses.)
    pub fn ensure(table: &Table) -> Self {
        let mut declarations = table.clone();
        for chain in declarations.chains.values_mut() {
            chain.rules.clear();
        }
        let mut script = Self::new(table.name.clone());
        script.push(Command::Block(declarations));
        for chain in table.chains.keys() {
            script.push(Command::FlushChain(chain.clone()));
        }
        let rules = Table {
            sets: BTreeMap::new(),
            maps: BTreeMap::new(),
            translations: BTreeMap::new(),
            ..table.clone()
        };
        script.push(Command::Block(rules));
        script
    }

    /// Deletes a table, whether it is there or not.
    pub fn delete(table: &Ident) -> Self {
        let mut script = Self::new(table.clone());
        script.push(Command::AddTable);
        script.push(Command::DeleteTable);
        script
    }

    /// Adds a change at the end.
    pub fn push(&mut self, command: Command) {
        self.commands.push(command);
    }

    /// Gives a chain exactly these rules, whether it is there or not. Who jumps to it sees the old rules or the new ones.
    pub fn replace_chain(&mut self, chain: &Chain) {
        self.push(Command::AddChain(chain.name.clone(), chain.base));
        self.push(Command::FlushChain(chain.name.clone()));
        for rule in &chain.rules {
            self.push(Command::AddRule(chain.name.clone(), Box::new(rule.clone())));
        }
    }
}

impl Display for Script {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let table = &self.table;
        for command in &self.commands {
            match command {
                Command::AddTable => write!(f, "add table inet {table}")?,
                Command::DeleteTable => write!(f, "delete table inet {table}")?,
                Command::Block(block) => {
                    // A block ends its own line.
                    block.fmt(f)?;
                    continue;
                }
                Command::AddSet(set) => {
                    let declared = set.to_string();
                    write!(f, "add set inet {table} {}", declared.trim_start_matches("set "))?;
                }
                Command::DeleteSet(set) => write!(f, "delete set inet {table} {set}")?,
                Command::AddChain(chain, None) => write!(f, "add chain inet {table} {chain}")?,
                Command::AddChain(chain, Some(base)) => {
                    write!(f, "add chain inet {table} {chain} {{ {base} }}")?;
                }
                Command::FlushChain(chain) => write!(f, "flush chain inet {table} {chain}")?,
                Command::DeleteChain(chain) => write!(f, "delete chain inet {table} {chain}")?,
                Command::AddRule(chain, rule) => write!(f, "add rule inet {table} {chain} {rule}")?,
                Command::AddElements(set, keys) => {
                    if keys.is_empty() {
                        continue;
                    }
                    write!(f, "add element inet {table} {set} {{ ")?;
                    join(f, ", ", keys.iter().map(|parts| key(parts)))?;
                    f.write_str(" }")?;
                }
                Command::AddVerdicts(map, elements) => {
                    if elements.is_empty() {
                        continue;
                    }
                    write!(f, "add element inet {table} {map} {{ ")?;
                    join(
                        f,
                        ", ",
                        elements.iter().map(|(parts, verdict)| format!("{} : {verdict}", key(parts))),
                    )?;
                    f.write_str(" }")?;
                }
                Command::AddTranslations(map, elements) => {
                    if elements.is_empty() {
                        continue;
                    }
                    write!(f, "add element inet {table} {map} {{ ")?;
                    join(f, ", ", elements.iter().map(|(from, to)| format!("{} : {}", key(from), key(to))))?;
                    f.write_str(" }")?;
                }
                Command::DeleteElements(set, keys) => {
                    if keys.is_empty() {
                        continue;
                    }
                    write!(f, "delete element inet {table} {set} {{ ")?;
                    join(f, ", ", keys.iter().map(|parts| key(parts)))?;
                    f.write_str(" }")?;
                }
                Command::FlushSet(set) => write!(f, "flush set inet {table} {set}")?,
                Command::FlushMap(map) => write!(f, "flush map inet {table} {map}")?,
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}
