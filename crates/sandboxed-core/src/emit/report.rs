//! `plan.json`: what was planned, for machines.

use std::collections::BTreeMap;

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name;
use serde::Serialize;

use crate::plan::{Namespace, Outcome, Plan, Settings};
use crate::target::Target;

/// What was planned for all sandboxes of a machine.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report<'a> {
    /// The version of this format.
    pub version: u8,
    /// The version of the program that made the plan.
    pub made_by: &'static str,
    /// The sandboxes, by name.
    pub sandboxes: BTreeMap<&'a str, SandboxReport<'a>>,
}

/// What was planned for one sandbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SandboxReport<'a> {
    /// What the service is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<&'a str>,
    /// What the plan was made for.
    pub target: &'a Target,
    /// The units of the service.
    pub units: Vec<&'a str>,
    /// Its socket units.
    pub sockets: Vec<&'a str>,
    /// The slice that all of its processes are in.
    pub slice: &'a str,
    /// The slice's control group.
    pub control_group: String,
    /// The empty directory that becomes its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub root: Option<&'a str>,
    /// The packet filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterReport<'a>>,
    /// The network of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkReport>,
    /// What became of each guarantee.
    pub guarantees: &'a [Outcome],
    /// The directives of its units, as systemd reads them.
    pub directives: BTreeMap<&'static str, Vec<String>>,
    /// The directives of its slice.
    pub slice_directives: BTreeMap<&'static str, Vec<String>>,
    /// What should be known beside.
    pub notes: &'a [String],
}

/// A service's network of its own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NetworkReport {
    /// The unit that makes it.
    pub unit: String,
    /// Its namespace.
    pub namespace: String,
    /// The ports that lead to it from other machines.
    pub published: Vec<String>,
    /// Whether it switches connection tracking on for the machine.
    pub connection_tracking: bool,
}

impl NetworkReport {
    fn new(plan: &Plan) -> Option<Self> {
        let Some(Namespace::Private(private)) = &plan.namespace else { return None };
        Some(Self {
            unit: format!("sandboxed-{}-network.service", plan.name),
            namespace: format!("/run/netns/sandboxed-{}", plan.name),
            published: private
                .published
                .iter()
                .map(|(protocol, port)| format!("{protocol}/{port}"))
                .collect(),
            connection_tracking: true,
        })
    }
}

/// The packet filter of a sandbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct FilterReport<'a> {
    /// The helper unit that loads it.
    pub unit: String,
    /// Its chains in the table `inet sandboxed`.
    pub chains: Vec<&'a str>,
    /// Whether it switches connection tracking on for the machine.
    pub connection_tracking: bool,
}

impl<'a> Report<'a> {
    /// The report of these plans.
    pub fn new(plans: &'a [Plan]) -> Self {
        Self {
            version: 1,
            made_by: concat!("sandboxed ", env!("CARGO_PKG_VERSION")),
            sandboxes: plans.iter().map(|plan| (plan.name.as_str(), SandboxReport::new(plan))).collect(),
        }
    }

    /// The report as text.
    pub fn to_text(&self) -> String {
        // Keys are strings and numbers finite: this does not fail.
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        format!("{text}\n")
    }
}

impl<'a> SandboxReport<'a> {
    /// The report of this plan.
    pub fn new(plan: &'a Plan) -> Self {
        Self {
            description: plan.description.as_deref(),
            target: &plan.target,
            units: plan.units.iter().map(|unit| unit.name.as_str()).collect(),
            sockets: plan.sockets.iter().map(name::UnitName::as_str).collect(),
            slice: plan.slice.as_str(),
            control_group: name::cgroup_path(&plan.slice),
            root: plan.root.as_deref(),
            filter: plan.filter.as_ref().map(|filter| FilterReport {
                unit: format!("sandboxed-{}-filter.service", plan.name),
                chains: filter.service.chains().map(|chain| chain.name.as_str()).collect(),
                connection_tracking: filter.conntrack,
            }),
            network: NetworkReport::new(plan),
            guarantees: &plan.outcomes,
            directives: directives(&plan.service, Section::Service),
            slice_directives: directives(&plan.slice_settings, Section::Slice),
            notes: &plan.notes,
        }
    }
}

fn directives(settings: &Settings, section: Section) -> BTreeMap<&'static str, Vec<String>> {
    let settings = settings.iter().filter(|setting| setting.section == section);
    settings.map(|setting| (setting.name, setting.lines())).collect()
}
