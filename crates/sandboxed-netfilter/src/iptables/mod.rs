//! The same rules for hosts whose kernel has no `socket cgroupv2`: text for `iptables-restore --noflush` and
//! `ip6tables-restore --noflush` (iptables-restore(8), iptables-extensions(8)).
//!
//! One rule in the host's OUTPUT chain sends what comes from the common slice into a chain of our own, so processes
//! elsewhere pay for one rule. That chain leads to each service's, and refuses what belongs to none. Each text is one
//! transaction of its family. What a service's rules accept is not accepted for the host: it goes on through the host's
//! OUTPUT chain, as it would with nftables, where every table has its say.

mod condition;
mod line;
mod translate;

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::{
    filter,
    name::{CgroupPath, Ident},
    rule::Rule,
    table::Table,
    value::Family,
};

/// Why a rule can't be had with iptables.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IptablesError {
    /// There is nothing in iptables that does this.
    #[error("iptables has nothing that does this: {0}")]
    Inexpressible(&'static str),
    /// A rule looks into a set that the table does not have.
    #[error("there is no set {0}")]
    NoSet(Ident),
}

/// Text for the two families; what belongs to one transaction is one string.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restore {
    /// For `iptables-restore --noflush`.
    pub v4: String,
    /// For `ip6tables-restore --noflush`.
    pub v6: String,
}

impl Restore {
    fn of(lines: impl Fn(Family) -> String) -> Self {
        let transaction = |family| format!("*filter\n{}COMMIT\n", lines(family));
        Self { v4: transaction(Family::V4), v6: transaction(Family::V6) }
    }
}

/// The name of a chain. At most 28 bytes are allowed (`XT_EXTENSION_MAXNAMELEN`), so a long name, or one with characters
/// of its own, becomes a hash behind a `+`, which no plain name has.
fn chain_name(name: &str) -> String {
    const ROOM: usize = 28 - "sandboxed-".len();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-._".contains(c);
    if name.len() <= ROOM && name.chars().all(plain) {
        return format!("sandboxed-{name}");
    }
    // FNV-1a with 128 bits, of which 90 fit: enough that no two of a host's services meet by chance.
    let mut hash: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    for byte in name.bytes() {
        hash = (hash ^ u128::from(byte)).wrapping_mul(0x0000_0000_0100_0000_0000_0000_0000_013b);
    }
    let digit = |place: u32| {
        let bits = u32::try_from((hash >> (place * 5)) & 31).unwrap_or_default();
        char::from_digit(bits, 32).unwrap_or('0')
    };
    format!("sandboxed+{}", (0..18).map(digit).collect::<String>())
}

/// A path between quotes, where a backslash is an escape, as iptables-restore(8) reads it.
pub fn escaped(path: &CgroupPath) -> String {
    format!("\"{}\"", path.as_str().replace('\\', "\\\\"))
}

/// The chain that all sandboxes share.
const ROOT: &str = "sandboxed";
/// The chain that refuses.
const REFUSE: &str = "sandboxed+refuse";

/// The part that all sandboxes share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shared {
    slice: CgroupPath,
}

impl Shared {
    /// For services below this slice.
    pub fn new(slice: CgroupPath) -> Self {
        Self { slice }
    }

    fn entry(&self) -> String {
        format!("-m cgroup --path {} -j {ROOT}", escaped(&self.slice))
    }

    /// Adds it, once: a second time would empty the chain that leads to the services. The slice must exist.
    ///
    /// # Errors
    /// None that its own rules could cause; the translation they go through has them.
    pub fn add(&self) -> Result<Restore, IptablesError> {
        let table = filter::Filter::default().table();
        let rules = |family| -> Result<String, IptablesError> {
            let mut text = String::new();
            for rule in filter::refusal() {
                for line in translate::lines(&rule, family, &table, REFUSE)? {
                    let _ = writeln!(text, "-A {REFUSE} {line}");
                }
            }
            Ok(text)
        };
        let (v4, v6) = (rules(Family::V4)?, rules(Family::V6)?);
        Ok(Restore::of(|family| {
            let refusal = if family == Family::V4 { &v4 } else { &v6 };
            format!(
                ":{ROOT} - [0:0]\n:{REFUSE} - [0:0]\n{refusal}-A {ROOT} -g {REFUSE}\n-I OUTPUT 1 {}\n",
                self.entry()
            )
        }))
    }

