//! The comparison for people: docs/comparison.md.

use std::fmt::Write as _;

use sandboxed_probe::report::{self, Listed};
use sandboxed_probe::{Group, Verdict};

use super::contender::{CONTENDERS, OURS, parse};
use super::reasons::REASONS;
use super::results::{Comparison, Kind};

const HEAD: &str = "# Side by side

<!-- Made by `cargo xtask compare` from docs/comparison.json; a test keeps the two together. -->

One small service, confined in every way that is listed below, on one machine. Under each, two things are asked:

* **Does it work?** It is asked from another machine through its port, calls that machine back, and writes to its state, which
  it must still know after a restart.
* **What is open?** The probe takes the service's place, with the same user, files and limits, and tries every channel that
  `sandboxed channels` lists against the same kinds of targets, planted on the machine: files, processes, listeners, sockets,
  shared memory. A channel is *closed* when it was tried and something stood in the way, *open* when the attempt worked, and *n/a*
  where this machine has nothing to try it on. A probe that could not run has no verdicts.
";

const REPRODUCE: &str = "## Again, on your machine

    cargo xtask compare              # in a virtual machine, under emulation too, with all contenders: an hour or more
    cargo xtask compare --container  # in a container of systemd-nspawn: minutes, but no limits can be judged there
    cargo xtask compare docker       # one contender again

The trees come from Debian's archive; there is no registry of images, so containers are made of a small Debian that the machine
imports. What the probe saw for each verdict is kept in `target/comparison/`. Any other way to confine a service is judged by

    sandboxed-probe --judge --user UID -- COMMAND...   # COMMAND runs `sandboxed-probe --plan -` inside
";

/// Channels of which a container without control group controllers can't tell who closes them.
pub const NOT_IN_A_CONTAINER: [&str; 5] =
    ["tasks", "memory", "swap-space", "processor-time", "disk-bandwidth"];

/// The whole document.
pub fn render(comparison: &Comparison) -> String {
    let tried: Vec<&str> = comparison.tried().collect();
    let mut text = HEAD.to_owned();
    text.push_str(&machine(comparison));
    text.push_str("\n## Totals\n\n");
    text.push_str(&totals(comparison, &tried));
    text.push_str("\nClosed channels by group; in brackets how many are open.\n\n");
    text.push_str(&by_group(comparison, &tried));
    text.push_str(&not_run(comparison, &tried));
    text.push_str(&better(comparison, &tried));
    text.push_str(&alone(comparison, &tried));
    text.push_str(
        "\n## Every channel\n\n`●` closed, `○` open, `–` n/a, blank where the probe did not run.\n",
    );
    text.push_str(&channels(comparison, &tried));
    text.push_str("\n## What each is\n\n");
    text.push_str(
        "`@COMMAND@` is the service's program, or the probe; `@CLOSURE@` the files that Python and the service need, by name; `@DISK@` the switches of docker that \
         limit what is read from and written to the disk, 8 MB a second each.\n",
    );
    text.push_str(&definitions(&tried));
    text.push('\n');
    text.push_str(REPRODUCE);
    text
}

/// The five lines of the README, between its markers.
pub fn summary(comparison: &Comparison) -> String {
    let total = report::list().len();
    let closed = |name: &str| comparison.count(name, Verdict::Closed, |_| true);
    let others =
        comparison.tried().filter(|name| *name != OURS && comparison.verdict(name, "tasks").is_some());
    let others: Vec<String> = others.map(|name| format!("{name} {}", closed(name))).collect();
    format!(
        "* Of {total} channels that a probe tries from inside, `sandboxed` closes {} for a small service; {}: [docs/comparison.md](docs/comparison.md).",
        closed(OURS),
        others.join(", ")
    )
}

fn machine(comparison: &Comparison) -> String {
    let mut text = match comparison.machine {
        Kind::Vm => "\nThe machine is virtual and has a kernel and control groups of its own.\n".to_owned(),
        Kind::Container => format!(
            "\nThe machine is a container of systemd-nspawn, which has no control group controllers: {} are open there under \
             every contender, whatever limits it sets.\n",
            NOT_IN_A_CONTAINER.map(|channel| format!("`{channel}`")).join(", ")
        ),
    };
    text.push_str("\n| what | version |\n|---|---|\n");
    for (what, version) in &comparison.versions {
        let _ = writeln!(text, "| {what} | {version} |");
    }
    text
}

fn totals(comparison: &Comparison, tried: &[&str]) -> String {
    let mut text =
        "| | closed | open | n/a | does the service work? |\n|---|---:|---:|---:|---|\n".to_owned();
    for name in tried {
        let trial = comparison.trials.get(*name);
        let works = match trial.and_then(|trial| trial.work.as_ref()) {
            None => "yes",
            Some(_) => "**no**",
        };
        if trial.is_none_or(|trial| trial.not_run.is_some()) {
            let _ = writeln!(text, "| {} | not run | | | {works} |", called(name));
            continue;
        }
        let count = |verdict| comparison.count(name, verdict, |_| true);
        let (closed, open, other) =
            (count(Verdict::Closed), count(Verdict::Open), count(Verdict::NotApplicable));
        let _ = writeln!(text, "| {} | {closed} | {open} | {other} | {works} |", called(name));
    }
    text
}

fn by_group(comparison: &Comparison, tried: &[&str]) -> String {
    let ran = ran(comparison, tried);
    let mut text = header("", &ran);
    for group in Group::ALL {
        let of_group = |channel: &Listed| channel.group == group;
        let _ = write!(text, "| {} |", group.name());
        for name in &ran {
            let count = |verdict| comparison.count(name, verdict, of_group);
            let _ = write!(text, " {} ({}) |", count(Verdict::Closed), count(Verdict::Open));
        }
        text.push('\n');
    }
    text
}

