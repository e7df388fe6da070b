//! How long a unit lets its service take to stop: a service that ignores SIGTERM and is never killed cannot be stopped, neither for a
//! sandbox that is refused nor for the machine to go down.
//!
//! systemd.service(5), `TimeoutStopSec=`; systemd.time(7), "Parsing Time Spans".

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::value::Value;

use crate::areas::privileges::COMMANDS_CONFINED;
use crate::plan::{Setting, Settings};
use crate::unit::Unit;

/// What a unit has instead, in seconds: systemd's own default, `DefaultTimeoutStopSec=`.
const INSTEAD: u64 = 90;

/// The longest that a unit may have, in seconds: a day. Nobody waits that long for a machine to go down.
const LONGEST: f64 = 86_400.0;

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
    let mut seconds = 0.0;
    let mut rest = span.trim();
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
        let number = rest.get(..rest.len() - after.len()).and_then(|number| number.parse::<f64>().ok());
        let after = after.trim_start();
        let next = after.trim_start_matches(|char: char| char.is_alphabetic());
        let unit = after.get(..after.len() - next.len()).and_then(in_seconds);
        let (Some(number), Some(unit)) = (number, unit) else { return false };
        seconds += number * unit;
        rest = next.trim_start();
    }
    seconds > 0.0 && seconds <= LONGEST
}

/// A unit of time; seconds where it is not named.
fn in_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "ms" | "msec" => 1e-3,
        "us" | "usec" | "µs" | "μs" => 1e-6,
        _ => return None,
    })
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
