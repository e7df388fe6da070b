//! The machine that we run on, as a target.

use std::num::NonZero;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};
use sandboxed_core::emit::UPGRADED;
use sandboxed_core::scalar::HostPath;
use sandboxed_core::target::{BESIDE_USR, Controller, Distribution, Hierarchy, Kernel, Netfilter, Target};
use sandboxed_systemd::Version;

/// Reads the target from this machine.
///
/// # Errors
/// If systemd or the kernel does not tell its version, or systemd is one that plans are not made for.
pub(crate) fn target() -> Result<Target> {
    let systemd = systemd_version()
        .context("the target `host` needs systemd on this machine; or name a release: --target debian-13")?;
    let kernel: Kernel = rustix::system::uname().release().to_string_lossy().parse()?;
    let mut target = Target::new(systemd, kernel);
    target.distribution = distribution();
    target.netfilter = netfilter(&mut target);
    for program in ["sandboxed", "sandboxed-launch"] {
        if let Some(path) = find(program) {
            target.programs.insert(program.to_owned(), path);
        }
    }
    target.merged_usr = merged_usr();
    // Where it cannot be told, the launcher tells: it starts nothing without.
    let modules = std::fs::read_to_string("/sys/kernel/security/lsm").ok();
    target.landlock = modules.is_none_or(|modules| modules.split(',').any(|name| name.trim() == "landlock"));
    (target.cgroups, target.controllers) = control_groups(Path::new("/sys/fs/cgroup"));
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    target.project_quotas = project_quotas(&mounts);
    target.name_servers = name_servers(&std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default());
    Ok(target.supported()?)
}

fn systemd_version() -> Result<Version> {
    let output = Command::new("systemctl").arg("--version").output().context("cannot run systemctl")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "systemd 257 (257.9-1~deb13u1)"
    let version = text.split_whitespace().nth(1).context("systemctl --version says nothing")?;
    version.parse().with_context(|| format!("systemctl --version says `{version}`"))
}

fn distribution() -> Distribution {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let ids: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("ID=").or_else(|| line.strip_prefix("ID_LIKE=")))
        .flat_map(|value| value.trim_matches('"').split_whitespace())
        .collect();
    match ids.as_slice() {
        ids if ids.contains(&"nixos") => Distribution::Nixos,
        ids if ids.contains(&"debian") => Distribution::Debian,
        _ => Distribution::Other,
    }
}

/// Whether all that could lie beside /usr leads into it, or is not there.
fn merged_usr() -> bool {
    BESIDE_USR.iter().all(|(path, to)| {
        let path = Path::new(path);
        !path.exists()
            || std::fs::canonicalize(path).ok() == std::fs::canonicalize(Path::new("/").join(to)).ok()
    })
}

/// What packages leave behind when they change, as it is now: by it one can tell whether they did.
pub(crate) fn upgrades() -> Vec<Option<[u64; 5]>> {
    let mark = |path: &&str| {
        let found = std::fs::metadata(path).ok()?;
        let times = [found.mtime(), found.mtime_nsec()].map(i64::cast_unsigned);
        Some([found.dev(), found.ino(), found.size(), times[0], times[1]])
    };
    UPGRADED.iter().map(mark).collect()
}

/// nftables wherever `nft` is: its tables stand beside whatever firewall the machine has.
fn netfilter(target: &mut Target) -> Netfilter {
    if let Some(nft) = find("nft") {
        target.programs.insert("nft".to_owned(), nft);
        return Netfilter::Nftables;
    }
    let mut both = true;
    for program in ["iptables-restore", "ip6tables-restore"] {
        match find(program) {
            Some(path) => drop(target.programs.insert(program.to_owned(), path)),
            None => both = false,
        }
    }
    if both { Netfilter::Iptables } else { Netfilter::None }
}

