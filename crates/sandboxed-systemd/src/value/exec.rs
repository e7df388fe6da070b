//! Command lines, systemd.service(5) "Command lines".

use super::{AbsPath, ValueError, quote};
use crate::directive::{Directive, Syntax};

/// The characters before the program of a command line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is there or not, independent of the others")]
pub struct Prefixes {
    /// `-`: a failure counts as success.
    pub ignore_failure: bool,
    /// `@`: the word after the program is its `argv[0]`.
    pub names_argv0: bool,
    /// `:`: variables are not expanded.
    pub no_variables: bool,
    /// `|`: run by the user's shell, since systemd 258.
    pub shell: bool,
    /// With whose privileges it runs.
    pub privileges: Privileges,
}

/// With which privileges a command runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Privileges {
    /// As the unit says.
    #[default]
    Restricted,
    /// `+`: all of them, and without the sandbox of the unit.
    Full,
    /// `!`: `User=` and the like are not applied.
    KeepUser,
    /// `!!`: as `!` where ambient capabilities were missing; ignored since systemd 258.
    AmbientFallback,
}

impl Prefixes {
    /// As they are written before the program.
    pub fn text(self) -> String {
        let mut text = String::new();
        for (set, character) in
            [(self.ignore_failure, '-'), (self.names_argv0, '@'), (self.no_variables, ':'), (self.shell, '|')]
        {
            if set {
                text.push(character);
            }
        }
        text.push_str(match self.privileges {
            Privileges::Restricted => "",
            Privileges::Full => "+",
            Privileges::KeepUser => "!",
            Privileges::AmbientFallback => "!!",
        });
        text
    }
}

/// An argument of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Argument {
    /// Reaches the program as it is.
    Literal(String),
    /// Specifiers (`%i`) and variables (`$MAINPID`) in it are expanded: an argument as
    /// [`crate::unit::ExecCommand`] holds it.
    Expanded(String),
}

impl<Text: Into<String>> From<Text> for Argument {
    fn from(text: Text) -> Self {
        Self::Literal(text.into())
    }
}

/// A command line to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecLine {
    /// The prefixes of the program.
    pub prefixes: Prefixes,
    /// The program.
    pub program: AbsPath,
    /// Its arguments, without `argv[0]` unless the prefixes name it.
    pub arguments: Vec<Argument>,
}

impl ExecLine {
    /// A command without prefixes.
    pub fn new<Item: Into<Argument>>(program: AbsPath, arguments: impl IntoIterator<Item = Item>) -> Self {
        let arguments = arguments.into_iter().map(Into::into).collect();
        Self { prefixes: Prefixes::default(), program, arguments }
    }

    /// The same with these prefixes.
    #[must_use]
    pub fn with_prefixes(self, prefixes: Prefixes) -> Self {
        Self { prefixes, ..self }
    }

    fn render(&self, directive: &'static Directive) -> Result<String, ValueError> {
        let program = self.program.as_str();
        // systemd refuses the first two in the path of a program, takes `$` in it for a variable in argv[0] only,
        // and a slash alone is a directory.
        if let Some(character) = program.chars().find(|character| "\"'\\*?[$".contains(*character)) {
            let what = "the path of a program";
            return Err(ValueError::Character { text: program.to_owned(), character, what });
        }
        if program == "/" {
            return Err(ValueError::Character {
                text: program.to_owned(),
                character: '/',
                what: "a program",
            });
        }
        if self.prefixes.names_argv0 && self.arguments.is_empty() {
            return Err(ValueError::Empty);
        }
        let first = format!("{}{}", self.prefixes.text(), quote::specifiers(program, directive)?);
        let mut text = quote::escaped(&first)?;
        for argument in &self.arguments {
            text.push(' ');
            let argument = match argument {
                Argument::Expanded(argument) => argument.into(),
                Argument::Literal(argument) => {
                    let argument = quote::specifiers(argument, directive)?;
                    if self.prefixes.no_variables || !argument.contains('$') {
                        argument
                    } else {
                        argument.replace('$', "$$").into()
                    }
                }
            };
            // Alone, it would separate two commands.
            if argument == ";" {
                text.push_str("\\;");
            } else {
                text.push_str(&quote::escaped(&argument)?);
            }
        }
        Ok(text)
    }
}

pub(super) fn render(lines: &[ExecLine], directive: &'static Directive) -> Result<Vec<String>, ValueError> {
    if directive.syntax() != Syntax::Exec {
        return Err(ValueError::Type(directive.name));
    }
    if lines.is_empty() {
        return Ok(vec![String::new()]);
    }
    lines.iter().map(|line| line.render(directive)).collect()
}
