//! Watches over rules of iptables, which have no owner: anybody may flush them.

use std::{
    collections::BTreeSet,
    fs,
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
/// Where control groups are.
const GROUPS: &str = "/sys/fs/cgroup";

/// Returns when rules are gone, with what is missing: whoever is bound to this process ends with it. Services are asked to end by
/// systemd and may take their time, so whatever is in the slices that the rules were for is ended here first.
pub(super) fn run(save: &[PathBuf]) -> Result<ExitCode> {
    let mut kept = BTreeSet::new();
    loop {
        for program in save {
            let listed = listing(program)?;
            kept.extend(groups(&listed));
            if missing(&listed).is_none() {
                continue;
            }
            thread::sleep(DOUBT);
            if let Some(missing) = missing(&listing(program)?) {
                for group in &kept {
                    end(group);
                }
                bail!("{}: {missing}; all sandboxed services are stopped", program.display());
            }
        }
        thread::sleep(PAUSE);
    }
}

/// Ends every process of a control group, or where the kernel has no way to (before Linux 5.14), stops them until systemd does.
fn end(group: &str) {
    let folder = Path::new(GROUPS).join(group);
    if fs::write(folder.join("cgroup.kill"), "1").is_err() {
        // Nothing is left to be stopped, if it is not there.
        let _ = fs::write(folder.join("cgroup.freeze"), "1");
    }
}

/// The control groups that rules lead from. iptables-save quotes what is no word, with backslashes doubled.
fn groups(listing: &str) -> impl Iterator<Item = String> {
    let rules = listing.lines().filter(|line| line.starts_with("-A sandboxed "));
    let paths = rules.filter_map(|rule| rule.split("--path ").nth(1)?.split_whitespace().next());
    paths.map(|path| path.trim_matches('"').trim_start_matches('/').replace("\\\\", "\\"))
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

/// What is missing of the rules: the one that leads to the sandboxes, before any that could let their packets go; the one that
/// refuses what none of them claims; or all of those of a sandbox. What a sandbox's own rules are, the helper that loaded them knows.
fn missing(listing: &str) -> Option<String> {
    let rules: Vec<&str> = listing.lines().filter_map(|line| line.strip_prefix("-A ")).collect();
    let target = |rule: &str| rule.split_whitespace().next_back().map(str::to_owned);
    let mut output = rules.iter().filter(|rule| rule.starts_with("OUTPUT "));
    match output.find(|rule| rule.ends_with(" -j sandboxed") || !lets_nothing_go(rule)) {
        Some(ours) if ours.ends_with(" -j sandboxed") => {}
        Some(other) => return Some(format!("before the sandboxes' rules there is `{other}`")),
        None => return Some("no rule of OUTPUT leads to the sandboxes' rules".to_owned()),
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

/// Whether what a rule does with packets keeps none of them from the rules that follow but by ending its way,
/// iptables-extensions(8).
fn lets_nothing_go(rule: &str) -> bool {
    let mut words = rule.split_whitespace().skip_while(|word| !matches!(*word, "-j" | "-g"));
    match (words.next(), words.next()) {
        (None, _) => true,
        (Some("-j"), Some(target)) => {
            matches!(target, "DROP" | "REJECT" | "LOG" | "NFLOG" | "AUDIT" | "TRACE" | "TCPMSS")
        }
        _ => false,
    }
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
    #[test]
    fn a_rule_that_comes_first_is_noticed() {
        let before = |rule: &str| WHOLE.replace("-A OUTPUT -m", &format!("-A OUTPUT {rule}\n-A OUTPUT -m"));
        for harmless in
            ["-o lo", "-p udp -j DROP", "-j LOG --log-prefix x", "-j REJECT --reject-with tcp-reset"]
        {
            assert_eq!(missing(&before(harmless)), None, "{harmless}");
        }
        for open in ["-o lo -j ACCEPT", "-j RETURN", "-g mine", "-j mine", "-j NFQUEUE --queue-num 0"] {
            assert!(missing(&before(open)).is_some_and(|what| what.contains(open)), "{open}");
        }
        let after = WHOLE.replace("-j sandboxed\n", "-j sandboxed\n-A OUTPUT -j ACCEPT\n");
        assert_eq!(missing(&after), None);
    }

    #[test]
    fn groups_are_those_that_rules_are_for() {
        assert_eq!(groups(WHOLE).collect::<Vec<_>>(), ["sandboxed.slice/sandboxed-a.slice"]);
        let quoted = "-A sandboxed -m cgroup --path \"sandboxed.slice/sandboxed-a\\\\x2db.slice\" -g x\n";
        assert_eq!(groups(quoted).collect::<Vec<_>>(), ["sandboxed.slice/sandboxed-a\\x2db.slice"]);
    }
}
