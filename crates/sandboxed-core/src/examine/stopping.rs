//! How long a unit lets its service take to stop: a service that ignores SIGTERM and is never killed cannot be stopped, neither for a
//! sandbox that is refused nor for the machine to go down.
//!
//! systemd.service(5), `TimeoutStopSec=`.

use std::time::Duration;

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::unit::time_span;
use sandboxed_systemd::value::Value;

use crate::areas::privileges::COMMANDS_CONFINED;
use crate::plan::{Setting, Settings};
use crate::unit::Unit;

/// What a unit has instead, in seconds: systemd's own default, `DefaultTimeoutStopSec=`.
const INSTEAD: u64 = 90;

/// The longest that a unit may have: a day. Nobody waits that long for a machine to go down.
const LONGEST: Duration = Duration::from_secs(86_400);

/// What is set instead, and the directives that say it.
const LIMITS: [(&str, &[&str]); 2] =
    [("TimeoutStopSec", &["TimeoutStopSec", "TimeoutSec"]), ("TimeoutAbortSec", &["TimeoutAbortSec"])];

/// Sets a limit where a unit has none; returns what was changed.
pub(crate) fn bound(unit: &Unit, settings: &mut Settings) -> Vec<String> {
    let mut notes = Vec::new();
    for (name, said_by) in LIMITS {
        let Some(said) = unit.said_last(said_by).filter(|said| !ends(&said.value)) else { continue };
        settings.put(Setting {
            section: Section::Service,
            name,
            value: Some(Value::Seconds(INSTEAD)),
            serves: vec![COMMANDS_CONFINED.id],
        });
        notes.push(format!(
            "{}: with {}={} the service could refuse to be stopped: it has {INSTEAD} s; a time of up to a day in the unit is kept",
            unit.name, said.name, said.value
        ));
    }
    notes
}

/// Whether a time span is certain to be one, and to end within a day. What systemd does not understand leaves an earlier one in
/// force, an empty one as well.
fn ends(span: &str) -> bool {
    time_span(span).is_some_and(|span| !span.is_zero() && span <= LONGEST)
}

#[cfg(test)]
mod tests {
    use super::ends;

    #[test]
    fn only_what_ends_is_taken_for_it() {
        for span in ["90", "5min 20s", "1.5h", "300 ms", "1d", "2m3s"] {
            assert!(ends(span), "{span}");
        }
        for span in [
            "infinity",
            "",
            "0",
            "0s",
            "0 min 0",
            "1y",
            "2d",
            "x",
            "5 x",
            "-5",
            "1..2",
            "99999999999999999999",
        ] {
            assert!(!ends(span), "{span}");
        }
    }
}
