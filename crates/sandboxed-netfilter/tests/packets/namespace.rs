//! Namespaces of a test's own.

use std::{env, fs, io::Write as _, process::Command};

use sandboxed_netfilter::name::CgroupPath;

pub(crate) const SETUP: &str = r#"
mount -t cgroup2 none /sys/fs/cgroup || exit 77
ip link set lo up && ip link add up0 type veth peer name up1 || exit 77
ip address add 10.77.0.1/24 dev up0 && ip address add fd77::1/64 dev up0 nodad
ip link set up1 up && ip link set up0 up
ip neighbour add 10.77.0.2 lladdr 02:00:00:00:00:02 dev up0
ip neighbour add fd77::2 lladdr 02:00:00:00:00:02 dev up0
exec "$0" "$@"
"#;

/// Runs `test` in namespaces of its own.
pub(crate) fn alone(name: &str, test: fn()) {
    if env::var_os("IN_NAMESPACES").is_some() {
        let _groups = Groups::new();
        return test();
    }
    let output = Command::new("unshare")
        .args(["--mount", "--net", "sh", "-c", SETUP])
        .arg(env::current_exe().unwrap())
        .args(["--exact", name, "--nocapture", "--test-threads=1"])
        .env("IN_NAMESPACES", "1")
        .output()
        .unwrap();
    let [printed, errors] =
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    if matches!(output.status.code(), Some(1 | 77)) && !printed.contains("running 1 test") {
        // Past the harness, which shows nothing of tests that pass.
        let reason = format!("no network namespace with control groups can be made here: {}", errors.trim());
        let _ = writeln!(std::io::stderr(), "skipped {name} (real packets): {reason}");
        return;
    }
    assert!(output.status.success(), "{printed}{errors}");
    eprint!("{errors}");
}

/// A control group of a test. The tree is the host's as well, so the names are of this process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Group {
    /// The slice that all services share.
    Root,
    /// A service's slice.
    Service,
    /// Something in the common slice that no service claims.
    Stray,
    /// Something elsewhere.
    Outside,
}

impl Group {
    /// Parents first.
    pub(crate) const ALL: [Self; 4] = [Self::Root, Self::Service, Self::Stray, Self::Outside];

    pub(crate) fn path(self) -> CgroupPath {
        let process = std::process::id();
        let path = match self {
            Self::Root => format!("test{process}.slice"),
            Self::Service => format!("test{process}.slice/test{process}-a\\x2db.slice"),
            Self::Stray => format!("test{process}.slice/stray.service"),
            Self::Outside => format!("outside{process}.slice"),
        };
        path.parse().unwrap()
    }

    fn directory(self) -> String {
        format!("/sys/fs/cgroup/{}", self.path().as_str())
    }

    /// Moves this process there.
    pub(crate) fn enter(self) {
        enter(&self.directory());
    }
}

pub(crate) fn enter(directory: &str) {
    fs::write(format!("{directory}/cgroup.procs"), std::process::id().to_string()).unwrap();
}

/// The groups exist for as long as this does.
pub(crate) struct Groups;

impl Groups {
    pub(crate) fn new() -> Self {
        for group in Group::ALL {
            fs::create_dir(group.directory()).unwrap();
        }
        Self
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        enter("/sys/fs/cgroup");
        for group in Group::ALL.into_iter().rev() {
            let _ = fs::remove_dir(group.directory());
        }
    }
}
