//! A port of a transport protocol.

use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// A port of a transport protocol, as `tcp/8008`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Port {
    pub(super) protocol: Protocol,
    pub(super) number: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Protocol {
    Tcp,
    Udp,
}

/// Numbers of protocols, protocols(5). MPTCP's sockets have the ports of TCP.
pub(super) const TCP: &[i32] = &[libc::IPPROTO_TCP, libc::IPPROTO_MPTCP];
pub(super) const UDP: &[i32] = &[libc::IPPROTO_UDP];

impl Protocol {
    /// The numbers of the protocols that have its ports.
    pub(super) const fn numbers(self) -> &'static [i32] {
        match self {
            Self::Tcp => TCP,
            Self::Udp => UDP,
        }
    }
}

impl FromStr for Port {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let (protocol, number) = text.split_once('/').context("a port is written as tcp/8008")?;
        let protocol = match protocol {
            "tcp" => Protocol::Tcp,
            "udp" => Protocol::Udp,
            _ => bail!("`{protocol}` is neither tcp nor udp"),
        };
        let number: u16 = number.parse().with_context(|| format!("`{number}` is no port"))?;
        Ok(Self { protocol, number })
    }
}
