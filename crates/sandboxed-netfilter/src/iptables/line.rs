//! One rule of iptables while its conditions are put together.

use std::fmt::{self, Display, Formatter};

use super::IptablesError;
use crate::value::Protocol;

/// The conditions of a rule. iptables takes some of them only once, and needs `-p` before what depends on it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Conditions {
    protocol: Option<u8>,
    out_interface: Option<String>,
    in_interface: Option<String>,
    source: Option<String>,
    destination: Option<String>,
    more: Vec<String>,
}

/// Either end of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    Source,
    Destination,
}

impl Conditions {
    /// With a condition on the protocol. `None` if it can't be met together with those that are there.
    pub(super) fn protocol(mut self, number: u8) -> Option<Self> {
        if self.protocol.is_some_and(|known| known != number) {
            return None;
        }
        self.protocol = Some(number);
        Some(self)
    }

    /// The protocol, if it is known.
    pub(super) fn known_protocol(&self) -> Option<u8> {
        self.protocol
    }

    /// With a condition on the outgoing (or incoming) interface.
    pub(super) fn interface(mut self, outgoing: bool, text: String) -> Result<Self, IptablesError> {
        let place = if outgoing { &mut self.out_interface } else { &mut self.in_interface };
        if place.replace(text).is_some() {
            return Err(IptablesError::Inexpressible("two conditions on the interface in one rule"));
        }
        Ok(self)
    }

    /// With a condition on an address, a prefix if iptables can be asked for one, else a range.
    pub(super) fn address(mut self, end: End, not: bool, prefix: Option<String>, range: &str) -> Self {
        let (place, short, long) = match end {
            End::Source => (&mut self.source, "-s", "--src-range"),
            End::Destination => (&mut self.destination, "-d", "--dst-range"),
        };
        let bang = if not { "! " } else { "" };
        match prefix {
            Some(prefix) if place.is_none() => *place = Some(format!("{bang}{short} {prefix}")),
            _ => self.more.push(format!("-m iprange {bang}{long} {range}")),
        }
        self
    }

    /// With a condition that can be repeated.
    pub(super) fn and(mut self, text: String) -> Self {
        self.more.push(text);
        self
    }
}

impl Display for Conditions {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if let Some(number) = self.protocol {
            match Protocol::ALL.into_iter().find(|known| known.number() == number) {
                Some(known) => write!(f, "-p {known} ")?,
                None => write!(f, "-p {number} ")?,
            }
        }
        let once = [&self.out_interface, &self.in_interface, &self.source, &self.destination];
        for text in once.into_iter().flatten().chain(&self.more) {
            write!(f, "{text} ")?;
        }
        Ok(())
    }
}
