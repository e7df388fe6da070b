//! Reading what the user names: policies, the target, the units around it.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use sandboxed_core::diagnostic::{Diagnostic, Kind, Severity};
use sandboxed_core::language::Language;
use sandboxed_core::plan::Plan;
use sandboxed_core::preset::{PRESETS, Preset};
use sandboxed_core::resolve::{self, Resolved};
use sandboxed_core::scalar::HostPath;
use sandboxed_core::socket::Socket;
use sandboxed_core::target::{self, Target};
use sandboxed_core::unit::Unit;
use sandboxed_core::{diagnostic, json, parallel};
use sandboxed_systemd::name::UnitName;

use crate::cli::{Policies, Surroundings};
use crate::command::{BAD_INPUT, REFUSED};
use crate::{host, show, systemctl};

/// The largest policy that is read, in bytes. Real ones have a few hundred.
const LARGEST: u64 = 8 << 20;

/// A plan with warnings, or all that is wrong.
pub(crate) type Outcome<T = Plan> = std::result::Result<(T, Vec<Diagnostic>), Vec<Diagnostic>>;

/// A text and where it comes from.
#[derive(Debug)]
pub(crate) struct Source {
    /// What messages call it.
    pub(crate) name: String,
    /// The text.
    pub(crate) text: String,
}

impl Source {
    /// What it is written in.
    pub(crate) fn language(&self) -> Language {
        Language::of_file(&self.name)
    }
}

/// A file that everything else depends on, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) source: Source,
    pub(crate) diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} cannot be used", self.source.name)
    }
}

impl std::error::Error for Wrong {}

/// All policies that are named, planned for the target. What is wrong with them is shown, all at once; the exit code says
/// how bad it is.
///
/// # Errors
/// If something cannot be read at all.
pub(crate) fn plans(policies: &Policies, surroundings: &Surroundings) -> Result<Result<Vec<Plan>, ExitCode>> {
    planned(policies, surroundings, |plan| plan)
}

/// The same, with what becomes of each plan in its place.
///
/// # Errors
/// If something cannot be read at all.
pub(crate) fn planned<T: Send>(
    policies: &Policies,
    surroundings: &Surroundings,
    becomes: impl Fn(Plan) -> T + Sync,
) -> Result<Result<Vec<T>, ExitCode>> {
    let target = target(&surroundings.target)?;
    let mut planned = Vec::new();
    let mut worst = None;
    let files = files(policies)?;
    surroundings.are_for(files.len())?;
    let outcomes = parallel::map(host::processors(), &files, |file| {
        let source = file.as_ref().ok()?;
        let outcome = judged(source, &target, surroundings);
        Some(outcome.map(|(plan, warnings)| (becomes(plan), warnings)))
    });
    for (file, outcome) in files.iter().zip(outcomes) {
        let one = match (file, outcome) {
            (Ok(source), Some(outcome)) => shown(source, outcome),
            (Err(wrong), _) => Err(judge(&wrong.source, &wrong.diagnostics)),
            (Ok(_), None) => continue,
        };
        match one {
            Ok(one) => planned.push(one),
            Err(code) => worst = worst.max(Some(code)),
        }
    }
    Ok(worst.map_or(Ok(planned), |code| Err(ExitCode::from(code))))
}

/// One policy, planned; what is wrong with it is shown. The number is the exit code.
///
/// # Errors
/// If what is around the policy cannot be read.
pub(crate) fn plan(
    source: &Source,
    target: &Target,
    surroundings: &Surroundings,
) -> Result<Result<Plan, u8>> {
    Ok(shown(source, outcome(source, target, surroundings)?))
}

/// A plan, with its warnings shown; or, with all that is wrong shown, the exit code.
fn shown<T>(source: &Source, outcome: Outcome<T>) -> Result<T, u8> {
    match outcome {
        Ok((planned, warnings)) => {
            show::diagnostics(source, &warnings);
            Ok(planned)
        }
        Err(diagnostics) => Err(judge(source, &diagnostics)),
    }
}

