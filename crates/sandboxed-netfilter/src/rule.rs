//! Rules: conditions and what happens when they hold.

use crate::{
    expression::{Field, Match},
    name::{Comment, Ident},
    value::Family,
};

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// It passes this hook's chain; other tables still see it.
    Accept,
    /// It vanishes, and nobody is told.
    Drop,
    /// The rest of this chain does not matter; the chain that jumped here goes on.
    Return,
    /// That chain decides, and if it does not, this one goes on.
    Jump(Ident),
    /// That chain decides, and if it does not, the chain that jumped here goes on.
    Goto(Ident),
}

/// How a sender is told that its packet was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reject {
    /// An ICMP error "administratively prohibited", in whichever family the packet has: `connect(2)` fails at once with
    /// EHOSTUNREACH (IPv4) or EACCES (IPv6).
    AdminProhibited,
    /// An ICMP error "port unreachable": as if nobody listened.
    PortUnreachable,
    /// A TCP reset. Only behind a condition on the protocol.
    TcpReset,
}

/// What a rule does with a packet that meets its conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// This verdict.
    Verdict(Verdict),
    /// A refusal that the sender learns of.
    Reject(Reject),
    /// The verdict that a map has for these fields; without one, the next rule.
    Map {
        /// The fields that are the key.
        fields: Vec<Field>,
        /// The map.
        map: Ident,
    },
    /// Adds these fields to a set that forgets, and goes on with the next rule.
    Learn {
        /// The set.
        set: Ident,
        /// The fields that make up the element.
        fields: Vec<Field>,
    },
    /// Sends the connection to the address and port that a map has for these fields; without one, the next rule. Only in
    /// a chain that translates.
    Redirect {
        /// The family of the addresses that the map leads to; others' packets have none.
        family: Family,
        /// The fields that are the key.
        fields: Vec<Field>,
        /// The map.
        map: Ident,
    },
    /// Gives the connection the address of the interface by which it leaves. Only in a chain that translates.
    Masquerade,
    /// Writes the packet to the kernel's log, and goes on with the next rule.
    Log(Comment),
}

/// One rule of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// All of these must hold; they are tried in order.
    pub matches: Vec<Match>,
    /// Whether packets that meet the conditions are counted.
    pub counter: bool,
    /// What happens then.
    pub action: Action,
    /// A remark for whoever lists the rules.
    pub comment: Option<Comment>,
}

impl Rule {
    /// A rule without conditions as yet.
    pub fn new(action: impl Into<Action>) -> Self {
        Self { matches: Vec::new(), counter: false, action: action.into(), comment: None }
    }

    /// Accepts what meets the conditions that follow.
    pub fn accept() -> Self {
        Self::new(Verdict::Accept)
    }

    /// Drops it.
    pub fn drop() -> Self {
        Self::new(Verdict::Drop)
    }

    /// Refuses it with "administratively prohibited".
    pub fn reject() -> Self {
        Self::new(Reject::AdminProhibited)
    }

    /// Adds a condition.
    #[must_use]
    pub fn when(mut self, condition: Match) -> Self {
        self.matches.push(condition);
        self
    }

    /// Adds a remark; what nft can't write is replaced.
    #[must_use]
    pub fn comment(mut self, text: &str) -> Self {
        self.comment = Comment::lossy(text);
        self
    }

    /// Counts packets and bytes.
    #[must_use]
    pub fn counted(mut self) -> Self {
        self.counter = true;
        self
    }
}

impl From<Verdict> for Action {
    fn from(verdict: Verdict) -> Self {
        Self::Verdict(verdict)
    }
}

impl From<Reject> for Action {
    fn from(reject: Reject) -> Self {
        Self::Reject(reject)
    }
}
