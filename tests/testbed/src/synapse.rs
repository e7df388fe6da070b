//! The Matrix homeserver Synapse over a base tree: the real program, set up as a Debian package sets it up.

use anyhow::Result;

use crate::{Layer, Suite, Tree};

/// The program: it comes from PyPI and takes a minute.
const PROGRAM: Layer<'_> =
    Layer { name: "synapse", files: &[], script: include_str!("../synapse/install.sh") };

/// Its configuration, user, unit and reverse proxy.
const SETUP: Layer<'_> = Layer {
    name: "synapse-setup",
    files: &[
        (
            "/etc/systemd/system/matrix-synapse.service",
            include_str!("../synapse/matrix-synapse.service"),
            0o644,
        ),
        ("/etc/matrix-synapse/homeserver.yaml", include_str!("../synapse/homeserver.yaml"), 0o644),
        ("/etc/matrix-synapse/conf.d/testbed.yaml", include_str!("../synapse/testbed.yaml"), 0o644),
        ("/etc/matrix-synapse/log.yaml", include_str!("../synapse/log.yaml"), 0o644),
        ("/etc/nginx/sites-available/matrix-synapse", include_str!("../synapse/nginx.conf"), 0o644),
    ],
    script: include_str!("../synapse/setup.sh"),
};

impl Tree {
    /// The release's base system with Synapse, an ordinary `matrix-synapse.service` that is not enabled, and nginx set
    /// up as its reverse proxy on port 80, not enabled either.
    ///
    /// # Errors
    /// The tree can't be made, or Synapse not be installed from PyPI.
    pub fn synapse(suite: Suite) -> Result<Self> {
        Self::base(suite)?.with(PROGRAM)?.with(SETUP)
    }
}
