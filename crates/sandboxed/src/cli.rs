//! The command line: it turns arguments into calls, and their results into exit codes.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::builder::PossibleValuesParser;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand};
use sandboxed_core::preset::PRESETS;

use crate::command;
use crate::pages::Page;
use crate::show;

/// Run a service you only half trust as an ordinary systemd unit, kept apart from the machine.
///
/// A policy says what a service needs. From it, sandboxed computes the unit's directives and the packet filter for the
/// systemd and the kernel of the target, explains what each guarantee rests on, and names what stays open.
#[derive(Debug, Parser)]
#[command(name = "sandboxed", version, about, arg_required_else_help = true, max_term_width = 110)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Build(command::build::Options),
    Check(command::check::Options),
    Lsp(command::lsp::Options),
    Explain(command::explain::Options),
    Apply(command::apply::Options),
    Remove(command::remove::Options),
    Status(command::status::Options),
    #[command(hide = true)]
    Filter(command::filter::Options),
    #[command(hide = true)]
    Network(command::network::Options),
    Verify(command::verify::Options),
    Channels(command::channels::Options),
    Presets(command::presets::Options),
    Schema(command::schema::Options),
    /// Print completions for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the manual pages.
    Man {
        /// The folder that they go to.
        #[arg(long, value_name = "DIR")]
        out: PathBuf,
    },
}

/// Which policies.
#[derive(Debug, Args)]
pub(crate) struct Policies {
    /// Policies in JSON (comments are allowed).
    #[arg(value_name = "POLICY", required_unless_present = "presets")]
    pub(crate) files: Vec<PathBuf>,
    /// A preset, as it is.
    #[arg(long = "preset", value_name = "NAME")]
    pub(crate) presets: Vec<String>,
}

/// For what, and around what.
#[derive(Debug, Args)]
pub(crate) struct Surroundings {
    /// The target: `host`, a release such as `debian-13`, a list such as `systemd=257,kernel=6.12,netfilter=nftables`,
    /// or a file (`*.json`, `sandboxed schema target`).
    #[arg(long, value_name = "TARGET", default_value = "host")]
    pub(crate) target: String,
    /// The units before they are sandboxed: a folder with one file for each, or one file for a policy of one unit, as
    /// `systemctl cat` shows them. On the target `host` they are read from the running system.
    #[arg(long, value_name = "PATH")]
    pub(crate) unit_text: Option<PathBuf>,
    /// A folder with one file for each sandbox, by its name: the store paths that its root is made of, one a line (NixOS).
    #[arg(long, value_name = "DIR")]
    pub(crate) closure: Option<PathBuf>,
}

impl Surroundings {
    /// This machine, with its units as they are.
    pub(crate) fn host() -> Self {
        Self { target: "host".to_owned(), unit_text: None, closure: None }
    }

    /// # Errors
    /// If one file is to be the unit of several policies: only one of them is about it.
    pub(crate) fn are_for(&self, policies: usize) -> Result<()> {
        match &self.unit_text {
            Some(path) if policies > 1 && !path.is_dir() => {
                bail!(
                    "{} is one unit, and there are {policies} policies: give --unit-text a folder",
                    path.display()
                )
            }
            _ => Ok(()),
        }
    }
}

/// The whole command line: what is derived, with what the derivation does not know.
fn whole() -> clap::Command {
    let presets = || PossibleValuesParser::new(PRESETS.iter().map(|preset| preset.name));
    let program = Page::find("").map(Page::help).unwrap_or_default();
    Cli::command().after_long_help(program).mut_subcommands(|mut command| {
        if let Some(page) = Page::find(command.get_name()) {
            command = command.after_long_help(page.help());
        }
        let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
        let (several, one) = (has("presets"), has("preset"));
        if one {
            command = command.mut_arg("preset", |preset| preset.value_parser(presets()));
        }
        if several {
            // What is derived names the policies alone, of which there need be none.
            let usage = usage(&command);
            command =
                command.mut_arg("presets", |preset| preset.value_parser(presets())).override_usage(usage);
        }
        command
    })
}

/// How a command is called that takes policies.
fn usage(command: &clap::Command) -> String {
    let name = command.get_name();
    let value = |option: &clap::Arg| option.get_value_names().unwrap_or_default().concat();
    let required = command
        .get_arguments()
        .filter(|option| option.is_required_set())
        .filter_map(|option| Some(format!(" --{} <{}>", option.get_long()?, value(option))));
    let required: String = required.collect();
    let policies = format!("sandboxed {name} [OPTIONS]{required} <POLICY|--preset <NAME>>...");
    if command.get_arguments().any(|option| option.get_id() == "all") {
        format!("{policies}\n       sandboxed {name} [OPTIONS] --all")
    } else {
        policies
    }
}

/// The command line without what people need not call.
fn visible() -> clap::Command {
    let whole = whole();
    clap::Command::new("sandboxed")
        .version(env!("CARGO_PKG_VERSION"))
        .about(whole.get_about().cloned().unwrap_or_default())
        .long_about(whole.get_long_about().cloned().unwrap_or_default())
        .subcommands(whole.get_subcommands().filter(|command| !command.is_hide_set()).cloned())
}

/// Parses the arguments and runs what they ask for.
pub(crate) fn run() -> ExitCode {
    let parsed = Cli::from_arg_matches(&whole().get_matches()).unwrap_or_else(|error| error.exit());
    let result = match parsed.command {
        Command::Build(options) => command::build::run(&options),
        Command::Check(options) => command::check::run(&options),
        Command::Lsp(options) => command::lsp::run(&options),
        Command::Explain(options) => command::explain::run(&options),
        Command::Apply(options) => command::apply::run(&options),
        Command::Remove(options) => command::remove::run(&options),
        Command::Status(options) => command::status::run(&options),
        Command::Filter(options) => command::filter::run(&options),
        Command::Network(options) => command::network::run(&options),
        Command::Verify(options) => command::verify::run(&options),
        Command::Channels(options) => command::channels::run(&options),
        Command::Presets(options) => command::presets::run(&options),
        Command::Schema(options) => Ok(command::schema::run(&options)),
        Command::Completions { shell } => command::completions::run(shell, &mut visible()),
        Command::Man { out } => command::man::run(&out, visible()),
    };
    match (result, show::lost()) {
        (Ok(_), Some(error)) => {
            show::say(&format!("error: cannot write to standard output: {error}"));
            ExitCode::from(command::BAD_INPUT)
        }
        (Ok(code), None) => code,
        (Err(error), _) => {
            show::failure(&error);
            ExitCode::from(command::BAD_INPUT)
        }
    }
}
