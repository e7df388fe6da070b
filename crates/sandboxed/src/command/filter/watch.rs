//! Watches over rules of iptables, which have no owner: anybody may flush them.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    process::{Command, ExitCode},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, bail};

/// How long rules may be gone before that is noticed.
const PAUSE: Duration = Duration::from_millis(250);
/// How long they must have been gone: when its unit is stopped, its rules go before this process does.
const DOUBT: Duration = Duration::from_millis(300);

/// Returns when rules are gone, with what is missing: whoever is bound to this process ends with it.
pub(super) fn run(save: &[PathBuf]) -> Result<ExitCode> {
    loop {
        for program in save {
            if missing(&listing(program)?).is_none() {
                continue;
            }
            thread::sleep(DOUBT);
            if let Some(missing) = missing(&listing(program)?) {
                bail!("{}: {missing}; all sandboxed services are stopped", program.display());
            }
        }
        thread::sleep(PAUSE);
    }
}

fn listing(program: &Path) -> Result<String> {
    let output = Command::new(program)
        .args(["-t", "filter"])
        .output()
        .with_context(|| format!("can't run {}", program.display()))?;
    if !output.status.success() {
        bail!("{}: {}", program.display(), String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// What is missing of the rules: the one that leads to the sandboxes, the one that refuses what none of them claims, or all of
/// those of a sandbox. What a sandbox's own rules are, the helper that loaded them knows.
fn missing(listing: &str) -> Option<String> {
    let rules: Vec<&str> = listing.lines().filter_map(|line| line.strip_prefix("-A ")).collect();
    let target = |rule: &str| rule.split_whitespace().next_back().map(str::to_owned);
    if !rules.iter().any(|rule| rule.starts_with("OUTPUT ") && rule.ends_with(" -j sandboxed")) {
        return Some("no rule of OUTPUT leads to the sandboxes' rules".to_owned());
    }
    if !rules.contains(&"sandboxed -g sandboxed+refuse") {
        return Some("what no sandbox claims is not refused".to_owned());
    }
    let filled: BTreeSet<&str> = rules.iter().filter_map(|rule| rule.split_whitespace().next()).collect();
    let led_to = rules.iter().filter(|rule| rule.starts_with("sandboxed ")).filter_map(|rule| target(rule));
    led_to
        .into_iter()
        .find(|chain| !filled.contains(chain.as_str()))
        .map(|chain| format!("the chain {chain} is empty"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = "*filter
:OUTPUT ACCEPT [0:0]
:sandboxed - [0:0]
-A OUTPUT -m cgroup --path sandboxed.slice -j sandboxed
-A sandboxed -m cgroup --path sandboxed.slice/sandboxed-a.slice -g sandboxed-a
-A sandboxed -g sandboxed+refuse
-A sandboxed+refuse -p tcp -j REJECT --reject-with tcp-reset
-A sandboxed-a -g sandboxed+refuse
COMMIT
";

    /// The listing without the lines that are picked.
    fn without(gone: impl Fn(&str) -> bool) -> String {
        WHOLE.split_inclusive('\n').filter(|line| !gone(line.trim_end())).collect()
    }

    #[test]
    fn each_rule_that_is_gone_is_missed() {
        assert_eq!(missing(WHOLE), None);
        for gone in WHOLE.lines().filter(|line| line.starts_with("-A ") && !line.contains("-g sandboxed-a")) {
            let rest = without(|line| line == gone);
            assert!(missing(&rest).is_some(), "nobody misses {gone}");
        }
        // Without the rule that leads to its chain a sandbox is refused everything.
        let closed = without(|line| line.contains("sandboxed-a"));
        assert_eq!(missing(&closed), None);
    }
}
