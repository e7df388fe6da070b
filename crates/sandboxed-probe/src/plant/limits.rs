//! Limits of control groups: cgroups(7). Trying them out would be the interference itself, so they are read.

use std::fs;
use std::path::Path;

use crate::channel::{Attempt, Finding, Shut, Verdict};

/// Channels and the files that they are about.
const FILES: [(&str, &str); 4] = [
    ("memory", "memory.max"),
    ("swap-space", "memory.swap.max"),
    ("processor-time", "cpu.max"),
    ("disk-bandwidth", "io.max"),
];

/// What the host's side sees of a control group's limits, where they are hidden from those in it.
#[derive(Debug)]
pub struct Limits(Vec<(&'static str, Attempt)>);

impl Limits {
    /// Looks at a group, which has to exist still.
    pub fn of(group: &Path) -> Limits {
        Limits(FILES.iter().map(|(channel, file)| (*channel, limited(group, file))).collect())
    }

    /// Answers what the probe could not see.
    pub fn answer(&self, findings: &mut [Finding]) {
        for finding in findings.iter_mut().filter(|finding| finding.verdict == Verdict::NotApplicable) {
            let seen = self.0.iter().find(|(channel, _)| *channel == finding.channel);
            match seen.map(|(_, seen)| seen) {
                Some(Ok(evidence)) => (finding.verdict, finding.evidence) = (Verdict::Open, evidence.clone()),
                Some(Err(Shut::Closed { evidence, .. })) => {
                    (finding.verdict, finding.evidence) = (Verdict::Closed, evidence.clone());
                }
                Some(Err(Shut::NotApplicable(_))) | None => {}
            }
        }
    }
}

/// Whether a control group, or one above it, limits what `file` (for example `memory.max`) is about. For processors
/// and disks a share by weight counts as well, where it means something: it bites when others want theirs. A share of the
/// processors always does, and every group whose parent shares them out has one, a plain unit's too (`cpu.weight` in the
/// kernel's cgroup-v2 documentation); one of the disks takes the scheduler BFQ or a cost model.
pub(crate) fn limited(group: &Path, file: &str) -> Attempt {
    let mut next = Some(group);
    while let Some(directory) = next.filter(|directory| directory.starts_with("/sys/fs/cgroup")) {
        let limit = fs::read_to_string(directory.join(file)).unwrap_or_default();
        if !limit.trim().is_empty() && !limit.starts_with("max") {
            return Err(Shut::closed(format!("{}: {}", directory.join(file).display(), limit.trim())));
        }
        let shares: &[&str] = match file {
            "cpu.max" => &["cpu.weight"],
            "io.max" if cost_model() => &["io.bfq.weight", "io.weight"],
            "io.max" => &["io.bfq.weight"],
            _ => &[],
        };
        for share in shares {
            let weight = fs::read_to_string(directory.join(share)).unwrap_or_default();
            if !weight.trim().is_empty() {
                return Err(Shut::closed(format!("{}: {}", directory.join(share).display(), weight.trim())));
            }
        }
        next = directory.parent();
    }
    let controller = file.split('.').next().unwrap_or_default();
    let controllers = fs::read_to_string("/sys/fs/cgroup/cgroup.controllers").unwrap_or_default();
    if controllers.split_whitespace().any(|name| name == controller) {
        Ok(format!("no {file} on the way to {}", group.display()))
    } else {
        Ok(format!("this machine's control groups have no {controller} controller, so nothing limits it"))
    }
}

/// Whether somebody has set up the cost model that alone makes `io.weight` mean something.
fn cost_model() -> bool {
    fs::read_to_string("/sys/fs/cgroup/io.cost.qos").is_ok_and(|model| model.contains("enable=1"))
}
