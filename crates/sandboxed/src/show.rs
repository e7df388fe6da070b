//! What people see: diagnostics with their places, explanations, and what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{self, IsTerminal, Write};
use std::ops::Range;
use std::path::Path;
use std::sync::OnceLock;

use annotate_snippets::{AnnotationKind, Element, Group, Level, Origin, Renderer, Snippet};
use sandboxed_core::areas::AreaName;
use sandboxed_core::diagnostic::{Diagnostic, Severity};
use sandboxed_core::plan::{Outcome, Plan, Status};

use crate::input::{Source, Wrong};
use crate::lines::{Excerpt, Lines};
use crate::wrap::Columns;

/// What became of the first thing that could not be printed.
static LOST: OnceLock<io::Error> = OnceLock::new();

/// Prints to standard output. A reader who goes away early is not an error; what else is lost is told at the end ([`lost`]).
pub(crate) fn print(text: &str) {
    let mut output = io::stdout().lock();
    if let Err(error) = output.write_all(text.as_bytes()).and_then(|()| output.flush())
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        let _ = LOST.set(error);
    }
}

/// Why something that was to be printed was not, if that is so.
pub(crate) fn lost() -> Option<&'static io::Error> {
    LOST.get()
}

/// Prints a line to standard error. Where nobody can read it, that changes nothing about what else is done.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// Prints lines for people to standard output, with what is [`plain`] of them.
pub(crate) fn tell(text: &str) {
    print(&plain(text));
}

/// A text without what does something to a terminal or to the order of what is read there: control characters other than the end
/// of a line and the tabulator, and those of the kind of U+202E, are shown by their numbers. Policies, units and what a probe
/// found in a sandbox are not ours.
pub(crate) fn plain(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t' | '"' | '\'' | '\\') {
            shown.push(c);
        } else {
            shown.extend(c.escape_debug());
        }
    }
    shown
}

/// Shows an error: what is wrong with a file that all else depends on, or one that has no place in a file.
pub(crate) fn failure(error: &anyhow::Error) {
    match error.downcast_ref::<Wrong>() {
        Some(wrong) => diagnostics(&wrong.source, &wrong.diagnostics),
        None => say(&format!("error: {}", plain(&format!("{error:#}")))),
    }
}

/// The most diagnostics of a file that are shown. Nobody reads more at once, and other programs get all of them.
const SHOWN: usize = 50;

/// Shows diagnostics, each with its place underlined. Where there are very many, errors come before warnings.
pub(crate) fn diagnostics(source: &Source, diagnostics: &[Diagnostic]) {
    let (name, text) = (plain(&source.name), underlined(&source.text));
    let lines = Lines::new(&text);
    let whole = lines.are_few();
    let mut all: Vec<&Diagnostic> = diagnostics.iter().collect();
    if all.len() > SHOWN {
        all.sort_by_key(|one| one.kind.severity());
    }
    for diagnostic in all.iter().take(SHOWN) {
        let places =
            if whole { whole_text(&name, &text, diagnostic) } else { excerpts(&name, &lines, diagnostic) };
        diagnostic_with(source, diagnostic, places);
    }
    if let Some(more) = all.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        say(&format!("… and {more} more in {name}\n"));
    }
}

/// All of a text, with the places of a diagnostic underlined.
fn whole_text<'a>(name: &'a str, text: &'a str, diagnostic: &Diagnostic) -> Vec<Element<'a>> {
    let related = diagnostic
        .related
        .iter()
        .map(|(span, remark)| AnnotationKind::Context.span(visible(text, span)).label(plain(remark)));
    let snippet = Snippet::source(text)
        .path(name)
        .annotation(AnnotationKind::Primary.span(visible(text, &diagnostic.span)))
        .annotations(related);
    vec![snippet.into()]
}

/// What is around each place of a diagnostic.
fn excerpts<'a>(name: &'a str, lines: &Lines<'_>, diagnostic: &Diagnostic) -> Vec<Element<'a>> {
    let place = |span: &Range<usize>, kind: AnnotationKind, remark: Option<String>| {
        let Excerpt { text, span, line, column } = lines.excerpt(&visible(lines.text(), span));
        let annotation = kind.span(visible(&text, &span)).label(remark);
        let origin = Origin::path(name).line(line).char_column(column);
        [origin.into(), Snippet::source(text).line_start(line).annotation(annotation).into()]
    };
    let related = diagnostic
        .related
        .iter()
        .map(|(span, remark)| place(span, AnnotationKind::Context, Some(plain(remark))));
    [place(&diagnostic.span, AnnotationKind::Primary, None)].into_iter().chain(related).flatten().collect()
}

