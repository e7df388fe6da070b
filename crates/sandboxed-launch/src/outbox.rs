//! How fast notifications go on to the service manager.
//!
//! PID 1 reads every one of them, and does work for it, at the machine's cost and not at the service's: a process that does nothing
//! else takes half of a processor from it. So there is a limit to the rate, and what comes faster waits here, at the service's
//! cost: changes of state one after the other, of the rest the last value.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use crate::notification::{Descriptors, Notification, add};

/// The time between two notifications in the long run: ten a second. A watchdog is fed twice within its time as a rule, so that one
/// of half a second is fed in time however often the service says so; PID 1 takes some ten microseconds for each.
const INTERVAL: Duration = Duration::from_millis(100);

/// How many may go on at once after a time without any: a service says a dozen things while it starts, and one that leaves its
/// connections with systemd says so for each.
const BURST: u32 = 100;

/// How many changes of state wait: more than systemd stores descriptors for a service (512, as the planner has it). Beyond that the
/// service says what nobody can mean, and what it says then is lost.
const WAITING: usize = 1024;

/// How long to wait where the service manager's socket is full.
const LATER: Duration = Duration::from_millis(50);

/// What goes on as one notification.
#[derive(Debug)]
pub(crate) struct Message {
    /// Its text.
    pub(crate) text: String,
    /// What goes along.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether nothing may be added to it.
    alone: bool,
}

/// Notifications on their way to the service manager.
pub(crate) struct Outbox {
    waiting: VecDeque<Message>,
    told: BTreeMap<&'static str, String>,
    /// How many may go on now.
    tokens: u32,
    /// Since when the next one is earned.
    earning_since: Instant,
    /// Not before this.
    held_until: Option<Instant>,
}

impl Outbox {
    /// An empty one.
    pub(crate) fn new(now: Instant) -> Self {
        let (waiting, told) = (VecDeque::new(), BTreeMap::new());
        Self { waiting, told, tokens: BURST, earning_since: now, held_until: None }
    }

    /// Takes a notification, with the descriptors that came along.
    pub(crate) fn take(&mut self, notification: Notification, descriptors: Vec<OwnedFd>) {
        let descriptors = match notification.descriptors {
            Descriptors::None => Vec::new(),
            Descriptors::Store => descriptors,
            // systemd says in its journal that the number is wrong.
            Descriptors::Barrier if descriptors.len() == 1 => descriptors,
            Descriptors::Barrier => return,
        };
        self.told.extend(notification.told);
        let alone = notification.descriptors == Descriptors::Barrier;
        let message = Message { text: notification.state, descriptors, alone };
        let repeats = |last: &Message| last.text == message.text && last.descriptors.is_empty();
        let is_new = !message.descriptors.is_empty() || !self.waiting.back().is_some_and(repeats);
        if !message.text.is_empty() && is_new && self.waiting.len() < WAITING {
            self.waiting.push_back(message);
        }
    }

    /// What may go on now.
    pub(crate) fn due(&mut self, now: Instant) -> Option<Message> {
        self.earn(now);
        if self.tokens == 0 || self.held_until.is_some_and(|until| now < until) {
            return None;
        }
        let message = self.pop()?;
        self.tokens -= 1;
        Some(message)
    }

    /// The service manager's socket was full.
    pub(crate) fn give_back(&mut self, message: Message, now: Instant) {
        self.waiting.push_front(message);
        self.held_until = Some(now + LATER);
    }

