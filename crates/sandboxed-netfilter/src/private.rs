//! The table for services with a network of their own, and the changes that put one into it.
//!
//! Such a service is at the other end of a virtual cable (veth(4)): what it sends comes in by an interface of its own, and
//! is passed on or not. Maps lead from the interface to the service's chains, so a packet's cost does not depend on how many
//! services there are, and packets that neither come from nor go to such an interface are not looked at further.
//!
//! - What is for the machine itself is refused, whichever of its addresses it is for.
//! - What has another's source is dropped: a refusal would go to whoever that is.
//! - What is for others is passed on by the uplinks alone, with the machine's address in the place of the service's.
//! - What comes from elsewhere reaches the service as answers, or on the ports that it offers. Anybody can write any source into
//!   a packet, so an answer does not go where the service may not send by itself, unless the question came from there.
//! - The kernel passes on what comes by an interface only if the interface says so, and answers come by the uplinks. Where
//!   that was switched on for this table's sake, nothing but what concerns the services is passed on.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    expression::{Field, Match},
    filter::{learned, names::refuse as refuse_chain, refusal, refuse},
    name::{Ident, Interface, NameError},
    rule::{Action, Rule, Verdict},
    script::{Command, Script},
    set::{Set, SetError, Translations, VerdictMap},
    table::{Chain, Hook, Ownership, Table},
    value::{Family, Protocol, Type, Value},
};

/// Names within the table.
pub mod names {
    crate::name::names! {
        /// The table.
        table = "sandboxed_private";
        /// The map from a service's interface to the chain for what the service sends to others.
        leaving = "leaving";
        /// The map from a service's interface to the chain for what others send to it.
        arriving = "arriving";
        /// The set of the services' interfaces.
        interfaces = "interfaces";
        /// The set of interfaces that lead to other machines.
        uplinks = "uplinks";
        /// The set of interfaces that pass IPv4 packets on for the services' sake alone.
        opened4 = "opened4";
        /// The same for IPv6.
        opened6 = "opened6";
        /// The set of services' interfaces with the IPv4 address that the service has there.
        sources4 = "sources4";
        /// The same for IPv6.
        sources6 = "sources6";
        /// The set of the services' IPv4 addresses.
        hidden4 = "hidden4";
        /// The same for IPv6.
        hidden6 = "hidden6";
        /// The map from a protocol and port of the machine to the IPv4 address and port of the service that offers it.
        published4 = "published4";
        /// The same for IPv6.
        published6 = "published6";
        /// What begins the name of a service's set of those who asked it by UDP, and not by an uplink: interface, IPv4 address,
        /// port, and the service's port.
        heard4 = "heard4";
        /// The same for IPv6.
        heard6 = "heard6";
        /// The chain that sees what comes to the machine.
        input = "input";
        /// The chain that sees what a service sends, in its own network.
        output = "output";
        /// The chain for what services send to the machine itself.
        machine = "machine";
        /// The chain that sees what is passed on.
        forward = "forward";
        /// The chain that leads what is for offered ports to the services.
        prerouting = "prerouting";
        /// The chain that hides the services' addresses.
        postrouting = "postrouting";
    }
}

/// The table without any service.
pub fn table(ownership: Ownership) -> Table {
    let input = vec![
        Rule::new(Verdict::Goto(names::machine()))
            .when(Match::in_set(&[Field::InInterface], &names::interfaces())),
    ];
    let machine = others().chain([refuse().comment("this machine, whatever the address")]).collect();
    let map = |field, map| Rule::new(Action::Map { fields: vec![field], map });
    let no_router = |family, opened| {
        Rule::drop()
            .when(Match::family(family))
            .when(Match::in_set(&[Field::InInterface], &opened))
            .comment("this machine is no router")
    };
    let forward = vec![
        map(Field::InInterface, names::leaving()),
        map(Field::OutInterface, names::arriving()),
        no_router(Family::V4, names::opened4()),
        no_router(Family::V6, names::opened6()),
    ];
    let publish = |family, map| {
        Rule::new(Action::Redirect { family, fields: vec![Field::Protocol, Field::DestinationPort], map })
            .when(Match::to_this_machine())
    };
    let prerouting = vec![publish(Family::V4, names::published4()), publish(Family::V6, names::published6())];
    let hide = |field, set| Rule::new(Action::Masquerade).when(Match::in_set(&[field], &set));
    let postrouting = vec![hide(Field::Source4, names::hidden4()), hide(Field::Source6, names::hidden6())];
    let key = vec![Type::Protocol, Type::Port];
    Table { ownership, ..Table::new(names::table()) }
        .with_map(VerdictMap::empty(names::leaving(), &[Type::Interface]))
        .with_map(VerdictMap::empty(names::arriving(), &[Type::Interface]))
        .with_set(Set::empty(names::interfaces(), &[Type::Interface]))
        .with_set(Set::empty(names::uplinks(), &[Type::Interface]))
        .with_set(Set::empty(names::opened4(), &[Type::Interface]))
        .with_set(Set::empty(names::opened6(), &[Type::Interface]))
        .with_set(Set::empty(names::sources4(), &[Type::Interface, Type::Address4]))
        .with_set(Set::empty(names::sources6(), &[Type::Interface, Type::Address6]))
        .with_set(Set::empty(names::hidden4(), &[Type::Address4]))
        .with_set(Set::empty(names::hidden6(), &[Type::Address6]))
        .with_translations(Translations { name: names::published4(), key: key.clone(), family: Family::V4 })
        .with_translations(Translations { name: names::published6(), key, family: Family::V6 })
        .with_chain(Chain::new(refuse_chain(), refusal().into()))
        .with_chain(Chain::new(names::machine(), machine))
        .with_chain(Chain::at(names::input(), Hook::Input, input))
        .with_chain(Chain::at(names::forward(), Hook::Forward, forward))
        .with_chain(Chain::translating(names::prerouting(), Hook::Prerouting, prerouting))
        .with_chain(Chain::translating(names::postrouting(), Hook::Postrouting, postrouting))
}

