//! Limits of control groups: cgroups(7). Trying them out would be the interference itself, so they are read.

use std::fs;
use std::path::Path;

use crate::channel::{Attempt, Shut};

/// Whether a control group, or one above it, limits what `file` (for example `memory.max`) is about. For processors
/// and disks a smaller share than others have, by weight, counts as well: it bites when others want theirs.
pub(crate) fn limited(group: &Path, file: &str) -> Attempt {
    let mut next = Some(group);
    while let Some(directory) = next.filter(|directory| directory.starts_with("/sys/fs/cgroup")) {
        let read = |file: &str| fs::read_to_string(directory.join(file)).unwrap_or_default();
        let limit = read(file);
        if !limit.trim().is_empty() && !limit.starts_with("max") {
            return Err(Shut::closed(format!("{}: {}", directory.join(file).display(), limit.trim())));
        }
        let share = match file {
            "cpu.max" => "cpu.weight",
            "io.max" => "io.weight",
            _ => "",
        };
        let weight = if share.is_empty() { String::new() } else { read(share) };
        let number = weight.trim().trim_start_matches("default ").parse::<u32>();
        if number.is_ok_and(|weight| weight < DEFAULT_WEIGHT) {
            return Err(Shut::closed(format!("{}: {}", directory.join(share).display(), weight.trim())));
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

/// The weight of a group that nobody has given one.
const DEFAULT_WEIGHT: u32 = 100;
