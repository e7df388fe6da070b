//! What systemd's parsers do, in one table: `data/systemd-parsers.json` says which of them a directive has.
//!
//! Facts from src/core/load-fragment.c and src/shared/conf-parser.c of systemd; the names are theirs
//! without `config_parse_`.

/// How repeated assignments combine, in the order in which systemd reads them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Merge {
    /// The last one wins; the empty value brings the default back.
    Scalar,
    /// The last valid one wins; the empty value is not valid and thus ignored, with a warning.
    Strict,
    /// Each adds its items; the empty value drops all items so far.
    List,
    /// As [`Merge::List`], but an item replaces an earlier one with the same key, the text before this character.
    Keyed(char),
    /// As [`Merge::List`], but the empty value drops the items of all directives of the group.
    Grouped(Group),
    /// Each adds its items, and nothing removes them: dependencies, systemd.unit(5).
    Dependencies,
    /// As [`Merge::List`], where each assignment is one command line, systemd.service(5) "Command lines".
    ExecList,
    /// The first assignment after an empty one decides whether the list allows or (`~`) denies; items of
    /// later assignments of the other kind are removed from it.
    FirstKindWins,
    /// A set of capabilities: without `~` added to it, with `~` taken away; the first assignment replaces
    /// the default.
    CapabilitySet,
    /// A boolean for all or none, which forgets what came before, or a set that adds and (`~`) takes away.
    NamespaceSet,
    /// A boolean, or a list of controllers that adds; the empty value stands for the empty list.
    Delegate,
}

/// Directives that fill one list together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Group {
    /// `BindPaths=` and `BindReadOnlyPaths=`, systemd.exec(5).
    Binds,
    /// All of `Condition…=`, systemd.unit(5).
    Conditions,
    /// All of `Assert…=`, systemd.unit(5).
    Asserts,
    /// All of `Listen…=`, systemd.socket(5).
    Listen,
    /// `LoadCredential=` and `LoadCredentialEncrypted=`, systemd.exec(5).
    LoadCredentials,
    /// `SetCredential=` and `SetCredentialEncrypted=`, systemd.exec(5).
    SetCredentials,
    /// `StandardInputText=` and `StandardInputData=`, systemd.exec(5).
    StandardInput,
    /// All of `On…Sec=` and `OnCalendar=`, systemd.timer(5).
    Timers,
    /// All of `Path…=` and `DirectoryNotEmpty=`, systemd.path(5).
    Watches,
}

/// How a value is spelled. systemd.syntax(7) speaks of one kind of quoting; its parsers know several.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Syntax {
    /// All that follows on the line, with quotes and backslashes as they stand.
    Line,
    /// Words between blanks, where quotes are characters like others and a backslash takes the next
    /// character as it stands.
    BareWords,
    /// Words between blanks, where quotes and backslashes are characters like others.
    UnitNames,
    /// Words that may be quoted; a backslash takes the next character as it stands.
    Words,
    /// Words that may be quoted, with the escapes of C.
    EscapedWords,
    /// Words that may be quoted; a backslash is a character like others.
    RawWords,
    /// A command line: [`Syntax::EscapedWords`], where variables are expanded too.
    Exec,
    /// `source:destination:options`, in [`Syntax::Words`] up to systemd 261 and as [`Syntax::Directories`] since.
    Binds,
    /// `path:options` in [`Syntax::Words`].
    TmpFs,
    /// `name:link:flags` in [`Syntax::RawWords`], with the escapes of C in each part.
    Directories,
    /// Items between colons, where a backslash takes the next character as it stands.
    Colons,
    /// `name:value` on the line, where the value is all that follows.
    Credential,
    /// A path in [`Syntax::Words`], and what is said of it on the rest of the line.
    PathAndRest,
    /// `path:options` and the like of disk images. This crate does not write them.
    Images,
}

/// What a directive takes. Other values are refused: systemd would ignore most of them with a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Takes {
    /// One of these words. Booleans are among them as `yes` and `no`; systemd reads their other spellings
    /// too, systemd.syntax(7).
    Keywords(&'static [&'static str]),
    /// Numbers, sizes, time spans, shares, permission bits, limits.
    Figures,
    /// Absolute paths.
    Paths,
    /// Names of units.
    Units,
    /// Whatever its [`Syntax`] can express.
    Text,
}

/// What there is to know of a parser.
#[derive(Debug)]
pub(crate) struct Parser {
    pub(crate) merge: Merge,
    pub(crate) syntax: Syntax,
    /// Whether specifiers are expanded.
    pub(super) specifiers: bool,
    pub(crate) takes: Takes,
}

macro_rules! parsers {
    ($($merge:expr, $syntax:ident, $specifiers:ident, $takes:ident: $($name:ident)+;)+) => {
        $($(
            pub(super) const $name: Parser = Parser {
                merge: $merge,
                syntax: Syntax::$syntax,
                specifiers: parsers!(@$specifiers),
                takes: Takes::$takes,
            };
        )+)+
    };
    (@expands) => { true };
    (@verbatim) => { false };
}

