//! How much of the machine the service may use.
//!
//! systemd.resource-control(5); setrlimit(2).

mod disk;

use std::collections::BTreeSet;

use sandboxed_systemd::value::{AbsPath, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::diagnostic::Kind;
use crate::guarantee::guarantees;
use crate::number::integer;
use crate::planner::{Finding, Mechanism, Planner, guarantee, path};
use crate::policy::present;
use crate::scalar::{Memory, Size};
use crate::target::Kernel;
use crate::unit::Unit;

/// How much of the machine the service may use. The limits are of its slice: they hold for all of its processes together.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Resources")]
pub struct Resources {
    /// The memory that the service may use. When it needs more, the kernel ends one of its processes.
    #[schemars(title = "Memory", extend("x-guarantee" = "memory-limited"))]
    pub memory: Memory,
    /// The swap space that the service may use.
    #[schemars(title = "Swap space", extend("x-guarantee" = "memory-limited"))]
    pub swap: Memory,
    /// How many processes and threads the service may have.
    #[schemars(title = "Tasks", range(min = 1, max = 4_194_304), extend("x-guarantee" = "tasks-limited"))]
    #[serde(deserialize_with = "tasks")]
    pub tasks: u64,
    /// The service's share of the processors when others want them too. Services have 100 where nothing else is said.
    #[schemars(title = "Processor weight", range(min = 1, max = 10000), extend("x-guarantee" = "processors-shared"))]
    #[serde(deserialize_with = "weight")]
    pub cpu_weight: u64,
    /// The most processor time that the service may use, in percent of one processor.
    #[serde(deserialize_with = "quota", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64", title = "Processor limit", range(min = 1, max = 65_535), extend("x-guarantee" = "processors-shared", "examples" = [150]))]
    pub cpu_quota: Option<u64>,
    /// The service's share of the disks when others want them too. Services have 100 where nothing else is said.
    #[schemars(title = "Input and output weight", range(min = 1, max = 10000), extend("x-guarantee" = "disks-shared"))]
    #[serde(deserialize_with = "weight")]
    pub io_weight: u64,
    /// The most that the service may read, and the most that it may write, in bytes per second, on each disk that its root
    /// and its state are on. A share by weight alone counts only where the disk's scheduler knows weights.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Size", title = "Input and output limit", extend("x-guarantee" = "disks-shared", "examples" = ["50M"]))]
    pub io_bandwidth: Option<Size>,
    /// The most that the service may store on the disk in the directories that systemd makes for it, each. It takes systemd 258
    /// and a file system with project quotas (quotactl(2), `prjquota`); elsewhere it is each file that is bounded, which the
    /// plan names as weak.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Size", title = "Disk space", extend("x-guarantee" = "disk-space-limited", "examples" = ["10G"]))]
    pub disk: Option<Size>,
    /// How many files and sockets one process of the service may have open.
    #[schemars(title = "Open files", range(min = 16, max = 1_048_576), extend("x-guarantee" = "open-files-limited"))]
    #[serde(deserialize_with = "open_files")]
    pub open_files: u64,
    /// Let the service leave core dumps. They reach the machine's handler with all that the service had in memory.
    #[schemars(title = "Core dumps", extend("x-guarantee" = "no-core-dumps"))]
    pub core_dumps: bool,
}

impl Default for Resources {
    fn default() -> Self {
        Self {
            memory: Memory::literal("50%"),
            swap: Memory::literal("0"),
            tasks: 1024,
            cpu_weight: 100,
            cpu_quota: None,
            io_weight: 100,
            io_bandwidth: None,
            disk: None,
            open_files: 65_536,
            core_dumps: false,
        }
    }
}

macro_rules! ranges {
    ($($name:ident: $min:literal..=$max:literal;)+) => {
        $(fn $name<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
            integer(deserializer, $min, $max)
        })+
    };
}

ranges! {
    tasks: 1..=4_194_304;
    weight: 1..=10_000;
    open_files: 16..=1_048_576;
}

fn quota<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    struct Quota(u64);
    impl<'de> Deserialize<'de> for Quota {
        fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            integer(deserializer, 1, 65_535).map(Quota)
        }
    }
    present::<D, Quota>(deserializer).map(|quota| quota.map(|Quota(percent)| percent))
}

