//! What goes through the network namespace.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::channel::Shut;
use crate::targets::{Listener, Protocol, Targets};

mod local;
mod other;
mod ports;

pub(super) use local::LOCAL;
pub(super) use other::OTHER;
pub(super) use ports::PORTS;

/// The listener with this protocol at this address.
fn listener(targets: &Targets, protocol: Protocol, address: IpAddr) -> Result<&Listener, Shut> {
    find(targets, protocol, &format!("{address}"), |listener| listener.address == address)
}

/// A listener at an address of the host that is no loopback address.
fn at_host_address(targets: &Targets, protocol: Protocol, v6: bool) -> Result<&Listener, Shut> {
    let what = if v6 { "an IPv6 address of the host" } else { "an IPv4 address of the host" };
    find(targets, protocol, what, |listener| {
        listener.address.is_ipv6() == v6
            && !listener.address.is_loopback()
            && listener.scope == 0
            && !listener.address.is_multicast()
            && listener.address != IpAddr::V4(Ipv4Addr::new(127, 255, 255, 255))
    })
}

fn find<'a>(
    targets: &'a Targets,
    protocol: Protocol,
    what: &str,
    matches: impl Fn(&Listener) -> bool,
) -> Result<&'a Listener, Shut> {
    targets
        .listeners
        .iter()
        .find(|listener| listener.protocol == protocol && matches(listener))
        .ok_or_else(|| Shut::missing(format!("nobody listens for the probe on {what}")))
}

/// 127.0.0.1
const LOOPBACK_V4: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
/// `::1`
const LOOPBACK_V6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
