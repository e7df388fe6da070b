//! Writing a unit file or drop-in, systemd.syntax(7).

use std::fmt;

use crate::directive::{self, Directive, Merge, Section};
use crate::value::{Value, ValueError};

/// The text of a unit file or drop-in, assembled from typed values.
///
/// Sections and directives keep the order in which they were first named.
#[derive(Clone, Debug, Default)]
pub struct UnitText {
    comments: Vec<String>,
    sections: Vec<(Section, Vec<Entry>)>,
}

/// A directive with a value as systemd reads it, which only a typed value becomes.
#[derive(Clone, Debug)]
pub struct Rendered {
    directive: &'static Directive,
    lines: Vec<String>,
}

impl Rendered {
    /// Quotes a value for its directive.
    ///
    /// # Errors
    /// When the directive is unknown, or the value is not one that it can hold.
    pub fn new(section: Section, name: &str, value: &Value) -> Result<Self, WriteError> {
        let directive = known(section, name)?;
        match value.assignments(directive) {
            Ok(lines) => Ok(Self { directive, lines }),
            Err(error) => Err(WriteError::Value { section, name: directive.name, error }),
        }
    }

    /// What follows the `=` of each assignment.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }
}

/// The assignments to one directive.
#[derive(Clone, Debug)]
struct Entry {
    directive: &'static Directive,
    comments: Vec<String>,
    /// Directives to be emptied before: itself, or its group.
    reset: Vec<&'static str>,
    values: Vec<String>,
}

/// Why an assignment cannot be written.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteError {
    /// systemd has no such directive there: it would be ignored.
    #[error("there is no directive {name}= in [{section}]")]
    UnknownDirective {
        /// The section.
        section: Section,
        /// The directive.
        name: String,
    },
    /// The value cannot be written for this directive.
    #[error("[{section}] {name}=: {error}")]
    Value {
        /// The section.
        section: Section,
        /// The directive.
        name: &'static str,
        /// What is wrong with it.
        error: ValueError,
    },
    /// Nothing takes back what other files assign to it.
    #[error("[{section}] {name}= cannot be reset")]
    NotResettable {
        /// The section.
        section: Section,
        /// The directive.
        name: &'static str,
    },
}

impl UnitText {
    /// A unit without sections.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a comment at the top of the file.
    pub fn comment(&mut self, text: &str) {
        self.comments.extend(comment_lines(text));
    }

    /// Adds a comment above a directive; does nothing while the directive is not set. Neighbours with the same comments become a
    /// group below one of them, with blank lines around it.
    pub fn comment_on(&mut self, section: Section, name: &str, text: &str) {
        if let Some(entry) = self.find(section, name) {
            entry.comments.extend(comment_lines(text));
        }
    }

    /// Assigns a value, in the place of what this text assigned to the directive before. What other files
    /// assign to a list stays in force: see [`UnitText::set_list_reset`].
    ///
    /// # Errors
    /// When the directive is unknown, or the value is not one that it can hold.
    pub fn set(&mut self, section: Section, name: &str, value: impl Into<Value>) -> Result<(), WriteError> {
        let Rendered { directive, lines } = Rendered::new(section, name, &value.into())?;
        self.entry(directive).values = lines;
        Ok(())
    }

    /// Assigns a further value, on a line of its own below those before.
    ///
    /// # Errors
    /// As [`UnitText::set`].
    pub fn add(&mut self, section: Section, name: &str, value: impl Into<Value>) -> Result<(), WriteError> {
        let Rendered { directive, lines } = Rendered::new(section, name, &value.into())?;
        self.entry(directive).values.extend(lines);
        Ok(())
    }

    /// Assigns a value that replaces what the unit and earlier drop-ins assign: the directive is emptied first.
    /// Directives that fill one list together are emptied once, before the first of them.
    ///
    /// # Errors
    /// As [`UnitText::set`], and for dependencies, which nothing can take back.
    pub fn set_list_reset(
        &mut self,
        section: Section,
        name: &str,
        value: impl Into<Value>,
    ) -> Result<(), WriteError> {
        self.reset_and_assign(Rendered::new(section, name, &value.into())?)
    }

    /// The same for a value that is quoted already.
    ///
    /// # Errors
    /// For dependencies, which nothing can take back.
    pub fn reset_and_assign(&mut self, Rendered { directive, lines }: Rendered) -> Result<(), WriteError> {
        self.reset_directive(directive)?;
        self.entry(directive).values = lines;
        Ok(())
    }

    /// Takes back what the unit and earlier drop-ins assign, without assigning anything.
    ///
    /// # Errors
    /// When the directive is unknown, or the empty value means nothing to it.
    pub fn reset(&mut self, section: Section, name: &str) -> Result<(), WriteError> {
        let directive = known(section, name)?;
        if directive.merge() == Merge::Strict {
            return Err(WriteError::NotResettable { section, name: directive.name });
        }
        self.reset_directive(directive)?;
        let entry = self.entry(directive);
        if !entry.reset.contains(&directive.name) && !matches!(directive.merge(), Merge::Grouped(_)) {
            entry.reset.push(directive.name);
        }
        Ok(())
    }

