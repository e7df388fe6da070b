//! How much the service may store: systemd.exec(5) `StateDirectoryQuota=`, `LimitFSIZE=`; quotactl(2).

use sandboxed_systemd::value::Value;

use super::{DISK_SPACE_LIMITED, Resources, bytes};
use crate::areas::filesystem::below;
use crate::areas::privileges::USERS_MAPPED;
use crate::diagnostic::Kind;
use crate::planner::{Finding, Mechanism, Planner, guarantee};
use crate::scalar::HostPath;
use crate::unit::Unit;

/// The directives that bound what a directory of the unit holds, with where systemd makes such directories.
const QUOTAS: [(&str, &str); 3] = [
    ("StateDirectoryQuota", "/var/lib"),
    ("CacheDirectoryQuota", "/var/cache"),
    ("LogsDirectoryQuota", "/var/log"),
];

impl Resources {
    /// Temporary directories have their size; this is about what stays.
    pub(super) fn disk_space(&self, planner: &mut Planner<'_>) {
        let filesystem = &planner.policy.filesystem;
        let made: Vec<String> = planner.base.iter().flat_map(Unit::directories).collect();
        let in_memory = made.iter().find(|path| below(path, "/run")).map(|path| {
            format!(
                "{path}, which systemd makes for the unit (`RuntimeDirectory=`), is in the machine's own /run, which the service can \
                 fill: what it keeps there for itself alone can be in /tmp, whose size is bounded"
            )
        });
        let made: Vec<String> = made
            .into_iter()
            // What is in memory, and what root alone writes.
            .filter(|path| !below(path, "/run") && !below(path, "/etc"))
            .collect();
        let written: Vec<String> =
            filesystem.state.iter().chain(&filesystem.writable).map(|path| path.path().to_owned()).collect();
        let temporary = format!("temporary directories of {} each", filesystem.temporary_size);
        if made.is_empty() && written.is_empty() && !planner.base.is_empty() {
            let nothing = match in_memory {
                None => Mechanism::named(format!("{temporary}, and nothing else that it can write")),
                open => Mechanism::named(temporary).leaves_open_as_well(open),
            };
            guarantee(&DISK_SPACE_LIMITED).by(nothing).keep(planner);
            return;
        }
        let Some(size) = &self.disk else {
            let open = Mechanism::named(temporary)
                .leaves_open("without `resources.disk` the service can fill the disk that its state is on")
                .leaves_open_as_well(in_memory);
            guarantee(&DISK_SPACE_LIMITED).by(open).keep(planner);
            return;
        };
        let size = bytes(size.as_str());
        if size == 0 {
            let reason = "a service with state has to store some of it".to_owned();
            let help = "name an amount, such as `10G`".to_owned();
            planner.find(Finding::new(Kind::Conflict { reason, help }, "/resources/disk"));
        }
        let quotas = QUOTAS.iter().filter(|(_, parent)| made.iter().any(|path| below(path, parent)));
        let quotas = quotas.fold(
            Mechanism::named(format!("{temporary}, and project quotas on its own directories")),
            |mechanism, (directive, _)| mechanism.and(directive, Value::Bytes(size)),
        );
        // systemd bounds the number only where the quota is a percentage: src/core/exec-invoke.c, set_exec_storage_quota().
        let quotas = quotas
            .leaves_open("the number of files in its directories is not bounded, so it can take all that the file system has room for")
            .leaves_open_as_well(in_memory.clone());
        let each_file = Mechanism::service("LimitFSIZE", Value::Bytes(size))
            .summary(format!("{temporary}, and LimitFSIZE="))
            .leaves_open(
                "each file is bounded, and their number is not: bounding all of them takes systemd 258 and project quotas on \
                 the file system of the unit's own StateDirectory=",
            )
            .leaves_open_as_well(in_memory);
        let reason = no_quotas(planner, &written, &made);
        guarantee(&DISK_SPACE_LIMITED).by(quotas.unless(reason)).or(each_file).keep(planner);
    }
}