guarantees! { Resources;
    MEMORY_LIMITED = "memory-limited", "/resources/memory",
        "cannot take the machine's memory from others";
    TASKS_LIMITED = "tasks-limited", "/resources/tasks",
        "cannot exhaust the machine's process numbers";
    PROCESSORS_SHARED = "processors-shared", "/resources/cpuWeight",
        "cannot keep others from the processors";
    DISKS_SHARED = "disks-shared", "/resources/ioWeight",
        "cannot keep others from the disks";
    DISK_SPACE_LIMITED = "disk-space-limited", "/resources/disk",
        "cannot fill a disk or the shared memory of the machine";
    OPEN_FILES_LIMITED = "open-files-limited", "/resources/openFiles",
        "cannot exhaust the machine's open files";
    NO_CORE_DUMPS = "no-core-dumps", "/resources/coreDumps",
        "cannot make the machine's core dump handler work for it";
}

/// The most descriptors that a service leaves with systemd.
const STORED: u64 = 512;

impl Resources {
    /// Plans this area. What a slice can limit is limited there, for all processes of the service together.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        if self.memory.as_str() == "0" || self.memory.as_str() == "0%" {
            let reason = "a service cannot run without memory".to_owned();
            let help = "name an amount, such as `512M`".to_owned();
            planner.find(Finding::new(Kind::Conflict { reason, help }, "/resources/memory"));
        }
        let limits = Mechanism::slice("MemoryMax", amount(&self.memory))
            .and_slice("MemorySwapMax", amount(&self.swap));
        // Above its limit one of its own processes ends; where the machine as a whole has no memory left, not others first.
        let spared = planner.may_ask("OOMScoreAdjust", |score| score.starts_with('-'));
        let limits = limits.and_where(spared, "OOMScoreAdjust", Value::Signed(0));
        let omitted = planner.may_ask("ManagedOOMPreference", |wish| !matches!(wish, "" | "none"));
        let limits = limits.and_where(omitted, "ManagedOOMPreference", Value::word("none"));
        let unlimited = self.memory.as_str() == "infinity";
        let limits =
            if unlimited { limits.leaves_open("the policy sets no limit to its memory") } else { limits };
        guarantee(&MEMORY_LIMITED).by(limits).keep(planner);
        guarantee(&TASKS_LIMITED).by(Mechanism::slice("TasksMax", Value::Number(self.tasks))).keep(planner);
        let mut shares = Mechanism::slice("CPUWeight", Value::Number(self.cpu_weight));
        if let Some(quota) = self.cpu_quota {
            shares = shares.and_slice("CPUQuota", percent(quota));
        }
        let urgent = planner.may_ask("Nice", |nice| nice.starts_with('-'));
        // PID 1's time is the machine's, whoever makes it work.
        let busy = planner.heard_as_it_speaks();
        let busy =
            busy.map(|why| format!("{why}, the service's notifications have PID 1 work without a limit"));
        guarantee(&PROCESSORS_SHARED)
            .by(shares.and_where(urgent, "Nice", Value::Signed(0)).leaves_open_as_well(busy))
            .keep(planner);
        let urgent = planner.may_ask("IOSchedulingClass", |class| {
            !matches!(class, "" | "none" | "best-effort" | "idle" | "0" | "2" | "3")
        });
        let disks = self.disks(planner).and_where(urgent, "IOSchedulingClass", Value::word("best-effort"));
        guarantee(&DISKS_SHARED).by(disks).keep(planner);
        self.disk_space(planner);
        // Those that it leaves with systemd are PID 1's, which has a limit for all.
        let stored =
            planner.may_ask("FileDescriptorStoreMax", |most| !matches!(most.parse(), Ok(0..=STORED)));
        guarantee(&OPEN_FILES_LIMITED)
            .by(Mechanism::service("LimitNOFILE", Value::Number(self.open_files)).and_where(
                stored && !planner.base.is_empty(),
                "FileDescriptorStoreMax",
                Value::Number(STORED),
            ))
            .keep(planner);
        // At a limit of 0 the kernel still starts the handler of a piped core_pattern, as root and with the service's memory;
        // at 1 it does not, and writes no file either: core(5), fs/coredump.c.
        let dumps = || Mechanism::service("LimitCORE", Value::Number(1));
        // do_coredump() asks for the limit where a program is the handler, and not where a socket is.
        let socket = (planner.target.kernel >= Kernel::new(6, 16)).then(|| {
            "where the machine's core_pattern names a socket (`@…`), which Linux knows since 6.16, the kernel hands it a dump at any limit"
                .to_owned()
        });
        let opened = self.core_dumps.then(|| "the policy lets the service leave core dumps".to_owned());
        let locked =
            Mechanism::launcher("--lock-core-limit", "LimitCORE= of 1, which the service cannot change")
                .and("LimitCORE", Value::Number(1))
                .leaves_open_as_well(socket.clone());
        let otherwise = match &opened {
            Some(reason) => Mechanism::named("nothing").leaves_open(reason.clone()),
            None => dumps().leaves_open(
                "the service can lower the limit from 1 to 0, at which the kernel starts the handler of a piped core_pattern",
            ).leaves_open_as_well(socket),
        };
        guarantee(&NO_CORE_DUMPS).by(locked.unless(opened)).or(otherwise).keep(planner);
    }
}

