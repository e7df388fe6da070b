//! Running ip(8): a few commands of it are the whole of what we ask the kernel about interfaces, and its messages are known.

use std::{
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use ipnet::IpNet;
use serde::Deserialize;

/// The program.
pub(super) struct Ip {
    program: PathBuf,
}

/// A route, as `ip -json route` shows it.
#[derive(Debug, Deserialize)]
pub(super) struct Route {
    dst: String,
    #[serde(default)]
    dev: Option<String>,
    #[serde(default)]
    nexthops: Vec<Hop>,
}

#[derive(Debug, Deserialize)]
struct Hop {
    dev: String,
}

impl Route {
    /// Where it leads; a default route's network is all there is.
    pub(super) fn network(&self, six: bool) -> Option<IpNet> {
        if self.dst == "default" {
            return (if six { "::/0" } else { "0.0.0.0/0" }).parse().ok();
        }
        let alone = || self.dst.parse().ok().map(|address: std::net::IpAddr| address.into());
        self.dst.parse().ok().or_else(alone)
    }

    /// The interfaces that it uses.
    pub(super) fn interfaces(&self) -> impl Iterator<Item = &str> {
        self.dev.as_deref().into_iter().chain(self.nexthops.iter().map(|hop| hop.dev.as_str()))
    }
}

impl Ip {
    pub(super) fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// All routes of all tables, in both families, each with its network.
    pub(super) fn routes(&self) -> Result<Vec<(IpNet, Route)>> {
        let mut all = Vec::new();
        for (family, six) in [("-4", false), ("-6", true)] {
            let output = Command::new(&self.program)
                .args(["-json", family, "route", "show", "table", "all"])
                .output()
                .with_context(|| format!("can't run {}", self.program.display()))?;
            // Without IPv6 in the kernel there is nothing to show, and ip says so.
            if !output.status.success() || output.stdout.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let routes: Vec<Route> =
                serde_json::from_slice(&output.stdout).context("ip shows routes in another way")?;
            all.extend(routes.into_iter().filter_map(|route| Some((route.network(six)?, route))));
        }
        Ok(all)
    }

    /// Runs commands, one a line, in a namespace or here; the first that fails ends it.
    pub(super) fn batch(&self, namespace: Option<&str>, commands: &str) -> Result<()> {
        let mut command = Command::new(&self.program);
        if let Some(namespace) = namespace {
            command.args(["-n", namespace]);
        }
        let mut child = command
            .args(["-batch", "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("can't run {}", self.program.display()))?;
        child.stdin.take().context("ip has no standard input")?.write_all(commands.as_bytes())?;
        let output = child.wait_with_output()?;
        if !output.status.success() {
            bail!("ip: {}\nin:\n{commands}", String::from_utf8_lossy(&output.stderr).trim());
        }
        Ok(())
    }

    /// Runs a command whose failure says only that there was nothing to do.
    pub(super) fn try_to(&self, words: &[&str]) {
        let _ = Command::new(&self.program).args(words).stderr(Stdio::null()).status();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn routes_are_read_as_ip_writes_them() {
        let text = r#"[
            {"dst":"default","gateway":"192.0.2.1","dev":"eth0","flags":[]},
            {"dst":"default","flags":[],"nexthops":[{"gateway":"192.0.2.1","dev":"a","weight":1,"flags":[]},{"gateway":"192.0.2.2","dev":"b","weight":1,"flags":[]}]},
            {"dst":"198.51.100.0/24","dev":"lan0","protocol":"kernel"},
            {"type":"local","dst":"127.0.0.1","dev":"lo","table":"local"},
            {"type":"unreachable","dst":"10.0.0.0/8","flags":[]}
        ]"#;
        let routes: Vec<Route> = serde_json::from_str(text).unwrap();
        let shown: Vec<String> = routes
            .iter()
            .map(|route| {
                let interfaces: Vec<&str> = route.interfaces().collect();
                format!("{} {}", route.network(false).unwrap(), interfaces.join("+"))
            })
            .collect();
        assert_eq!(
            shown,
            ["0.0.0.0/0 eth0", "0.0.0.0/0 a+b", "198.51.100.0/24 lan0", "127.0.0.1/32 lo", "10.0.0.0/8 "]
        );
    }
}
