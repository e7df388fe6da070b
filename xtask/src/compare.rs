//! `cargo xtask compare`: the same probe under every way to confine a service, and what came out as docs/comparison.md.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Command, ExitCode};

use anyhow::{Result, bail, ensure};
use clap::Args;
use sandboxed_cases::comparison::{
    CONTENDERS, Comparison, Contender, Kind, Scene, Trial, document, static_probe,
};
use sandboxed_testbed::{Machine, Suite, Tree, install_missing, why_no_vm};

/// What came out.
const RESULTS: &str = "docs/comparison.json";
/// The same for people.
const DOCUMENT: &str = "docs/comparison.md";
/// Where the evidence is kept, and what is built for the machine.
const SCRATCH: &str = "target/comparison";

/// Run the same probe under a plain unit, the article, container engines and ours, and write docs/comparison.md.
#[derive(Args)]
pub(crate) struct Arguments {
    /// Only these contenders; what is known of the others stays.
    contenders: Vec<String>,
    /// In a container instead of a virtual machine: quick, but limits can't be judged there, and nothing is written to
    /// docs/ unless `--write` says so.
    #[arg(long)]
    container: bool,
    /// Write docs/ from a container too.
    #[arg(long, requires = "container")]
    write: bool,
    /// Only write the document anew from what is known.
    #[arg(long, conflicts_with_all = ["contenders", "container"])]
    document: bool,
}

/// Try the contenders, one after the other, and keep each outcome as soon as it is there.
///
/// # Errors
/// The machine does not boot, or is gone. A contender that can't be tried is an outcome, not an error.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if arguments.document {
        return publish(&Comparison::read(Path::new(RESULTS))?);
    }
    let names = arguments.contenders.iter();
    let chosen = names.map(|name| Contender::named(name)).collect::<Result<Vec<_>>>()?;
    let chosen = if chosen.is_empty() { CONTENDERS.to_vec() } else { chosen };
    let _ = install_missing();
    if let Some(reason) = why_no_vm().filter(|_| !arguments.container) {
        bail!("no virtual machine can run here: {reason}; try --container");
    }
    let mut build = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    ensure!(
        build.args(["build", "--quiet", "--workspace", "--bins"]).status()?.success(),
        "it does not build"
    );
    let probe = static_probe(Path::new("target/static"))?;
    let tree = Tree::engines(Suite::Trixie)?;
    let (machine, kind) = if arguments.container {
        (Machine::boot(&tree)?, Kind::Container)
    } else {
        (Machine::boot_vm(&tree.with_kernel()?)?, Kind::Vm)
    };
    let scene = Scene::set(&machine, &probe)?;
    let scratch = Path::new(SCRATCH).join(if arguments.container { "container" } else { "vm" });
    fs::create_dir_all(&scratch)?;
    let publishes = !arguments.container || arguments.write;
    let results = if publishes { RESULTS.into() } else { scratch.join("comparison.json") };
    let mut comparison = Comparison::new(kind, versions(&machine)?);
    let all = arguments.contenders.is_empty();
    for contender in &chosen {
        let trial = scene.try_out(contender)?;
        println!("{}", line(contender.name, &trial));
        if let Ok(findings) = &trial.findings {
            let evidence = serde_json::to_string_pretty(findings)?;
            fs::write(scratch.join(contender.name).with_extension("json"), evidence)?;
        }
        // Another run may have added others meanwhile.
        if !all && let Some(known) = Comparison::read(&results).ok().filter(|known| known.machine == kind) {
            comparison.trials = known.trials;
        }
        comparison.add(contender.name, &trial)?;
        comparison.write(&results)?;
    }
    if publishes {
        return publish(&comparison);
    }
    let page = scratch.join("comparison.md");
    fs::write(&page, document::render(&comparison))?;
    println!("{} is written", page.display());
    Ok(ExitCode::SUCCESS)
}

fn publish(comparison: &Comparison) -> Result<ExitCode> {
    fs::write(DOCUMENT, document::render(comparison))?;
    println!("{DOCUMENT} is written");
    Ok(ExitCode::SUCCESS)
}

/// One contender's outcome in a line.
fn line(name: &str, trial: &Trial) -> String {
    use sandboxed_probe::Verdict;
    let found = match &trial.findings {
        Err(reason) => format!("not run: {reason}"),
        Ok(findings) => {
            let count = |verdict| findings.iter().filter(|finding| finding.verdict == verdict).count();
            let counts = [Verdict::Closed, Verdict::Open, Verdict::NotApplicable].map(count);
            format!("{} closed, {} open, {} n/a", counts[0], counts[1], counts[2])
        }
    };
    match &trial.work {
        None => format!("{name}: works; {found}"),
        Some(reason) => format!("{name}: does not work ({reason}); {found}"),
    }
}

