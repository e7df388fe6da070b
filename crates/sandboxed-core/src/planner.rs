//! How a plan is made: area by area, guarantee by guarantee, the best mechanism that the target has.

use std::collections::BTreeSet;

use sandboxed_systemd::directive::{self, Section};
use sandboxed_systemd::value::{AbsPath, Value};

use crate::chain::Chain;
use crate::diagnostic::Kind;
use crate::guarantee::Guarantee;
use crate::launch::Launcher;
use crate::plan::{Outcome, Plan, Setting, Status};
use crate::policy::Policy;
use crate::scalar::HostPath;
use crate::socket::Socket;
use crate::target::{Controller, Kernel, Target};
use crate::unit::Unit;

/// A remark or error that planning finds, with the policy fields that it is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What is wrong.
    pub kind: Kind,
    /// The field, as a JSON pointer.
    pub field: String,
    /// Other fields that belong to it, each with a remark.
    pub related: Vec<(String, String)>,
}

impl Finding {
    pub(crate) fn new(kind: Kind, field: impl Into<String>) -> Self {
        Self { kind, field: field.into(), related: Vec::new() }
    }

    #[must_use]
    pub(crate) fn related(mut self, field: impl Into<String>, remark: impl Into<String>) -> Self {
        self.related.push((field.into(), remark.into()));
        self
    }
}

/// What the areas plan with.
pub struct Planner<'a> {
    /// The resolved policy.
    pub policy: &'a Policy,
    /// The target.
    pub target: &'a Target,
    /// What is known of the units; empty where they were not given.
    pub base: &'a [Unit],
    /// What is known of socket units.
    pub sockets: &'a [Socket],
    /// The store paths that make up the root, on NixOS.
    pub closure: Option<&'a [HostPath]>,
    /// The launcher, or why there is none.
    pub launcher: Result<Launcher, String>,
    /// What starts the units where the policy asks for unshare(1) instead, or why it cannot.
    pub chain: Result<Chain, String>,
    /// The plan so far.
    pub plan: Plan,
    /// What was found so far.
    pub findings: Vec<Finding>,
}

impl Planner<'_> {
    /// Adds a finding.
    pub(crate) fn find(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Whether a guarantee that was planned before holds without a weakness.
    pub(crate) fn keeps(&self, guarantee: &'static Guarantee) -> bool {
        let outcome = self.plan.outcomes.iter().find(|outcome| outcome.guarantee == guarantee.id);
        outcome.is_some_and(|outcome| matches!(outcome.status, Status::Kept { .. }))
    }

    /// Whether the policy does without this guarantee.
    pub(crate) fn waives(&self, guarantee: &'static Guarantee) -> bool {
        self.policy.accept.reason(guarantee).is_some()
    }
}

/// Starts to plan a guarantee.
pub(crate) fn guarantee(guarantee: &'static Guarantee) -> Choice {
    Choice { guarantee, mechanisms: Vec::new(), layers: Vec::new(), exceptions: Vec::new() }
}

/// One way to keep a guarantee.
#[derive(Debug)]
pub(crate) struct Mechanism {
    summary: String,
    settings: Vec<Setting>,
    kernel: Option<Kernel>,
    unless: Option<String>,
    weakness: Option<String>,
    launch: Vec<String>,
    landlock: bool,
}

impl Mechanism {
    /// A mechanism that needs no directive of its own, or has those that other guarantees have set.
    pub(crate) fn named(summary: impl Into<String>) -> Self {
        Self {
            summary: summary.into(),
            settings: Vec::new(),
            kernel: None,
            unless: None,
            weakness: None,
            launch: Vec::new(),
            landlock: false,
        }
    }

    /// An option of `sandboxed-launch`, which then starts the unit's commands (`docs/launcher.md`).
    pub(crate) fn launcher(option: impl Into<String>, summary: &str) -> Self {
        Self { launch: vec![option.into()], ..Self::named(format!("{summary}, by sandboxed-launch")) }
    }

    /// And a further option of the launcher.
    pub(crate) fn and_launch(mut self, option: &str) -> Self {
        self.launch.push(option.to_owned());
        self
    }

    /// And what the launcher has Landlock restrict, since a kernel: landlock(7).
    pub(crate) fn and_landlock(mut self, options: Vec<String>, since: Kernel) -> Self {
        self.launch.extend(options);
        self.landlock = true;
        self.since_kernel(since)
    }

