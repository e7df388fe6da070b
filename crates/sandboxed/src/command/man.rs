//! `sandboxed man`: manual pages.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Arg, ArgAction, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};

use crate::pages::{MANUAL, Page};

pub(crate) fn run(out: &Path, command: Command) -> Result<ExitCode> {
    std::fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    let mut command = command.disable_help_subcommand(true);
    // Names, versions and what all commands share go down to each.
    command.build();
    let program = Page::find("");
    write(out, &command, program)?;
    for subcommand in command.get_subcommands() {
        write(out, subcommand, Page::find(subcommand.get_name()))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Writes the page of a command.
fn write(out: &Path, command: &Command, page: Option<&Page>) -> Result<()> {
    // The same program gives the same pages, so they have no date; left out, what follows would be taken for it.
    let man = Man::new(command.clone()).date(" ").source(concat!("sandboxed ", env!("CARGO_PKG_VERSION")));
    let man = man.manual(MANUAL);
    let path = out.join(man.get_filename());
    let context = || format!("cannot write {}", path.display());
    let mut file = BufWriter::new(File::create(&path).with_context(context)?);
    render(&man, command, page, &mut file).with_context(context)
}

fn render(man: &Man, command: &Command, page: Option<&Page>, to: &mut impl Write) -> std::io::Result<()> {
    man.render_title(to)?;
    man.render_name_section(to)?;
    synopsis(command).to_writer(to)?;
    man.render_description_section(to)?;
    man.render_options_section(to)?;
    if command.has_subcommands() {
        man.render_subcommands_section(to)?;
    }
    if let Some(page) = page {
        sections(page).to_writer(to)?;
    }
    to.flush()
}

/// How the command is called: what may be left out in brackets, and what there may be more of with dots.
fn synopsis(command: &Command) -> Roff {
    let mut line = vec![bold(command.get_bin_name().unwrap_or_else(|| command.get_name()))];
    let shown = || command.get_arguments().filter(|argument| !argument.is_hide_set());
    let options = |required: bool| {
        shown().filter(move |option| !option.is_positional() && option.is_required_set() == required)
    };
    for argument in options(false).chain(options(true)).chain(shown().filter(|one| one.is_positional())) {
        let (open, close) = if argument.is_required_set() { (" ", "") } else { (" [", "]") };
        line.push(roman(open));
        line.extend(called(argument));
        line.push(roman(close));
        if matches!(argument.get_action(), ArgAction::Append) {
            line.push(roman("..."));
        }
    }
    if command.has_subcommands() {
        line.extend([roman(" "), italic("COMMAND")]);
    }
    let mut roff = Roff::new();
    roff.control("SH", ["SYNOPSIS"]);
    roff.text(line);
    roff
}

/// An argument as it is written.
fn called(argument: &Arg) -> Vec<Inline> {
    let flags: Vec<String> = [
        argument.get_short().map(|short| format!("-{short}")),
        argument.get_long().map(|long| format!("--{long}")),
    ]
    .into_iter()
    .flatten()
    .collect();
    let mut text = Vec::new();
    for flag in flags {
        if !text.is_empty() {
            text.push(roman("|"));
        }
        text.push(bold(flag));
    }
    if argument.get_action().takes_values() {
        let names = argument.get_value_names().unwrap_or_default();
        let names: Vec<&str> = names.iter().map(clap::builder::Str::as_str).collect();
        if !text.is_empty() {
            text.push(roman(" "));
        }
        text.push(italic(names.join(" ")));
    }
    text
}

/// What is said beside the arguments.
fn sections(page: &Page) -> Roff {
    let mut roff = Roff::new();
    for (title, entries) in [("EXIT STATUS", page.exit), ("FILES", page.files)] {
        if !entries.is_empty() {
            roff.control("SH", [title]);
        }
        for (name, meaning) in entries {
            roff.control("TP", []);
            roff.text([bold(*name)]);
            roff.text([roman(*meaning)]);
        }
    }
    let program = if page.command.is_empty() { [].as_slice() } else { &[("sandboxed", "1")] };
    let see: Vec<Inline> = program
        .iter()
        .chain(page.see)
        .enumerate()
        .flat_map(|(index, (name, section))| {
            let separator = if index == 0 { "" } else { ", " };
            [roman(separator), bold(*name), roman(format!("({section})"))]
        })
        .collect();
    roff.control("SH", ["SEE ALSO"]);
    roff.text(see);
    roff
}
