//! Rules of others that keep a service's packets from being passed on: container engines and firewalls have them.

use std::{path::Path, process::Command};

use serde::Deserialize;

/// Chains of others that drop what none of their rules accepts, each as people know it.
pub(super) fn drops(nft: &Path) -> Vec<String> {
    let Ok(output) = Command::new(nft).args(["-j", "list", "chains"]).output() else { return Vec::new() };
    let mut found = parse(&output.stdout);
    // Rules of the older kind are not nft's; only their own tool knows them.
    let legacy = std::fs::read_to_string("/proc/net/ip_tables_names").unwrap_or_default();
    if legacy.lines().any(|table| table == "filter") {
        let policy = Command::new("iptables-legacy").args(["-S", "FORWARD"]).output();
        if policy.is_ok_and(|output| output.stdout.starts_with(b"-P FORWARD DROP")) {
            found.push("the chain FORWARD of iptables-legacy".to_owned());
        }
    }
    found
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    chain: Option<Chain>,
}

#[derive(Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    hook: Option<String>,
    policy: Option<String>,
}

fn parse(listing: &[u8]) -> Vec<String> {
    let Ok(listing) = serde_json::from_slice::<Listing>(listing) else { return Vec::new() };
    listing
        .nftables
        .into_iter()
        .filter_map(|item| item.chain)
        .filter(|chain| matches!(chain.family.as_str(), "ip" | "ip6" | "inet"))
        .filter(|chain| chain.hook.as_deref() == Some("forward") && chain.policy.as_deref() == Some("drop"))
        .map(|chain| format!("the chain {} of the table {} {}", chain.name, chain.family, chain.table))
        .collect()
}

/// What to say about it.
pub(super) fn advice(interface: &str, chains: &[String]) -> String {
    format!(
        "{} drops what no rule there accepts, so the service may reach nobody: it has to accept what comes by and what goes \
         to the interface {interface} (with docker: `iptables -I DOCKER-USER -i {interface} -j ACCEPT`, and the same with \
         -o)",
        chains.join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_that_drops_what_is_passed_on_is_found() {
        let listing = br#"{"nftables": [{"metainfo": {"version": "1.1.3"}},
            {"chain": {"family": "ip", "table": "filter", "name": "FORWARD", "handle": 1, "type": "filter", "hook": "forward", "prio": 0, "policy": "drop"}},
            {"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 2, "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}},
            {"chain": {"family": "inet", "table": "x", "name": "forward", "handle": 3, "type": "filter", "hook": "forward", "prio": 0, "policy": "accept"}},
            {"chain": {"family": "ip", "table": "filter", "name": "DOCKER", "handle": 4}}]}"#;
        assert_eq!(parse(listing), ["the chain FORWARD of the table ip filter"]);
        assert!(parse(b"").is_empty());
    }
}