    /// A directive of the service; `None` empties a list.
    pub(crate) fn service(name: &'static str, value: impl Into<Option<Value>>) -> Self {
        Self::named(String::new()).and(name, value)
    }

    /// A directive of the slice.
    pub(crate) fn slice(name: &'static str, value: Value) -> Self {
        let setting = Setting { section: Section::Slice, name, value: Some(value), serves: Vec::new() };
        Self { settings: vec![setting], ..Self::named(String::new()) }
    }

    /// And a further directive of the service.
    pub(crate) fn and(mut self, name: &'static str, value: impl Into<Option<Value>>) -> Self {
        self.settings.push(Setting {
            section: Section::Service,
            name,
            value: value.into(),
            serves: Vec::new(),
        });
        self
    }

    /// And a further directive of the slice.
    pub(crate) fn and_slice(mut self, name: &'static str, value: Value) -> Self {
        self.settings.push(Setting { section: Section::Slice, name, value: Some(value), serves: Vec::new() });
        self
    }

    /// And a further directive of the unit itself, systemd.unit(5).
    pub(crate) fn and_unit(mut self, name: &'static str, value: Value) -> Self {
        self.settings.push(Setting { section: Section::Unit, name, value: Some(value), serves: Vec::new() });
        self
    }

    /// And a further directive of the service, where a condition holds.
    pub(crate) fn and_where(self, condition: bool, name: &'static str, value: Value) -> Self {
        if condition { self.and(name, value) } else { self }
    }

    /// In words, where the directives do not say it.
    pub(crate) fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = summary.into();
        self
    }

    /// Only on this kernel or a newer one.
    pub(crate) fn since_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = self.kernel.max(Some(kernel));
        self
    }

    /// Not where there is a reason against it.
    pub(crate) fn unless(mut self, reason: Option<String>) -> Self {
        self.unless = self.unless.or(reason);
        self
    }

    /// What it leaves open.
    pub(crate) fn leaves_open(mut self, weakness: impl Into<String>) -> Self {
        self.weakness = Some(weakness.into());
        self
    }

    /// What it leaves open where there is such a thing, beside what it leaves open in any case.
    pub(crate) fn leaves_open_as_well(mut self, weakness: Option<String>) -> Self {
        let parts: Vec<String> = self.weakness.take().into_iter().chain(weakness).collect();
        self.weakness = (!parts.is_empty()).then(|| parts.join("; "));
        self
    }

    /// Why the target does not have it, if it does not.
    fn missing(&self, planner: &Planner<'_>) -> Option<String> {
        let target = planner.target;
        if let Some(reason) = &self.unless {
            return Some(reason.clone());
        }
        if let (false, Err(reason)) = (self.launch.is_empty(), &planner.launcher) {
            return Some(reason.clone());
        }
        if self.landlock && !target.landlock {
            return Some(format!("{}: the target's kernel has Landlock switched off", self.summary));
        }
        if let Some(kernel) = self.kernel.filter(|kernel| *kernel > target.kernel) {
            return Some(format!("{} needs Linux {kernel}", self.summary));
        }
        self.settings.iter().find_map(|setting| {
            let Some(directive) = directive::lookup(setting.section, setting.name) else {
                return Some(format!("systemd has no {}=", setting.name));
            };
            if !directive.known_to(target.systemd) {
                let since = directive.since.map(|version| version.to_string()).unwrap_or_default();
                return Some(format!("{}= needs systemd {since}", setting.name));
            }
            // systemd leaves such a limit out with a debug message.
            let controller = Controller::of(setting.name).filter(|one| !target.controllers.contains(one));
            if let Some(controller) = controller {
                let name = setting.name;
                return Some(format!("{name}= needs the control group controller `{controller}`, which the target does not have"));
            }
            let Some(Value::Word(word)) = &setting.value else { return None };
            let since = directive::value_since(setting.name, word)?;
            (since > target.systemd).then(|| format!("{}={word} needs systemd {since}", setting.name))
        })
    }

    fn describe(&self) -> String {
        if self.summary.is_empty() {
            let names: Vec<String> =
                self.settings.iter().map(|setting| format!("{}=", setting.name)).collect();
            names.join(", ")
        } else {
            self.summary.clone()
        }
    }
}