fn diagnostic_with(source: &Source, diagnostic: &Diagnostic, places: Vec<Element<'_>>) {
    let renderer = if io::stderr().is_terminal() { Renderer::styled() } else { Renderer::plain() };
    let language = source.language();
    let level = match diagnostic.kind.severity() {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    // What a policy or a unit says is quoted in all of these.
    let message = plain(&diagnostic.kind.message(language));
    let title = level.primary_title(message.as_str()).id(diagnostic.kind.code());
    let mut report: Vec<Group<'_>> = vec![title.elements(places)];
    let help = diagnostic.kind.help(language).map(|help| plain(&help));
    if let Some(help) = &help {
        report.push(Group::with_title(Level::HELP.secondary_title(help.as_str())));
    }
    // An excerpt stands under its place, which says the file already.
    let text = renderer.render(&report);
    let shown: Vec<&str> = text.lines().filter(|line| uncoloured(line).trim() != ":::").collect();
    say(&format!("{}\n", shown.join("\n")));
}

fn uncoloured(line: &str) -> String {
    let mut pieces = line.split("\u{1b}[");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |shown, piece| shown + piece.split_once('m').map_or(piece, |(_, rest)| rest))
}

/// A text for the renderer, which shows control characters of one byte by pictures of them and leaves those of two, U+0080 to
/// U+009F, to the terminal. Spans count bytes, so each gives way to a sign of as many.
fn underlined(text: &str) -> String {
    text.replace(|c| matches!(c, '\u{80}'..='\u{9f}'), "\u{bf}")
}

/// A span that can be underlined: at least a character, within the text.
fn visible(text: &str, span: &Range<usize>) -> Range<usize> {
    let start = span.start.min(text.len());
    let end = span.end.clamp(start, text.len());
    if start < end {
        return start..end;
    }
    let next = text.get(start..).and_then(|rest| rest.chars().next()).map_or(0, char::len_utf8);
    start..start + next
}

/// Colours for a terminal, and lines that fit it.
struct Paint {
    colours: bool,
    columns: Columns,
}

impl Paint {
    fn new() -> Self {
        let dumb = std::env::var_os("TERM").is_some_and(|kind| kind == "dumb");
        let colours = !dumb && io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        Self { colours, columns: Columns::of_output() }
    }

    /// A line of a report.
    fn line(&self, first: usize, further: usize, text: &str) -> String {
        self.columns.line(first, further, text)
    }

