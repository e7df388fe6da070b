//! Reading unit files, systemd.syntax(7), as `config_parse()` of systemd does.

use std::ffi::OsStr;
use std::path::Path;
use std::sync::Arc;

use crate::directive::{self, Section, Status};
use crate::value::LONGEST_LINE;
use crate::value::quote::{ends_in_escape, is_blank};

/// A unit as systemd reads it: a fragment and its drop-ins, in order.
#[derive(Clone, Debug, Default)]
pub struct ParsedUnit {
    files: Vec<Arc<str>>,
    assignments: Vec<Assignment>,
    extensions: Vec<Assignment>,
    problems: Vec<Problem>,
}

/// A line `Name=value` of a unit, with the lines that continue it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assignment {
    /// The file, empty when not known.
    pub file: Arc<str>,
    /// The number of its first line in the text that was read, from 1.
    pub line: usize,
    /// The section.
    pub section: Section,
    /// The name; a newer name that systemd has for the same directive is put in its place.
    pub name: String,
    /// What follows `=`, without blanks around.
    pub value: String,
}

/// Something that systemd ignores with a warning.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}line {line}: {kind}", if .file.is_empty() { String::new() } else { format!("{file}: ") })]
pub struct Problem {
    /// The file, empty when not known.
    pub file: Arc<str>,
    /// The number of the line in the text that was read, from 1.
    pub line: usize,
    /// What it is.
    pub kind: ProblemKind,
}

/// What systemd ignores.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProblemKind {
    /// A line that is neither an assignment nor a section's header.
    #[error("neither an assignment nor a section")]
    NoAssignment,
    /// An assignment before the first section.
    #[error("an assignment outside of a section")]
    OutsideSection,
    /// A section that systemd does not know.
    #[error("the section [{0}] is unknown")]
    UnknownSection(String),
    /// A directive that systemd does not know.
    #[error("the directive {1}= is unknown in [{0}]")]
    UnknownDirective(Section, String),
    /// A directive that systemd knew once.
    #[error("the directive {1}= of [{0}] no longer has an effect")]
    Removed(Section, String),
}

/// Why systemd would not load the unit.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// A section's header that is not closed, or names none.
    #[error("{}line {line}: `{text}` is not the header of a section", if .file.is_empty() { String::new() } else { format!("{file}: ") })]
    Section {
        /// The file, empty when not known.
        file: Arc<str>,
        /// The number of the line, from 1.
        line: usize,
        /// The line.
        text: String,
    },
    /// A line, with those that continue it, of more than a mebibyte.
    #[error("{}line {line} is longer than systemd reads", if .file.is_empty() { String::new() } else { format!("{file}: ") })]
    TooLong {
        /// The file, empty when not known.
        file: Arc<str>,
        /// The number of the line, from 1.
        line: usize,
    },
}

/// Where in a unit the next line stands.
enum Place {
    Outside,
    In(Section),
    /// In a section that is ignored.
    Ignored,
}

impl ParsedUnit {
    /// A unit of no files.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads a unit file, or what `systemctl cat` prints: several, each below a comment with its path.
    ///
    /// # Errors
    /// When systemd would not load it.
    pub fn parse(text: &str) -> Result<Self, ParseError> {
        let mut unit = Self::new();
        let lines = lines(text);
        let starts = file_starts(&lines);
        let first = starts.first().map_or(lines.len(), |&(index, _)| index);
        if !lines.iter().take(first).all(|line| is_ignored(line)) {
            unit.files.push(Arc::from(""));
        }
        unit.read(&lines, &starts)?;
        Ok(unit)
    }

    /// Reads one more file, which counts after those before.
    ///
    /// # Errors
    /// When systemd would not load it.
    pub fn append(&mut self, file: &str, text: &str) -> Result<(), ParseError> {
        self.files.push(Arc::from(file));
        self.read(&lines(text), &[])
    }

