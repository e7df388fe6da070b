//! The command line of the program.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use crate::channel::Group;
use crate::judge::judge;
use crate::plant::{self, Options};
use crate::report::{Report, list};
use crate::run::{Selection, run};
use crate::sys::process;
use crate::targets::Targets;

const HELP: &str = "\
Tries channels of interference from inside a sandbox and prints what is open, as JSON.

Usage: sandboxed-probe [--plan FILE] [--group GROUP]... [--only CHANNEL]...
       sandboxed-probe --list [--json]
       sandboxed-probe --plant [--user UID[:GID]]
       sandboxed-probe --judge [--user UID[:GID]] -- COMMAND...

  --plan FILE    targets that the host side has planted; - reads them from standard input
  --group GROUP  only channels of this group
  --only CHANNEL only this channel
  --list         list the channels instead of trying them
  --plant        on the host side: plant targets, print the plan, and remove them at the end of standard input
  --judge        on the host side: plant targets, run COMMAND, which runs `sandboxed-probe --plan -` inside of
                 whatever is to be judged, on its own standard input and output, and print the report
  --user UID     with --plant and --judge: the user of the service, instead of one's own
";

/// What to do.
enum Command {
    Help,
    Nothing,
    Victim(String),
    List { json: bool },
    Plant { user: u32, group: u32 },
    Judge { user: u32, group: u32, words: Vec<String> },
    Run { plan: Option<String>, selection: Selection },
}

/// Reads the arguments and does what they say. Exits with 2 if they say nothing sensible.
pub fn main() -> ExitCode {
    let done = match parse(std::env::args().skip(1)) {
        Ok(command) => perform(command),
        Err(message) => Err(message),
    };
    done.unwrap_or_else(|message| {
        eprintln!("sandboxed-probe: {message}");
        ExitCode::from(2)
    })
}

fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Command, String> {
    let mut selection = Selection::default();
    let (mut plan, mut command) = (None, None);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--help" | "-h" => command = Some(Command::Help),
            "--nothing" => command = Some(Command::Nothing),
            "--victim" => command = Some(Command::Victim(value()?)),
            "--list" => command = Some(Command::List { json: false }),
            "--json" => {
                if let Some(Command::List { json }) = &mut command {
                    *json = true;
                }
            }
            "--plant" => {
                let (user, group) = process::identity();
                command = Some(Command::Plant { user, group });
            }
            "--judge" => {
                let (user, group) = process::identity();
                command = Some(Command::Judge { user, group, words: Vec::new() });
            }
            "--user" => match &mut command {
                Some(Command::Plant { user, group } | Command::Judge { user, group, .. }) => {
                    (*user, *group) = identity(&value()?)?;
                }
                _ => return Err("--user goes with --plant or --judge and comes after it".into()),
            },
            "--" => match &mut command {
                Some(Command::Judge { words, .. }) => words.extend(arguments.by_ref()),
                _ => return Err("-- goes with --judge and comes after it".into()),
            },
            "--plan" => plan = Some(value()?),
            "--group" => {
                let name = value()?;
                let group = Group::ALL.into_iter().find(|group| group.name() == name);
                selection.groups.push(group.ok_or(format!("there is no group {name}"))?);
            }
            "--only" => {
                let id = value()?;
                if !crate::channels::all().any(|(_, channel)| channel.id == id) {
                    return Err(format!("there is no channel {id}"));
                }
                selection.channels.push(id);
            }
            other => return Err(format!("unknown argument {other}; --help lists them")),
        }
    }
    Ok(command.unwrap_or(Command::Run { plan, selection }))
}

/// `UID` or `UID:GID`.
fn identity(text: &str) -> Result<(u32, u32), String> {
    let number = |text: &str| text.parse::<u32>().map_err(|_| format!("{text} is not a numeric id"));
    match text.split_once(':') {
        Some((user, group)) => Ok((number(user)?, number(group)?)),
        None => number(text).map(|user| (user, user)),
    }
}

fn perform(command: Command) -> Result<ExitCode, String> {
    match command {
        Command::Help => print!("{HELP}"),
        Command::Nothing => {}
        Command::Victim(token) => return Ok(plant::victim_main(&token)),
        Command::List { json: true } => print(&list())?,
        Command::List { json: false } => {
            for channel in list() {
                println!(
                    "{:<28} {:<12} {} [{}]",
                    channel.id,
                    channel.group.name(),
                    channel.title,
                    channel.source
                );
            }
        }
        Command::Plant { user, group } => {
            let planted = plant::plant(&options(user, group)?).map_err(|error| error.to_string())?;
            for note in planted.notes() {
                eprintln!("sandboxed-probe: {note}");
            }
            print(planted.targets())?;
            let _ = io::stdin().read_to_end(&mut Vec::new());
        }
        Command::Judge { user, group, words } => print(&judge(&options(user, group)?, &words)?)?,
        Command::Run { plan, selection } => {
            // The service that is verified may be of the same user and write what is reported into this process's memory.
            process::let_others_trace(false).map_err(|error| format!("cannot refuse tracers: {error}"))?;
            let targets = plan.map_or(Ok(Targets::default()), |file| read(&file))?;
            let findings = run(&targets, &selection);
            print(&Report { version: 1, identity: process::identity(), findings })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What the planter has to know; the victim is another process of this program.
fn options(user: u32, group: u32) -> Result<Options, String> {
    let program = std::env::current_exe().map_err(|error| format!("own program: {error}"))?;
    Ok(Options { user, group, program })
}

fn read(file: &str) -> Result<Targets, String> {
    let text = if file == "-" { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|error| format!("{file}: {error}"))?;
    serde_json::from_str(&text).map_err(|error| format!("{file}: {error}"))
}

/// Prints a value as one line of JSON.
fn print(value: &impl serde::Serialize) -> Result<(), String> {
    let line = serde_json::to_string(value).map_err(|error| error.to_string())?;
    writeln!(io::stdout(), "{line}").map_err(|error| format!("standard output: {error}"))
}
