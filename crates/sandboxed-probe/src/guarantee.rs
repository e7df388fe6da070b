//! The guarantees that channels test, each one sentence of non-interference.
//!
//! This is the only place where their identifiers are written down in this crate.

use serde::{Deserialize, Serialize};

/// Declares the enumeration and its sentences together, so that neither can miss an entry.
macro_rules! guarantees {
    ($($name:ident $id:literal $sentence:literal),* $(,)?) => {
        /// One sentence of non-interference. The serialised form is its identifier.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Guarantee {
            $(#[doc = $sentence] #[serde(rename = $id)] $name),*
        }

        impl Guarantee {
            /// All guarantees in the order of the list below.
            pub const ALL: &[Guarantee] = &[$(Guarantee::$name),*];

            /// The identifier, for example `host-files-unwritable`.
            pub const fn id(self) -> &'static str {
                match self { $(Guarantee::$name => $id),* }
            }

            /// The sentence, with "the service" as its subject.
            pub const fn sentence(self) -> &'static str {
                match self { $(Guarantee::$name => $sentence),* }
            }
        }
    };
}

guarantees! {
    HostFilesUnwritable "host-files-unwritable" "The service cannot change a file of the host or of another service.",
    HostFilesUnreadable "host-files-unreadable" "The service cannot read, list or watch files of the host or of another service.",
    HostFilesUnlockable "host-files-unlockable" "The service cannot hold a lock or a lease on a file that others use.",
    NoSetIdFiles "no-set-id-files" "The service cannot leave set-uid or set-gid files, file capabilities or device files behind.",
    NoExecutionOfWrittenFiles "no-execution-of-written-files" "The service cannot execute what it has written itself.",
    DevicesHidden "devices-hidden" "The service cannot open a hardware device of the host.",
    KernelFilesReadOnly "kernel-files-read-only" "The service cannot change a setting of the kernel through /proc or /sys.",

    NoLocalPorts "no-local-ports" "The service cannot reach a port of the host that another machine could not reach.",
    NoAbstractSockets "no-abstract-sockets" "The service can neither reach nor take the name of an abstract socket of the host.",
    NoPortSquatting "no-port-squatting" "The service cannot take or share a port that it was not given.",
    NoRawSockets "no-raw-sockets" "The service cannot read or forge packets below TCP and UDP.",
    NoNetworkConfiguration "no-network-configuration" "The service can neither read nor change the configuration of the network.",
    SocketsUnlisted "sockets-unlisted" "The service cannot see which sockets others have open.",

    ProcessesHidden "processes-hidden" "The service cannot see the processes of others.",
    ProcessesUnreadable "processes-unreadable" "The service cannot read anything about or from the processes of others.",
    ProcessesUnsignalled "processes-unsignalled" "The service cannot send a signal to a process of others.",
    ProcessesUntraced "processes-untraced" "The service cannot trace, read or change the memory of a process of others.",
    ProcessesUnscheduled "processes-unscheduled" "The service cannot change how a process of others is scheduled or limited.",

    SysvIpcPrivate "sysv-ipc-private" "The service shares no System V shared memory, semaphore or message queue with others.",
    PosixIpcPrivate "posix-ipc-private" "The service shares no POSIX shared memory or message queue with others.",
    KeyringsPrivate "keyrings-private" "The service cannot reach a kernel keyring that is not its own.",
    NoMessageBus "no-message-bus" "The service cannot ask other services for anything over D-Bus or varlink.",
    NoManagerSockets "no-manager-sockets" "The service cannot talk to the service manager or to the device manager.",
    NoLogForging "no-log-forging" "The service cannot write log messages in the name of others.",
    NoContainerDaemons "no-container-daemons" "The service cannot give orders to a container, virtual machine or package daemon.",
    NoForeignSockets "no-foreign-sockets" "The service cannot reach a socket file or a named pipe that was not given to it.",
    TerminalsHidden "terminals-hidden" "The service cannot write to a terminal that somebody else uses.",

    NoNamespaces "no-namespaces" "The service cannot create or enter namespaces.",
    NoMounts "no-mounts" "The service cannot change what is mounted where.",
    NoBpf "no-bpf" "The service cannot load BPF objects into the kernel.",
    NoPerf "no-perf" "The service cannot use the performance counters.",
    NoUserfaultfd "no-userfaultfd" "The service cannot handle page faults in user space.",
    NoIoUring "no-io-uring" "The service cannot submit system calls through a ring, which no filter sees.",
    NoKeyManagement "no-key-management" "The service cannot use the key management of the kernel.",
    NoPersonality "no-personality" "The service cannot change its execution domain.",
    NoDebugging "no-debugging" "The service cannot use the debugging calls, not even on its own processes.",
    NoModules "no-modules" "The service cannot load or unload kernel modules.",
    NoReboot "no-reboot" "The service cannot reboot the machine or prepare another kernel.",
    NoAdministration "no-administration" "The service cannot use the calls that administer swap, quota, accounting and host name.",
    ClockUnchangeable "clock-unchangeable" "The service cannot set the clock or wake the machine.",
    NativeCallsOnly "native-calls-only" "The service can make system calls of the native architecture only.",
    NoRareFamilies "no-rare-families" "The service can create sockets of the families it needs only.",
    NoWriteExecuteMemory "no-write-execute-memory" "The service cannot have memory that is written to and executed.",
    NoRawIo "no-raw-io" "The service cannot reach input and output ports or physical memory.",
    NoKernelLog "no-kernel-log" "The service can neither read nor write the log of the kernel.",
    NoKernelInternals "no-kernel-internals" "The service cannot read addresses, symbols and traces of the kernel.",

    NoCapabilities "no-capabilities" "The service has no capability in any set.",
    NoNewPrivileges "no-new-privileges" "The service cannot gain privileges by executing a program.",
    NoIdentityChange "no-identity-change" "The service cannot take on another user or group or override file permissions.",
    HostUsersUnmapped "host-users-unmapped" "The service does not act under user ids of the host.",
    SystemCallsFiltered "system-calls-filtered" "A system call filter is in force.",

    TasksBounded "tasks-bounded" "The service cannot start more tasks than it was given.",
    MemoryBounded "memory-bounded" "The service cannot use more memory than it was given.",
    CpuBounded "cpu-bounded" "The service cannot use more processor time than it was given.",
    IoBounded "io-bounded" "The service cannot use more input and output bandwidth than it was given.",
    DiskBounded "disk-bounded" "The service cannot use more disk or shared memory space than it was given.",
    DescriptorsBounded "descriptors-bounded" "The service cannot have more open files than it was given.",
    NoCoreDumps "no-core-dumps" "The service cannot fill the host with core dumps.",
    NoPriority "no-priority" "The service cannot give itself precedence over others.",
    LimitsFixed "limits-fixed" "The service cannot raise its limits or leave its control group.",

    HostNameHidden "host-name-hidden" "The service cannot learn the name of the host.",
    MachineIdHidden "machine-id-hidden" "The service cannot learn the identities of the machine, its boot and its hardware.",
    LoadHidden "load-hidden" "The service cannot observe how busy others are.",
    HardwareHidden "hardware-hidden" "The service cannot learn what hardware the host has.",
    KernelHidden "kernel-hidden" "The service cannot learn how the kernel was started and what it has loaded.",
    MountsHidden "mounts-hidden" "The service cannot learn what the host has mounted from where.",
    UnitsHidden "units-hidden" "The service cannot learn which services, packages and users the host has.",
}
