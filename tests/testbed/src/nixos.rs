//! What a NixOS configuration needs of a tree that is not NixOS.

use anyhow::Result;

use crate::{Layer, Suite, Tree};

/// Nix itself; the modules of NixOS' switch-to-configuration, which is a Perl program; patchelf(1), by which the tree's
/// own programs become packages of a store; and what NixOS' Synapse logs by.
const TOOLS: Layer<'_> = Layer {
    name: "nixos",
    files: &[("/etc/NIXOS", "", 0o644)],
    script: "
apt-get -q -o Acquire::Retries=3 update
apt-get -q -y -o Acquire::Retries=3 --no-install-recommends install \\
    nix-bin perl libconfig-inifiles-perl libfile-slurp-perl patchelf python3-systemd
rm -rf /var/cache/apt/archives/*.deb /var/lib/apt/lists/*
touch -r /usr /etc/.updated /var/.updated
",
};

impl Tree {
    /// The tree of [`synapse`](Self::synapse), in which a configuration of NixOS can be switched to.
    ///
    /// # Errors
    /// The tree can't be made, or the packages not be installed.
    pub fn nixos(suite: Suite) -> Result<Self> {
        Self::synapse(suite)?.with(TOOLS)
    }
}