impl Resources {
    /// The share of the disks, and their limit where there is one. `IOWeight=` means something to the scheduler BFQ and to
    /// a cost model that somebody has set up (io.cost.qos in the kernel's cgroup-v2 documentation), and to nothing else.
    fn disks(&self, planner: &mut Planner<'_>) -> Mechanism {
        let weight = Mechanism::slice("IOWeight", Value::Number(self.io_weight));
        let Some(bandwidth) = &self.io_bandwidth else {
            return weight.leaves_open(
                "without `resources.ioBandwidth` its share of a disk is a matter of weight, which most schedulers of the \
                 kernel do not know",
            );
        };
        let bytes = bytes(bandwidth.as_str());
        if bytes == 0 {
            let reason = "a service cannot start without reading".to_owned();
            let help = "name an amount, such as `50M`".to_owned();
            planner.find(Finding::new(Kind::Conflict { reason, help }, "/resources/ioBandwidth"));
        }
        let filesystem = &planner.policy.filesystem;
        let written = filesystem.state.iter().chain(&filesystem.writable);
        let written = written.filter(|written| !written.is_optional()).filter_map(path);
        // What systemd makes for the units need not be there when the slice starts, what it is below is.
        let made = planner.base.iter().flat_map(Unit::directories);
        let above = made.filter_map(|directory| AbsPath::new(&directory).ok()?.parent());
        let paths: BTreeSet<AbsPath> = std::iter::once(AbsPath::root()).chain(written).chain(above).collect();
        let rates = || Value::Rates(paths.iter().map(|path| (path.clone(), bytes)).collect());
        weight
            .and_slice("IOReadBandwidthMax", rates())
            .and_slice("IOWriteBandwidthMax", rates())
            .leaves_open(
                "sync(2) and syncfs(2) have the disks take what all others have left to write as well, and what a file system \
                 writes into its journal for the service counts for nobody",
            )
    }
}

/// An amount of memory as systemd takes it.
fn amount(memory: &Memory) -> Value {
    let text = memory.as_str();
    if text == "infinity" {
        return Value::Infinity;
    }
    if let Some(share) = text.strip_suffix('%').and_then(|share| share.parse().ok()) {
        return Value::Percent(share);
    }
    Value::Bytes(bytes(text))
}

/// The number of bytes that an amount says.
fn bytes(text: &str) -> u64 {
    let unit = match text.chars().last() {
        Some('K') => 1 << 10,
        Some('M') => 1 << 20,
        Some('G') => 1 << 30,
        Some('T') => 1_u64 << 40,
        _ => 1,
    };
    // The types' patterns have fifteen digits at the most.
    let count: u64 = text.trim_end_matches(['K', 'M', 'G', 'T']).parse().unwrap_or(u64::MAX);
    count.saturating_mul(unit)
}

fn percent(share: u64) -> Value {
    Value::Percent(u16::try_from(share).unwrap_or(u16::MAX))
}

#[cfg(test)]
mod tests {
    use crate::plan::{Plan, Status};
    use crate::target::{Kernel, Target};
    use crate::testing;

    fn planned(resources: &str, kernel: Kernel) -> Plan {
        let mut target: Target = "debian-13".parse().unwrap();
        target.kernel = kernel;
        testing::plan(&format!(r#", "resources": {{ {resources} }}"#), "", &target, None)
    }

    #[test]
    fn a_socket_for_core_dumps_is_named_where_the_kernel_knows_it() {
        let on = |kernel| planned("", kernel).status("no-core-dumps").clone();
        assert!(matches!(on(Kernel::new(6, 15)), Status::Kept { .. }));
        assert!(on(Kernel::new(6, 16)).weakness().contains("core_pattern"));
    }

    #[test]
    fn a_limit_of_the_disks_does_not_bound_what_others_left_to_write() {
        let plan = planned(r#""ioBandwidth": "50M""#, Kernel::new(6, 12));
        assert!(plan.status("disks-shared").weakness().contains("sync(2)"));
    }
}