/// Names and versions of what takes part, as the programs say them.
fn versions(machine: &Machine) -> Result<BTreeMap<String, String>> {
    let programs = [
        ("Linux", "uname -r"),
        ("systemd, systemd-nspawn", "systemctl --version | head -n 1 | cut -d ' ' -f 2"),
        ("docker", "docker --version | sed 's/^Docker version //'"),
        ("runc", "runc --version | sed -n 's/^runc version //p'"),
        ("podman", "podman --version | sed 's/^podman version //'"),
        ("crun", "crun --version | sed -n 's/^crun version //p'"),
        ("bubblewrap", "bwrap --version | sed 's/^bubblewrap //'"),
        ("Python", "python3 --version | sed 's/^Python //'"),
        ("Debian", "cat /etc/debian_version"),
        ("sandboxed", "sandboxed --version | sed 's/^sandboxed //'"),
    ];
    let version =
        |(name, script): (&str, &str)| Ok((name.to_owned(), machine.script(script)?.trim().to_owned()));
    programs.into_iter().map(version).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use sandboxed_cases::comparison::{OURS, parse};
    use sandboxed_probe::{Verdict, report};

    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
    }

    /// The document goes stale loudly: with the results, with the contenders, and with the list of channels.
    #[test]
    fn the_document_is_made_of_the_results() {
        let comparison = Comparison::read(&file(RESULTS)).unwrap();
        let text = fs::read_to_string(file(DOCUMENT)).unwrap();
        assert!(
            text == document::render(&comparison),
            "stale: `cargo xtask compare --document` writes it anew"
        );
        let readme = fs::read_to_string(file("README.md")).unwrap();
        let summary = document::summary(&comparison);
        assert!(readme.contains(&summary), "README.md should have this line:\n{summary}");
    }

    #[test]
    fn the_results_are_about_the_channels_that_there_are() {
        let comparison = Comparison::read(&file(RESULTS)).unwrap();
        let listed: BTreeSet<&str> = report::list().iter().map(|channel| channel.id).collect();
        for (name, kept) in &comparison.trials {
            let tried: BTreeSet<&str> = kept.verdicts.values().flat_map(|list| list.split(' ')).collect();
            assert!(
                kept.not_run.is_some() || tried == listed,
                "{name} was tried with other channels: `cargo xtask compare` tries it again; {:?}",
                tried.symmetric_difference(&listed).collect::<Vec<_>>()
            );
        }
        let text = fs::read_to_string(file(DOCUMENT)).unwrap();
        let rows: BTreeSet<&str> = text
            .lines()
            .filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|row| row.0))
            .collect();
        assert_eq!(rows, listed);
    }

    /// What everybody has to be tried with for the document to be a comparison.
    #[test]
    fn everybody_takes_part() {
        let comparison = Comparison::read(&file(RESULTS)).unwrap();
        let names: Vec<&str> = CONTENDERS.iter().map(|contender| contender.name).collect();
        assert_eq!(comparison.tried().collect::<Vec<_>>(), names);
        // A plain unit shows what is open at all.
        let open = |name| comparison.count(name, Verdict::Open, |_| true);
        assert!(
            open("plain") > 200 && open(OURS) < open("plain") / 4,
            "{} and {}",
            open("plain"),
            open(OURS)
        );
    }

    #[test]
    fn definitions_are_read() {
        for contender in CONTENDERS {
            let definition = parse(contender.text()).unwrap();
            let runs = definition.pieces.iter().any(|piece| piece.text.contains("@COMMAND@"));
            assert!(runs, "{} does not run the service", contender.name);
            let filled =
                contender.filled(&[("@COMMAND@", "/bin/true"), ("@CLOSURE@", "/usr"), ("@DISK@", "")]);
            let place = filled.split('@').skip(1).find(|word| word.starts_with(char::is_uppercase));
            assert_eq!(place, None, "{} leaves a place open", contender.name);
        }
        for wrong in ["[Service]\n", "== nowhere\n", "== /etc/x rw\n", "== /etc/x\n[Service]\n"] {
            assert!(parse(wrong).is_err(), "{wrong} is read");
        }
    }
}