/// The table within a service's own network. A program on this machine that asks by every interface for an address (dhcpcd,
/// NetworkManager) asks by the service's cable too, and hears the answer before any table of the machine does: from a packet
/// socket, packet(7). With that answer comes the way to everybody.
///
/// # Errors
/// None: the ports are two different ones.
pub fn inside() -> Result<Table, SetError> {
    let clients = Match::is(Field::DestinationPort, DHCP_CLIENTS)?;
    let output = vec![
        Rule::drop()
            .when(Match::protocol(Protocol::Udp))
            .when(clients)
            .comment("no addresses for this machine"),
    ];
    Ok(Table::new(names::table()).with_chain(Chain::at(names::output(), Hook::Output, output)))
}

/// The ports at which DHCP's clients take answers, of IPv4 and of IPv6 (RFC 2131 section 4.1, RFC 8415 section 7.2).
const DHCP_CLIENTS: [u16; 2] = [68, 546];

/// What comes from a service, and says that it comes from somebody else.
fn others() -> impl Iterator<Item = Rule> {
    [(Field::Source4, names::sources4()), (Field::Source6, names::sources6())].into_iter().map(
        |(field, set)| {
            Rule::drop()
                .when(Match::not_in_set(&[Field::InInterface, field], &set))
                .comment("another's address")
        },
    )
}

/// Interfaces of the machine as they are now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Interfaces {
    /// Those that lead to other machines.
    pub uplinks: Vec<Interface>,
    /// Those that pass IPv4 packets on for the services' sake alone.
    pub opened4: Vec<Interface>,
    /// The same for IPv6.
    pub opened6: Vec<Interface>,
}

impl Interfaces {
    /// Makes a loaded table know these, and no others.
    pub fn script(&self) -> Script {
        let mut script = Script::new(names::table());
        for (set, interfaces) in [
            (names::uplinks(), &self.uplinks),
            (names::opened4(), &self.opened4),
            (names::opened6(), &self.opened6),
        ] {
            script.push(Command::FlushSet(set.clone()));
            let keys = interfaces.iter().map(|interface| vec![Value::Interface(interface.clone())]);
            script.push(Command::AddElements(set, keys.collect()));
        }
        script
    }
}

/// What a service may send to others and what they may send to it: chains without the elements that lead to them, and the sets
/// that they learn into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chains {
    leaving: Chain,
    arriving: Chain,
}

impl Chains {
    /// The chains of a service by any name. `limits` are rules on all that it sends, `answers` on what it sends to those who
    /// called it, `leaving` on the rest: what they do not refuse is accepted. `offered` are rules on what others send to it: what
    /// they do not accept is refused.
    ///
    /// # Errors
    /// If the name is empty or too long to be a chain's.
    pub fn new(
        name: &str,
        limits: impl IntoIterator<Item = Rule>,
        answers: impl IntoIterator<Item = Rule>,
        leaving: impl IntoIterator<Item = Rule>,
        offered: impl IntoIterator<Item = Rule>,
    ) -> Result<Self, NameError> {
        let accepted = Rule::accept().comment("to other machines");
        let leaving = others().chain(limits).chain(answers).chain(leaving).chain([accepted]).collect();
        let mut arriving = vec![Rule::accept().when(Match::reply()).comment("answers to the service")];
        arriving.extend(offered);
        arriving.push(refuse().comment("not offered"));
        Ok(Self {
            leaving: Chain::new(Ident::encoded(&names::leaving(), name)?, leaving),
            arriving: Chain::new(Ident::encoded(&names::arriving(), name)?, arriving),
        })
    }

