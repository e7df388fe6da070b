//! Deadlines as poll(2) takes them.

use std::time::{Duration, Instant};

use rustix::event::Timespec;

/// The time until a deadline.
pub(crate) fn until(deadline: Instant) -> Timespec {
    // Rounded up, or the last fraction of a millisecond would be spent awake.
    let rest = deadline.saturating_duration_since(Instant::now()) + Duration::from_millis(1);
    Timespec { tv_sec: rest.as_secs().cast_signed(), tv_nsec: rest.subsec_nanos().into() }
}
