//! What the service learns of the machine by other ways than /proc: sysfs(5), cgroup_namespaces(7), sysinfo(2), uname(2).

use sandboxed_systemd::Version;
use sandboxed_systemd::value::{AbsPath, Bind, PathSpec, TmpFs, Value};

use super::{HOST_HIDDEN, Processes, Sys};
use crate::areas::filesystem::below;
use crate::plan::Skeleton;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::scalar::HostPath;

/// What an own root has of /sys, besides the service's control groups, which systemd mounts there: that by which programs
/// count processors, get_nprocs(3), and that by which they choose how they allocate memory, madvise(2).
const KEPT: [&str; 2] = [PROCESSORS, "/sys/kernel/mm/transparent_hugepage"];

/// Where they are mounted.
const SKELETON: [&str; 9] = [
    "/sys",
    "/sys/devices",
    "/sys/devices/system",
    PROCESSORS,
    "/sys/fs",
    "/sys/fs/cgroup",
    "/sys/kernel",
    "/sys/kernel/mm",
    "/sys/kernel/mm/transparent_hugepage",
];

/// Parts of the machine's own /sys that tell of it: its disks, buses, drivers, modules and firmware.
const TELLING: [&str; 11] = [
    "/sys/block",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/firmware",
    "/sys/hypervisor",
    "/sys/kernel/btf",
    "/sys/kernel/security",
    "/sys/kernel/slab",
    "/sys/module",
    "/sys/power",
];

/// Where what they lead to is, and the part of it by which programs count processors: get_nprocs(3).
const DEVICES: &str = "/sys/devices";
const PROCESSORS: &str = "/sys/devices/system/cpu";

/// Since when `ProtectControlGroups=strict` gives a control group namespace.
const STRICT_GROUPS: Version = Version(257);

impl Processes {
    /// The rest is what daemons ask for to do their work: it stays, and has its name.
    pub(super) fn host(&self, planner: &mut Planner<'_>) {
        let mut left = vec![
            "/proc/self/mountinfo names devices and paths of the machine",
            "uname(2) tells its name and kernel",
        ];
        let denied = &planner.policy.syscalls.deny;
        if !denied.iter().any(|call| call.to_string() == "sysinfo") {
            left.push("sysinfo(2) its load, memory and uptime (`syscalls.deny` can have `sysinfo`, by which programs size themselves)");
        }
        let named = planner.policy.filesystem.paths().chain(&planner.policy.filesystem.devices);
        let needs_devices = named.map(HostPath::path).any(|path| below(path, "/sys") || below(path, "/dev"));
        let hides = self.sys == Sys::Own && !needs_devices;
        let mechanism = match self.sys {
            Sys::Own if hides => Self::without_devices(planner),
            Sys::Own => {
                left.push("/sys shows the machine's devices, since the policy gives the service some");
                Mechanism::named("nothing")
            }
            Sys::All => {
                left.push("the policy shows the service all of /sys");
                Mechanism::named("nothing")
            }
        };
        let groups = Mechanism::launcher("--cgroup-namespace", "a view of its own control groups alone")
            .unless((planner.target.systemd >= STRICT_GROUPS).then(|| "systemd gives one".to_owned()));
        let kept =
            guarantee(&HOST_HIDDEN).by(mechanism.leaves_open(left.join("; "))).with(groups).keep(planner);
        if kept && hides && planner.plan.root.is_some() {
            planner.plan.skeleton.extend(SKELETON.map(Skeleton::Directory));
        }
    }

    /// /sys without the machine's devices.
    fn without_devices(planner: &Planner<'_>) -> Mechanism {
        match &planner.plan.root {
            Some(root) => Self::own_sys(planner, root),
            None => Self::without_telling(),
        }
    }

    /// An empty /sys into which what programs need is bound: whatever a kernel has there tomorrow stays out. It is a bind,
    /// which precedes the sysfs that `MountAPIVFS=` has there, unlike `TemporaryFileSystem=`.
    fn own_sys(planner: &Planner<'_>, root: &str) -> Mechanism {
        let empty = AbsPath::new(&format!("{root}/sys")).ok().zip(AbsPath::new("/sys").ok());
        let empty = empty.map(|(empty, sys)| Bind::new(empty).to(sys));
        // An older systemd leaves the control groups to the sysfs, which is not there.
        let groups = (planner.target.systemd < STRICT_GROUPS).then_some("/sys/fs/cgroup");
        let kept = KEPT.into_iter().chain(groups).filter_map(|path| AbsPath::new(path).ok());
        let binds = empty.into_iter().chain(kept.map(|path| Bind::new(path).optional()));
        Mechanism::service("BindReadOnlyPaths", Value::Binds(binds.collect())).summary(
            "a /sys with the processors, the use of huge pages and the service's control groups alone",
        )
    }

    /// The machine's own /sys, without what tells of it.
    fn without_telling() -> Mechanism {
        let telling = TELLING.iter().filter_map(|path| AbsPath::new(path).ok());
        let empty = AbsPath::new(DEVICES).map(|path| TmpFs {
            path,
            options: ["ro", "mode=0755", "nosuid", "nodev", "noexec"].map(str::to_owned).to_vec(),
        });
        let processors = AbsPath::new(PROCESSORS).map(|path| Bind::new(path).optional());
        let telling = telling.map(|path| PathSpec::new(path).optional()).collect();
        Mechanism::service("InaccessiblePaths", Value::Paths(telling))
            .and("TemporaryFileSystem", Value::TmpFs(empty.into_iter().collect()))
            .and("BindReadOnlyPaths", Value::Binds(processors.into_iter().collect()))
            .summary("/sys without devices, drivers and firmware")
    }
}
