//! Which interfaces pass packets on, and which lead to other machines.
//!
//! The kernel passes on what comes by an interface if that interface says so: `net.ipv4.conf.IF.forwarding`, and in IPv6
//! `force_forwarding` (Linux 6.17; before, only `net.ipv6.conf.all.forwarding` for all of them, which also changes how the
//! machine takes its own addresses and routes from router advertisements, so that is left to the administrator). A service's
//! own interface is not enough, as answers come by the uplinks. What was switched on here is remembered, passes on nothing but
//! what concerns the services ([`private`]), and is switched off again at the end.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use ipnet::IpNet;
use sandboxed_netfilter::{name::Interface, private::Interfaces};

use super::{
    ip::{Ip, Route},
    member::{Member, State},
};

/// Where the kernel keeps its settings.
const SETTINGS: &str = "/proc/sys/net";

/// The two families: their folder, and the setting of an interface.
const FAMILIES: [(&str, &str); 2] = [("ipv4", "forwarding"), ("ipv6", "force_forwarding")];

fn setting(family: &str, interface: &str, name: &str) -> PathBuf {
    Path::new(SETTINGS).join(family).join("conf").join(interface).join(name)
}

fn is_on(path: &Path) -> Option<bool> {
    fs::read_to_string(path).ok().map(|text| text.trim() != "0")
}

fn set(path: &Path, value: &str) -> Result<()> {
    fs::write(path, value).with_context(|| format!("can't write {value} to {}", path.display()))
}

/// Whether the machine passes packets of this family on by itself.
fn is_router(family: &str) -> bool {
    is_on(&setting(family, "all", "forwarding")).unwrap_or(false)
}

/// Whether packets of IPv6 can be passed on for a service.
pub(super) fn has_six() -> bool {
    is_router("ipv6") || setting("ipv6", "default", "force_forwarding").exists()
}

/// Prepares the machine's end of a service's cable: it passes packets on, and believes nothing that comes by it.
pub(super) fn prepare(interface: &str) -> Result<()> {
    for (family, name, value) in [
        ("ipv4", "forwarding", "1"),
        ("ipv4", "rp_filter", "1"),
        // No answer to questions about any address: both ends know the other's hardware address.
        ("ipv4", "arp_ignore", "8"),
        ("ipv4", "accept_redirects", "0"),
        ("ipv4", "send_redirects", "0"),
        ("ipv6", "force_forwarding", "1"),
        ("ipv6", "accept_ra", "0"),
        ("ipv6", "accept_redirects", "0"),
        ("ipv6", "autoconf", "0"),
    ] {
        let path = setting(family, interface, name);
        // Without IPv6, or with an older one, there is nothing to set.
        if path.exists() {
            set(&path, value)?;
        }
    }
    Ok(())
}

/// The interfaces as the rules are to know them. What the services need is switched on, after `load` has made the rules know
/// of it.
pub(super) fn refresh(ip: &Ip, state: &State, load: impl FnMut(&Interfaces) -> Result<()>) -> Result<()> {
    let members = state.members()?;
    let routes = ip.routes()?;
    let uplinks = uplinks(&routes);
    let wanted = wanted(&members, &routes, &uplinks);
    let remembered = state.opened()?;
    let mut interfaces = Interfaces { uplinks: typed(&uplinks), ..Interfaces::default() };
    let mut switches = Vec::new();
    for ((family, name), opened) in
        FAMILIES.into_iter().zip([&mut interfaces.opened4, &mut interfaces.opened6])
    {
        // Once somebody made the machine a router, it is one.
        if is_router(family) {
            continue;
        }
        // What the rules cannot name is no interface either, but `all`: nothing is switched on for it.
        for interface in typed(&wanted) {
            let path = setting(family, interface.as_str(), name);
            let ours = remembered.contains(&path);
            match is_on(&path) {
                Some(false) => switches.push((format!("{family}.{}", interface.as_str()), path)),
                Some(true) if ours => {}
                // Somebody else's choice, or no such setting.
                _ => continue,
            }
            opened.push(interface);
        }
    }
    let mut load = load;
    // What is no longer needed goes off before the rules forget it.
    for path in remembered.iter().filter(|path| !keeps(path, &interfaces)) {
        close(state, path)?;
    }
    load(&interfaces)?;
    for (key, path) in switches {
        state.remember_opened(&key, &path)?;
        set(&path, "1")?;
    }
    Ok(())
}

/// Switches off whatever was switched on.
pub(super) fn restore(state: &State) -> Result<()> {
    state.opened()?.iter().try_for_each(|path| close(state, path))
}

