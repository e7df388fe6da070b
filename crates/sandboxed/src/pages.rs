//! What the help and the manual page of each command say beside its arguments.

use std::fmt::Write as _;

/// The manual that the pages are of.
pub(crate) const MANUAL: &str = "Sandboxes for services";

/// What is said of a command. The one without a name is the program itself.
#[derive(Debug)]
pub(crate) struct Page {
    /// The command.
    pub(crate) command: &'static str,
    /// What each exit status means.
    pub(crate) exit: &'static [(&'static str, &'static str)],
    /// The files that it reads and writes, and what they are.
    pub(crate) files: &'static [(&'static str, &'static str)],
    /// Other pages, each with its section.
    pub(crate) see: &'static [(&'static str, &'static str)],
}

/// All pages, in the order of the commands.
pub(crate) const PAGES: [Page; 14] = [
    Page {
        command: "",
        exit: &[
            ("0", "All is well."),
            ("1", "A check refuses: a guarantee cannot be kept, or something is not as it was planned."),
            ("2", "A file or the command line is wrong, or something failed."),
        ],
        files: INSTALLED,
        see: &[SYSTEMD_EXEC, SYSTEMD_RESOURCE_CONTROL, NFT],
    },
    Page {
        command: "build",
        exit: PLANNED,
        files: &[
            (
                "DIR/plan.json",
                "What is guaranteed by what, and which files belong to it. A later build into the same folder takes away those that it \
                 does not have.",
            ),
            ("DIR/systemd/system/UNIT.d/zz-sandboxed.conf", "The directives of a unit."),
            ("DIR/systemd/system/sandboxed-*", "Slices and helper units."),
            ("DIR/nftables/sandboxed*", "The rules of the packet filter."),
            ("DIR/tmpfiles.d/sandboxed-NAME.conf", "What the root of a sandbox is made of."),
        ],
        see: &[EXPLAIN, APPLY, SYSTEMD_UNIT, SYSTEMD_EXEC, NFT],
    },
    Page {
        command: "check",
        exit: &[
            ("0", "Every policy can be kept on the target; there may be warnings."),
            ("1", "A policy asks for what cannot be kept there."),
            ("2", "A policy, the target or the command line is wrong, or something could not be read."),
        ],
        files: &[],
        see: &[EXPLAIN, SCHEMA, LSP],
    },
    Page {
        command: "lsp",
        exit: DONE,
        files: &[("$XDG_CACHE_HOME/sandboxed/presets", "The presets, for an editor to open.")],
        see: &[CHECK, SCHEMA],
    },
    Page { command: "explain", exit: PLANNED, files: &[], see: &[BUILD, CHECK, VERIFY, SYSTEMD_EXEC] },
    Page {
        command: "apply",
        exit: &[
            ("0", "Every sandbox is as its policy asks for."),
            (
                "1",
                "A sandbox cannot be kept here: nothing has changed; with `--all`, its service has been stopped.",
            ),
            (
                "2",
                "A policy or the command line is wrong, or something failed; to do it again goes on from there.",
            ),
        ],
        files: INSTALLED,
        see: &[STATUS, REMOVE, VERIFY, SYSTEMD_UNIT, NFT],
    },
    Page {
        command: "remove",
        exit: &[
            ("0", "The sandboxes are gone."),
            ("2", "One is not installed, or something failed; the others are gone."),
        ],
        files: INSTALLED,
        see: &[APPLY, STATUS],
    },
    Page {
        command: "status",
        exit: &[
            ("0", "Every sandbox is as planned."),
            ("1", "One is not."),
            ("2", "One is not installed, the command line is wrong, or something could not be read."),
        ],
        files: INSTALLED,
        see: &[APPLY, VERIFY, SYSTEMCTL],
    },
    Page {
        command: "verify",
        exit: &[
            ("0", "Everything is closed that the plan says is closed."),
            ("1", "Something is open that the plan says is closed."),
            ("2", "The sandbox is not installed, the command line is wrong, or it could not be tried."),
        ],
        files: INSTALLED,
        see: &[CHANNELS, STATUS, EXPLAIN],
    },
    Page { command: "channels", exit: DONE, files: &[], see: &[VERIFY] },
    Page { command: "presets", exit: DONE, files: &[], see: &[BUILD, APPLY, SCHEMA] },
    Page { command: "schema", exit: DONE, files: &[], see: &[CHECK, LSP, PRESETS] },
    Page { command: "completions", exit: DONE, files: &[], see: &[] },
    Page { command: "man", exit: DONE, files: &[], see: &[] },
];

/// The exit status of commands that plan.
const PLANNED: &[(&str, &str)] = &[
    ("0", "Every policy can be kept on the target."),
    ("1", "A policy asks for what cannot be kept there; nothing was written."),
    ("2", "A policy, the target or the command line is wrong, or something could not be read or written."),
];

/// The exit status of commands that refuse nothing.
const DONE: &[(&str, &str)] =
    &[("0", "All is well."), ("2", "The command line is wrong, or something failed.")];

/// What `apply` installs.
const INSTALLED: &[(&str, &str)] = &[
    ("/etc/sandboxed/NAME/", "The policy and the plan of an installed sandbox, and the list of its files."),
    ("/etc/systemd/system/UNIT.d/zz-sandboxed.conf", "The directives of a unit."),
    (
        "/etc/systemd/system/sandboxed-*",
        "Slices and helper units; `sandboxed-replan.path` plans anew after upgrades.",
    ),
    ("/etc/nftables/sandboxed*", "The rules of the packet filter."),
    ("/etc/tmpfiles.d/sandboxed-NAME.conf", "What the root of a sandbox is made of."),
    ("/run/sandboxed/", "The roots of sandboxes, and why one is refused."),
];

const APPLY: (&str, &str) = ("sandboxed-apply", "1");
const BUILD: (&str, &str) = ("sandboxed-build", "1");
const CHANNELS: (&str, &str) = ("sandboxed-channels", "1");
const CHECK: (&str, &str) = ("sandboxed-check", "1");
const EXPLAIN: (&str, &str) = ("sandboxed-explain", "1");
const LSP: (&str, &str) = ("sandboxed-lsp", "1");
const PRESETS: (&str, &str) = ("sandboxed-presets", "1");
const REMOVE: (&str, &str) = ("sandboxed-remove", "1");
const SCHEMA: (&str, &str) = ("sandboxed-schema", "1");
const STATUS: (&str, &str) = ("sandboxed-status", "1");
const VERIFY: (&str, &str) = ("sandboxed-verify", "1");
const NFT: (&str, &str) = ("nft", "8");
const SYSTEMCTL: (&str, &str) = ("systemctl", "1");
const SYSTEMD_EXEC: (&str, &str) = ("systemd.exec", "5");
const SYSTEMD_RESOURCE_CONTROL: (&str, &str) = ("systemd.resource-control", "5");
const SYSTEMD_UNIT: (&str, &str) = ("systemd.unit", "5");

impl Page {
    /// The page of a command.
    pub(crate) fn find(command: &str) -> Option<&'static Self> {
        PAGES.iter().find(|page| page.command == command)
    }

    /// What the long help says of the exit status.
    pub(crate) fn help(&self) -> String {
        let mut text = "Exit status:\n".to_owned();
        for (code, meaning) in self.exit {
            let _ = writeln!(text, "  {code}  {meaning}");
        }
        text
    }
}
