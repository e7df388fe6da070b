//! A kernel of its own over a base tree, and the tree as a disk: what a virtual machine boots from.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::{Layer, Tree, cache, process};

/// The release's kernel for virtual machines, and the agent that runs the commands of [`Machine`](crate::Machine).
const KERNEL: Layer<'_> = Layer {
    name: "kernel",
    files: &[
        ("/etc/initramfs-tools/conf.d/testbed", "MODULES=list\nCOMPRESS=zstd\n", 0o644),
        ("/etc/initramfs-tools/modules", "virtio_pci\nvirtio_blk\next4\n", 0o644),
        ("/usr/local/lib/sandboxed-testbed/agent.py", include_str!("../vm/agent.py"), 0o644),
        ("/etc/systemd/system/sandboxed-testbed-agent.service", include_str!("../vm/agent.service"), 0o644),
    ],
    script: include_str!("../vm/install.sh"),
};

/// Makes a disk `$2` of the tree with the layers `$1`. Its room is more than what is in it: services write.
const MAKE_DISK: &str = r#"
set -eu
mount -t tmpfs tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o "lowerdir=$1,upperdir=/mnt/upper,workdir=/mnt/work" /mnt/root
truncate -s 8G "$2"
mke2fs -q -t ext4 -E lazy_itable_init=0 -d /mnt/root "$2"
"#;

/// What qemu loads.
#[derive(Debug)]
pub(crate) struct Boot {
    /// The kernel.
    pub(crate) kernel: PathBuf,
    /// Its initial RAM disk.
    pub(crate) initrd: PathBuf,
    /// The tree as a disk, not to be written.
    pub(crate) disk: PathBuf,
}

impl Tree {
    /// This tree with a kernel of its own, so that it boots as a virtual machine too.
    ///
    /// # Errors
    /// The kernel can't be installed.
    pub fn with_kernel(&self) -> Result<Self> {
        self.with(KERNEL)
    }

    /// What a virtual machine boots this tree from: the disk is in the cache, or made now.
    pub(crate) fn bootable(&self) -> Result<Boot> {
        let layers = self.lower_directories();
        let recipe = format!("{layers}\n{MAKE_DISK}");
        let disk = cache::made(&format!("{}-disk", self.suite()), &recipe, |directory| {
            let mut make = Command::new("unshare");
            make.args(["--mount", "bash", "-c", MAKE_DISK, "disk", &layers]);
            process::run(make.arg(directory.join("disk.img"))).map(drop)
        })?;
        let find = |name: &str| {
            let mut layers = layers.split(':').map(|layer| Path::new(layer).join("boot"));
            let found = layers.find_map(|boot| in_directory(&boot, name));
            found.with_context(|| format!("the tree has no {name}, for it has no kernel"))
        };
        Ok(Boot { kernel: find("vmlinuz-")?, initrd: find("initrd.img-")?, disk: disk.join("disk.img") })
    }
}

/// The file in a directory whose name begins so.
fn in_directory(directory: &Path, prefix: &str) -> Option<PathBuf> {
    let files = fs::read_dir(directory).ok()?.flatten();
    files
        .map(|file| file.path())
        .find(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(prefix)))
}
