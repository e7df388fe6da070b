//! The outcome for people: counts by group, and below them what is open.

use std::fmt::Write as _;

use sandboxed_probe::{Group, Verdict};

use super::{Judged, Promise, Verification};

/// The table. With `all`, closed channels are listed as well.
pub(crate) fn table(verification: &Verification, all: bool) -> String {
    let mut text = format!("{}\n\n", verification.sandbox);
    for check in &verification.kernel {
        let mark = if check.as_planned { " " } else { "!" };
        let _ = writeln!(text, "{mark} {}: {} is {}", check.unit, check.what, check.found);
    }
    let _ = writeln!(text, "\n  {:<14} {:>6} {:>6} {:>6}", "", "closed", "open", "n/a");
    for group in Group::ALL {
        let count = |verdict| {
            let of_group = verification.channels.iter().filter(|channel| channel.finding.group == group);
            of_group.filter(|channel| channel.finding.verdict == verdict).count()
        };
        let (closed, open, other) =
            (count(Verdict::Closed), count(Verdict::Open), count(Verdict::NotApplicable));
        let _ = writeln!(text, "  {:<14} {closed:>6} {open:>6} {other:>6}", group.name());
    }
    let shown =
        verification.channels.iter().filter(|channel| all || channel.finding.verdict == Verdict::Open);
    let several = verification
        .channels
        .iter()
        .any(|channel| verification.channels.first().is_some_and(|first| first.unit != channel.unit));
    let mut unit = None;
    let mut group = None;
    for channel in shown {
        if several && unit != Some(&channel.unit) {
            (unit, group) = (Some(&channel.unit), None);
            let _ = writeln!(text, "\nas {}", channel.unit);
        }
        if group != Some(channel.finding.group) {
            group = Some(channel.finding.group);
            let _ = writeln!(text, "\n{}", channel.finding.group.name());
        }
        text.push_str(&line(channel));
    }
    for note in &verification.notes {
        let _ = writeln!(text, "note: {note}");
    }
    let broken = verification.channels.iter().filter(|channel| channel.broken).count();
    let amiss = verification.kernel.iter().filter(|check| !check.as_planned).count();
    let _ = match (broken, amiss) {
        (0, 0) => writeln!(text, "\nEverything that the plan says is closed is closed."),
        _ => writeln!(
            text,
            "\n{broken} channels are open that the plan says are closed; {amiss} facts are not as planned."
        ),
    };
    text
}

fn line(channel: &Judged) -> String {
    let finding = &channel.finding;
    let verdict = match finding.verdict {
        Verdict::Open => "open",
        Verdict::Closed => "closed",
        Verdict::NotApplicable => "n/a",
    };
    let mark = if channel.broken { "!" } else { " " };
    let mut text = format!("{mark} {:<28} {verdict:<7} {}\n", finding.channel, finding.evidence);
    if finding.verdict != Verdict::Open {
        return text;
    }
    let id = finding.guarantee.id();
    let plan = match &channel.plan {
        Promise::Kept => format!("the plan says that {id} is kept"),
        Promise::Excepted(exceptions) => format!("{id} is kept but for {exceptions}"),
        Promise::Weak(weakness) => format!("{id} is weak: {weakness}"),
        Promise::Waived(reason) => format!("{id} is waived: {reason}"),
        Promise::Nothing => format!("no plan gives {id}"),
    };
    let _ = writeln!(text, "    {plan}");
    if let Some(field) = &channel.field {
        let _ = writeln!(text, "    the policy's {field} decides");
    }
    text
}