    /// The files, in the order in which they count.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &**file)
    }

    /// All assignments to directives that systemd knows, in the order in which they count.
    pub fn assignments(&self) -> &[Assignment] {
        &self.assignments
    }

    /// The last value of what systemd leaves to others, `X-…=` in a section that it knows: systemd.syntax(7).
    pub fn extension(&self, section: Section, name: &str) -> Option<&str> {
        let said = |other: &&Assignment| other.section == section && other.name == name;
        self.extensions.iter().rfind(said).map(|assignment| assignment.value.as_str())
    }

    /// What stands in files that count after this one, and so has the last word over it.
    pub fn assignments_after(&self, file: &str) -> impl Iterator<Item = &Assignment> {
        let position =
            self.files.iter().position(|known| &**known == file).map_or(self.files.len(), |own| own + 1);
        let later = self.files.get(position..).unwrap_or_default();
        self.assignments.iter().filter(move |assignment| later.contains(&assignment.file))
    }

    /// What systemd ignores with a warning.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    fn read(&mut self, lines: &[&str], starts: &[(usize, &str)]) -> Result<(), ParseError> {
        let mut place = Place::Outside;
        let mut starts = starts.iter().peekable();
        // The lines so far, when the last of them ended in a backslash.
        let mut open = String::new();
        let mut first = 0;
        let mut continues = false;
        for (index, &text) in lines.iter().enumerate() {
            let number = index + 1;
            if let Some((_, path)) = starts.next_if(|&&(start, _)| start == index) {
                self.line(std::mem::take(&mut open).trim_matches(is_blank), first, &mut place)?;
                continues = false;
                self.files.push(Arc::from(*path));
                place = Place::Outside;
                continue;
            }
            // Comments do not end a continued line, but empty lines do.
            if is_ignored(text) && !(continues && text.trim_matches(is_blank).is_empty()) {
                continue;
            }
            let text = if index == 0 { text.trim_start_matches('\u{feff}') } else { text };
            if text.len() >= LONGEST_LINE || open.len() + text.len() > LONGEST_LINE {
                return Err(ParseError::TooLong { file: self.file(), line: number });
            }
            if !continues {
                first = number;
            }
            open.push_str(text);
            continues = ends_in_escape(&open);
            if continues {
                open.pop();
                open.push(' ');
            } else {
                self.line(std::mem::take(&mut open).trim_matches(is_blank), first, &mut place)?;
            }
        }
        if continues {
            self.line(open.trim_matches(is_blank), first, &mut place)?;
        }
        Ok(())
    }

    /// Reads a line, its continuation included.
    fn line(&mut self, text: &str, line: usize, place: &mut Place) -> Result<(), ParseError> {
        if text.is_empty() {
            return Ok(());
        }
        if let Some(header) = text.strip_prefix('[') {
            let name = header.strip_suffix(']').filter(|name| is_section_name(name));
            let name =
                name.ok_or_else(|| ParseError::Section { file: self.file(), line, text: text.to_owned() })?;
            *place = if let Some(section) = Section::from_name(name) {
                Place::In(section)
            } else {
                if !name.starts_with("X-") {
                    self.problem(line, ProblemKind::UnknownSection(name.to_owned()));
                }
                Place::Ignored
            };
            return Ok(());
        }
        let section = match place {
            Place::In(section) => *section,
            Place::Ignored => return Ok(()),
            Place::Outside => {
                self.problem(line, ProblemKind::OutsideSection);
                return Ok(());
            }
        };
        let Some((name, value)) = text.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            self.problem(line, ProblemKind::NoAssignment);
            return Ok(());
        };
        let (name, value) = (name.trim_end_matches(is_blank), value.trim_start_matches(is_blank));
        if directive::legacy(section, name) == Some(Status::Removed) {
            self.problem(line, ProblemKind::Removed(section, name.to_owned()));
        } else if directive::parser(section, name).is_some() {
            let name = directive::canonical_name(section, name).to_owned();
            let file = self.file();
            self.assignments.push(Assignment { file, line, section, name, value: value.to_owned() });
        } else if name.starts_with("X-") {
            let (file, name, value) = (self.file(), name.to_owned(), value.to_owned());
            self.extensions.push(Assignment { file, line, section, name, value });
        } else {
            self.problem(line, ProblemKind::UnknownDirective(section, name.to_owned()));
        }
        Ok(())
    }

    fn problem(&mut self, line: usize, kind: ProblemKind) {
        self.problems.push(Problem { file: self.file(), line, kind });
    }

    fn file(&self) -> Arc<str> {
        self.files.last().cloned().unwrap_or_else(|| Arc::from(""))
    }
}

/// Whether this is a comment or an empty line.
fn is_ignored(line: &str) -> bool {
    let text = line.trim_start_matches(is_blank);
    text.is_empty() || text.starts_with(['#', ';'])
}

fn is_section_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c: char| c.is_ascii_control() || "\\\"'*?[".contains(c))
}

/// The lines of a text, which end at a newline, a carriage return, a NUL, or different ones of them in a row.
fn lines(text: &str) -> Vec<&str> {
    let ends = |character| matches!(character, '\n' | '\r' | '\0');
    let mut lines = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (line, mut after) = rest.split_at(rest.find(ends).unwrap_or(rest.len()));
        let mut seen = String::new();
        while let Some(end) = after.chars().next().filter(|&end| ends(end) && !seen.contains(end)) {
            seen.push(end);
            after = after.get(1..).unwrap_or_default();
        }
        lines.push(line);
        rest = after;
    }
    lines
}

/// The lines of `systemctl cat` above each file, with the path. To be told from other comments that look alike,
/// they must name a unit or drop-in, and a section must come next.
fn file_starts<'text>(lines: &[&'text str]) -> Vec<(usize, &'text str)> {
    let mut starts = Vec::new();
    let mut section_follows = true;
    for (index, line) in lines.iter().enumerate().rev() {
        let text = line.trim_matches(is_blank);
        if text.is_empty() || text.starts_with(';') {
            continue;
        }
        let Some(comment) = text.strip_prefix('#') else {
            section_follows = text.starts_with('[');
            continue;
        };
        let path = comment.strip_prefix(' ').filter(|path| path.starts_with('/'));
        let names_a_file = |path: &&str| {
            let file = path.rsplit_once('/').map_or(*path, |(_, file)| file);
            Path::new(path).extension() == Some(OsStr::new("conf"))
                || crate::name::UnitName::new(file).is_ok()
        };
        if let Some(path) = path.filter(names_a_file).filter(|_| section_follows) {
            starts.push((index, path));
        }
    }
    starts.reverse();
    starts
}
