//! `plan.json`: what was planned, for machines.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use sandboxed_systemd::directive::Section;
use sandboxed_systemd::name;
use sandboxed_systemd::unit::{Rendered, WriteError};
use serde::Serialize;
use serde_json::ser::{Formatter, PrettyFormatter, Serializer};

use super::{Directives, Quoted};
use crate::plan::{Namespace, Outcome, Plan, Sockets};
use crate::target::{Netfilter, Target};

/// The version of this format.
const VERSION: u8 = 1;

/// `plan.json` of these plans.
///
/// # Errors
/// If a value is none that systemd takes.
pub fn report(plans: &[Plan]) -> Result<String, WriteError> {
    let entry = |plan: &Plan| {
        let directives = Directives::new(plan)?;
        Ok((plan.name.clone(), entry(&SandboxReport::new(plan, &directives))))
    };
    Ok(text(plans.iter().map(entry).collect::<Result<_, WriteError>>()?, &[], &[]))
}

/// `plan.json` of sandboxes, each with its name and its entry, of what they share, and of the files beside it, in their order.
pub(super) fn text(mut entries: Vec<(String, String)>, shared: &[String], files: &[&str]) -> String {
    entries.sort();
    let length = entries.iter().map(|(name, entry)| name.len() + entry.len() + 16).sum::<usize>();
    let mut text = String::with_capacity(length + 256);
    // A thousand entries are as many megabytes as pieces of text; that is why they are joined and not serialized as one.
    // No name needs quoting: see `SandboxName`.
    let maker = concat!("sandboxed ", env!("CARGO_PKG_VERSION"));
    let _ = write!(text, "{{\n  \"version\": {VERSION},\n  \"madeBy\": \"{maker}\",\n  \"sandboxes\": {{");
    let mut separator = "\n";
    for (name, entry) in entries {
        for piece in [separator, "    \"", &name, "\": ", &entry] {
            text.push_str(piece);
        }
        separator = ",\n";
    }
    text.push_str("\n  }");
    let shared: Vec<&str> = shared.iter().map(String::as_str).collect();
    for (key, list) in [("shared", shared.as_slice()), ("files", files)] {
        if !list.is_empty() {
            let items: Vec<String> =
                list.iter().map(|&item| serde_json::Value::from(item).to_string()).collect();
            let _ = write!(text, ",\n  \"{key}\": [\n    {}\n  ]", items.join(",\n    "));
        }
    }
    text.push_str("\n}\n");
    text
}

/// The entry of a sandbox, as it is indented within the whole.
pub(super) fn entry(report: &SandboxReport<'_>) -> String {
    let mut formatter = PrettyFormatter::new();
    let mut text = Vec::with_capacity(32 << 10);
    for _ in ["the whole", "its sandboxes"] {
        // Nothing is written; only the depth is counted.
        let _ = formatter.begin_object(&mut io::sink());
    }
    let mut serializer = Serializer::with_formatter(&mut text, formatter);
    // Keys are strings and numbers finite: this does not fail.
    let _ = report.serialize(&mut serializer);
    String::from_utf8(text).unwrap_or_default()
}

/// What was planned for one sandbox.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct SandboxReport<'a> {
    /// What the service is.
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<&'a str>,
    /// What the plan was made for.
    target: &'a Target,
    /// The units of the service.
    units: Vec<&'a str>,
    /// Its socket units.
    sockets: Vec<&'a str>,
    /// The slice that all of its processes are in.
    slice: &'a str,
    /// The slice's control group.
    control_group: String,
    /// The empty directory that becomes its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    root: Option<&'a str>,
    /// The packet filter.
    #[serde(skip_serializing_if = "Option::is_none")]
    filter: Option<FilterReport<'a>>,
    /// The network of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    network: Option<NetworkReport>,
    /// What became of each guarantee.
    guarantees: &'a [Outcome],
    /// The directives of its units, as systemd reads them.
    directives: BTreeMap<&'static str, &'a [String]>,
    /// The directives of its slice.
    slice_directives: BTreeMap<&'static str, &'a [String]>,
    /// What should be known beside.
    notes: &'a [String],
}

/// A service's network of its own.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct NetworkReport {
    /// The unit that makes it.
    unit: String,
    /// Its namespace.
    namespace: String,
    /// The ports that lead to it from other machines.
    published: Vec<String>,
    /// Whether it switches connection tracking on for the machine.
    connection_tracking: bool,
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
struct FilterReport<'a> {
    /// The helper unit that loads it.
    unit: String,
    /// What it is made with.
    netfilter: Netfilter,
    /// Its chains: with nftables in the table `inet sandboxed`, with iptables in `filter` of both families.
    chains: Vec<&'a str>,
    /// What sockets made in the slice may do.
    sockets: Option<&'a Sockets>,
    /// Whether it switches connection tracking on for the machine.
    connection_tracking: bool,
}

impl<'a> FilterReport<'a> {
    fn new(plan: &'a Plan) -> Option<Self> {
        let filter = plan.filter.as_ref()?;
        let (netfilter, chains) = if let Some(service) = &filter.iptables {
            (Netfilter::Iptables, service.chains().into_iter().collect())
        } else {
            (Netfilter::Nftables, filter.service.chains().map(|chain| chain.name.as_str()).collect())
        };
        let unit = format!("sandboxed-{}-filter.service", plan.name);
        Some(Self {
            unit,
            netfilter,
            chains,
            sockets: filter.sockets.as_ref(),
            connection_tracking: filter.conntrack,
        })
    }
}

impl<'a> SandboxReport<'a> {
    /// The report of this plan.
    pub(super) fn new(plan: &'a Plan, rendered: &'a Directives<'a>) -> Self {
        Self {
            description: plan.description.as_deref(),
            target: &plan.target,
            units: plan.units.iter().map(|unit| unit.name.as_str()).collect(),
            sockets: plan.sockets.iter().map(name::UnitName::as_str).collect(),
            slice: plan.slice.as_str(),
            control_group: name::cgroup_path(&plan.slice),
            root: plan.root.as_deref(),
            filter: FilterReport::new(plan),
            network: NetworkReport::new(plan),
            guarantees: &plan.outcomes,
            directives: directives(&rendered.service, Section::Service),
            slice_directives: directives(&rendered.slice, Section::Slice),
            notes: &plan.notes,
        }
    }
}

fn directives<'a>(settings: &'a [Quoted<'a>], section: Section) -> BTreeMap<&'static str, &'a [String]> {
    let settings = settings.iter().filter(|(setting, _)| setting.section == section);
    settings
        .map(|(setting, rendered)| (setting.name, rendered.as_ref().map_or(&[] as &[_], Rendered::lines)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_joined_as_they_would_be_written() {
        let target: Target = "debian-13".parse().unwrap();
        let resolved = crate::resolve::Resolved::preset(&crate::preset::PRESETS[0]).unwrap();
        let (plan, _) = resolved.plan(&target, crate::resolve::Surroundings::default()).unwrap();
        let other = Plan { name: "another".to_owned(), ..plan.clone() };
        let text = report(&[plan, other]).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            value["sandboxes"].as_object().unwrap().keys().collect::<Vec<_>>(),
            ["another", "synapse"]
        );
        assert_eq!(format!("{value:#}\n"), text);
    }
}