/// One policy, planned, with its warnings; or all that is wrong with it.
///
/// # Errors
/// If what is around the policy cannot be read.
pub(crate) fn outcome(source: &Source, target: &Target, surroundings: &Surroundings) -> Result<Outcome> {
    let document = match json::parse(&source.text) {
        Ok(document) => document,
        Err(errors) => return Ok(Err(errors)),
    };
    let resolved = match resolve::resolve(&document) {
        Ok(resolved) => resolved,
        Err(errors) => return Ok(Err(errors)),
    };
    let units = units(&resolved, surroundings)?;
    let closure = closure(&resolved, surroundings)?;
    let sockets = sockets(&resolved, surroundings)?;
    let around =
        resolve::Surroundings { units: &units, sockets: sockets.as_deref(), closure: closure.as_deref() };
    Ok(match resolved.plan(target, around) {
        Ok((plan, warnings)) => Ok((plan, resolve::place(&document, warnings))),
        Err(findings) => Err(resolve::place(&document, findings)),
    })
}

/// The same; that something around the policy cannot be read is one of the things that are wrong with it.
pub(crate) fn judged(source: &Source, target: &Target, surroundings: &Surroundings) -> Outcome {
    outcome(source, target, surroundings).unwrap_or_else(|error| {
        let kind = Kind::Unreadable { reason: format!("{error:#}") };
        let start = source.text.len() - source.text.trim_start().len();
        Err(vec![Diagnostic::new(kind, start..start)])
    })
}

/// Shows what is wrong, and says how bad it is.
fn judge(source: &Source, diagnostics: &[Diagnostic]) -> u8 {
    show::diagnostics(source, diagnostics);
    let bad_input = diagnostics.iter().any(|diagnostic| diagnostic.kind.is_bad_input());
    debug_assert!(diagnostics.iter().any(|diagnostic| diagnostic.kind.severity() == Severity::Error));
    if bad_input { BAD_INPUT } else { REFUSED }
}

/// The policies that the user names.
///
/// # Errors
/// If one cannot be read.
pub(crate) fn sources(policies: &Policies) -> Result<Vec<Source>> {
    files(policies)?.into_iter().map(|file| file.map_err(Into::into)).collect()
}

/// The policies that the user names, each by itself: one that cannot be read hides nothing of the others.
///
/// # Errors
/// If there is no such preset.
pub(crate) fn files(policies: &Policies) -> Result<Vec<Result<Source, Wrong>>> {
    let files = parallel::map(host::processors(), &policies.files, |path| read(path));
    let presets = policies.presets.iter().map(|name| {
        let preset = preset(name)?;
        Ok(Ok(Source { name: format!("presets/{name}.json"), text: preset.text.to_owned() }))
    });
    files.into_iter().map(Ok).chain(presets).collect()
}

/// A preset by its name.
///
/// # Errors
/// If there is none, with the nearest name that there is.
pub(crate) fn preset(name: &str) -> Result<&'static Preset> {
    Preset::find(name).with_context(|| {
        let near = diagnostic::nearest(name, PRESETS.iter().map(|preset| preset.name));
        let help = near.map_or_else(
            || "`sandboxed presets` lists them".to_owned(),
            |near| format!("did you mean `{near}`?"),
        );
        format!("there is no preset `{name}`; {help}")
    })
}

/// A file as text, if it is one and not too large.
fn text(path: &Path) -> Result<String> {
    read(path).map(|source| source.text).map_err(|wrong| {
        let reasons = wrong.diagnostics.iter().map(|one| one.kind.message(Language::Json));
        anyhow!(reasons.collect::<Vec<_>>().join("; "))
    })
}

/// A file as text, if it is one and not too large; or what is wrong with it, with its text as far as it is one.
fn read(path: &Path) -> Result<Source, Wrong> {
    let shown = path.display();
    let wrong = |text: String, span: Range<usize>, reason: String| Wrong {
        source: Source { name: shown.to_string(), text },
        diagnostics: vec![Diagnostic::new(Kind::Unreadable { reason }, span)],
    };
    let not_read = |reason: String| wrong(String::new(), 0..0, reason);
    let failed = |error: std::io::Error| not_read(format!("cannot read {shown}: {error}"));
    let found = std::fs::metadata(path).map_err(failed)?;
    if found.is_dir() {
        return Err(not_read(format!("{shown} is a directory; a file is expected")));
    }
    let size = found.len();
    if size > LARGEST {
        return Err(not_read(format!("{shown} has {size} bytes; a policy of more than {LARGEST} is none")));
    }
    let bytes = std::fs::read(path).map_err(failed)?;
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        let byte = error.as_bytes().get(at).copied().unwrap_or_default();
        let reason = format!("{shown} is not text: its byte {} (0x{byte:02x}) is not UTF-8", at + 1);
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        wrong(text, at..at + char::REPLACEMENT_CHARACTER.len_utf8(), reason)
    })?;
    Ok(Source { name: shown.to_string(), text })
}