/// What could not be tried, and what does not work, with the reasons.
fn not_run(comparison: &Comparison, tried: &[&str]) -> String {
    let mut text = String::new();
    for name in tried {
        let Some(trial) = comparison.trials.get(*name) else { continue };
        if let Some(reason) = &trial.work {
            let _ = writeln!(text, "* {}, the service: {}", called(name), code(reason));
        }
        if let Some(reason) = &trial.not_run {
            let _ = writeln!(text, "* {}, the probe: {}", called(name), code(reason));
        }
    }
    if text.is_empty() { text } else { format!("\n## What did not run, in the machine's words\n\n{text}") }
}

/// The channels that stay open under this project and that another closes whose service works.
fn better(comparison: &Comparison, tried: &[&str]) -> String {
    let mut text = "\n## What stays open, and where another is better\n\n".to_owned();
    let working = working(comparison, tried);
    let mut any = false;
    for channel in report::list() {
        if comparison.verdict(OURS, channel.id) != Some(Verdict::Open) {
            continue;
        }
        let closers: Vec<&str> = working
            .iter()
            .copied()
            .filter(|name| comparison.verdict(name, channel.id) == Some(Verdict::Closed))
            .collect();
        let who = if closers.is_empty() {
            "nobody closes it".to_owned()
        } else {
            format!("closed by {}", closers.join(", "))
        };
        let _ = write!(text, "* `{}` ({}) is open under {OURS}: {who}.", channel.id, channel.title);
        if let Some(reason) = REASONS.iter().find(|reason| reason.channel == channel.id) {
            let closer = reason.closed_by.unwrap_or("nothing");
            let _ = write!(text, " Why: {}. What closes it: {closer}.", reason.why);
        }
        text.push('\n');
        any = true;
    }
    if !any {
        let _ = writeln!(text, "No channel that this machine can try is open under {OURS}.");
    }
    text
}

/// The channels that only this project closes, of the contenders whose service works.
fn alone(comparison: &Comparison, tried: &[&str]) -> String {
    let others = working(comparison, tried).into_iter().filter(|name| !name.starts_with(OURS));
    let others: Vec<&str> = others.collect();
    let alone: Vec<String> = report::list()
        .iter()
        .filter(|channel| comparison.verdict(OURS, channel.id) == Some(Verdict::Closed))
        .filter(|channel| {
            others.iter().all(|name| comparison.verdict(name, channel.id) == Some(Verdict::Open))
        })
        .map(|channel| format!("`{}`", channel.id))
        .collect();
    let text = if alone.is_empty() { "None.".to_owned() } else { alone.join(", ") };
    format!("\n## What no other of them closes\n\n{text}\n")
}

fn channels(comparison: &Comparison, tried: &[&str]) -> String {
    let ran = ran(comparison, tried);
    let mut text = String::new();
    for group in Group::ALL {
        let _ = writeln!(text, "\n### {}\n", group.name());
        text.push_str(&header("channel", &ran));
        for channel in report::list().iter().filter(|channel| channel.group == group) {
            let _ = write!(text, "| `{}` |", channel.id);
            for name in &ran {
                let mark = match comparison.verdict(name, channel.id) {
                    Some(Verdict::Closed) => "●",
                    Some(Verdict::Open) => "○",
                    Some(Verdict::NotApplicable) => "–",
                    None => "",
                };
                let _ = write!(text, " {mark} |");
            }
            text.push('\n');
        }
    }
    text
}

fn definitions(tried: &[&str]) -> String {
    let mut text = String::new();
    for contender in CONTENDERS.iter().filter(|contender| tried.contains(&contender.name)) {
        let _ = writeln!(text, "\n### {}\n\nThis is {}.", contender.name, contender.title);
        let Ok(definition) = parse(contender.text()) else { continue };
        for piece in &definition.pieces {
            let _ = writeln!(text, "\n`{}`\n\n{}", piece.path, indented(piece.text));
        }
        if !definition.prepare.is_empty() {
            let _ = writeln!(text, "\nBefore it starts:\n\n{}", indented(definition.prepare));
        }
    }
    text
}

fn header(first: &str, names: &[&str]) -> String {
    let columns = names.join(" | ");
    format!("| {first} | {columns} |\n|---|{}\n", ":---:|".repeat(names.len()))
}

/// Those whose probe ran.
fn ran<'a>(comparison: &Comparison, tried: &[&'a str]) -> Vec<&'a str> {
    let has = |name: &&&str| comparison.trials.get(**name).is_some_and(|trial| trial.not_run.is_none());
    tried.iter().filter(has).copied().collect()
}

/// Those of them whose service works.
fn working<'a>(comparison: &Comparison, tried: &[&'a str]) -> Vec<&'a str> {
    let works = |name: &&str| comparison.trials.get(*name).is_some_and(|trial| trial.work.is_none());
    ran(comparison, tried).into_iter().filter(works).collect()
}

fn called(name: &str) -> String {
    format!("[{name}](#{name})")
}

/// Words of a machine, as a code span: it may have backticks of its own.
fn code(text: &str) -> String {
    format!("`{}`", text.replace('`', "'"))
}

fn indented(text: &str) -> String {
    let lines = text.trim_end().lines();
    lines
        .map(|line| if line.is_empty() { String::new() } else { format!("    {line}") })
        .collect::<Vec<_>>()
        .join("\n")
}
