//! From documents to a plan: validation, the preset below the policy, and planning.

use sandboxed_systemd::name::{self, InvalidName, UnitName};
use serde::Deserialize;
use serde_json::Value;

use crate::areas;
use crate::chain::{self, Chain};
use crate::check;
use crate::diagnostic::{Diagnostic, Kind, Severity, nearest};
use crate::document::{Node, Part};
use crate::examine;
use crate::launch::{self, Launcher};
use crate::neighbours::Paths;
use crate::plan::Plan;
use crate::planner::{self, Finding, Planner};
use crate::policy::Policy;
use crate::preset::{PRESETS, Preset, overlay};
use crate::scalar::{self, HostPath, SocketName};
use crate::socket::{self, Socket};
use crate::target::Target;
use crate::unit::Unit;

/// A policy with its preset below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Resolved {
    /// The whole policy.
    pub policy: Policy,
    /// The name of the sandbox.
    pub name: String,
}

/// What planning reads beside the policy and the target.
#[derive(Clone, Copy, Debug, Default)]
pub struct Surroundings<'a> {
    /// The units of the service, before they are sandboxed, in the order of the policy; empty where they are not known.
    pub units: &'a [Unit],
    /// Socket units: those that the policy names, and all others that activate its units; `None` where nobody looked for them.
    pub sockets: Option<&'a [Socket]>,
    /// The store paths that make up the service's root, on NixOS.
    pub closure: Option<&'a [HostPath]>,
}

/// Validates a document and puts its preset below it.
///
/// # Errors
/// With everything that is wrong, each with its place.
pub fn resolve(document: &Node) -> Result<Resolved, Vec<Diagnostic>> {
    let mut errors = check::by_schema(document);
    let mut computed = Vec::new();
    let written = document.to_value(&mut computed);
    let preset = match written.get("preset").and_then(Value::as_str) {
        None => None,
        Some(wanted) => {
            let preset = Preset::find(wanted);
            if preset.is_none() {
                let suggestion = nearest(wanted, PRESETS.iter().map(|preset| preset.name));
                let kind = Kind::UnknownPreset { name: wanted.to_owned(), suggestion };
                errors.push(Diagnostic::new(kind, document.span_at("/preset", Part::Value)));
            }
            preset
        }
    };
    if !errors.is_empty() {
        return Err(errors);
    }
    let merged = preset.map_or_else(|| written.clone(), |preset| overlay(preset.value(), &written));
    let at_top = |kind| vec![Diagnostic::new(kind, document.span_at("", Part::Key))];
    // The schema has accepted this; serde accepts the same (a property test), so its error has no place of its own.
    let policy = Policy::deserialize(merged)
        .map_err(|error| at_top(Kind::Syntax { reason: error.to_string(), help: None }))?;
    let name = policy.name.as_ref().or(policy.preset.as_ref()).map(ToString::to_string);
    let name = name.or_else(|| named_by_unit(&policy));
    let missing = |field: &str| !computed.iter().any(|pointer| pointer == field);
    let name = name.ok_or_else(|| if missing("/name") { at_top(Kind::NoName) } else { Vec::new() })?;
    if policy.units.is_empty() {
        return Err(if missing("/units") { at_top(Kind::NoUnit) } else { Vec::new() });
    }
    Ok(Resolved { policy, name })
}

/// A sandbox around one service has that service's name, where nothing else is said and it can be one.
fn named_by_unit(policy: &Policy) -> Option<String> {
    let [unit] = policy.units.as_slice() else { return None };
    scalar::SandboxName::new(unit.as_str().strip_suffix(".service")?).map(|name| name.to_string())
}

impl Resolved {
    /// A preset as it is.
    ///
    /// # Errors
    /// If the preset itself is not valid, which a test rules out.
    pub fn preset(preset: &Preset) -> Result<Self, Vec<Diagnostic>> {
        crate::json::parse(preset.text).and_then(|document| resolve(&document))
    }

    /// Plans it for a target. Warnings come along.
    ///
    /// # Errors
    /// With everything that was found, if an error is among it.
    pub fn plan(
        &self,
        target: &Target,
        surroundings: Surroundings<'_>,
    ) -> Result<(Plan, Vec<Finding>), Vec<Finding>> {
        let invalid = |reason: InvalidName, field: String| {
            let help = "write the name as systemd.unit(5) has it".to_owned();
            Finding::new(Kind::Conflict { reason: reason.to_string(), help }, field)
        };
        let slice = name::slice_for(&self.name).map_err(|error| vec![invalid(error, "/name".to_owned())])?;
        let mut findings = Vec::new();
        let mut names = |field: &str, names: Vec<&str>| -> Vec<UnitName> {
            let names = names.into_iter().enumerate().map(|(index, unit)| {
                UnitName::new(unit)
                    .map_err(|error| findings.push(invalid(error, format!("/{field}/{index}"))))
            });
            names.filter_map(Result::ok).collect()
        };
        let units = names("units", self.policy.units.iter().map(scalar::UnitName::as_str).collect());
        let sockets = names("sockets", self.policy.sockets.iter().map(SocketName::as_str).collect());
        let mut planner = Planner {
            policy: &self.policy,
            target,
            base: surroundings.units,
            sockets: surroundings.sockets.unwrap_or_default(),
            closure: surroundings.closure,
            chain: Chain::find(&self.policy, target, surroundings.units),
            launcher: Launcher::find(&self.policy, target, surroundings.units),
            plan: Plan::new(self, target, slice, units, sockets),
            findings,
        };
        if surroundings.sockets.is_none() {
            socket::unsought(&mut planner);
        }
        areas::plan(&mut planner);
        launch::finish(&mut planner);
        chain::finish(&mut planner);
        examine::undone(&mut planner);
        verification(&mut planner);
        planner.plan.paths = Paths::of(&planner);
        let refused = planner.findings.iter().any(|finding| finding.kind.severity() == Severity::Error);
        if refused { Err(planner.findings) } else { Ok((planner.plan, planner.findings)) }
    }
}

/// Plans that the sandbox is verified now and then, which takes this program on the target.
fn verification(planner: &mut Planner<'_>) {
    let Some(period) = planner.policy.verify else { return };
    if let Some(program) = planner.target.program("sandboxed").as_ref().and_then(planner::path) {
        planner.plan.verify = Some((program, period));
        return;
    }
    let reason = "the target does not say where `sandboxed` is, which would verify the sandbox".to_owned();
    let help = "install it on the target, or verify the sandbox from elsewhere".to_owned();
    planner.find(Finding::new(Kind::Conflict { reason, help }, "/verify"));
}

/// Gives findings their places in the document that the policy was written in.
pub fn place(document: &Node, findings: Vec<Finding>) -> Vec<Diagnostic> {
    findings
        .into_iter()
        .map(|finding| {
            let mut diagnostic = Diagnostic::new(finding.kind, document.span_at(&finding.field, Part::Value));
            for (field, remark) in finding.related {
                diagnostic = diagnostic.related(document.span_at(&field, Part::Value), remark);
            }
            diagnostic
        })
        .collect()
}
