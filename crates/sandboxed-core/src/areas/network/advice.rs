//! Which mode fits: `docs/network-private.md` has the whole comparison.

use super::{AddressFamily, Mode, Network};
use crate::planner::Planner;
use crate::target::Kernel;

impl Network {
    /// What another mode would do better for this policy, and what the chosen one does to the machine.
    pub(super) fn advise(&self, planner: &mut Planner<'_>) {
        let internet = self
            .address_families
            .iter()
            .any(|family| matches!(family, AddressFamily::Inet | AddressFamily::Inet6));
        let mut note = |text: &str| planner.plan.notes.push(text.to_owned());
        match self.mode {
            Mode::Filtered | Mode::Private if !internet => {
                note(
                    "network.mode: the service makes no socket of the internet, so the mode `none` fits, which leaves nothing open",
                );
            }
            Mode::Filtered => note(
                "network.mode: `filtered` shows the service the machine's network (/proc/self/net) and leaves free names of abstract \
                 sockets to be taken; `private` closes that, and lets the service listen on any port, at the price of \
                 connection tracking and of packets that the machine passes on",
            ),
            Mode::Private => note(
                "network.mode: `private` switches connection tracking on for the machine, and lets the machine pass on the packets \
                 of this service; `filtered` does neither",
            ),
            Mode::Joined | Mode::None => {}
        }
        if self.mode == Mode::Private && planner.target.kernel < Kernel::new(6, 17) {
            planner.plan.notes.push(
                "other machines are reached by IPv6 only where this machine is a router for it \
                 (net.ipv6.conf.all.forwarding=1): Linux 6.17 can pass IPv6 on for single interfaces"
                    .to_owned(),
            );
        }
    }
}
