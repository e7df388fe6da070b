//! The guarantees that channels test: the identifiers and sentences of the plan's guarantees. This is the only place where they are written down in this crate, which stands alone; a test of the
//! command line's crate compares them.

use serde::{Deserialize, Serialize};

/// Declares the enumeration and its sentences together, so that neither can miss an entry.
macro_rules! guarantees {
    ($($name:ident $id:literal $promise:literal),* $(,)?) => {
        /// One sentence of non-interference. The serialised form is its identifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Guarantee {
            $(#[doc = concat!("The service ", $promise, ".")] #[serde(rename = $id)] $name),*
        }

        impl Guarantee {
            /// All guarantees in the order of the list below.
            pub const ALL: &[Guarantee] = &[$(Guarantee::$name),*];

            /// The identifier, for example `host-files-unwritable`.
            pub const fn id(self) -> &'static str {
                match self { $(Guarantee::$name => $id),* }
            }

            /// What the service cannot do: "cannot …", without the subject and the full stop.
            pub const fn promise(self) -> &'static str {
                match self { $(Guarantee::$name => $promise),* }
            }
        }
    };
}

guarantees! {
    HostFilesUnwritable "host-files-unwritable"
        "cannot change a file of the machine outside of its own state",
    HostFilesUnreadable "host-files-unreadable"
        "cannot read a file of the machine that the policy does not name",
    HomesHidden "homes-hidden"
        "cannot see the homes of the machine's people",
    TemporaryFilesPrivate "temporary-files-private"
        "cannot meet other services' files in /tmp, /var/tmp or /dev/shm",
    RuntimeHidden "runtime-hidden"
        "cannot see the run-time files and sockets below /run that the policy does not name",
    DevicesHidden "devices-hidden"
        "cannot open a device that the policy does not name",
    ProgramsFixed "programs-fixed"
        "cannot execute a file that it could have written",
    LocalPortsClosed "local-ports-closed"
        "cannot reach a port of this machine that another machine could not reach",
    PortsNotTaken "ports-not-taken"
        "cannot take a port that the policy does not offer",
    PortsNotExhausted "ports-not-exhausted"
        "cannot use up the ports, or the tracking, that the machine's other connections need",
    AddressFamiliesLimited "address-families-limited"
        "cannot make a socket of an address family that the policy does not name",
    ProtocolsLimited "protocols-limited"
        "cannot make an internet socket of a protocol that the policy does not name",
    AbstractSocketsClosed "abstract-sockets-closed"
        "cannot connect to or squat an abstract unix socket of another process",
    ProcessesHidden "processes-hidden"
        "cannot see other processes of the machine, their arguments or their environment",
    ProcessesUntouched "processes-untouched"
        "cannot signal, trace or slow down other processes of the machine",
    KernelInformationHidden "kernel-information-hidden"
        "cannot read what /proc tells of the machine beside its own processes",
    IpcObjectsPrivate "ipc-objects-private"
        "cannot reach other services' System V or POSIX message queues, semaphores or shared memory",
    KeyringPrivate "keyring-private"
        "cannot reach a kernel keyring of other services",
    MessageBusClosed "message-bus-closed"
        "cannot ask other services for anything over the system message bus",
    JournalUnforged "journal-unforged"
        "cannot write to the journal but through its standard output and error, nor choose what an entry counts for",
    UserUnprivileged "user-unprivileged"
        "cannot act as root",
    NoCapabilities "no-capabilities"
        "cannot use a capability that the policy does not name",
    NoNewPrivileges "no-new-privileges"
        "cannot gain privileges by executing a program",
    UsersMapped "users-mapped"
        "cannot be, or act on what belongs to, another user of the machine",
    NoSetuidFiles "no-setuid-files"
        "cannot leave set-user-ID or set-group-ID files behind",
    NoNamespaces "no-namespaces"
        "cannot make or enter a namespace of a kind that the policy does not name",
    NoRealtime "no-realtime"
        "cannot take the processors by real-time scheduling",
    PersonalityLocked "personality-locked"
        "cannot change the execution domain, personality(2)",
    KernelTunablesReadOnly "kernel-tunables-read-only"
        "cannot change settings of the kernel in /proc and /sys",
    KernelModulesClosed "kernel-modules-closed"
        "cannot load or unload kernel modules",
    KernelLogClosed "kernel-log-closed"
        "cannot read or write the kernel's log",
    ControlGroupsReadOnly "control-groups-read-only"
        "cannot change the control groups that limit it",
    ClockUnchanged "clock-unchanged"
        "cannot set the clock",
    HostnameUnchanged "hostname-unchanged"
        "cannot change the host's name",
    SystemCallsLimited "system-calls-limited"
        "cannot make a system call that a daemon does not need",
    NativeSystemCalls "native-system-calls"
        "cannot make system calls of another architecture",
    NoWriteExecute "no-write-execute"
        "cannot make memory executable that it can write",
    MemoryLimited "memory-limited"
        "cannot take the machine's memory from others",
    TasksLimited "tasks-limited"
        "cannot exhaust the machine's process numbers",
    ProcessorsShared "processors-shared"
        "cannot keep others from the processors",
    DisksShared "disks-shared"
        "cannot keep others from the disks",
    OpenFilesLimited "open-files-limited"
        "cannot exhaust the machine's open files",
    NoCoreDumps "no-core-dumps"
        "cannot make the machine's core dump handler work for it",
    DiskSpaceLimited "disk-space-limited"
        "cannot fill a disk or the shared memory of the machine",
    HostHidden "host-hidden"
        "cannot learn from /sys or by system calls which machine it runs on, and how busy that is",
}
