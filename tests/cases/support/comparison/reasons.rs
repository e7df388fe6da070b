//! Why some channels stay open under this project, and which field of a policy closes them.

/// Why a channel is open for a service that needs nothing but its port and its state.
pub struct Reason {
    /// The channel.
    pub channel: &'static str,
    /// Why it stays open.
    pub why: &'static str,
    /// The field that closes it, as the contender `sandboxed-tight` has it.
    pub closed_by: Option<&'static str>,
}

const NETWORK: Option<&str> = Some("`network.mode`: `private` or `none`");

/// All of them, in the order of `sandboxed channels`.
pub const REASONS: [Reason; 10] = [
    Reason {
        channel: "read-usr",
        why: "distributions without a store have the service's programs and libraries there, beside all others; they are \
              public; on NixOS a service sees its own closure alone",
        closed_by: None,
    },
    Reason {
        channel: "abstract-squat",
        why: "an abstract name belongs to the network namespace, and no mechanism of the kernel is asked when one is taken; \
              connections to those of others are refused, by Landlock",
        closed_by: NETWORK,
    },
    Reason {
        channel: "read-own-net-tcp",
        why: "/proc/self/net shows the network namespace, which the service shares with the machine",
        closed_by: NETWORK,
    },
    Reason { channel: "read-own-net-unix", why: "the same", closed_by: NETWORK },
    Reason {
        channel: "fill-disk",
        why: "how much a service may store nobody can guess",
        closed_by: Some("`resources.disk`"),
    },
    Reason {
        channel: "know-host-name",
        why: "daemons name themselves by uname(2), in mail and in certificates",
        closed_by: None,
    },
    Reason {
        channel: "know-load-by-call",
        why: "runtimes size their heaps by sysinfo(2)",
        closed_by: Some("`syscalls.deny`: `sysinfo`"),
    },
    Reason {
        channel: "know-host-mounts",
        why: "/proc/self/mountinfo names where each of the service's own mounts comes from, and proc(5) has no option \
              for it",
        closed_by: None,
    },
    Reason { channel: "know-own-traffic", why: "/proc/self/net again", closed_by: NETWORK },
    Reason {
        channel: "know-users",
        why: "programs look up their own user's name, home and groups in /etc/passwd and /etc/group",
        closed_by: Some("`filesystem.etc` without `passwd` and `group`"),
    },
];