    fn with(&self, code: &str, text: &str) -> String {
        if self.colours { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn kept(&self, text: &str) -> String {
        self.with("32", text)
    }

    fn weak(&self, text: &str) -> String {
        self.with("33", text)
    }

    fn waived(&self, text: &str) -> String {
        self.with("31", text)
    }

    fn bold(&self, text: &str) -> String {
        self.with("1", text)
    }
}

/// Counts, and whatever does not hold.
pub(crate) fn summary(plan: &Plan) -> String {
    let paint = Paint::new();
    let mut text = title(plan, &paint);
    let kept = plan.outcomes.iter().filter(|outcome| matches!(outcome.status, Status::Kept { .. })).count();
    let _ = writeln!(text, "  {} of {} guarantees hold", kept, plan.outcomes.len());
    for outcome in &plan.outcomes {
        if !matches!(outcome.status, Status::Kept { .. }) {
            text.push_str(&entry(outcome, &paint));
        }
    }
    for note in &plan.notes {
        text.push_str(&paint.line(2, 8, &format!("note: {}", plain(note))));
    }
    text
}

/// What sandboxes share on purpose.
pub(crate) fn notes(notes: &[String]) {
    for note in notes {
        tell(&format!("note: {note}\n"));
    }
}

/// Something that should be known and stops nothing.
pub(crate) fn warn(what: &str) {
    say(&format!("warning: {}", plain(what)));
}

/// Every guarantee, area by area.
pub(crate) fn explanation(plan: &Plan) {
    let paint = Paint::new();
    let mut text = title(plan, &paint);
    let mut areas: BTreeMap<AreaName, Vec<&Outcome>> = BTreeMap::new();
    for outcome in &plan.outcomes {
        areas.entry(outcome.area).or_default().push(outcome);
    }
    let mut shown = BTreeSet::new();
    for (area, outcomes) in areas {
        let _ = writeln!(text, "\n{}", paint.bold(&area.to_string()));
        for outcome in outcomes {
            text.push_str(&entry(outcome, &paint));
            text.push_str(&directives(plan, outcome, &paint, &mut shown));
        }
    }
    for note in &plan.notes {
        text.push('\n');
        text.push_str(&paint.line(0, 6, &format!("note: {}", plain(note))));
    }
    print(&text);
}

fn title(plan: &Plan, paint: &Paint) -> String {
    let units: Vec<&str> = plan.units.iter().map(|unit| unit.name.as_str()).collect();
    let description =
        plan.description.as_deref().map(|text| format!(": {}", plain(text))).unwrap_or_default();
    let around = format!(
        "{} in {}, for systemd {} and Linux {}",
        units.join(", "),
        plan.slice.as_str(),
        plan.target.systemd,
        plan.target.kernel,
    );
    paint.line(0, 4, &format!("{}{description}", paint.bold(&plan.name))) + &paint.line(2, 4, &around)
}

/// The directives that keep a guarantee. Several serve more than one: their values are shown with the first.
fn directives(plan: &Plan, outcome: &Outcome, paint: &Paint, shown: &mut BTreeSet<&'static str>) -> String {
    let (Status::Kept { directives, .. } | Status::Weak { directives, .. }) = &outcome.status else {
        return String::new();
    };
    let mut text = String::new();
    for &name in directives {
        if !shown.insert(name) {
            let _ = writeln!(text, "           {name}= as above");
            continue;
        }
        let lines = plan.lines(name);
        if lines.is_empty() {
            let _ = writeln!(text, "           {name}=");
        }
        for line in lines {
            text.push_str(&paint.line(11, 13, &format!("{name}={}", plain(&line))));
        }
    }
    text
}

fn entry(outcome: &Outcome, paint: &Paint) -> String {
    let (mark, remarks) = match &outcome.status {
        Status::Kept { mechanism, exceptions, .. } => {
            let mut remarks = vec![format!("by {mechanism}")];
            if !exceptions.is_empty() {
                remarks.push(format!("but for {}", exceptions.join(", ")));
            }
            (paint.kept("holds "), remarks)
        }
        Status::Weak { mechanism, weakness, .. } => {
            let by = if mechanism == "nothing" { Vec::new() } else { vec![format!("by {mechanism}")] };
            let remarks = by.into_iter().chain([format!("stays open: {weakness}")]).collect();
            (paint.weak("weak  "), remarks)
        }
        Status::Waived { reason } => (paint.waived("waived"), vec![format!("reason: {reason}")]),
    };
    let promise = format!("{mark} {}: the service {}", paint.bold(outcome.guarantee), outcome.promise);
    let mut text = paint.line(2, 9, &promise);
    for remark in remarks {
        text.push_str(&paint.line(11, 13, &plain(&remark)));
    }
    text
}

/// What was done to which files.
pub(crate) fn listed<'a>(done: &str, folder: &Path, files: impl Iterator<Item = &'a String>) {
    let mut files = files.peekable();
    if files.peek().is_none() {
        return;
    }
    let folder = folder.display().to_string();
    let mut text = format!("{done}\n");
    for file in files {
        for piece in ["  ", folder.trim_end_matches('/'), "/", file, "\n"] {
            text.push_str(piece);
        }
    }
    print(&text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_done_to_a_terminal() {
        let hostile = "a\u{1b}[2Jb\u{202e}c\rd\u{7}\u{9b}31me";
        assert_eq!(plain(hostile), "a\\u{1b}[2Jb\\u{202e}c\\rd\\u{7}\\u{9b}31me");
        let harmless = "„Ünicode“ \"x\" 'y' \\x2d\n\tz ○●";
        assert_eq!(plain(harmless), harmless);
        assert_eq!(underlined("a\u{9b}31mß"), "a¿31mß");
        assert_eq!(uncoloured("\u{1b}[1m\u{1b}[94m:::\u{1b}[0m x"), "::: x");
    }
}
