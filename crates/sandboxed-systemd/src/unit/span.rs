//! Time spans as systemd reads them: systemd.time(7), "Parsing Time Spans".

use std::time::Duration;

/// A time span; `None` if it is `infinity`, or systemd would not take it. Seconds where no unit is named.
pub fn time_span(text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    let mut rest = text.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let after = rest.trim_start_matches(|char: char| char.is_ascii_digit() || char == '.');
        let number: f64 = rest.get(..rest.len() - after.len())?.parse().ok()?;
        let after = after.trim_start();
        let next = after.trim_start_matches(char::is_alphabetic);
        seconds += number * in_seconds(after.get(..after.len() - next.len())?)?;
        rest = next.trim_start();
    }
    Duration::try_from_secs_f64(seconds).ok()
}

/// A unit of time. A month and a year are as long as they are on average.
fn in_seconds(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "s" | "sec" | "second" | "seconds" => 1.0,
        "m" | "min" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        "d" | "day" | "days" => 86_400.0,
        "w" | "week" | "weeks" => 604_800.0,
        "M" | "month" | "months" => 2_629_800.0,
        "y" | "year" | "years" => 31_557_600.0,
        "ms" | "msec" => 1e-3,
        "us" | "usec" | "µs" | "μs" => 1e-6,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_sums_of_numbers_with_units() {
        for (text, milliseconds) in [
            ("90", 90_000),
            ("5min 20s", 320_000),
            ("1.5h", 5_400_000),
            ("300 ms", 300),
            (" 2m3s ", 123_000),
            ("1d", 86_400_000),
            ("0 min 0", 0),
            ("1y", 31_557_600_000),
        ] {
            assert_eq!(time_span(text), Some(Duration::from_millis(milliseconds)), "{text}");
        }
        for text in ["", " ", "infinity", "x", "5 x", "-5", "1..2", "99999999999999999999"] {
            assert_eq!(time_span(text), None, "{text}");
        }
    }
}
