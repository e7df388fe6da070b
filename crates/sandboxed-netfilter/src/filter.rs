//! The one table that all sandboxes share, and the changes that put a service into it.
//!
//! Each service lives in a slice of its own, at level 2 of the tree of control groups, below one slice for all of them.
//! What comes from elsewhere is let go after one look; a map leads from the slice to the service's chain, so the cost of a
//! packet does not depend on how many services there are. What is below the common slice and in no map is refused.

use std::collections::BTreeMap;

use crate::{
    expression::{Field, Match},
    name::{CgroupPath, Ident, NameError},
    rule::{Action, Reject, Rule, Verdict},
    script::{Command, Script},
    set::{Elements, Set, VerdictMap},
    table::{Chain, Hook, Ownership, Table},
    value::{Protocol, Type, Value},
};

/// Names within the table.
pub mod names {
    crate::name::names! {
        /// The table.
        table = "sandboxed";
        /// The map from a service's slice to the chain for what it sends.
        services = "services";
        /// The map from a service's slice to the chain for what comes to it.
        inbound = "inbound";
        /// The set that holds the slice which all services are below.
        root = "root";
        /// The set of the interfaces that lead to other machines, by number.
        uplinks = "uplinks";
        /// The chain that sees what the host sends.
        output = "output";
        /// The chain that sees what comes to it.
        input = "input";
        /// The chain for what is sent from below the common slice.
        outgoing = "outgoing";
        /// The chain for what comes to a socket below it.
        incoming = "incoming";
        /// The chain that refuses a packet.
        refuse = "refuse";
        /// What every service's chain for sent packets begins its name with.
        service = "service";
        /// What every service's chain for received packets begins its name with.
        offer = "offer";
        /// What begins the name of a service's set of IPv4 peers on this machine, or whom it alone reaches, that called it by UDP:
        /// interface, address, port, and the service's port.
        callers4 = "callers4";
        /// The same for IPv6.
        callers6 = "callers6";
        /// What begins the name of the set of IPv4 peers on other machines that called it by UDP, if it may not send to everybody:
        /// address, port, and the service's port.
        peers4 = "peers4";
        /// The same for IPv6.
        peers6 = "peers6";
        /// What every service's chain for what leaves to other machines begins its name with.
        egress = "egress";
    }
}

/// What the table does beyond looking up services. Each costs every packet of the host something, so the table does it
/// only while a service needs it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// The numbers of the interfaces that lead to other machines, for services that may send by no others.
    pub uplinks: Vec<u32>,
    /// Whether services restrict what comes to them, or remember who on this machine called them by UDP (so that they
    /// can answer without connection tracking).
    pub inbound: bool,
    /// Who may change the table.
    pub ownership: Ownership,
}

impl Filter {
    /// The table without any service: it names no control group, so it can be checked where none of them exists.
    pub fn table(&self) -> Table {
        let sandboxed = || Match::in_set(&[Field::CgroupAtLevel(1)], &names::root());
        let output = vec![Rule::new(Verdict::Goto(names::outgoing())).when(sandboxed())];
        let mut table = Table { ownership: self.ownership, ..Table::new(names::table()) }
            .with_map(VerdictMap::empty(names::services(), &[Type::Cgroup]))
            .with_map(VerdictMap::empty(names::inbound(), &[Type::Cgroup]))
            .with_set(Set::empty(names::root(), &[Type::Cgroup]))
            .with_set(Set {
                elements: self.uplinks(),
                ..Set::empty(names::uplinks(), &[Type::InterfaceNumber])
            })
            .with_chain(Chain::new(names::refuse(), refusal().into()))
            .with_chain(Chain::new(names::outgoing(), dispatch(names::services())))
            .with_chain(Chain::new(names::incoming(), dispatch(names::inbound())))
            .with_chain(Chain::at(names::output(), Hook::Output, output));
        if self.inbound {
            // TCP segments that do not open a connection belong to one that was let through when it was opened.
            let input = vec![
                Rule::accept().when(Match::not_opening()),
                Rule::new(Verdict::Goto(names::incoming())).when(sandboxed()),
            ];
            table = table.with_chain(Chain::at(names::input(), Hook::Input, input));
        }
        table
    }