fn close(state: &State, path: &Path) -> Result<()> {
    let (family, interface) = parts(path);
    if !is_router(&family) && path.exists() {
        set(path, "0")?;
    }
    state.forget_opened(&format!("{family}.{interface}"))
}

/// The family and the interface of a setting.
fn parts(path: &Path) -> (String, String) {
    let mut parts = path.iter().rev().skip(1).map(|part| part.to_string_lossy().into_owned());
    let interface = parts.next().unwrap_or_default();
    (parts.nth(1).unwrap_or_default(), interface)
}

fn keeps(path: &Path, interfaces: &Interfaces) -> bool {
    let (family, interface) = parts(path);
    let opened = if family == "ipv4" { &interfaces.opened4 } else { &interfaces.opened6 };
    opened.iter().any(|kept| kept.as_str() == interface)
}

/// The interfaces of default routes, also where a VPN has put several wide ones in the place of one (`0.0.0.0/1`, `2000::/3`).
fn uplinks(routes: &[(IpNet, Route)]) -> Vec<String> {
    let wide = routes.iter().filter(|(network, _)| network.prefix_len() <= 3);
    let mut names: Vec<String> = wide
        .flat_map(|(_, route)| route.interfaces())
        .filter(|name| *name != "lo")
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

/// The interfaces that must pass packets on: by which answers come, and where ports are offered to other machines, by which
/// those call.
fn wanted(members: &[(String, Member)], routes: &[(IpNet, Route)], uplinks: &[String]) -> Vec<String> {
    if members.is_empty() {
        return Vec::new();
    }
    let mut names = uplinks.to_vec();
    names.extend(members.iter().flat_map(|(_, member)| member.interfaces.clone()));
    if members.iter().any(|(_, member)| !member.published.is_empty()) {
        let own = |name: &str| name == "lo" || members.iter().any(|(_, member)| member.interface == name);
        let all = routes.iter().flat_map(|(_, route)| route.interfaces());
        names.extend(all.filter(|name| !own(name)).map(str::to_owned));
    }
    names.sort();
    names.dedup();
    names
}

/// Those that the rules can name; another cannot be an uplink.
fn typed(names: &[String]) -> Vec<Interface> {
    names.iter().filter_map(|name| Interface::new(name).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routes(text: &str) -> Vec<(IpNet, Route)> {
        let routes: Vec<Route> = serde_json::from_str(text).unwrap();
        routes.into_iter().map(|route| (route.network(false).unwrap(), route)).collect()
    }

    const ROUTES: &str = r#"[{"dst":"default","dev":"eth0"},{"dst":"0.0.0.0/1","dev":"tun0"},{"dst":"127.0.0.0/8","dev":"lo"},
        {"dst":"172.17.0.0/16","dev":"docker0"},{"dst":"198.18.0.0/30","dev":"sb-a"},{"dst":"default","dev":"eth0"}]"#;

    fn member(published: &[&str]) -> Vec<(String, Member)> {
        let published = published.iter().map(|port| port.parse().unwrap()).collect();
        let (address4, address6) = ("198.18.0.2".parse().unwrap(), "fd00::2".parse().unwrap());
        vec![(
            "a".to_owned(),
            Member {
                interface: "sb-a".to_owned(),
                address4,
                address6,
                published,
                interfaces: vec!["wg0".to_owned()],
                loaded: true,
            },
        )]
    }

    #[test]
    fn uplinks_are_where_the_world_is() {
        assert_eq!(uplinks(&routes(ROUTES)), ["eth0", "tun0"]);
    }

    #[test]
    fn packets_are_passed_on_where_a_service_needs_it() {
        let (routes, up) = (routes(ROUTES), ["eth0".to_owned()]);
        assert!(wanted(&[], &routes, &up).is_empty());
        assert_eq!(wanted(&member(&[]), &routes, &up), ["eth0", "wg0"]);
        assert_eq!(wanted(&member(&["tcp/443"]), &routes, &up), ["docker0", "eth0", "tun0", "wg0"]);
    }

    #[test]
    fn all_interfaces_are_none() {
        let named = ["all", "default", "eth0", "a*"].map(str::to_owned);
        assert_eq!(typed(&named), typed(&["eth0".to_owned()]));
    }

    #[test]
    fn a_setting_knows_its_interface() {
        let path = setting("ipv6", "a.b", "force_forwarding");
        assert_eq!(parts(&path), ("ipv6".to_owned(), "a.b".to_owned()));
        let interfaces = Interfaces { opened6: typed(&["a.b".to_owned()]), ..Interfaces::default() };
        assert!(keeps(&path, &interfaces));
        assert!(!keeps(&setting("ipv4", "a.b", "forwarding"), &interfaces));
    }
}
