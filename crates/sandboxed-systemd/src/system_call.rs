//! System calls and the groups of them that systemd knows: systemd.exec(5), section SYSTEM CALL FILTERING.
//!
//! systemd leaves out what it does not know, with a warning: a mistyped name in a list of what is denied denies nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use crate::Version;

/// A group, and what it has: system calls, and other groups.
struct Group {
    /// Since when; `None`: in every systemd that plans are made for.
    since: Option<Version>,
    members: BTreeSet<&'static str>,
}

static GROUPS: LazyLock<BTreeMap<&'static str, Group>> = LazyLock::new(|| {
    let lines = include_str!("../data/systemd-system-calls.txt").lines();
    let lines = lines.filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(": "));
    lines
        .map(|(head, members)| {
            let (name, since) = head.split_once(' ').unwrap_or((head, ""));
            let since = since.parse().ok().map(Version);
            (name, Group { since, members: members.split(' ').collect() })
        })
        .collect()
});

/// All groups, `@aio` and so on.
pub fn groups() -> impl Iterator<Item = &'static str> {
    GROUPS.keys().copied()
}

/// All system calls that have a name, of every architecture.
pub fn calls() -> BTreeSet<&'static str> {
    expand("@known")
}

/// Since which version there is this group; `None` where it is as old as the oldest systemd that plans are made for.
pub fn since(group: &str) -> Option<Version> {
    GROUPS.get(group).and_then(|group| group.since)
}

/// The system calls that a name stands for: those of a group and of the groups in it, or the call itself.
pub fn expand(name: &str) -> BTreeSet<&'static str> {
    let mut calls = BTreeSet::new();
    let mut seen = BTreeSet::new();
    let known = GROUPS.get("@known").map(|group| &group.members);
    let mut left: Vec<&'static str> = match GROUPS.get_key_value(name) {
        Some((name, _)) => vec![*name],
        None => known.and_then(|known| known.get(name)).copied().into_iter().collect(),
    };
    while let Some(name) = left.pop() {
        match GROUPS.get(name) {
            Some(group) if seen.insert(name) => left.extend(&group.members),
            Some(_) => {}
            None => drop(calls.insert(name)),
        }
    }
    calls
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_what_the_groups_in_them_have() {
        assert!(expand("@system-service").contains("mlock"), "by way of @memlock");
        assert!(expand("@privileged").contains("chown"), "by way of @chown");
        assert_eq!(expand("mlock").into_iter().collect::<Vec<_>>(), ["mlock"]);
        assert!(expand("opne").is_empty());
        assert!(expand("@system-servic").is_empty());
    }

    #[test]
    fn every_member_is_known() {
        let calls = calls();
        for (name, group) in &*GROUPS {
            for member in &group.members {
                assert!(GROUPS.contains_key(member) || calls.contains(member), "{name}: {member}");
            }
            assert!(!expand(name).is_empty(), "{name}");
        }
        assert_eq!(since("@sandbox"), Some(Version(257)));
        assert_eq!(since("@mount"), None);
    }
}