macro_rules! keywords {
    ($($merge:ident: $($name:ident [$($word:literal)+])+;)+) => {
        $($(
            pub(super) const $name: Parser = Parser {
                merge: Merge::$merge,
                syntax: Syntax::Line,
                specifiers: false,
                takes: Takes::Keywords(&[$($word),+]),
            };
        )+)+
    };
}

use Merge::{
    CapabilitySet, Delegate, Dependencies, ExecList, FirstKindWins, Grouped, Keyed, List, NamespaceSet,
    Scalar, Strict,
};

parsers! {
    Strict, Line, verbatim, Figures: IEC_SIZE INT JOB_RUNNING_TIMEOUT_SEC JOB_TIMEOUT_SEC LONG MODE NSEC RLIMIT
        SEC SEC_FIX_0 SERVICE_TIMEOUT SERVICE_TIMEOUT_ABORT UNSIGNED;
    Strict, Line, verbatim, Text: BPF_DELEGATE_ATTACHMENTS BPF_DELEGATE_COMMANDS BPF_DELEGATE_MAPS
        BPF_DELEGATE_PROGRAMS LOG_FACILITY LOG_LEVEL SIGNAL SOCKET_PROTOCOL SOCKET_TIMESTAMPING;
    // The parser of what is ignored.
    Strict, Line, verbatim, Text: WARN_COMPAT;
    Strict, Line, expands, Text: EXEC_INPUT EXEC_OUTPUT DEFAULT_INSTANCE;
    Strict, Line, expands, Units: SOCKET_SERVICE TRIGGER_UNIT UNIT_SLICE;
    Scalar, Line, verbatim, Figures: CONCURRENCY_MAX CPU_QUOTA EXEC_NICE EXEC_OOM_SCORE_ADJUST EXEC_QUOTA EXIT_STATUS
        MANAGED_OOM_MEM_PRESSURE_DURATION_SEC MANAGED_OOM_MEM_PRESSURE_LIMIT MEMORY_LIMIT SEC_DEF_INFINITY
        SWAP_PRIORITY TASKS_MAX TTY_SIZE;
    Scalar, Line, verbatim, Text: CG_CPU_WEIGHT CG_WEIGHT DELEGATE_SUBGROUP EXEC_COREDUMP_FILTER
        EXEC_CPU_SCHED_POLICY EXEC_CPU_SCHED_PRIO EXEC_IO_CLASS EXEC_IO_PRIORITY EXEC_MOUNT_PROPAGATION_FLAG
        EXEC_ROOT_HASH EXEC_ROOT_HASH_SIG EXEC_SECURE_BITS IMAGE_POLICY IP_TOS NUMA_POLICY
        PERSONALITY STRING SYSCALL_ERRNO;
    Scalar, Line, expands, Text: BIND_NETWORK_INTERFACE BUS_NAME EXEC_APPARMOR_PROFILE EXEC_SELINUX_CONTEXT
        EXEC_SMACK_PROCESS_LABEL FDNAME LOG_NAMESPACE MOUNT_NODE PROTECT_HOSTNAME REBOOT_PARAMETER SOCKET_BINDTODEVICE
        UNIT_STRING_PRINTF USER_GROUP_COMPAT;
    Scalar, Line, expands, Paths: PID_FILE UNIT_PATH_PRINTF WORKING_DIRECTORY;
    Scalar, Images, expands, Text: ROOT_IMAGE_OPTIONS;

    List, Line, verbatim, Text: CGROUP_SOCKET_BIND LOG_FILTER_PATTERNS OPEN_FILE;
    List, Line, expands, Text: BPF_FOREIGN_PROGRAM XATTR;
    List, Line, expands, Paths: IP_FILTER_BPF_PROGS UNIT_ENV_FILE;
    List, BareWords, verbatim, Text: IN_ADDR_PREFIXES LUO_SESSIONS SET_STATUS;
    List, BareWords, expands, Text: USER_GROUP_STRV_COMPAT;
    List, Words, verbatim, Text: DISABLE_CONTROLLERS SYSCALL_ARCHS;
    List, Words, expands, Text: EXEC_CPU_AFFINITY NUMA_MASK PASS_ENVIRON UNIT_CPU_SET;
    List, Words, expands, Paths: NAMESPACE_PATH_STRV UNIT_PATH_STRV_PRINTF;
    List, EscapedWords, expands, Text: LOG_EXTRA_FIELDS UNSET_ENVIRON;
    List, RawWords, verbatim, Text: CGROUP_NFT_SET MANAGED_OOM_RULES;
    List, RawWords, expands, Text: DOCUMENTATION;
    List, RawWords, expands, Units: ALIAS ALSO STRV;
    List, TmpFs, expands, Text: TEMPORARY_FILESYSTEMS;
    List, Directories, expands, Text: EXEC_DIRECTORIES;
    List, Colons, expands, Paths: COLON_SEPARATED_PATHS;
    List, Colons, expands, Text: IMPORT_CREDENTIAL;
    List, Images, expands, Text: EXTENSION_IMAGES MOUNT_IMAGES;

    Keyed('='), EscapedWords, expands, Text: ENVIRON;
    Keyed(' '), PathAndRest, expands, Text: DEVICE_ALLOW IO_DEVICE_LATENCY IO_DEVICE_WEIGHT IO_LIMIT;

    Grouped(Group::Binds), Binds, expands, Text: BIND_PATHS;
    Grouped(Group::Conditions), Line, expands, Text: UNIT_CONDITION_PATH UNIT_CONDITION_STRING;
    // Asserts share their parsers with conditions, but not their list: build.rs tells them apart by name.
    Grouped(Group::Asserts), Line, expands, Text: UNIT_ASSERT_PATH UNIT_ASSERT_STRING;
    Grouped(Group::Listen), Line, expands, Text: SOCKET_LISTEN;
    Grouped(Group::LoadCredentials), Credential, expands, Text: LOAD_CREDENTIAL;
    Grouped(Group::SetCredentials), Credential, expands, Text: SET_CREDENTIAL;
    Grouped(Group::StandardInput), Line, expands, Text: EXEC_INPUT_TEXT;
    Grouped(Group::StandardInput), Line, verbatim, Text: EXEC_INPUT_DATA;
    Grouped(Group::Timers), Line, expands, Text: TIMER;
    Grouped(Group::Watches), Line, expands, Text: PATH_SPEC;

    Dependencies, BareWords, expands, Units: SERVICE_SOCKETS;
    Dependencies, UnitNames, expands, Units: OBSOLETE_UNIT_DEPS UNIT_DEPS;
    Dependencies, Words, expands, Paths: UNIT_MOUNTS_FOR;

    ExecList, Exec, expands, Text: EXEC;

    FirstKindWins, BareWords, verbatim, Text: SYSCALL_FILTER SYSCALL_LOG;
    FirstKindWins, Words, verbatim, Text: ADDRESS_FAMILIES RESTRICT_FILESYSTEMS RESTRICT_NETWORK_INTERFACES;
    CapabilitySet, Words, verbatim, Text: CAPABILITY_SET;
    NamespaceSet, Words, verbatim, Text: NAMESPACE_FLAGS SERVICE_REFRESH_ON_RELOAD;
    Delegate, Words, verbatim, Text: DELEGATE;
}

