//! Ways to confine a service: for each the files that it takes, in `contenders/`, as the document shows them.

use anyhow::{Context, Result, ensure};

/// One way to confine the service.
#[derive(Clone, Copy, Debug)]
pub struct Contender {
    /// What it is called in results and on the command line.
    pub name: &'static str,
    /// What it is, in half a sentence.
    pub title: &'static str,
    /// Whether it needs nothing but systemd: such are tried by a case too.
    pub cheap: bool,
    text: &'static str,
}

/// All of them; this project comes last.
pub const CONTENDERS: &[Contender] = &[
    Contender {
        name: "plain",
        title: "a plain unit, which has a user of its own",
        cheap: true,
        text: include_str!("contenders/plain.txt"),
    },
    Contender {
        name: "article-printed",
        title: "the drop-ins of the article that this project began with, as printed",
        cheap: true,
        text: include_str!("contenders/article-printed.txt"),
    },
    Contender {
        name: "article",
        title: "the same, corrected: `TemporaryFileSystem=`, one path of the slice, IPv4 too, all groups dropped",
        cheap: true,
        text: include_str!("contenders/article.txt"),
    },
    Contender {
        name: "confinement",
        title: "the directives that NixOS' `systemd.services.NAME.confinement` sets, with the closure of the program",
        cheap: true,
        text: include_str!("contenders/confinement.txt"),
    },
    Contender {
        name: "bubblewrap",
        title: "bubblewrap with the flags of a careful user",
        cheap: false,
        text: include_str!("contenders/bubblewrap.txt"),
    },
    Contender {
        name: "nspawn",
        title: "systemd-nspawn with a network and users of its own",
        cheap: false,
        text: include_str!("contenders/nspawn.txt"),
    },
    Contender {
        name: "podman",
        title: "podman by its defaults, as root",
        cheap: false,
        text: include_str!("contenders/podman.txt"),
    },
    Contender {
        name: "docker",
        title: "docker by its defaults",
        cheap: false,
        text: include_str!("contenders/docker.txt"),
    },
    Contender {
        name: "docker-hardened",
        title: "docker with every switch that this service bears, of the client and of the daemon",
        cheap: false,
        text: include_str!("contenders/docker-hardened.txt"),
    },
    Contender {
        name: "by-hand",
        title: "a unit that somebody careful wrote for this service and this machine, with what systemd 257 offers",
        cheap: true,
        text: include_str!("contenders/by-hand.txt"),
    },
    Contender {
        name: OURS,
        title: "this project: the plain unit and a policy",
        cheap: true,
        text: include_str!("contenders/sandboxed.txt"),
    },
    Contender {
        name: "sandboxed-private",
        title: "this project, with a network of the service's own",
        cheap: true,
        text: include_str!("contenders/sandboxed-private.txt"),
    },
    Contender {
        name: "sandboxed-tight",
        title: "this project, with every field that this service bears",
        cheap: true,
        text: include_str!("contenders/sandboxed-tight.txt"),
    },
];

/// This project's name among them, as it is by default.
pub const OURS: &str = "sandboxed";

/// A file that a contender takes.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'a> {
    /// Where it is on the machine.
    pub path: &'a str,
    /// Its permissions.
    pub mode: u32,
    /// What is in it.
    pub text: &'a str,
}

/// What a contender is made of.
#[derive(Clone, Debug, Default)]
pub struct Definition<'a> {
    /// Its files.
    pub pieces: Vec<Piece<'a>>,
    /// What is run before the service first starts, by bash with `-eu`.
    pub prepare: &'a str,
    /// What is run when it is over.
    pub clean: &'a str,
}

impl Contender {
    /// The text that defines it, with these words in place of what it leaves open: `@COMMAND@`, the program that is to be
    /// confined; `@CLOSURE@`, the files that the program needs; `@DISK@`, switches of docker
    /// that take the name of a disk.
    pub fn filled(&self, words: &[(&str, &str)]) -> String {
        let fill = |text: String, (place, word): &(&str, &str)| text.replace(place, word);
        words.iter().fold(self.text.to_owned(), fill)
    }

    /// Whether it is this project, which brings a way of its own to run the probe.
    pub fn is_ours(&self) -> bool {
        self.name.starts_with(OURS)
    }

    /// The text as it is.
    pub fn text(&self) -> &'static str {
        self.text
    }

    /// The contender of this name.
    ///
    /// # Errors
    /// There is none; the error names all.
    pub fn named(name: &str) -> Result<Self> {
        let found = CONTENDERS.iter().find(|contender| contender.name == name).copied();
        let names: Vec<&str> = CONTENDERS.iter().map(|contender| contender.name).collect();
        found.with_context(|| format!("there is no contender `{name}`; there are {}", names.join(", ")))
    }
}

/// Reads a definition: parts that begin with `== PATH [MODE]`, `== prepare` or `== clean`.
///
/// # Errors
/// A line before the first part, a mode that is no octal number, or no unit for the service.
pub fn parse(text: &str) -> Result<Definition<'_>> {
    let mut definition = Definition::default();
    let text = text.strip_prefix("== ").context("a definition begins with `== `")?;
    for part in text.split("\n== ") {
        let (head, body) = part.split_once('\n').unwrap_or((part, ""));
        match head {
            "prepare" => definition.prepare = body,
            "clean" => definition.clean = body,
            file => {
                let (path, mode) = file.split_once(' ').unwrap_or((file, "644"));
                ensure!(path.starts_with('/'), "`{path}` is no path from the root");
                let mode = u32::from_str_radix(mode, 8).with_context(|| format!("the mode of {path}"))?;
                definition.pieces.push(Piece { path, mode, text: body });
            }
        }
    }
    let unit = definition.pieces.iter().any(|piece| piece.path == "/etc/systemd/system/ledger.service");
    ensure!(unit, "it has no ledger.service");
    Ok(definition)
}