    /// Takes away what is left of it where somebody else took the rule that leads to it.
    pub fn purge(&self) -> Restore {
        Restore::of(|_| format!("-F {ROOT}\n-X {ROOT}\n-F {REFUSE}\n-X {REFUSE}\n"))
    }

    /// Takes it away again, after all services.
    pub fn remove(&self) -> Restore {
        let entry = self.entry();
        Restore::of(|_| format!("-D OUTPUT {entry}\n-F {ROOT}\n-X {ROOT}\n-F {REFUSE}\n-X {REFUSE}\n"))
    }
}

/// A service's part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    cgroup: CgroupPath,
    chain: String,
    /// Chains and their lines, for each family; the first is the one that the shared chain leads to.
    chains: [Vec<translate::Part>; 2],
}

impl Service {
    /// A service in the slice `cgroup`, with rules for what it sends. The sets that they look into are those of `table`,
    /// and are written out.
    ///
    /// # Errors
    /// If iptables can't do what a rule says.
    pub fn new(name: &str, cgroup: CgroupPath, rules: &[Rule], table: &Table) -> Result<Self, IptablesError> {
        let parts = |family| translate::parts(name, rules, family, table);
        Ok(Self { cgroup, chain: chain_name(name), chains: [parts(Family::V4)?, parts(Family::V6)?] })
    }

    fn parts(&self, family: Family) -> &[translate::Part] {
        let [v4, v6] = &self.chains;
        match family {
            Family::V4 => v4,
            Family::V6 => v6,
        }
    }

    /// The names of its chains, of either family.
    pub fn chains(&self) -> BTreeSet<&str> {
        self.chains.iter().flatten().map(|part| part.chain.as_str()).collect()
    }

    fn entry(&self) -> String {
        format!("-m cgroup --path {} -g {}", escaped(&self.cgroup), self.chain)
    }

    /// Adds it for the first time. Its slice must exist.
    pub fn add(&self) -> Restore {
        Restore::of(|family| {
            let mut text = self.rules(family);
            let _ = writeln!(text, "-I {ROOT} 1 {}", self.entry());
            text
        })
    }

    /// Gives it these rules instead of those it was added with: who jumps to its chain sees the old or the new ones.
    pub fn update(&self) -> Restore {
        Restore::of(|family| self.rules(family))
    }

    /// Points the shared chain at it anew, after its slice was recreated: rules keep the group that they were loaded with.
    pub fn reattach(&self) -> Restore {
        Restore::of(|_| format!("-D {ROOT} {0}\n-I {ROOT} 1 {0}\n", self.entry()))
    }

    /// Takes away what [`Service::add`] put there.
    pub fn remove(&self) -> Restore {
        Restore::of(|family| {
            let mut text = format!("-D {ROOT} {}\n", self.entry());
            for part in self.parts(family) {
                let _ = writeln!(text, "-F {}", part.chain);
            }
            for part in self.parts(family) {
                let _ = writeln!(text, "-X {}", part.chain);
            }
            text
        })
    }

    /// Takes away what is left of it where somebody else took the rule that leads to it.
    pub fn purge(&self) -> Restore {
        Restore::of(|family| {
            let parts = self.parts(family).iter();
            let flush = parts.clone().map(|part| format!("-F {}\n", part.chain));
            flush.chain(parts.map(|part| format!("-X {}\n", part.chain))).collect()
        })
    }

    fn rules(&self, family: Family) -> String {
        let parts = self.parts(family);
        let mut text = String::new();
        // A declaration empties the chain within the transaction; nothing is there in between.
        for part in parts {
            let _ = writeln!(text, ":{} - [0:0]", part.chain);
        }
        for part in parts {
            for line in &part.lines {
                let _ = writeln!(text, "-A {} {line}", part.chain);
            }
        }
        text
    }
}
