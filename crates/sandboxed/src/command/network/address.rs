//! Which addresses a service's cable has: always the same for the same name, unless the machine has a route there already.

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};
use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// What the name of every cable's end at the machine begins with.
const PREFIX: &str = "sb-";
/// Networks of four addresses are taken from here: reserved for benchmarks (RFC 2544), so neither the internet nor, but for
/// benchmarks, a private network has a machine there that a service would have to reach.
const POOL: Ipv4Net = Ipv4Net::new_assert(Ipv4Addr::new(198, 18, 0, 0), 15);
/// How many of them there are.
const SLOTS: u64 = 1 << (30 - 15);
/// Routes wider than this lead to the world at large, such as the two halves that a VPN puts over the default route: a
/// narrower one beside them takes precedence.
const WIDEST: (u8, u8) = (8, 16);

/// The networks of a cable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cable {
    /// The IPv4 network.
    pub(super) four: Ipv4Net,
    /// The IPv6 network.
    pub(super) six: Ipv6Net,
    /// What tells its hardware addresses from others'.
    seed: u64,
}

impl Cable {
    /// The addresses of the machine's end.
    pub(super) fn host(&self) -> (Ipv4Addr, Ipv6Addr) {
        self.address(1)
    }

    /// The addresses of the service's end.
    pub(super) fn service(&self) -> (Ipv4Addr, Ipv6Addr) {
        self.address(2)
    }

    fn address(&self, index: u8) -> (Ipv4Addr, Ipv6Addr) {
        (
            Ipv4Addr::from_bits(self.four.network().to_bits() + u32::from(index)),
            Ipv6Addr::from_bits(self.six.network().to_bits() + u128::from(index)),
        )
    }

    /// The hardware address of the machine's end (1) or the service's (2): locally administered (IEEE 802, section 8.2.2).
    pub(super) fn hardware(&self, index: u8) -> String {
        let [_, _, _, _, a, b, c, d] = self.seed.to_be_bytes();
        format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{index:02x}")
    }
}

/// The cable of a service, clear of these routes.
///
/// # Errors
/// If a network that is asked for is in use, or none is left.
pub(super) fn choose(
    name: &str,
    (four, six): (Option<Ipv4Net>, Option<Ipv6Net>),
    routes: &[IpNet],
) -> Result<Cable> {
    let seed = hash(name);
    let taken = |network: IpNet| {
        let wide = |route: &IpNet| match route {
            IpNet::V4(net) => net.prefix_len() < WIDEST.0,
            IpNet::V6(net) => net.prefix_len() < WIDEST.1,
        };
        routes.iter().find(|route| !wide(route) && (route.contains(&network) || network.contains(*route)))
    };
    let named = |network: IpNet| {
        if network.max_prefix_len() - network.prefix_len() < 2 {
            bail!("{network} has no room for the two ends of a cable");
        }
        if let Some(route) = taken(network) {
            bail!("this machine has a route to {route} already, so {network} can't be the service's network");
        }
        Ok(())
    };
    let four = match four.map(|network| network.trunc()) {
        Some(network) => named(network.into()).map(|()| network)?,
        None => (0..SLOTS)
            .map(|step| slot(seed, step))
            .find(|network| taken((*network).into()).is_none())
            .with_context(|| {
                format!("this machine has routes to all of {POOL}: name a network in the policy")
            })?,
    };
    let six = match six.map(|network| network.trunc()) {
        Some(network) => named(network.into()).map(|()| network)?,
        None => (0..SLOTS)
            .map(|step| unique_local(seed, step))
            .find(|network| taken((*network).into()).is_none())
            .context("this machine has routes to all of fd00::/8: name a network in the policy")?,
    };
    Ok(Cable { four, six, seed })
}

fn slot(seed: u64, step: u64) -> Ipv4Net {
    // Fewer than 2^15 slots: the number fits.
    let slot = u32::try_from(seed.wrapping_add(step) % SLOTS).unwrap_or_default();
    Ipv4Net::new_assert(Ipv4Addr::from_bits(POOL.network().to_bits() + slot * 4), 30)
}

