//! Reading command lines, systemd.service(5) "Command lines".

use super::words::{self, MalformedWord, Rules};
use crate::value::quote::is_blank;
use crate::value::{AbsPath, Argument, ExecLine, Prefixes, Privileges, ValueError};

/// A command of a unit. Specifiers and variables in it are not expanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecCommand {
    /// What stands before the program.
    pub prefixes: Prefixes,
    /// The program: a path or, to be looked up, a name. Empty for the user's shell itself.
    pub program: String,
    /// Its arguments, without `argv[0]` unless the prefixes name it.
    pub arguments: Vec<String>,
}

impl ExecCommand {
    /// The command to be written, by which specifiers and variables are expanded as they were.
    ///
    /// # Errors
    /// When the program is not an absolute path, or hangs on specifiers.
    pub fn to_line(&self) -> Result<ExecLine, ValueError> {
        let program = words::resolve_percent(&self.program).ok_or_else(|| ValueError::Character {
            text: self.program.clone(),
            character: '%',
            what: "the path of a program",
        })?;
        let arguments = self.arguments.iter().cloned().map(Argument::Expanded).collect();
        Ok(ExecLine { prefixes: self.prefixes, program: AbsPath::new(&program)?, arguments })
    }

    /// Reads the commands of a line: one, unless a lone `;` separates several.
    ///
    /// # Errors
    /// When quotes or escapes are not valid: systemd refuses to start such a service.
    pub fn parse(line: &str) -> Result<Vec<Self>, MalformedWord> {
        let mut commands = Vec::new();
        let mut rest = line.trim_matches(is_blank);
        while let Some(first) = word(&mut rest)? {
            if first == ";" {
                continue;
            }
            let (prefixes, program) = split_prefixes(&first);
            let mut command = Self { prefixes, program: program.to_owned(), arguments: Vec::new() };
            loop {
                // Only an unquoted one separates; `\;` stands for itself, though it is no escape of C.
                if let Some(after) = lone(rest, ";") {
                    rest = after;
                    break;
                }
                if let Some(after) = lone(rest, "\\;") {
                    rest = after;
                    command.arguments.push(";".to_owned());
                    continue;
                }
                match word(&mut rest)? {
                    Some(argument) => command.arguments.push(argument),
                    None => break,
                }
            }
            commands.push(command);
        }
        Ok(commands)
    }
}

/// What follows this token, if the text starts with it as a word.
fn lone<'text>(text: &'text str, token: &str) -> Option<&'text str> {
    let after = text.strip_prefix(token)?;
    (after.is_empty() || after.starts_with(is_blank)).then(|| after.trim_start_matches(is_blank))
}

/// The next word; unknown escapes are kept as they stand, about which systemd warns.
fn word(rest: &mut &str) -> Result<Option<String>, MalformedWord> {
    let before = *rest;
    let word = match words::next(rest, Rules::exec(false)) {
        Err(MalformedWord::Escape) => {
            *rest = before;
            words::next(rest, Rules::exec(true))
        }
        read => read,
    }?;
    Ok(word.map(|word| word.text))
}

fn split_prefixes(word: &str) -> (Prefixes, &str) {
    let mut prefixes = Prefixes::default();
    let mut rest = word;
    loop {
        let mut characters = rest.chars();
        // Each counts once; a second one is part of the path.
        match (characters.next(), prefixes.privileges) {
            (Some('-'), _) if !prefixes.ignore_failure => prefixes.ignore_failure = true,
            (Some('@'), _) if !prefixes.names_argv0 => prefixes.names_argv0 = true,
            (Some(':'), _) if !prefixes.no_variables => prefixes.no_variables = true,
            (Some('|'), _) if !prefixes.shell => prefixes.shell = true,
            (Some('+'), Privileges::Restricted) => prefixes.privileges = Privileges::Full,
            (Some('!'), Privileges::Restricted) => prefixes.privileges = Privileges::KeepUser,
            (Some('!'), Privileges::KeepUser) => prefixes.privileges = Privileges::AmbientFallback,
            _ => return (prefixes, rest),
        }
        rest = characters.as_str();
    }
}
