//! Which signals the service has to get from us.
//!
//! When a unit with `KillMode=control-group` stops, systemd signals every process of it, beginning with the main one: the
//! supervisor. The service then already has its own, and a second SIGTERM makes some daemons give up their clean-up.
//! When `systemctl kill --kill-whom=main`, a reload or the watchdog signal the main process alone, the service has none.
//! The two look alike to the supervisor. But the init of the namespace is a process of the unit as well: what it is sent
//! from outside of the namespace was sent to all. So a signal of the service manager's is held back for a moment.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::options::KillMode;
use crate::sys::signal::Origin;

/// How long systemd may take from its first signal to its last, on a machine in trouble. A unit that is signalled as a
/// whole never waits: only one that is not, though its kill mode says so.
const STOP_WINDOW: Duration = Duration::from_millis(500);

/// The same where a signal that comes twice does no harm and one that comes late may be waited for.
const WINDOW: Duration = Duration::from_millis(30);

/// Signals by which services are ended: `KillSignal=`, `FinalKillSignal=` and `WatchdogSignal=` are one of them as a rule.
const STOP: [i32; 4] = [libc::SIGTERM, libc::SIGINT, libc::SIGQUIT, libc::SIGABRT];

/// Decides which signals to send to the service's main process, and when.
pub(crate) struct Forwarding {
    kill_mode: KillMode,
    /// Signals sent to every process of the unit, and when that was last seen.
    seen: BTreeMap<i32, Instant>,
    /// Signals held back, and until when.
    held: BTreeMap<i32, (Instant, Origin)>,
}

impl Forwarding {
    /// For a unit with this kill mode.
    pub(crate) fn new(kill_mode: KillMode) -> Self {
        Self { kill_mode, seen: BTreeMap::new(), held: BTreeMap::new() }
    }

    /// The supervisor got a signal. Returns it if the service has to get it now.
    pub(crate) fn requested(
        &mut self,
        signal: i32,
        origin: Origin,
        from_manager: bool,
        now: Instant,
    ) -> Option<(i32, Origin)> {
        // To continue twice is to continue, and systemd never sends it alone.
        if !from_manager || signal == libc::SIGCONT {
            return Some((signal, origin));
        }
        let window = self.window(signal);
        match self.seen.remove(&signal) {
            Some(seen) if now.saturating_duration_since(seen) < window => None,
            _ => {
                self.held.insert(signal, (now + window, origin));
                None
            }
        }
    }

    /// The init was sent a signal from outside of the namespace, and so was the service.
    pub(crate) fn sent_to_all(&mut self, signal: i32, now: Instant) {
        if self.held.remove(&signal).is_none() {
            self.seen.insert(signal, now);
        }
    }

    /// Takes out what has been held back for long enough: it was for the main process alone.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<(i32, Origin)> {
        let due: Vec<_> = self
            .held
            .iter()
            .filter(|(_, (until, _))| *until <= now)
            .map(|(signal, (_, origin))| (*signal, *origin))
            .collect();
        for (signal, _) in &due {
            self.held.remove(signal);
        }
        due
    }

    /// When something is due next.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.held.values().map(|(until, _)| *until).min()
    }

    fn window(&self, signal: i32) -> Duration {
        if self.kill_mode == KillMode::ControlGroup && STOP.contains(&signal) { STOP_WINDOW } else { WINDOW }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERM: i32 = libc::SIGTERM;
    const HUP: i32 = libc::SIGHUP;
    const PROCESS: Origin = Origin::Process;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn what_all_get_is_not_sent_again_whichever_is_noticed_first() {
        let now = Instant::now();
        let mut forwarding = Forwarding::new(KillMode::ControlGroup);
        assert_eq!(forwarding.requested(TERM, PROCESS, true, now), None);
        forwarding.sent_to_all(TERM, now + milliseconds(499));
        assert_eq!(forwarding.due(now + milliseconds(900)), []);
        forwarding.sent_to_all(TERM, now + milliseconds(1000));
        assert_eq!(forwarding.requested(TERM, PROCESS, true, now + milliseconds(1001)), None);
        assert_eq!(forwarding.deadline(), None);
    }

    #[test]
    fn what_the_main_process_alone_gets_is_sent_on() {
        let now = Instant::now();
        for (mode, signal, wait) in [
            (KillMode::ControlGroup, TERM, STOP_WINDOW),
            (KillMode::ControlGroup, HUP, WINDOW),
            (KillMode::Main, TERM, WINDOW),
        ] {
            let mut forwarding = Forwarding::new(mode);
            assert_eq!(forwarding.requested(signal, PROCESS, true, now), None);
            assert_eq!(forwarding.deadline(), Some(now + wait));
            assert_eq!(forwarding.due(now + wait.mul_f32(0.9)), []);
            assert_eq!(forwarding.due(now + wait), [(signal, PROCESS)]);
            assert_eq!(forwarding.due(now + wait), []);
        }
    }

    #[test]
    fn others_than_the_manager_signal_nobody_else() {
        let now = Instant::now();
        let mut forwarding = Forwarding::new(KillMode::ControlGroup);
        let queued = Origin::Queue(3);
        assert_eq!(forwarding.requested(TERM, queued, false, now), Some((TERM, queued)));
        assert_eq!(forwarding.requested(libc::SIGCONT, PROCESS, true, now), Some((libc::SIGCONT, PROCESS)));
    }

    #[test]
    fn a_signal_seen_long_ago_excuses_none_of_today() {
        let now = Instant::now();
        let mut forwarding = Forwarding::new(KillMode::ControlGroup);
        forwarding.sent_to_all(TERM, now);
        assert_eq!(forwarding.requested(TERM, PROCESS, true, now + milliseconds(600)), None);
        assert_eq!(forwarding.due(now + milliseconds(1100)), [(TERM, PROCESS)]);
    }
}