impl Planner<'_> {
    /// Whether the target's systemd has a directive of services.
    pub(crate) fn knows(&self, name: &str) -> bool {
        directive::lookup(Section::Service, name)
            .is_some_and(|directive| directive.known_to(self.target.systemd))
    }

    /// Why the service manager hears the service as it speaks, sd_notify(3): where it listens and nothing that looks at what
    /// is said stands between.
    pub(crate) fn heard_as_it_speaks(&self) -> Option<String> {
        if self.launcher.as_ref().is_ok_and(Launcher::looks_at_notifications) {
            return None;
        }
        let Some(first) = self.base.first() else {
            return Some("the unit was not read: if it notifies (Type=notify)".to_owned());
        };
        let listened = self.base.iter().find(|unit| unit.notifies());
        let name = listened.map(|unit| &unit.name)?;
        let which =
            if self.base.len() == 1 || name == &first.name { String::new() } else { format!("{name}: ") };
        Some(format!("{which}without sandboxed-launch's PID namespace"))
    }

    /// Whether a unit may ask for more than its share by this directive: one that was not read may.
    pub(crate) fn may_ask(&self, name: &str, more: impl Fn(&str) -> bool) -> bool {
        self.base.is_empty() || self.base.iter().any(|unit| unit.scalar(name).is_some_and(&more))
    }
}

/// The mechanisms for a guarantee, in order of preference.
#[derive(Debug)]
#[must_use = "a guarantee is planned by `keep`"]
pub(crate) struct Choice {
    guarantee: &'static Guarantee,
    mechanisms: Vec<Mechanism>,
    layers: Vec<Mechanism>,
    exceptions: Vec<String>,
}

impl Choice {
    /// By this mechanism.
    pub(crate) fn by(mut self, mechanism: Mechanism) -> Self {
        self.mechanisms.push(mechanism);
        self
    }

    /// Or, where the target does not have what came before, by this one.
    pub(crate) fn or(self, mechanism: Mechanism) -> Self {
        self.by(mechanism)
    }

    /// And, where the target has it, by this one as well: a second layer, without which the guarantee holds too.
    pub(crate) fn with(mut self, layer: Mechanism) -> Self {
        self.layers.push(layer);
        self
    }

    /// What the policy opens all the same.
    pub(crate) fn except(mut self, exceptions: impl IntoIterator<Item = String>) -> Self {
        self.exceptions.extend(exceptions);
        self
    }

    /// Chooses the first mechanism that the target has. Where it has none the guarantee is refused, unless the policy does
    /// without it. Says whether the guarantee holds, at least in part.
    pub(crate) fn keep(self, planner: &mut Planner<'_>) -> bool {
        let guarantee = self.guarantee;
        if let Some(reason) = planner.policy.accept.reason(guarantee) {
            let status = Status::Waived { reason: reason.to_string() };
            planner.plan.outcomes.push(Outcome::new(guarantee, status));
            return false;
        }
        let mut missing = Vec::new();
        for mechanism in self.mechanisms {
            if let Some(reason) = mechanism.missing(planner) {
                if !missing.contains(&reason) {
                    missing.push(reason);
                }
                continue;
            }
            let layers = self.layers.into_iter().filter(|layer| layer.missing(planner).is_none());
            let layers: Vec<Mechanism> = layers.collect();
            let mut described = mechanism.describe();
            let weakness = mechanism.weakness.clone();
            let mut directives = BTreeSet::new();
            for layer in &layers {
                described = format!("{described}; and {}", layer.describe());
            }
            for part in std::iter::once(mechanism).chain(layers) {
                if let Ok(launcher) = &mut planner.launcher {
                    launcher.ask(part.launch, guarantee);
                }
                for setting in part.settings {
                    directives.insert(setting.name);
                    let setting = Setting { serves: vec![guarantee.id], ..setting };
                    match setting.section {
                        Section::Slice => planner.plan.slice_settings.add(setting),
                        _ => planner.plan.service.add(setting),
                    }
                }
            }
            let status = match weakness {
                None => Status::Kept { mechanism: described, directives, exceptions: self.exceptions },
                Some(weakness) => Status::Weak { mechanism: described, directives, weakness },
            };
            planner.plan.outcomes.push(Outcome::new(guarantee, status));
            return true;
        }
        let reason = missing.join("; ");
        planner.find(Finding::new(Kind::TargetCannot { guarantee, reason }, guarantee.field));
        false
    }
}

/// The path of a policy's path. The type of the policy accepts no path that systemd would not.
pub(crate) fn path(path: &HostPath) -> Option<AbsPath> {
    AbsPath::new(path.path()).ok()
}
