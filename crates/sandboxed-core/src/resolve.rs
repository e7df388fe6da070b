//! From documents to a plan: validation, the preset below the policy, and planning.

use sandboxed_systemd::name::{self, InvalidName, UnitName};
use serde::Deserialize;
use serde_json::Value;

use crate::areas;
use crate::chain::{self, Chain};
use crate::check;
use crate::diagnostic::{Diagnostic, Kind, Severity, nearest};
use crate::document::{Node, NodeKind, Part, segments};
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
    let missing = |field: &str| !computed.iter().any(|pointer| pointer == field);
    if policy.units.is_empty() {
        let span = document.span_at("/units", Part::Value);
        let kind = Diagnostic::new(Kind::NoUnit, span);
        return Err(if missing("/units") { vec![kind] } else { Vec::new() });
    }
    let name = policy.name.as_ref().or(policy.preset.as_ref()).map(ToString::to_string);
    let name = name.or_else(|| named_by_unit(&policy));
    let name = name.ok_or_else(|| if missing("/name") { at_top(Kind::NoName) } else { Vec::new() })?;
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

/// Gives findings their places in the document that the policy was written in. What the policy has from its preset has no place in
/// it, and is shown where the preset is named.
pub fn place(document: &Node, findings: Vec<Finding>) -> Vec<Diagnostic> {
    let named = document.get("preset").map(|member| &member.value);
    let preset = named.and_then(Node::as_str).and_then(Preset::find);
    let of_preset = |field: &str| preset.zip(named).filter(|(preset, _)| comes_from(preset, document, field));
    let findings = findings.into_iter().map(|finding| {
        let mut diagnostic = match of_preset(&finding.field) {
            Some((preset, named)) => {
                Diagnostic::new(within(preset, &finding.field, finding.kind), named.span.clone())
            }
            None => Diagnostic::new(finding.kind, document.span_at(&finding.field, Part::Value)),
        };
        for (field, remark) in finding.related {
            diagnostic = match of_preset(&field) {
                Some((_, named)) => {
                    let remark = format!("{remark} (`{}` of the preset)", as_written(&field));
                    diagnostic.related(named.span.clone(), remark)
                }
                None => diagnostic.related(document.span_at(&field, Part::Value), remark),
            };
        }
        diagnostic
    });
    findings.collect()
}

/// Whether the preset says something of a field, and the document nothing: of it, or of a list or value around it.
fn comes_from(preset: &Preset, document: &Node, field: &str) -> bool {
    let mut node = document;
    let absent = segments(field).any(|segment| match (&node.kind, node.get(&segment)) {
        (NodeKind::Object(_), None) => true,
        (_, Some(member)) => {
            node = &member.value;
            false
        }
        _ => false,
    });
    absent && preset.value().pointer(field).is_some()
}

/// What is wrong with what a preset says of a field.
fn within(preset: &Preset, field: &str, kind: Kind) -> Kind {
    // These say already what they are about, and what the policy can do.
    if matches!(kind, Kind::TargetCannot { .. } | Kind::Unit { .. } | Kind::UnitWants { .. }) {
        return kind;
    }
    let around = field.match_indices('/').map(|(at, _)| field.split_at(at).0).chain([field]);
    let mut lists = around.filter(|place| preset.value().pointer(place).is_some_and(Value::is_array));
    let list = lists.next().and_then(|place| segments(place).last());
    Kind::OfPreset { preset: preset.name.to_owned(), field: as_written(field), list, kind: Box::new(kind) }
}

/// A JSON pointer as people write it: `network.listen[0].port`.
fn as_written(field: &str) -> String {
    segments(field).fold(String::new(), |written, segment| match segment.parse::<usize>() {
        Ok(index) => format!("{written}[{index}]"),
        Err(_) if written.is_empty() => segment,
        Err(_) => format!("{written}.{segment}"),
    })
}