    /// Loads the table, or brings a loaded one to this state without touching the services in it.
    pub fn load(&self) -> Script {
        Script::ensure(&self.table())
    }

    /// Makes these the uplinks of a loaded table.
    pub fn set_uplinks(uplinks: &[u32]) -> Script {
        let mut script = Script::new(names::table());
        script.push(Command::FlushSet(names::uplinks()));
        let keys: Vec<_> = uplinks.iter().map(|number| vec![Value::InterfaceNumber(*number)]).collect();
        if !keys.is_empty() {
            script.push(Command::AddElements(names::uplinks(), keys));
        }
        script
    }

    /// Makes a loaded table mind what is below `slice`, which must exist: services by their rules, and all else refused.
    /// To be done again whenever the slice was recreated.
    ///
    /// The chain that sees every packet of the host then names the slice itself: to compare with one group costs a third
    /// of looking into a set. It goes back to the set, which says the same, when the table is loaded again.
    pub fn close(slice: &CgroupPath) -> Script {
        let mut script = Script::new(names::table());
        let below = Value::Cgroup(slice.clone());
        script.push(Command::AddElements(names::root(), vec![vec![below.clone()]]));
        script.push(Command::FlushChain(names::output()));
        let condition = Match::is_one(Field::CgroupAtLevel(1), below);
        let rule = Rule::new(Verdict::Goto(names::outgoing())).when(condition);
        script.push(Command::AddRule(names::output(), Box::new(rule)));
        script
    }

    fn uplinks(&self) -> Elements {
        let mut elements = Elements::empty(&[Type::InterfaceNumber]);
        for number in &self.uplinks {
            // A number is of the set's type and a single value, so this does not fail.
            let _ = elements.insert(vec![Value::InterfaceNumber(*number)]);
        }
        elements
    }
}

/// One lookup sends a packet to its service's chain; what no service claims is refused.
fn dispatch(map: Ident) -> Vec<Rule> {
    vec![Rule::new(Action::Map { fields: vec![Field::CgroupAtLevel(2)], map }), refuse()]
}

/// A rule that refuses what meets its conditions, in the way that the sender notices soonest.
pub fn refuse() -> Rule {
    Rule::new(Verdict::Goto(names::refuse()))
}

/// TCP is reset: an ICMPv6 error reaches a socket that is still in `connect(2)` only with the retransmission, a second
/// later, while a reset is noticed at once in both families. For all else there is only the ICMP error.
pub(crate) fn refusal() -> [Rule; 2] {
    [Rule::new(Reject::TcpReset).when(Match::protocol(Protocol::Tcp)), Rule::reject()]
}

/// A service's part of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    name: String,
    cgroup: CgroupPath,
    egress: Option<Chain>,
    output: Chain,
    input: Option<Chain>,
}

impl Service {
    /// A service by any name, in the slice `cgroup`, with rules for what it sends. What none of them decides on is
    /// accepted.
    ///
    /// # Errors
    /// If the name is empty or too long to be a chain's.
    pub fn new(name: &str, cgroup: CgroupPath, output: Vec<Rule>) -> Result<Self, NameError> {
        let chain = Chain::new(Ident::encoded(&names::service(), name)?, output);
        Ok(Self { name: name.to_owned(), cgroup, egress: None, output: chain, input: None })
    }

    /// Adds rules for what comes to it. They count once the table is loaded with [`Filter::inbound`]; what none of them
    /// decides on is accepted.
    ///
    /// # Errors
    /// If the name is too long to be a chain's.
    pub fn with_input(mut self, rules: Vec<Rule>) -> Result<Self, NameError> {
        self.input = Some(Chain::new(Ident::encoded(&names::offer(), &self.name)?, rules));
        Ok(self)
    }

    /// Adds rules of their own for what leaves to other machines, to which the rules for what it sends lead by
    /// [`Service::egress_chain`].
    ///
    /// # Errors
    /// If the name is too long to be a chain's.
    pub fn with_egress(mut self, rules: Vec<Rule>) -> Result<Self, NameError> {
        self.egress = Some(Chain::new(Self::egress_chain(&self.name)?, rules));
        Ok(self)
    }

    /// The name of the chain for what leaves to other machines.
    ///
    /// # Errors
    /// If the name is too long to be a chain's.
    pub fn egress_chain(name: &str) -> Result<Ident, NameError> {
        Ident::encoded(&names::egress(), name)
    }

