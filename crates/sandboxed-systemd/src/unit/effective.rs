//! What is in force after all assignments, by the rules of [`Merge`].

use std::collections::BTreeSet;

use super::words;
use super::{Assignment, ExecCommand, MalformedWord, ParsedUnit};
use crate::directive::{self, Merge, Parser, Section, Takes};

/// A set by what is in it, or by what is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Selection {
    /// These.
    Only(BTreeSet<String>),
    /// All but these.
    AllBut(BTreeSet<String>),
}

impl Selection {
    /// Whether the set holds the item.
    pub fn contains(&self, item: &str) -> bool {
        match self {
            Self::Only(items) => items.contains(item),
            Self::AllBut(items) => !items.contains(item),
        }
    }

    fn new(inverted: bool, items: BTreeSet<String>) -> Self {
        if inverted { Self::AllBut(items) } else { Self::Only(items) }
    }

    /// Adds items to the set, or (`inverted`) takes them out.
    fn update(&mut self, inverted: bool, items: BTreeSet<String>) {
        match self {
            Self::Only(set) if !inverted => set.extend(items),
            Self::AllBut(set) if inverted => set.extend(items),
            Self::Only(set) | Self::AllBut(set) => set.retain(|item| !items.contains(item)),
        }
    }

    /// As it would be assigned.
    fn text(&self) -> String {
        let (prefix, items) = match self {
            Self::Only(items) => ("", items),
            Self::AllBut(items) => ("~", items),
        };
        format!("{prefix}{}", items.iter().map(String::as_str).collect::<Vec<_>>().join(" "))
    }
}

/// Reads a boolean, systemd.syntax(7).
pub fn parse_boolean(text: &str) -> Option<bool> {
    let is = |words: &[&str]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    if is(&["1", "yes", "y", "true", "t", "on"]) {
        Some(true)
    } else if is(&["0", "no", "n", "false", "f", "off"]) {
        Some(false)
    } else {
        None
    }
}

impl ParsedUnit {
    /// The assignments that are in force: for a scalar the last one, for lists those since the last reset.
    pub fn in_force(&self, section: Section, name: &str) -> Vec<&Assignment> {
        let name = directive::canonical_name(section, name);
        let Some(parser) = directive::parser(section, name) else { return Vec::new() };
        let mut kept: Vec<&Assignment> = Vec::new();
        for assignment in self.assignments().iter().filter(|assignment| assignment.section == section) {
            let own = assignment.name == name;
            match parser.merge {
                Merge::Grouped(group) => {
                    let same = || directive::parser(section, &assignment.name).map(|other| other.merge);
                    if assignment.value.is_empty() && (own || same() == Some(Merge::Grouped(group))) {
                        kept.clear();
                    } else if own {
                        kept.push(assignment);
                    }
                }
                _ if !own => {}
                // What systemd does not understand changes nothing.
                Merge::Strict if !is_valid(&assignment.value, parser) => {}
                Merge::Scalar if !assignment.value.is_empty() && !is_valid(&assignment.value, parser) => {}
                Merge::Dependencies if assignment.value.is_empty() => {}
                Merge::Scalar | Merge::Strict => {
                    kept.clear();
                    if !assignment.value.is_empty() {
                        kept.push(assignment);
                    }
                }
                _ => {
                    if assignment.value.is_empty() {
                        kept.clear();
                    }
                    // An empty set of capabilities is not the default set, nor is an empty list of
                    // controllers the default of Delegate=.
                    let means_something = matches!(parser.merge, Merge::CapabilitySet | Merge::Delegate);
                    if !assignment.value.is_empty() || means_something {
                        kept.push(assignment);
                    }
                }
            }
        }
        kept
    }

    /// The value in force of a directive that holds one; `None` for its default.
    pub fn scalar(&self, section: Section, name: &str) -> Option<&str> {
        self.in_force(section, name).last().map(|assignment| assignment.value.as_str())
    }

    /// The boolean in force; `None` for the default, and for a value that is no boolean.
    pub fn boolean(&self, section: Section, name: &str) -> Option<bool> {
        self.scalar(section, name).and_then(parse_boolean)
    }

