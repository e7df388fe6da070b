//! Turns `data/*.json` into sorted static tables, so that nothing is parsed at run time.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fmt::Write;
use std::{env, fs};

use serde::Deserialize;

/// A directive as systemd's manual pages document it.
#[derive(Deserialize)]
struct Documented {
    section: String,
    name: String,
    manpage: String,
    since: Option<u16>,
}

/// Which function of systemd parses a directive.
#[derive(Deserialize)]
struct Parsed {
    section: String,
    name: String,
    parser: String,
}

/// What systemd does when the kernel lacks what a directive needs.
#[derive(Deserialize)]
struct FailMode {
    name: String,
    missing: String,
    behaviour: String,
    log: String,
}

/// A value that is younger than its directive.
#[derive(Deserialize)]
struct YoungValue {
    name: String,
    value: String,
    since: u16,
}

/// A directive that systemd no longer documents.
#[derive(Deserialize)]
struct Legacy {
    section: String,
    name: String,
    status: String,
}

fn read<Row: for<'de> Deserialize<'de>>(table: &str) -> Result<Vec<Row>, Box<dyn Error>> {
    let path = format!("data/systemd-{table}.json");
    println!("cargo::rerun-if-changed={path}");
    Ok(serde_json::from_str(&fs::read_to_string(path)?)?)
}

/// The constant in `src/directive/parser.rs` that describes a parser.
fn constant(directive: &str, parser: &str) -> String {
    let name = parser.to_uppercase();
    // Asserts share their parsers with conditions, but fill a list of their own.
    if directive.starts_with("Assert") { name.replace("CONDITION", "ASSERT") } else { name }
}

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    let parsers: BTreeMap<(String, String), String> =
        read::<Parsed>("parsers")?.into_iter().map(|row| ((row.section, row.name), row.parser)).collect();
    let mut fail_modes: BTreeMap<String, Vec<FailMode>> = BTreeMap::new();
    for row in read::<FailMode>("fail-modes")? {
        fail_modes.entry(row.name.clone()).or_default().push(row);
    }

    let mut directives = read::<Documented>("directives")?;
    directives.sort_by(|a, b| (&a.section, &a.name).cmp(&(&b.section, &b.name)));
    let documented: BTreeSet<(String, String)> =
        directives.iter().map(|row| (row.section.clone(), row.name.clone())).collect();
    let mut code = String::new();

    writeln!(code, "static DIRECTIVES: [Directive; {}] = [", directives.len())?;
    for Documented { section, name, manpage, since } in &directives {
        let parser = parsers
            .get(&(section.clone(), name.clone()))
            .ok_or_else(|| format!("{section}.{name} has no row in systemd-parsers.json"))?;
        let parser = constant(name, parser);
        let since = since.map_or("None".to_owned(), |since| format!("Some(Version({since}))"));
        writeln!(
            code,
            "Directive {{ section: Section::{section}, name: {name:?}, since: {since}, manpage: {manpage:?}, \
             parser: &parser::{parser}, fail_modes: &["
        )?;
        for FailMode { missing, behaviour, log, .. } in fail_modes.get(name).into_iter().flatten() {
            writeln!(code, "FailMode {{ missing: {missing:?}, behaviour: {behaviour:?}, log: {log:?} }},")?;
        }
        writeln!(code, "] }},")?;
    }
    writeln!(code, "];")?;

    // What systemd reads beside: sections without records, and what is kept for old units.
    let others: Vec<_> = parsers.iter().filter(|(key, _)| !documented.contains(key)).collect();
    writeln!(code, "static OTHERS: [(Section, &str, &Parser); {}] = [", others.len())?;
    for ((section, name), parser) in others {
        writeln!(code, "(Section::{section}, {name:?}, &parser::{}),", constant(name, parser))?;
    }
    writeln!(code, "];")?;

    let mut legacy = read::<Legacy>("legacy-directives")?;
    legacy.sort_by(|a, b| (&a.section, &a.name).cmp(&(&b.section, &b.name)));
    writeln!(code, "static LEGACY: [(Section, &str, Status); {}] = [", legacy.len())?;
    for Legacy { section, name, status } in &legacy {
        let status = match status.as_str() {
            "alias" => "Alias",
            "removed" => "Removed",
            other => return Err(format!("unknown status {other}").into()),
        };
        writeln!(code, "(Section::{section}, {name:?}, Status::{status}),")?;
    }
    writeln!(code, "];")?;

    let values: BTreeSet<(String, String, u16)> = read::<YoungValue>("directive-values")?
        .into_iter()
        .map(|row| (row.name, row.value, row.since))
        .collect();
    writeln!(code, "static VALUES: [(&str, &str, Version); {}] = [", values.len())?;
    for (name, value, since) in &values {
        writeln!(code, "({name:?}, {value:?}, Version({since})),")?;
    }
    writeln!(code, "];")?;

    fs::write(format!("{}/tables.rs", env::var("OUT_DIR")?), code)?;
    Ok(())
}