    /// The name of a set of its own that rules of it learn into: whoever fills it keeps no other service from answering.
    ///
    /// # Errors
    /// If the name is too long to be a set's.
    pub fn own_set(prefix: &Ident, name: &str) -> Result<Ident, NameError> {
        Ident::encoded(prefix, name)
    }

    /// The sets that its rules learn into.
    pub fn sets(&self) -> Vec<Set> {
        learned(self.chains())
    }

    /// The slice.
    pub fn cgroup(&self) -> &CgroupPath {
        &self.cgroup
    }

    /// The chains of its own, those that others lead to first.
    pub fn chains(&self) -> impl Iterator<Item = &Chain> {
        self.egress.iter().chain([&self.output]).chain(&self.input)
    }

    fn elements(&self) -> impl Iterator<Item = (Ident, Vec<Value>, Verdict)> {
        let maps = [(names::services(), Some(&self.output)), (names::inbound(), self.input.as_ref())];
        maps.into_iter().map(|(map, chain)| {
            // Who restricts nothing must be in the map too, or it would be taken for a stranger in the common slice.
            let verdict = chain.map_or(Verdict::Accept, |chain| Verdict::Goto(chain.name.clone()));
            (map, vec![Value::Cgroup(self.cgroup.clone())], verdict)
        })
    }

    /// Puts it into a loaded table, or replaces its rules there: nothing else in the table is touched, and at no moment are
    /// there no rules for it. Its slice must exist.
    pub fn add(&self) -> Script {
        let mut script = self.chains_script();
        script.commands.extend(self.elements_script().commands);
        script
    }

    /// The elements that lead to its chains, which must have been loaded before. Its slice must exist.
    pub fn elements_script(&self) -> Script {
        let mut script = Script::new(names::table());
        for (map, key, verdict) in self.elements() {
            script.push(Command::AddVerdicts(map, vec![(key, verdict)]));
        }
        script
    }

    /// Its chains without the elements that lead to them: names no control group, so it can be checked anywhere.
    pub fn chains_script(&self) -> Script {
        let mut script = Script::new(names::table());
        for set in self.sets() {
            script.push(Command::AddSet(Box::new(set)));
        }
        for chain in self.chains() {
            script.replace_chain(chain);
        }
        script
    }

    /// Takes it out of a loaded table, while its slice still exists.
    pub fn remove(&self) -> Script {
        let mut script = Script::new(names::table());
        for (map, key, _) in self.elements() {
            script.push(Command::DeleteElements(map, vec![key]));
        }
        for chain in self.chains() {
            script.push(Command::FlushChain(chain.name.clone()));
        }
        for chain in self.chains() {
            script.push(Command::DeleteChain(chain.name.clone()));
        }
        for set in self.sets() {
            script.push(Command::DeleteSet(set.name));
        }
        script
    }
}

/// The sets that rules of these chains learn into.
pub(crate) fn learned<'a>(chains: impl Iterator<Item = &'a Chain>) -> Vec<Set> {
    let mut sets = BTreeMap::new();
    for rule in chains.flat_map(|chain| &chain.rules) {
        if let Action::Learn { set, fields } = &rule.action {
            let types: Vec<Type> = fields.iter().map(|field| field.value_type()).collect();
            sets.insert(set.clone(), Set::learning(set.clone(), &types));
        }
    }
    sets.into_values().collect()
}

/// Fills the maps anew, for when slices were recreated or went away without their elements having been deleted: an
/// element of a group that is gone can't be named any more, only flushed with all others. One transaction, so nobody is
/// without rules in between. All slices must exist.
pub fn refill<'a>(services: impl IntoIterator<Item = &'a Service>) -> Script {
    let mut maps: BTreeMap<Ident, Vec<(Vec<Value>, Verdict)>> =
        BTreeMap::from([(names::services(), Vec::new())]);
    for (map, key, verdict) in services.into_iter().flat_map(Service::elements) {
        maps.entry(map).or_default().push((key, verdict));
    }
    let mut script = Script::new(names::table());
    for (map, elements) in maps {
        script.push(Command::FlushMap(map.clone()));
        script.push(Command::AddVerdicts(map, elements));
    }
    script
}