/// Why project quotas do not bound what the service stores, if they do not. systemd leaves them out without a word where
/// the file system has none, so the target has to say that it has.
fn no_quotas(planner: &Planner<'_>, written: &[String], made: &[String]) -> Option<String> {
    let bounded = |path: &String| {
        made.iter().any(|own| below(path, own) && QUOTAS.iter().any(|(_, parent)| below(own, parent)))
    };
    if let Some(path) = written.iter().find(|path| !bounded(path)) {
        return Some(format!("{path} is in no directory that systemd makes for the unit"));
    }
    let has_quotas = |path: &String| {
        planner.target.project_quotas.iter().map(HostPath::path).any(|mount| below(path, mount))
    };
    if let Some(path) = made.iter().find(|path| !has_quotas(path)) {
        return Some(format!("the target does not say that {path} has project quotas"));
    }
    // The owner of a file may give it another project, except in a user namespace: fs/ioctl.c, fileattr_set_prepare().
    (!planner.keeps(&USERS_MAPPED))
        .then(|| "without a user namespace the service can leave its project".to_owned())
}

#[cfg(test)]
mod tests {
    use crate::plan::{Plan, Status};
    use crate::scalar::HostPath;
    use crate::target::Target;
    use crate::testing;

    const GUARANTEE: &str = "disk-space-limited";
    const STATE: &str = r#", "filesystem": { "state": ["/var/lib/a"] }"#;
    const DISK: &str = r#", "resources": { "disk": "8M" }"#;
    const NEW: &str = "systemd=258,kernel=6.12";

    fn planned(fields: &[&str], unit: &str, target: &str, quotas: &str) -> Plan {
        let mut target: Target = target.parse().unwrap();
        target.project_quotas = HostPath::new(quotas).into_iter().collect();
        testing::plan(&fields.concat(), unit, &target, None)
    }

    /// A bound on all is asked for where the target has what it takes, a bound on each file everywhere else.
    #[test]
    fn the_disk_is_bounded_or_said_not_to_be() {
        let made = "StateDirectory=a\n";
        let plan = planned(&[STATE, DISK], made, NEW, "/var/lib");
        let status = plan.status(GUARANTEE);
        assert!(status.weakness().starts_with("the number of files"), "{status:?}");
        assert_eq!(plan.lines("StateDirectoryQuota"), ["8388608"]);
        assert!(plan.lines("LimitFSIZE").is_empty());
        for (unit, target, quotas) in
            [(made, NEW, ""), (made, "debian-13", "/var/lib"), ("", NEW, "/var/lib"), (made, NEW, "/srv")]
        {
            let plan = planned(&[STATE, DISK], unit, target, quotas);
            let status = plan.status(GUARANTEE);
            let bounded = status.weakness().starts_with("each file is bounded");
            assert!(bounded, "{unit} {target} {quotas}: {status:?}");
            assert!(plan.lines("StateDirectoryQuota").is_empty());
            assert_eq!(plan.lines("LimitFSIZE"), ["8388608"]);
        }
        let plan = planned(&[STATE], made, NEW, "/var/lib");
        assert!(matches!(plan.status(GUARANTEE), Status::Weak { .. }));
        assert!(plan.lines("LimitFSIZE").is_empty());
    }

    /// The machine's /run is of all, and full it keeps systemd from reading units.
    #[test]
    fn a_directory_in_run_is_named() {
        let named = |disk: &str, unit: &str, target: &str| {
            let plan = planned(&[STATE, disk], unit, target, "/var/lib");
            plan.status(GUARANTEE).weakness().contains("/run/a, which systemd makes")
        };
        for (disk, target) in [("", "debian-13"), (DISK, "debian-13"), (DISK, "systemd=258,kernel=6.12")] {
            let state = "StateDirectory=a\n";
            assert!(!named(disk, state, target), "{disk} {target}");
            assert!(named(disk, &format!("{state}RuntimeDirectory=a\n"), target), "{disk} {target}");
        }
        let without_state = |unit| planned(&[], unit, "debian-13", "");
        assert!(matches!(without_state("").status(GUARANTEE), Status::Kept { .. }));
        let plan = without_state("RuntimeDirectory=a\n");
        assert!(plan.status(GUARANTEE).weakness().starts_with("/run/a, which systemd makes"));
    }
}