    /// Both of them.
    pub fn iter(&self) -> impl Iterator<Item = &Chain> {
        [&self.leaving, &self.arriving].into_iter()
    }

    /// The sets that they learn into.
    pub fn sets(&self) -> Vec<Set> {
        learned(self.iter())
    }

    /// Loads them into the table, or replaces their rules there.
    pub fn script(&self) -> Script {
        let mut script = Script::new(names::table());
        for set in self.sets() {
            script.push(Command::AddSet(Box::new(set)));
        }
        for chain in self.iter() {
            script.replace_chain(chain);
        }
        script
    }
}

/// The sets of those who asked a service and may be answered wherever they are, for IPv4 and IPv6: by which interface they are
/// reached, their address and port, and the service's port.
///
/// # Errors
/// If the name is empty or too long to be a set's.
pub fn heard(name: &str) -> Result<[Set; 2], NameError> {
    let set = |prefix: Ident, address: Type| {
        let types = [Type::Interface, address, Type::Port, Type::Port];
        Ok(Set::learning(Ident::encoded(&prefix, name)?, &types))
    };
    Ok([set(names::heard4(), Type::Address4)?, set(names::heard6(), Type::Address6)?])
}

/// A service as it is connected now: its interface, its addresses, and the ports that it offers to other machines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// The name, as for its [`Chains`].
    pub name: String,
    /// The machine's end of the cable.
    pub interface: Interface,
    /// The address of the service's end.
    pub address4: Ipv4Addr,
    /// And its IPv6 address.
    pub address6: Ipv6Addr,
    /// The protocols and ports of the machine that lead to the same port of the service.
    pub published: Vec<(Protocol, u16)>,
}

impl Member {
    fn sets(&self) -> [(Ident, Vec<Value>); 5] {
        let interface = || Value::Interface(self.interface.clone());
        let [four, six] = [self.address4.into(), self.address6.into()].map(single);
        [
            (names::sources4(), vec![interface(), four.clone()]),
            (names::sources6(), vec![interface(), six.clone()]),
            (names::hidden4(), vec![four]),
            (names::hidden6(), vec![six]),
            (names::interfaces(), vec![interface()]),
        ]
    }

    fn published(&self) -> impl Iterator<Item = (Ident, IpAddr)> {
        [(names::published4(), self.address4.into()), (names::published6(), self.address6.into())].into_iter()
    }

    /// Puts it into the table, after its chains. To be done before its interface is up.
    ///
    /// # Errors
    /// If the name is empty or too long to be a chain's.
    pub fn add(&self) -> Result<Script, NameError> {
        let mut script = Script::new(names::table());
        for (set, key) in self.sets() {
            script.push(Command::AddElements(set, vec![key]));
        }
        for map in [names::leaving(), names::arriving()] {
            let verdict = Verdict::Goto(Ident::encoded(&map, &self.name)?);
            script.push(Command::AddVerdicts(map, vec![(vec![self.interface.clone().into()], verdict)]));
        }
        for (map, address) in self.published() {
            let elements = self.published.iter().map(|(protocol, port)| {
                (vec![Value::from(*protocol), (*port).into()], vec![single(address), (*port).into()])
            });
            script.push(Command::AddTranslations(map, elements.collect()));
        }
        Ok(script)
    }

    /// Takes it out of the table, with its chains.
    ///
    /// # Errors
    /// As for [`Member::add`].
    pub fn remove(&self) -> Result<Script, NameError> {
        let mut script = Script::new(names::table());
        for (map, _) in self.published() {
            let keys = self.published.iter().map(|(protocol, port)| vec![(*protocol).into(), (*port).into()]);
            script.push(Command::DeleteElements(map, keys.collect()));
        }
        for (set, key) in self.sets() {
            script.push(Command::DeleteElements(set, vec![key]));
        }
        for map in [names::leaving(), names::arriving()] {
            let chain = Ident::encoded(&map, &self.name)?;
            script.push(Command::DeleteElements(map, vec![vec![self.interface.clone().into()]]));
            script.push(Command::FlushChain(chain.clone()));
            script.push(Command::DeleteChain(chain));
        }
        for set in heard(&self.name)? {
            // Not every service has them.
            let name = set.name.clone();
            script.push(Command::AddSet(Box::new(set)));
            script.push(Command::DeleteSet(name));
        }
        Ok(script)
    }
}

fn single(address: IpAddr) -> Value {
    match address {
        IpAddr::V4(address) => Value::Addresses4(address, address),
        IpAddr::V6(address) => Value::Addresses6(address, address),
    }
}
