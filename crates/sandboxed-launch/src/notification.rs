//! What of a notification the service manager gets: fields that are known, each with a value that was looked at here.
//!
//! systemd writes a field that it cannot read into the machine's journal as a message of its own, so that whatever the service
//! puts there would be said by PID 1. What does not pass is dropped without a word: the service would have it said often.
//!
//! Never passed on, sd_notify(3):
//!
//! - `EXTEND_TIMEOUT_USEC=`: a service that may ask for more time whenever its time is over cannot be stopped, and with it
//!   neither its sandbox nor the machine. How long a start may take is the unit's to say, `TimeoutStartSec=`.
//! - `NOTIFYACCESS=`: whose notifications count is the unit's to say.
//! - `MAINPIDFD=`, `MAINPIDFDID=`: to systemd the main process is the supervisor.

use std::collections::BTreeMap;

/// The longest status, in bytes: a line of a terminal or three. systemd takes more and keeps it all.
const LONGEST_STATUS: usize = 256;

/// The longest name of a descriptor, `FDNAME_MAX` of systemd, and of an error on the bus, D-Bus' specification.
const LONGEST_NAME: usize = 255;

/// The largest error number, `ERRNO_MAX` of systemd.
const LARGEST_ERROR: u64 = 4095;

/// A notification, taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Notification {
    /// Changes of the service's state and of what systemd keeps for it, one a line: none of them may be lost.
    pub(crate) state: String,
    /// What counts by its last value alone, by its name.
    pub(crate) told: BTreeMap<&'static str, String>,
    /// The main process from now on, by its id in the namespace.
    pub(crate) main: Option<i32>,
    /// What the descriptors that came along are for.
    pub(crate) descriptors: Descriptors,
}

/// What descriptors that come with a notification are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Descriptors {
    /// For nobody.
    #[default]
    None,
    /// For systemd to keep.
    Store,
    /// A single one, which systemd closes when it has read all that came before.
    Barrier,
}