    /// When something may go on that waits now.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        let nothing = self.waiting.is_empty() && self.told.is_empty();
        let earned = self.earning_since + if self.tokens == 0 { INTERVAL } else { Duration::ZERO };
        (!nothing).then(|| self.held_until.map_or(earned, |until| until.max(earned)))
    }

    /// What still waits when the service has ended, as much as may go on at once.
    pub(crate) fn rest(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.pop()).take(BURST as usize).collect()
    }

    fn pop(&mut self) -> Option<Message> {
        // What was told before a barrier has to be there before it.
        let waits = self.waiting.front().is_some_and(|next| next.alone && !self.told.is_empty());
        let next = if waits { None } else { self.waiting.pop_front() };
        if next.is_none() && self.told.is_empty() {
            return None;
        }
        let mut message =
            next.unwrap_or_else(|| Message { text: String::new(), descriptors: Vec::new(), alone: false });
        if !message.alone {
            let told = std::mem::take(&mut self.told);
            message.text = told.iter().fold(message.text, |text, (name, value)| add(text, name, value));
        }
        Some(message)
    }

    fn earn(&mut self, now: Instant) {
        while self.tokens < BURST && now.saturating_duration_since(self.earning_since) >= INTERVAL {
            self.tokens += 1;
            self.earning_since += INTERVAL;
        }
        if self.tokens == BURST {
            self.earning_since = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(outbox: &mut Outbox, text: &str) {
        outbox.take(Notification::parse(text.as_bytes(), None), Vec::new());
    }

    fn all_due(outbox: &mut Outbox, now: Instant) -> Vec<String> {
        std::iter::from_fn(|| outbox.due(now)).map(|message| message.text).collect()
    }

    fn descriptor() -> OwnedFd {
        rustix::pipe::pipe().unwrap().0
    }

    /// As many as may go on at once are gone.
    fn exhausted(now: Instant) -> Outbox {
        let mut outbox = Outbox::new(now);
        for number in 0..BURST {
            take(&mut outbox, &format!("STATUS={number}"));
            assert_eq!(all_due(&mut outbox, now).len(), 1);
        }
        assert_eq!(outbox.deadline(), None);
        outbox
    }

    #[test]
    fn a_flood_becomes_ten_a_second() {
        let now = Instant::now();
        let mut outbox = Outbox::new(now);
        let mut passed = 0;
        for millisecond in 0..10_000 {
            take(&mut outbox, &format!("STATUS={millisecond}\nWATCHDOG=1"));
            passed += all_due(&mut outbox, now + Duration::from_millis(millisecond)).len();
        }
        assert!((195..=205).contains(&passed), "{passed}");
    }

    #[test]
    fn the_last_value_waits() {
        let now = Instant::now();
        let mut outbox = exhausted(now);
        take(&mut outbox, "STATUS=a\nWATCHDOG=1");
        take(&mut outbox, "STATUS=b");
        assert_eq!(all_due(&mut outbox, now), Vec::<String>::new());
        let deadline = outbox.deadline().unwrap();
        assert_eq!(all_due(&mut outbox, deadline), ["STATUS=b\nWATCHDOG=1"]);
    }

    #[test]
    fn changes_of_state_wait_in_their_order() {
        let now = Instant::now();
        let mut outbox = exhausted(now);
        for text in ["READY=1\nSTATUS=a", "RELOADING=1", "READY=1", "READY=1", "STOPPING=1"] {
            take(&mut outbox, text);
        }
        assert_eq!(all_due(&mut outbox, now), Vec::<String>::new());
        let later = now + Duration::from_secs(5);
        assert_eq!(
            all_due(&mut outbox, later),
            ["READY=1\nSTATUS=a", "RELOADING=1", "READY=1", "STOPPING=1"]
        );
    }

    #[test]
    fn there_is_an_end_to_what_waits() {
        let now = Instant::now();
        let mut outbox = exhausted(now);
        for _ in 0..10_000 {
            take(&mut outbox, "RELOADING=1");
            take(&mut outbox, "READY=1");
        }
        assert_eq!(outbox.waiting.len(), WAITING);
        assert_eq!(outbox.rest().len(), BURST as usize);
    }

    #[test]
    fn a_barrier_is_alone_and_comes_after_what_was_told_before() {
        let now = Instant::now();
        let mut outbox = Outbox::new(now);
        take(&mut outbox, "STATUS=a");
        outbox.take(Notification::parse(b"BARRIER=1", None), vec![descriptor()]);
        assert_eq!(all_due(&mut outbox, now), ["STATUS=a", "BARRIER=1"]);
        outbox.take(Notification::parse(b"BARRIER=1", None), vec![descriptor(), descriptor()]);
        take(&mut outbox, "BARRIER=1");
        assert_eq!(all_due(&mut outbox, now), Vec::<String>::new());
    }

    #[test]
    fn descriptors_go_along_with_what_stores_them_alone() {
        let now = Instant::now();
        let mut outbox = Outbox::new(now);
        for text in ["FDSTORE=1", "FDSTORE=1", "READY=1"] {
            outbox.take(Notification::parse(text.as_bytes(), None), vec![descriptor()]);
        }
        let passed: Vec<_> = std::iter::from_fn(|| outbox.due(now)).collect();
        let counts: Vec<_> = passed.iter().map(|message| message.descriptors.len()).collect();
        assert_eq!(counts, [1, 1, 0]);
    }

    #[test]
    fn what_was_not_taken_comes_first_later() {
        let now = Instant::now();
        let mut outbox = Outbox::new(now);
        take(&mut outbox, "READY=1");
        take(&mut outbox, "STOPPING=1");
        let message = outbox.due(now).unwrap();
        outbox.give_back(message, now);
        assert_eq!(all_due(&mut outbox, now), Vec::<String>::new());
        let deadline = outbox.deadline().unwrap();
        assert_eq!(all_due(&mut outbox, deadline), ["READY=1", "STOPPING=1"]);
    }
}
