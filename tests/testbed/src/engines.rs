//! The ways to confine a service that others offer, from the release's own packages: what `cargo xtask compare` sets
//! beside this project.

use anyhow::Result;

use crate::{Layer, Suite, Tree};

const PROGRAMS: Layer<'_> =
    Layer { name: "engines", files: &[], script: include_str!("../engines/install.sh") };

impl Tree {
    /// The release's base system with docker, podman, systemd-nspawn and bubblewrap, none of which is started at boot;
    /// with a user `ledger`, and in /var/lib/machines/ledger a small system for containers.
    ///
    /// # Errors
    /// The tree can't be made, or the packages not be installed.
    pub fn engines(suite: Suite) -> Result<Self> {
        Self::base(suite)?.with(PROGRAMS)
    }
}