impl Notification {
    /// Reads the assignments, one a line, as systemd reads them: of the words about the service's state the last one counts, of
    /// a name that is there twice the first. `watchdog` is the unit's time limit in microseconds, if it has one.
    pub(crate) fn parse(text: &[u8], watchdog: Option<u64>) -> Self {
        let text = text.strip_suffix(b"\0").unwrap_or(text);
        let lines = text.split(|byte| matches!(byte, b'\n' | b'\r')).filter(|line| !line.is_empty());
        let lines: Vec<&str> = lines.filter_map(|line| std::str::from_utf8(line).ok()).collect();
        if lines.iter().any(|line| line.starts_with("BARRIER=")) {
            // systemd takes a barrier by itself, and of anything beside it nothing at all.
            let alone = lines == ["BARRIER=1"];
            return if alone {
                let descriptors = Descriptors::Barrier;
                Self { state: "BARRIER=1".to_owned(), descriptors, ..Self::default() }
            } else {
                Self::default()
            };
        }
        let value = |name: &str| {
            lines.iter().find_map(|line| line.strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
        };
        // The main process's id stays here: to the service manager the main process is the supervisor, which stands for
        // whatever process the service names.
        let main = value("MAINPID").and_then(|id| id.parse().ok()).filter(|id| *id > 1);
        let (state, descriptors) = state(&lines, &value);
        let mut told = BTreeMap::new();
        let mut tell = |name, checked: Option<String>| checked.map(|value| told.insert(name, value));
        tell("STATUS", value("STATUS").map(printable));
        tell("WATCHDOG", value("WATCHDOG").filter(|word| *word == "1").map(str::to_owned));
        tell("WATCHDOG_USEC", value("WATCHDOG_USEC").and_then(|limit| number(limit, 1..=watchdog?)));
        tell("ERRNO", value("ERRNO").and_then(|code| number(code, 0..=LARGEST_ERROR)));
        tell("BUSERROR", value("BUSERROR").filter(|name| is_bus_error(name)).map(str::to_owned));
        tell("EXIT_STATUS", value("EXIT_STATUS").and_then(|status| number(status, 0..=255)));
        Self { state, told, main, descriptors }
    }

    /// The same as systemd reads it; empty if nothing is to go on.
    pub(crate) fn text(&self) -> String {
        self.told.iter().fold(self.state.clone(), |text, (name, value)| add(text, name, value))
    }
}

/// A text with a further assignment.
pub(crate) fn add(mut text: String, name: &str, value: &str) -> String {
    if !text.is_empty() {
        text.push('\n');
    }
    text.extend([name, "=", value]);
    text
}

/// What is said of the service's state and of what systemd keeps for it.
fn state<'a>(lines: &[&str], value: &dyn Fn(&str) -> Option<&'a str>) -> (String, Descriptors) {
    let mut state = String::new();
    let is = |name: &str, word: &str| value(name) == Some(word);
    let said = lines.iter().rfind(|line| matches!(**line, "READY=1" | "RELOADING=1" | "STOPPING=1"));
    if let Some((name, word)) = said.and_then(|said| said.split_once('=')) {
        state = add(state, name, word);
        let since = value("MONOTONIC_USEC").filter(|_| name == "RELOADING");
        if let Some(since) = since.and_then(|since| number(since, 0..=u64::MAX)) {
            state = add(state, "MONOTONIC_USEC", &since);
        }
    }
    if is("WATCHDOG", "trigger") {
        state = add(state, "WATCHDOG", "trigger");
    }
    let name = value("FDNAME").filter(|name| is_descriptor_name(name));
    let stores = is("FDSTORE", "1") && value("MAINPIDFD").is_none() && value("MAINPIDFDID").is_none();
    let removes = is("FDSTOREREMOVE", "1") && name.is_some();
    for (is_said, what) in [(removes, "FDSTOREREMOVE"), (stores, "FDSTORE")] {
        if is_said {
            state = add(state, what, "1");
        }
    }
    if let Some(name) = name.filter(|_| stores || removes) {
        state = add(state, "FDNAME", name);
    }
    if stores && is("FDPOLL", "0") {
        state = add(state, "FDPOLL", "0");
    }
    (state, if stores { Descriptors::Store } else { Descriptors::None })
}

/// A decimal number, without what some readers take for another: signs, blanks, a leading zero that means octal.
fn number(text: &str, range: std::ops::RangeInclusive<u64>) -> Option<String> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number: u64 = text.parse().ok().filter(|number| digits && range.contains(number))?;
    Some(number.to_string())
}

/// A status without what does something to the terminal that shows it, and not longer than people read.
fn printable(status: &str) -> String {
    let mut printable = String::new();
    for char in status.chars() {
        let acts = char.is_control()
            || matches!(char, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        let char = if acts { ' ' } else { char };
        if printable.len() + char.len_utf8() > LONGEST_STATUS {
            break;
        }
        printable.push(char);
    }
    printable
}

/// As `fdname_is_valid()` of systemd.
fn is_descriptor_name(name: &str) -> bool {
    name.len() <= LONGEST_NAME && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b':')
}

