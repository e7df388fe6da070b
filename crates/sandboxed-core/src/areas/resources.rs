//! How much of the machine the service may use.
//!
//! systemd.resource-control(5); setrlimit(2).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::filesystem::guarantees;
use crate::guarantee::Guarantee;
use crate::number::integer;
use crate::policy::present;
use crate::scalar::Memory;

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
    #[schemars(with = "u64", title = "Processor limit", range(min = 1, max = 1_000_000), extend("x-guarantee" = "processors-shared", "examples" = [150]))]
    pub cpu_quota: Option<u64>,
    /// The service's share of the disks when others want them too. Services have 100 where nothing else is said.
    #[schemars(title = "Input and output weight", range(min = 1, max = 10000), extend("x-guarantee" = "disks-shared"))]
    #[serde(deserialize_with = "weight")]
    pub io_weight: u64,
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
            integer(deserializer, 1, 1_000_000).map(Quota)
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
    OPEN_FILES_LIMITED = "open-files-limited", "/resources/openFiles",
        "cannot exhaust the machine's open files";
    NO_CORE_DUMPS = "no-core-dumps", "/resources/coreDumps",
        "cannot make the machine's core dump handler work for it";
}