/// Forty bits of the name make a network of unique local addresses (RFC 4193, section 3.1).
fn unique_local(seed: u64, step: u64) -> Ipv6Net {
    let global = u128::from((seed >> 20).wrapping_add(step)) & ((1 << 40) - 1);
    Ipv6Net::new_assert(Ipv6Addr::from_bits((0xfd << 120) | (global << 80)), 64)
}

/// FNV-1a, 64 bits: the same on every machine and in every release, which the standard library's hashes are not.
fn hash(name: &str) -> u64 {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for byte in name.bytes() {
        hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    }
    // The low bits of FNV mix badly for short texts.
    hash ^ (hash >> 32)
}

/// The name of the machine's end: readable where it fits into an interface's fifteen bytes, and told apart by a hash where
/// it does not.
pub(super) fn interface(name: &str) -> String {
    let fits = name.len() <= 12 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
    if fits {
        return format!("{PREFIX}{name}");
    }
    // No sandbox has a `~` in its name.
    let start: String = name.chars().filter(char::is_ascii_alphanumeric).take(5).collect();
    format!("{PREFIX}{start}~{:06x}", hash(name) & 0xff_ffff)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn nets(texts: &[&str]) -> Vec<IpNet> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_same_name_has_the_same_addresses() {
        let cable = choose("synapse", (None, None), &[]).unwrap();
        assert_eq!(
            cable,
            choose("synapse", (None, None), &nets(&["0.0.0.0/1", "::/1", "10.0.0.0/8"])).unwrap()
        );
        assert_ne!(cable.four, choose("synapse2", (None, None), &[]).unwrap().four);
        assert!(POOL.contains(&cable.four));
        assert_eq!(cable.six.prefix_len(), 64);
        assert_eq!(cable.six.addr().octets()[0], 0xfd);
        // Written down: a later release must not move a running service.
        let shown = format!("{} {} {} {}", cable.four, cable.six, cable.hardware(1), interface("synapse"));
        assert_eq!(shown, "198.18.130.68/30 fd17:e928:905b::/64 02:05:bf:20:91:01 sb-synapse");
    }

    #[test]
    fn what_the_machine_has_a_route_to_is_passed_over() {
        let first = choose("a", (None, None), &[]).unwrap();
        for route in [first.four.to_string(), format!("{}/32", first.service().0), "198.18.0.0/16".to_owned()]
        {
            let next = choose("a", (None, None), &nets(&[&route])).unwrap();
            let route: Ipv4Net = route.parse().unwrap();
            assert!(!route.contains(&next.four) && !next.four.contains(&route), "{next:?}");
        }
        assert!(choose("a", (None, None), &nets(&["198.18.0.0/15"])).is_err());
    }

    #[test]
    fn ten_thousand_services_do_not_meet() {
        let mut routes: BTreeSet<Ipv4Net> = BTreeSet::new();
        for index in 0..10_000_u64 {
            let seed = hash(&format!("service-{index}"));
            let free = (0..SLOTS).map(|step| slot(seed, step)).find(|network| !routes.contains(network));
            routes.insert(free.unwrap());
        }
        assert_eq!(routes.len(), 10_000);
    }

    #[test]
    fn what_the_policy_names_is_taken_or_refused() {
        let named = (Some("10.99.0.5/30".parse().unwrap()), None);
        let cable = choose("a", named, &[]).unwrap();
        assert_eq!(
            (cable.host().0, cable.service().0),
            ("10.99.0.5".parse().unwrap(), "10.99.0.6".parse().unwrap())
        );
        let error = choose("a", named, &nets(&["10.99.0.0/16"])).unwrap_err();
        assert!(error.to_string().contains("10.99.0.0/16"), "{error}");
        assert!(choose("a", (Some("10.99.0.4/31".parse().unwrap()), None), &[]).is_err());
    }

    #[test]
    fn interfaces_have_names_that_the_kernel_takes() {
        for name in ["a", "synapse", "twelve-chars", "thirteen-char", "a.b", "....", &"x".repeat(64)] {
            let interface = interface(name);
            assert!(interface.len() <= 15, "{interface}");
            sandboxed_netfilter::name::Interface::new(&interface).unwrap();
        }
        assert_ne!(interface(&"x".repeat(63)), interface(&"x".repeat(64)));
    }
}