/// As the specification of D-Bus has names of errors: elements with a dot between, two at least.
fn is_bus_error(name: &str) -> bool {
    let is_element = |element: &str| {
        let word = element.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        word && element.bytes().next().is_some_and(|first| !first.is_ascii_digit())
    };
    name.len() <= LONGEST_NAME && name.contains('.') && name.split('.').all(is_element)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(text: &str) -> String {
        Notification::parse(text.as_bytes(), Some(1000)).text()
    }

    #[test]
    fn the_main_processs_id_stays_inside() {
        let parsed = Notification::parse(b"READY=1\nMAINPID=17\nSTATUS=up", None);
        assert_eq!((parsed.text().as_str(), parsed.main), ("READY=1\nSTATUS=up", Some(17)));
        let parsed = Notification::parse(b"MAINPID=17\nMAINPIDFD=1\nMAINPIDFDID=99\nFDSTORE=1\n", None);
        assert_eq!((parsed.text().as_str(), parsed.descriptors), ("", Descriptors::None));
    }

    #[test]
    fn an_impossible_main_process_is_none() {
        for id in ["", "0", "1", "-1", "x", "99999999999"] {
            assert_eq!(Notification::parse(format!("MAINPID={id}").as_bytes(), None).main, None, "{id}");
        }
    }

    #[test]
    fn what_services_say_passes() {
        for text in [
            "READY=1",
            "RELOADING=1\nMONOTONIC_USEC=123456",
            "STOPPING=1\nSTATUS=Schluß",
            "STATUS=",
            "WATCHDOG=1",
            "WATCHDOG=trigger",
            "WATCHDOG_USEC=1000",
            "FDSTORE=1\nFDNAME=a-b c\nFDPOLL=0",
            "FDSTOREREMOVE=1\nFDNAME=a",
            "BARRIER=1",
            "ERRNO=2",
            "BUSERROR=org.freedesktop.DBus.Error.TimedOut",
            "EXIT_STATUS=255",
        ] {
            assert_eq!(passed(text), text);
        }
        assert_eq!(passed("READY=1\0"), "READY=1");
    }

    #[test]
    fn nothing_else_does() {
        for text in [
            "EXTEND_TIMEOUT_USEC=60000000",
            "NOTIFYACCESS=all",
            "X_ANYTHING=1",
            "MONOTONIC_USEC=1",
            "ERRNO=Accepted password for root",
            "ERRNO=4096",
            "ERRNO=-1",
            "ERRNO=+1",
            "WATCHDOG=2",
            "WATCHDOG_USEC=0",
            "WATCHDOG_USEC=1001",
            "WATCHDOG_USEC=18446744073709551616",
            "FDSTOREREMOVE=1",
            "FDSTOREREMOVE=1\nFDNAME=a:b",
            "FDNAME=a",
            "BUSERROR=a",
            "BUSERROR=a..b",
            "BUSERROR=a.1",
            "EXIT_STATUS=256",
            "READY=0",
            "BARRIER=0",
            "BARRIER=1\nREADY=1",
            "ready",
            "=",
            "",
        ] {
            assert_eq!(passed(text), "", "{text}");
        }
        assert_eq!(passed("FDSTORE=1\nFDNAME=a:b"), "FDSTORE=1");
        assert_eq!(Notification::parse(b"WATCHDOG_USEC=1", None).text(), "");
        assert_eq!(Notification::parse(b"STATUS=\xff\nREADY=1", None).text(), "READY=1");
    }

    /// systemd ends a line at a carriage return as well.
    #[test]
    fn a_status_is_one_line_that_does_nothing() {
        assert_eq!(passed("STATUS=a\rEXTEND_TIMEOUT_USEC=1\rREADY=1"), "READY=1\nSTATUS=a");
        assert_eq!(passed("STATUS=a\x1b[2J\u{202e}b\0c"), "STATUS=a [2J b c");
        let long = passed(&format!("STATUS={}", "ß".repeat(1000)));
        assert_eq!(long, format!("STATUS={}", "ß".repeat(LONGEST_STATUS / 2)));
    }

    #[test]
    fn what_is_said_twice_counts_as_for_systemd() {
        assert_eq!(passed("READY=1\nREADY=1"), "READY=1");
        assert_eq!(passed("READY=1\nSTOPPING=1"), "STOPPING=1");
        assert_eq!(passed("RELOADING=1\nMONOTONIC_USEC=5\nREADY=1"), "READY=1");
        assert_eq!(passed("STATUS=a\nSTATUS=b"), "STATUS=a");
    }

    proptest::proptest! {
        /// What passed passes again unchanged: the supervisor looks at what the init has let through.
        #[test]
        fn what_passed_passes(text in "((READY|RELOADING|STATUS|ERRNO|FDSTORE|FDNAME|WATCHDOG|BUSERROR|MONOTONIC_USEC)=(1|.{0,40})[\n\r]){0,6}") {
            let once = passed(&text);
            proptest::prop_assert_eq!(passed(&once), once);
        }
    }
}