/// The target that the user names.
///
/// # Errors
/// If it cannot be read, or plans are not made for it.
pub(crate) fn target(named: &str) -> Result<Target> {
    if named == "host" {
        return host::target();
    }
    let path = Path::new(named);
    if path.extension().is_some_and(|extension| extension == "json") {
        let source = read(path)?;
        return json::parse(&source.text)
            .and_then(|document| target::read(&document))
            .map_err(|diagnostics| Wrong { source, diagnostics }.into());
    }
    Ok(named.parse::<Target>()?)
}

/// The units of a policy before they are sandboxed: as the user gives them, or as the running system has them.
fn units(resolved: &Resolved, surroundings: &Surroundings) -> Result<Vec<Unit>> {
    let names = resolved.policy.units.iter().map(sandboxed_core::scalar::UnitName::as_str);
    let texts: Vec<(&str, String)> = match &surroundings.unit_text {
        Some(path) if path.is_dir() => {
            names.map(|unit| Ok((unit, text(&path.join(unit))?))).collect::<Result<_>>().with_context(
                || format!("{} has no text for a unit of the sandbox `{}`", path.display(), resolved.name),
            )?
        }
        Some(path) => match resolved.policy.units.as_slice() {
            [unit] => vec![(unit.as_str(), text(path)?)],
            _ => bail!("the sandbox `{}` has several units: give --unit-text a folder", resolved.name),
        },
        None if surroundings.target == "host" => {
            names.map(|unit| Ok((unit, host::unit_text(unit)?))).collect::<Result<_>>()?
        }
        None => Vec::new(),
    };
    texts
        .into_iter()
        .map(|(unit, text)| {
            let name = UnitName::new(unit)?;
            Unit::parse(name, &text).with_context(|| format!("cannot read the unit {unit}"))
        })
        .collect()
}

/// Socket units: those that the policy names and those that activate its units, as the user gives them or as the running
/// system has them; `None` where neither says.
fn sockets(resolved: &Resolved, surroundings: &Surroundings) -> Result<Option<Vec<Socket>>> {
    let texts: Vec<(String, String)> = match &surroundings.unit_text {
        Some(folder) if folder.is_dir() => {
            let mut texts = Vec::new();
            for entry in
                std::fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))?
            {
                let path = entry?.path();
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.ends_with(".socket") {
                    texts.push((name, text(&path)?));
                }
            }
            texts.sort();
            texts
        }
        None if surroundings.target == "host" => {
            let mut wanted =
                resolved.policy.sockets.iter().map(|socket| socket.as_str().to_owned()).collect::<Vec<_>>();
            for unit in &resolved.policy.units {
                let activators = systemctl::property(unit.as_str(), "TriggeredBy")?;
                let sockets = activators.split_whitespace().filter(|name| name.ends_with(".socket"));
                wanted.extend(sockets.map(str::to_owned));
                // A socket that has an instance for each connection triggers none of them yet.
                let each = UnitName::new(unit.as_str())
                    .ok()
                    .filter(|name| name.instance().is_some())
                    .map(|name| format!("{}.socket", name.prefix()));
                if let Some(socket) = each
                    && systemctl::property(&socket, "LoadState")? == "loaded"
                {
                    wanted.push(socket);
                }
            }
            wanted.sort_unstable();
            wanted.dedup();
            wanted
                .into_iter()
                .map(|name| host::unit_text(&name).map(|text| (name, text)))
                .collect::<Result<_>>()?
        }
        _ => return Ok(None),
    };
    let read = texts.into_iter().map(|(socket, text)| {
        let name = UnitName::new(&socket)?;
        Socket::parse(name, &text).with_context(|| format!("cannot read the unit {socket}"))
    });
    read.collect::<Result<_>>().map(Some)
}

/// The store paths of a sandbox's root, if they are given.
fn closure(resolved: &Resolved, surroundings: &Surroundings) -> Result<Option<Vec<HostPath>>> {
    let Some(folder) = &surroundings.closure else { return Ok(None) };
    let path: PathBuf = folder.join(&resolved.name);
    if !path.exists() {
        return Ok(None);
    }
    let text = text(&path)?;
    let paths = text.lines().filter(|line| !line.is_empty()).enumerate().map(|(index, line)| {
        HostPath::new(line)
            .with_context(|| format!("{}:{}: `{line}` is not a path", path.display(), index + 1))
    });
    paths.collect::<Result<_>>().map(Some)
}