    /// All assignments, in the order of the text; the value is what follows `=`.
    pub fn assignments(&self) -> impl Iterator<Item = (Section, &'static str, &str)> {
        self.sections.iter().flat_map(|(section, entries)| {
            entries.iter().flat_map(|entry| {
                let resets = entry.reset.iter().map(|&name| (*section, name, ""));
                let values =
                    entry.values.iter().map(|value| (*section, entry.directive.name, value.as_str()));
                resets.chain(values.skip(usize::from(entry.repeats_reset())))
            })
        })
    }

    fn reset_directive(&mut self, directive: &'static Directive) -> Result<(), WriteError> {
        match directive.merge() {
            // Each assignment replaces the one before, so there is nothing to take back.
            Merge::Scalar | Merge::Strict => {}
            Merge::Dependencies => {
                return Err(WriteError::NotResettable { section: directive.section, name: directive.name });
            }
            Merge::Grouped(_) => {
                self.entry(directive);
                let entries = self.section(directive.section);
                let in_group = |entry: &&mut Entry| entry.directive.merge() == directive.merge();
                if let Some(first) = entries.iter_mut().find(in_group)
                    && first.reset.is_empty()
                {
                    first.reset.push(first.directive.name);
                }
            }
            _ => self.entry(directive).reset = vec![directive.name],
        }
        Ok(())
    }

    /// The entries of a section, which is added if need be.
    fn section(&mut self, section: Section) -> &mut Vec<Entry> {
        find_or_push(&mut self.sections, |(known, _)| *known == section, || (section, Vec::new())).1.as_mut()
    }

    fn entry(&mut self, directive: &'static Directive) -> &mut Entry {
        find_or_push(
            self.section(directive.section),
            |entry| entry.directive.name == directive.name,
            || Entry { directive, comments: Vec::new(), reset: Vec::new(), values: Vec::new() },
        )
    }

    fn find(&mut self, section: Section, name: &str) -> Option<&mut Entry> {
        let (_, entries) = self.sections.iter_mut().find(|(known, _)| *known == section)?;
        entries.iter_mut().find(|entry| entry.directive.name == name)
    }
}

impl Entry {
    /// Whether the first value is the empty one that resets as well.
    fn repeats_reset(&self) -> bool {
        self.reset.contains(&self.directive.name) && self.values.first().is_some_and(String::is_empty)
    }
}

#[expect(clippy::indexing_slicing, reason = "the index was found or made just before")]
fn find_or_push<Item>(
    items: &mut Vec<Item>,
    wanted: impl Fn(&Item) -> bool,
    new: impl FnOnce() -> Item,
) -> &mut Item {
    let index = items.iter().position(wanted).unwrap_or_else(|| {
        items.push(new());
        items.len() - 1
    });
    &mut items[index]
}

fn known(section: Section, name: &str) -> Result<&'static Directive, WriteError> {
    directive::lookup(section, name)
        .ok_or_else(|| WriteError::UnknownDirective { section, name: name.to_owned() })
}

/// The lines of a comment. systemd ends a line at more than the newline, so all control characters go.
fn comment_lines(text: &str) -> impl Iterator<Item = String> {
    text.split(['\n', '\r']).map(|line| line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect())
}

impl fmt::Display for UnitText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let write_comments = |f: &mut fmt::Formatter<'_>, comments: &[String]| {
            comments.iter().try_for_each(|line| match line.trim_end() {
                "" => f.write_str("#\n"),
                line => ["# ", line, "\n"].iter().try_for_each(|part| f.write_str(part)),
            })
        };
        write_comments(f, &self.comments)?;
        let mut first = self.comments.is_empty();
        for (section, entries) in &self.sections {
            if !first {
                writeln!(f)?;
            }
            first = false;
            writeln!(f, "[{section}]")?;
            let mut above: Option<&[String]> = None;
            for entry in entries {
                // What a directive of the same group has emptied already is not written.
                if entry.reset.is_empty() && entry.values.is_empty() {
                    continue;
                }
                // A comment is for all directives up to the next blank line.
                if above != Some(&entry.comments) {
                    if above.is_some() {
                        f.write_str("\n")?;
                    }
                    write_comments(f, &entry.comments)?;
                    above = Some(&entry.comments);
                }
                for name in &entry.reset {
                    [*name, "=\n"].iter().try_for_each(|part| f.write_str(part))?;
                }
                for value in entry.values.iter().skip(usize::from(entry.repeats_reset())) {
                    [entry.directive.name, "=", value, "\n"].iter().try_for_each(|part| f.write_str(part))?;
                }
            }
        }
        Ok(())
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::Word(value.to_owned())
    }
}
