//! What the service learns of the machine by other ways than /proc: sysfs(5), cgroup_namespaces(7), sysinfo(2), uname(2).

use sandboxed_systemd::Version;
use sandboxed_systemd::value::{AbsPath, Bind, PathSpec, TmpFs, Value};

use super::{HOST_HIDDEN, Processes, Sys};
use crate::areas::filesystem::{Root, below};
use crate::planner::{Mechanism, Planner, guarantee};
use crate::scalar::HostPath;

/// Parts of /sys that tell of the machine: its disks, buses, drivers, modules and firmware.
const TELLING: [&str; 10] = [
    "/sys/block",
    "/sys/bus",
    "/sys/class",
    "/sys/dev",
    "/sys/firmware",
    "/sys/hypervisor",
    "/sys/kernel/btf",
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
        let mechanism = match self.sys {
            Sys::Own if !needs_devices => Self::without_devices(planner),
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
        guarantee(&HOST_HIDDEN).by(mechanism.leaves_open(left.join("; "))).with(groups).keep(planner);
    }

    /// /sys without the machine's devices.
    fn without_devices(planner: &Planner<'_>) -> Mechanism {
        let own_root = planner.policy.filesystem.root == Root::Own;
        let telling = TELLING.iter().filter_map(|path| AbsPath::new(path).ok()).map(|path| {
            let spec = PathSpec::new(path).optional();
            if own_root { spec.in_root() } else { spec }
        });
        let empty = AbsPath::new(DEVICES).map(|path| TmpFs {
            path,
            options: ["ro", "mode=0755", "nosuid", "nodev", "noexec"].map(str::to_owned).to_vec(),
        });
        let processors = AbsPath::new(PROCESSORS).map(|path| Bind::new(path).optional());
        Mechanism::service("InaccessiblePaths", Value::Paths(telling.collect()))
            .and("TemporaryFileSystem", Value::TmpFs(empty.into_iter().collect()))
            .and("BindReadOnlyPaths", Value::Binds(processors.into_iter().collect()))
            .summary("/sys without devices, drivers and firmware")
    }
}