/// How many threads can work at once here.
pub(crate) fn processors() -> NonZero<usize> {
    std::thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

/// Where a program is, among the folders that units can rely on.
fn find(program: &str) -> Option<HostPath> {
    [
        "/usr/local/sbin",
        "/usr/local/bin",
        "/usr/sbin",
        "/usr/bin",
        "/usr/lib/sandboxed",
        "/usr/local/lib/sandboxed",
        "/run/current-system/sw/bin",
    ]
    .iter()
    .map(|folder| format!("{folder}/{program}"))
    .find(|path| Path::new(path).is_file())
    .and_then(|path| HostPath::new(&path))
}

/// The hierarchy that is mounted at systemd's place for it, and its controllers. Of cgroup v1, and of one of v2 that stands below it,
/// there is no such file.
fn control_groups(mounted: &Path) -> (Hierarchy, Vec<Controller>) {
    match std::fs::read_to_string(mounted.join("cgroup.controllers")) {
        Ok(names) => (Hierarchy::Unified, Controller::known(&names)),
        Err(_) => (Hierarchy::Legacy, Vec::new()),
    }
}

/// Where file systems with project quotas are mounted: the sixth field from the start is the options of the mount, those of the
/// file system are the last one of all, proc_pid_mountinfo(5).
fn project_quotas(mountinfo: &str) -> Vec<HostPath> {
    let fields = mountinfo.lines().map(|line| line.split(' '));
    fields
        .filter(|fields| {
            let options = fields.clone().next_back().unwrap_or_default();
            options.split(',').any(|option| matches!(option, "prjquota" | "pquota"))
        })
        .filter_map(|mut fields| HostPath::new(fields.nth(4)?))
        .collect()
}

fn name_servers(resolv_conf: &str) -> Vec<std::net::IpAddr> {
    resolv_conf
        .lines()
        .filter_map(|line| line.strip_prefix("nameserver"))
        .filter_map(|address| address.split('%').next().unwrap_or_default().trim().parse().ok())
        .collect()
}

/// What `systemctl cat` says of a unit, without the drop-ins of ours.
///
/// # Errors
/// If systemd knows no such unit.
pub(crate) fn unit_text(unit: &str) -> Result<String> {
    let output = Command::new("systemctl")
        .args(["cat", "--no-pager", "--", unit])
        .output()
        .context("cannot run systemctl")?;
    if !output.status.success() {
        bail!("systemd knows no unit {unit}: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use sandboxed_core::target::{Controller, Hierarchy};

    use super::{control_groups, name_servers, project_quotas};

    #[test]
    fn control_groups_are_those_that_are_mounted() {
        let mounted = tempfile::tempdir().unwrap();
        assert_eq!(control_groups(mounted.path()).0, Hierarchy::Legacy);
        // A hybrid hierarchy has the unified one below.
        std::fs::create_dir(mounted.path().join("unified")).unwrap();
        std::fs::write(mounted.path().join("unified/cgroup.controllers"), "").unwrap();
        assert_eq!(control_groups(mounted.path()).0, Hierarchy::Legacy);
        std::fs::write(mounted.path().join("cgroup.controllers"), "cpuset cpu io hugetlb pids rdma misc\n")
            .unwrap();
        let known = vec![Controller::Cpuset, Controller::Cpu, Controller::Io, Controller::Pids];
        assert_eq!(control_groups(mounted.path()), (Hierarchy::Unified, known));
    }

    #[test]
    fn name_servers_are_read_as_resolv_conf_has_them() {
        let text = "# x\nnameserver 127.0.0.53\nnameserver fe80::1%eth0\noptions edns0\nnameserver junk\n";
        assert_eq!(
            name_servers(text),
            ["127.0.0.53".parse::<std::net::IpAddr>().unwrap(), "fe80::1".parse().unwrap()]
        );
    }

    #[test]
    fn project_quotas_are_those_of_the_file_system() {
        let text = "29 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro\n\
                    90 29 8:2 / /var/lib rw,relatime shared:9 - xfs /dev/sda2 rw,attr2,prjquota\n";
        assert_eq!(project_quotas(text), [super::HostPath::new("/var/lib").unwrap()]);
    }
}
