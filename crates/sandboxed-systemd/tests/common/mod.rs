//! What the tests against systemd itself share.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs::{self, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

const MANAGER: &str = "/usr/lib/systemd/systemd";

/// Whether systemd is here; if it is not, tells that the test is skipped.
pub(crate) fn is_here(test: &str) -> bool {
    let here = tree().is_some() || Path::new(MANAGER).exists();
    if !here {
        skip(test, "there is no systemd here");
    }
    here
}

/// Tells of a test that cannot be run; past the harness, which would swallow it.
pub(crate) fn skip(test: &str, reason: &str) {
    // What eprintln! prints, the harness swallows.
    std::io::stderr().write_all(format!("skipped {test}: {reason}\n").as_bytes()).unwrap();
}

/// What systemd understood of units, by name; and what it had to say of them.
pub(crate) struct Dump(String);

impl Dump {
    /// Has systemd load these services.
    pub(crate) fn of(services: &[(String, String)]) -> Self {
        let directory =
            tempfile::Builder::new().permissions(Permissions::from_mode(0o755)).tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        let mut all = "[Unit]\nDefaultDependencies=no\n".to_owned();
        for target in ["basic", "default", "shutdown", "sysinit"] {
            write(&format!("{target}.target"), &all);
        }
        for (name, text) in services {
            write(name, text);
            writeln!(all, "Wants={name}").unwrap();
        }
        write("all.target", &all);
        let output = manager(directory.path())
            .args(["--test", "--system", "--unit=all.target", "--log-level=info", "--log-target=console"])
            .env_clear()
            .env("PATH", "/usr/bin:/bin:/usr/sbin:/sbin")
            .env("SYSTEMD_UNIT_PATH", directory.path())
            .output()
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{text}");
        // With some locales, an arrow is one character.
        Self(text.replace('→', "->"))
    }

    /// What it says of one unit.
    pub(crate) fn unit(&self, name: &str) -> &str {
        let start =
            self.0.find(&format!("\t-> Unit {name}:\n")).unwrap_or_else(|| panic!("no {name} in {}", self.0));
        let rest = &self.0[start..];
        &rest[..rest[1..].find("\n\t-> Unit ").map_or(rest.len(), |end| end + 2)]
    }

    /// The messages about files of units, one of which is a value or directive that systemd ignores.
    pub(crate) fn messages(&self) -> Vec<&str> {
        self.0.lines().filter(|line| line.contains(".service:") && !line.starts_with('\t')).collect()
    }
}

/// The directory of another Debian system, whose systemd is to be asked instead of this machine's.
fn tree() -> Option<OsString> {
    std::env::var_os("SANDBOXED_TREE")
}

/// Runs systemd in the tree `$1`, which sees the directory `$2`: for itself alone, so that nothing is left behind.
const IN_TREE: &str = r#"
set -eu
mount --rbind "$1" "$1"
mount -t tmpfs tmpfs "$1/tmp"
mkdir -p "$1/$2"
mount --bind "$2" "$1/$2"
mount --rbind /proc "$1/proc"
mount --rbind /dev "$1/dev"
mount -t tmpfs tmpfs "$1/sys"
mkdir -p "$1/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$1/sys/fs/cgroup"
tree=$1
shift 2
exec chroot "$tree" "$@"
"#;

/// systemd's manager, able to read the directory. It does not run its test mode as root.
fn manager(directory: &Path) -> Command {
    let unprivileged = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", MANAGER];
    match tree() {
        Some(tree) => {
            let mut command = Command::new("unshare");
            command.args(["--mount", "sh", "-c", IN_TREE, "sh"]).arg(tree).arg(directory).args(unprivileged);
            command
        }
        None if is_root() => {
            let mut command = Command::new("setpriv");
            command.args(unprivileged.iter().skip(1));
            command
        }
        None => Command::new(MANAGER),
    }
}

fn is_root() -> bool {
    fs::read_to_string("/proc/self/status").unwrap().lines().any(|line| line.starts_with("Uid:\t0\t"))
}

/// The words of a command line as systemd prints them, for a shell.
fn unquoted(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    while characters.peek().is_some() {
        let mut word = Vec::new();
        let quoted = characters.next_if_eq(&'"').is_some();
        while let Some(character) = characters.next() {
            match character {
                '"' if quoted => {}
                ' ' if !quoted || characters.peek().is_none() => break,
                '\\' if quoted => match characters.next().unwrap() {
                    'a' => word.push(7),
                    'b' => word.push(8),
                    'f' => word.push(12),
                    'n' => word.push(b'\n'),
                    'r' => word.push(b'\r'),
                    't' => word.push(b'\t'),
                    'v' => word.push(11),
                    first @ '0'..='7' => {
                        let digits: String = [first, characters.next().unwrap(), characters.next().unwrap()]
                            .into_iter()
                            .collect();
                        word.push(u8::from_str_radix(&digits, 8).unwrap());
                    }
                    other => word.extend(other.to_string().bytes()),
                },
                other => word.extend(other.to_string().bytes()),
            }
            if quoted && character == '"' {
                assert!(matches!(characters.next(), None | Some(' ')), "{line}");
                break;
            }
        }
        words.push(String::from_utf8(word).unwrap());
    }
    words
}

/// The arguments of `ExecStart=`, without the program.
pub(crate) fn arguments(unit: &str) -> Option<Vec<String>> {
    let (_, line) = unit.split_once("-> ExecStart:\n\t\t\tCommand Line: ")?;
    Some(unquoted(line.lines().next().unwrap()).split_off(1))
}

pub(crate) fn samples<Item: std::fmt::Debug>(
    count: usize,
    strategy: impl Strategy<Value = Item>,
) -> Vec<Item> {
    let mut runner =
        TestRunner::new(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() });
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}
