//! The machine's uplinks: the interfaces that a default route leads to, in whichever routing table.
//!
//! Halves of a default route count as well (`0.0.0.0/1`, `::/1`: how VPNs take over all traffic), and so does `2000::/3`, all
//! of IPv6 that is in use. What a route leads to that cannot be read is no uplink.

use std::{collections::BTreeSet, io, sync::Mutex};

use anyhow::{Context, Result, anyhow, bail};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType},
};
use netlink_sys::{Socket, SocketAddr, protocols::NETLINK_ROUTE};
use sandboxed_netfilter::filter::Filter;

use super::{
    hold::LOST,
    nft::{Loaded, Nft},
};

/// Groups of notices, rtnetlink(7). The kernel says nothing of IPv4 routes that go with their interface or address, so those
/// are listened to as well.
const GROUPS: u32 = RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV4_ROUTE | RTMGRP_IPV6_ROUTE;
const RTMGRP_LINK: u32 = 0x1;
const RTMGRP_IPV4_IFADDR: u32 = 0x10;
const RTMGRP_IPV4_ROUTE: u32 = 0x40;
const RTMGRP_IPV6_ROUTE: u32 = 0x400;
/// The table of the machine's own addresses, `RT_TABLE_LOCAL`.
const LOCAL: u8 = 255;
/// The loopback interface, which has this number in every network namespace (`LOOPBACK_IFINDEX`).
const LOOPBACK: u32 = 1;

/// The numbers of the uplinks, as the routes are now.
///
/// # Errors
/// If the kernel does not tell its routes.
pub(super) fn now() -> Result<BTreeSet<u32>> {
    let mut found = BTreeSet::new();
    for family in [AddressFamily::Inet, AddressFamily::Inet6] {
        let socket = Socket::new(NETLINK_ROUTE).context("can't ask for the routes")?;
        socket.connect(&SocketAddr::new(0, 0))?;
        let mut route = RouteMessage::default();
        route.header.address_family = family;
        let mut header = NetlinkHeader::default();
        header.flags = NLM_F_DUMP | NLM_F_REQUEST;
        let mut request =
            NetlinkMessage::new(header, NetlinkPayload::from(RouteNetlinkMessage::GetRoute(route)));
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        socket.send(&bytes, 0)?;
        let mut done = false;
        while !done {
            let (answer, _) = socket.recv_from_full().context("can't read the routes")?;
            for message in messages(&answer) {
                match message {
                    NetlinkPayload::Done(_) => done = true,
                    NetlinkPayload::Error(error) => bail!("the kernel does not tell its routes: {error}"),
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => {
                        found.extend(leads_out(&route));
                    }
                    _ => {}
                }
            }
        }
    }
    Ok(found)
}

/// Keeps the table's set of uplinks what the routes say. Returns only with an error: whoever knows of no change any more must
/// not leave old uplinks open.
pub(super) fn follow(notices: &Socket, mut known: BTreeSet<u32>, nft: &Mutex<Nft>) -> anyhow::Error {
    loop {
        match notices.recv_from_full() {
            Ok((notice, _)) if !messages(&notice).any(|message| matters(&message)) => continue,
            Ok(_) => {}
            // More notices than there was room for: some may have been about uplinks.
            Err(error) if error.raw_os_error() == Some(ENOBUFS) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return anyhow::Error::new(error).context("can't follow the routes"),
        }
        let changed = now().and_then(|uplinks| {
            if uplinks != known {
                let numbers: Vec<u32> = uplinks.iter().copied().collect();
                let mut nft = nft.lock().map_err(|_| anyhow!(LOST))?;
                if let Loaded::No(reason) = nft.load(&Filter::set_uplinks(&numbers).to_string())? {
                    bail!("the uplinks were refused: {reason}");
                }
                eprintln!("the uplinks are now {numbers:?}");
                known = uplinks;
            }
            Ok(())
        });
        if let Err(error) = changed {
            return error;
        }
    }
}

/// `ENOBUFS`, netlink(7).
const ENOBUFS: i32 = 105;

/// A socket that is told of changes from now on.
///
/// # Errors
/// If the kernel does not give one.
pub(super) fn notices() -> Result<Socket> {
    let mut socket = Socket::new(NETLINK_ROUTE).context("can't listen for changes of the routes")?;
    socket.bind(&SocketAddr::new(0, GROUPS)).context("can't listen for changes of the routes")?;
    Ok(socket)
}

/// The messages that were received together. What can't be read is left out.
fn messages(mut bytes: &[u8]) -> impl Iterator<Item = NetlinkPayload<RouteNetlinkMessage>> {
    let mut all = Vec::new();
    while let Some(&[a, b, c, d]) = bytes.first_chunk::<4>() {
        // netlink(7): a message begins with its length, and the next one at a multiple of four.
        let length = u32::from_ne_bytes([a, b, c, d]) as usize;
        let Some(message) = bytes.get(..length).filter(|_| length >= 16) else { break };
        if let Ok(message) = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) {
            all.push(message.payload);
        }
        bytes = bytes.get(length.next_multiple_of(4)..).unwrap_or_default();
    }
    all.into_iter()
}

/// Whether a notice may be about an uplink.
fn matters(message: &NetlinkPayload<RouteNetlinkMessage>) -> bool {
    match message {
        NetlinkPayload::InnerMessage(
            RouteNetlinkMessage::NewRoute(route) | RouteNetlinkMessage::DelRoute(route),
        ) => !leads_out(route).is_empty(),
        _ => true,
    }
}

/// The interfaces that a route leads to, if it leads to most of the world.
fn leads_out(route: &RouteMessage) -> Vec<u32> {
    let RouteHeader { address_family, destination_prefix_length: length, table, kind, .. } = route.header;
    let global = RouteAttribute::Destination(RouteAddress::Inet6(std::net::Ipv6Addr::new(
        0x2000, 0, 0, 0, 0, 0, 0, 0,
    )));
    let most = length <= 1
        || address_family == AddressFamily::Inet6 && length == 3 && route.attributes.contains(&global);
    if !most || kind != RouteType::Unicast || table == LOCAL {
        return Vec::new();
    }
    let mut found = Vec::new();
    for attribute in &route.attributes {
        match attribute {
            RouteAttribute::Oif(number) => found.push(*number),
            RouteAttribute::MultiPath(hops) => found.extend(hops.iter().map(|hop| hop.interface_index)),
            _ => {}
        }
    }
    found.retain(|number| *number != LOOPBACK);
    found
}