    /// The items in force of a list, unquoted; specifiers are not expanded, see [`super::resolve_percent`]. For
    /// items of several parts see [`super::parts`].
    pub fn list(&self, section: Section, name: &str) -> Vec<String> {
        let name = directive::canonical_name(section, name);
        let Some(parser) = directive::parser(section, name) else { return Vec::new() };
        let mut list: Vec<String> = Vec::new();
        for assignment in self.in_force(section, name) {
            // systemd ignores what follows a malformed word.
            let (items, _) = words::items(&assignment.value, parser.syntax);
            for item in items {
                if let Merge::Keyed(separator) = parser.merge {
                    let key = |item: &str| item.split(separator).next().unwrap_or_default().to_owned();
                    let new = key(&item);
                    list.retain(|old| key(old) != new);
                }
                list.push(item);
            }
        }
        list
    }

    /// The set in force of a directive that selects some of many, by allowing or (`~`) denying; `None` when
    /// the default is in force. Groups such as `@system-service` are items like others: what is taken from a
    /// group is in [`ParsedUnit::in_force`] alone.
    pub fn selection(&self, section: Section, name: &str) -> Option<Selection> {
        let name = directive::canonical_name(section, name);
        let parser = directive::parser(section, name)?;
        let mut selection: Option<Selection> = None;
        for assignment in self.in_force(section, name) {
            let value = assignment.value.as_str();
            match (parser.merge, parse_boolean(value)) {
                // For RestrictNamespaces=, yes leaves none and no leaves all; elsewhere the other way round.
                (Merge::NamespaceSet, Some(boolean)) => {
                    selection =
                        Some(Selection::new(boolean != (name == "RestrictNamespaces"), BTreeSet::new()));
                    continue;
                }
                (Merge::FirstKindWins | Merge::NamespaceSet | Merge::CapabilitySet, _) => {}
                _ => return None,
            }
            if name == "RestrictAddressFamilies" && value == "none" {
                selection = Some(Selection::Only(BTreeSet::new()));
                continue;
            }
            let (inverted, list) = value.strip_prefix('~').map_or((false, value), |list| (true, list));
            let items: BTreeSet<String> = words::items(list, parser.syntax).0.into_iter().collect();
            match &mut selection {
                Some(selection) if !starts_anew(name, selection, &items) => selection.update(inverted, items),
                selection => *selection = Some(Selection::new(inverted, items)),
            }
        }
        selection
    }

    /// The commands in force.
    ///
    /// # Errors
    /// When quotes or escapes are not valid: systemd refuses to start such a service.
    pub fn commands(&self, section: Section, name: &str) -> Result<Vec<ExecCommand>, MalformedWord> {
        let lines = self.in_force(section, name).into_iter().map(|line| ExecCommand::parse(&line.value));
        lines.collect::<Result<Vec<_>, _>>().map(|commands| commands.into_iter().flatten().collect())
    }

    /// What is in force, as text: the value of a scalar, the items of a list, the lines of commands, the one
    /// list that a selection comes to. Empty for the default.
    pub fn effective(&self, section: Section, name: &str) -> Vec<String> {
        let name = directive::canonical_name(section, name);
        let values = || self.in_force(section, name).into_iter().map(|assignment| assignment.value.clone());
        match directive::parser(section, name).map(|parser| parser.merge) {
            None => Vec::new(),
            Some(Merge::Scalar | Merge::Strict | Merge::ExecList | Merge::Delegate) => values().collect(),
            Some(Merge::FirstKindWins | Merge::CapabilitySet | Merge::NamespaceSet) => {
                self.selection(section, name).iter().map(Selection::text).collect()
            }
            Some(Merge::List | Merge::Keyed(_) | Merge::Grouped(_) | Merge::Dependencies) => {
                self.list(section, name)
            }
        }
    }
}

/// Whether these items are the first ones, though the directive was assigned before.
fn starts_anew(name: &str, so_far: &Selection, items: &BTreeSet<String>) -> bool {
    let (Selection::Only(set) | Selection::AllBut(set)) = so_far;
    match name {
        // Before systemd 262 also when all of them came together in several steps.
        "CapabilityBoundingSet" => items.is_empty(),
        // No ambient capabilities is where systemd starts from.
        "AmbientCapabilities" => items.is_empty() || matches!(so_far, Selection::Only(_)) && set.is_empty(),
        // An empty list is taken for none.
        "RestrictNetworkInterfaces" => set.is_empty(),
        _ => false,
    }
}

/// Whether systemd would take the value, as far as the table knows.
fn is_valid(value: &str, parser: &Parser) -> bool {
    match parser.takes {
        Takes::Keywords(keywords) => {
            let boolean = parse_boolean(value).map(|value| if value { "yes" } else { "no" });
            keywords.contains(&value) || boolean.is_some_and(|word| keywords.contains(&word))
        }
        _ => !value.is_empty(),
    }
}