keywords! {
    Strict:
        BOOL ["yes" "no"]
        JOB_MODE_ISOLATE ["yes" "no"]
        COLLECT_MODE ["inactive" "inactive-or-failed"]
        DEVICE_POLICY ["auto" "closed" "strict"]
        EMERGENCY_ACTION ["none" "exit" "exit-force" "reboot" "reboot-force" "reboot-immediate" "poweroff"
            "poweroff-force" "poweroff-immediate" "soft-reboot" "soft-reboot-force" "kexec" "kexec-force" "halt"
            "halt-force" "halt-immediate"]
        EXEC_KEYRING_MODE ["inherit" "private" "shared"]
        EXEC_MEMORY_THP ["inherit" "disable" "madvise" "system"]
        EXEC_PRESERVE_MODE ["yes" "no" "restart" "on-success"]
        EXEC_UTMP_MODE ["init" "login" "user"]
        JOB_MODE ["fail" "lenient" "replace" "replace-irreversibly" "isolate" "flush" "ignore-dependencies"
            "ignore-requirements" "triggering" "restart-dependencies"]
        MANAGED_OOM_PREFERENCE ["none" "avoid" "omit"]
        NOTIFY_ACCESS ["none" "main" "exec" "all"]
        OOM_POLICY ["continue" "stop" "kill"]
        PRESSURE_WATCH ["yes" "no" "auto" "skip"]
        PRIVATE_BPF ["yes" "no"]
        PRIVATE_PIDS ["yes" "no"]
        PRIVATE_TMP ["yes" "no" "connected" "disconnected"]
        PRIVATE_USERS ["yes" "no" "self" "identity" "full" "managed"]
        PROC_SUBSET ["all" "pid"]
        PROTECT_CONTROL_GROUPS ["yes" "no" "private" "strict"]
        PROTECT_HOME ["yes" "no" "read-only" "tmpfs"]
        PROTECT_PROC ["default" "noaccess" "invisible" "ptraceable"]
        PROTECT_SYSTEM ["yes" "no" "full" "strict"]
        SERVICE_EXIT_TYPE ["main" "cgroup"]
        SERVICE_RESTART ["no" "on-success" "on-failure" "on-abnormal" "on-watchdog" "on-abort" "always"]
        SERVICE_RESTART_MODE ["normal" "direct" "debug"]
        SERVICE_TIMEOUT_FAILURE_MODE ["terminate" "abort" "kill"]
        SERVICE_TYPE ["simple" "forking" "oneshot" "dbus" "notify" "notify-reload" "idle" "exec"]
        SOCKET_BIND ["yes" "no" "default" "both" "ipv6-only"]
        SOCKET_DEFER_TRIGGER ["yes" "no" "patient"];
    Scalar:
        CPUSET_PARTITION ["member" "root" "isolated"]
        KILL_MODE ["control-group" "process" "mixed" "none"]
        MANAGED_OOM_MODE ["auto" "kill"]
        TRISTATE ["yes" "no"];
}
