//! Debian systems in directories: a base made by debootstrap(8), and layers over it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{Suite, cache, process};

/// What every tree has: a bootable system, and what the cases need of the network, a client and a web server.
const PACKAGES: &[&str] = &[
    "systemd",
    "systemd-sysv",
    "dbus",
    "nftables",
    "iptables",
    "iproute2",
    "kmod",
    "procps",
    "util-linux",
    "keyutils",
    "libcap2-bin",
    "ca-certificates",
    "curl",
    "openssl",
    "nginx",
    "python3",
    "python3-venv",
];

/// Run in the new tree, once. Nothing here may start what a test did not ask for, and the first boot
/// finds its caches made: a machine then boots in a few seconds.
const SETTLE: &str = r"
: > /etc/resolv.conf
printf '127.0.0.1 localhost testbed\n::1 localhost\n' > /etc/hosts
echo testbed > /etc/hostname
systemd-machine-id-setup
systemctl disable nginx.service nftables.service
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer systemd-tmpfiles-clean.timer \
    e2scrub_all.timer fstrim.timer console-getty.service
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
ldconfig
journalctl --update-catalog
systemd-sysusers
touch -r /usr /etc/.updated /var/.updated
";

/// Runs the script `$2` in the tree `$1`, with a /proc, which systemd's own tools insist on.
const IN_TREE: &str = r#"mount -t proc proc "$1/proc" && exec chroot "$1" /bin/bash -euc "$2""#;

/// Mounts a layer over what is below it and runs its script there as root: `$1` is the layer's directory, `$2` the
/// lower directories, `$3` the script. The network is the outer machine's, and so are, for the time of the build
/// only, the names it resolves, the certificates it trusts and pip's configuration. All of it is in a mount namespace
/// of its own, which ends with the script.
const BUILD_LAYER: &str = r#"
set -eu
root=/mnt
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/root,workdir=$1/work" "$root"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
for file in /etc/resolv.conf /etc/ssl/certs/ca-certificates.crt; do
    if [ -e "$file" ]; then mount --bind "$file" "$root$file"; fi
done
if [ -e /etc/pip.conf ]; then
    cp /etc/pip.conf "$root/run/pip.conf"
    export PIP_CONFIG_FILE=/run/pip.conf
fi
export HOME=/root LANG=C.UTF-8 PATH=/usr/sbin:/usr/bin PIP_NO_CACHE_DIR=1
exec chroot "$root" /bin/bash -euc "$3"
"#;

/// A Debian system in the cache, read-only by convention: machines boot on an overlay over it.
#[derive(Clone, Debug)]
pub struct Tree {
    suite: Suite,
    /// The directories that make the tree, the uppermost first.
    layers: Vec<PathBuf>,
}

/// Something to put over a tree.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// What the layer is called in the cache.
    pub name: &'a str,
    /// Files it brings: path from the root, text, mode.
    pub files: &'a [(&'a str, &'a str, u32)],
    /// What is then run in the tree as root, by bash with `-eu`; it may install from the package registries.
    pub script: &'a str,
}

impl Tree {
    /// The release's base system, from the cache or made now, which takes a minute or two.
    ///
    /// # Errors
    /// debootstrap or one of the tree's own programs fails; the error ends with what it said.
    pub fn base(suite: Suite) -> Result<Self> {
        let recipe = format!("{suite}\n{}\n{SETTLE}", PACKAGES.join("\n"));
        let entry = cache::made(&format!("{suite}-base"), &recipe, |directory| {
            eprintln!("testbed: making the {suite} tree (a minute or two)");
            let root = directory.join("root");
            let mut debootstrap = Command::new("debootstrap");
            debootstrap
                .arg("--variant=minbase")
                .arg(format!("--include={}", PACKAGES.join(",")))
                .arg(suite.name())
                .arg(&root)
                .args(mirror());
            process::run(&mut debootstrap)?;
            let mut settle = Command::new("unshare");
            settle.args(["--mount", "--pid", "--fork", "--kill-child", "bash", "-c", IN_TREE, "settle"]);
            process::run(settle.arg(&root).arg(SETTLE)).map(drop)
        })?;
        Ok(Self { suite, layers: vec![entry.join("root")] })
    }

    /// This tree with `layer` over it, from the cache or made now.
    ///
    /// # Errors
    /// The layer's script fails; the error ends with what it said.
    pub fn with(&self, layer: Layer<'_>) -> Result<Self> {
        let below = self.lower_directories();
        let recipe = format!("{below}\n{:?}\n{}", layer.files, layer.script);
        let entry = cache::made(&format!("{}-{}", self.suite, layer.name), &recipe, |directory| {
            eprintln!("testbed: adding {} to the {} tree", layer.name, self.suite);
            let (root, work) = (directory.join("root"), directory.join("work"));
            fs::create_dir(&root)?;
            fs::create_dir(&work)?;
            // A directory of the layer covers the one below it: it needs that one's mode.
            fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
            for (path, text, mode) in layer.files {
                write(&root.join(path.trim_start_matches('/')), text, *mode)?;
            }
            let mut build = Command::new("unshare");
            build
                .args(["--mount", "--pid", "--fork", "--kill-child", "bash", "-c", BUILD_LAYER, layer.name])
                .arg(directory)
                .arg(&below)
                .arg(layer.script);
            process::run(&mut build)?;
            // The kernel leaves an unreadable directory of its own in there.
            fs::remove_dir_all(&work).context("cannot remove the overlay's work directory")
        })?;
        let layers = std::iter::once(entry.join("root")).chain(self.layers.iter().cloned()).collect();
        Ok(Self { suite: self.suite, layers })
    }

    /// The release that the tree is of.
    pub fn suite(&self) -> Suite {
        self.suite
    }

    /// The directory of its base system: that of the whole tree where there is no layer over it.
    pub fn base_directory(&self) -> &Path {
        self.layers.last().map_or(Path::new("/"), PathBuf::as_path)
    }

    /// The directories that make the tree, the uppermost first.
    pub fn directories(&self) -> &[PathBuf] {
        &self.layers
    }

    /// The value of overlayfs's `lowerdir=` for this tree.
    pub(crate) fn lower_directories(&self) -> String {
        self.layers.iter().map(|layer| layer.to_string_lossy()).collect::<Vec<_>>().join(":")
    }
}

fn write(path: &Path, text: &str, mode: u32) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}

/// The archive that this machine's own apt uses, if it is a Debian: what is reachable from here is known to it alone.
/// debootstrap has a default of its own.
fn mirror() -> Option<String> {
    let targets = Command::new("apt-get")
        .args(["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"])
        .output()
        .ok()?;
    let targets = String::from_utf8(targets.stdout).ok()?;
    targets
        .lines()
        .map(|uri| uri.trim_end_matches('/'))
        .find(|uri| uri.ends_with("/debian"))
        .map(str::to_owned)
}
