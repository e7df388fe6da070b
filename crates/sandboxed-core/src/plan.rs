//! The plan: what is guaranteed, by which mechanism, and what stays open. Pure data, from which everything is emitted.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use ipnet::IpNet;
use sandboxed_netfilter::filter::Service as FilteredService;
use sandboxed_netfilter::private::Chains;
use sandboxed_netfilter::value::Protocol;
use sandboxed_systemd::directive::{self, Section};
use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::value::{AbsPath, Value};
use serde::{Deserialize, Serialize};

use crate::areas::AreaName;
use crate::areas::network::OtherPorts;
use crate::guarantee::Guarantee;
use crate::neighbours::Paths;
use crate::policy::Period;
use crate::resolve::Resolved;
use crate::target::Target;

/// What is guaranteed for one sandbox on one target, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The name of the sandbox.
    pub name: String,
    /// What the service is, for people.
    pub description: Option<String>,
    /// The target.
    pub target: Target,
    /// The slice that all processes of the service are in.
    pub slice: UnitName,
    /// The units of the service.
    pub units: Vec<UnitPlan>,
    /// The socket units of the service.
    pub sockets: Vec<UnitName>,
    /// Directives for every unit of the service.
    pub service: Settings,
    /// Directives for the slice.
    pub slice_settings: Settings,
    /// Directives for the socket units.
    pub socket_settings: Settings,
    /// The filter, where the mode asks for one.
    pub filter: Option<Filter>,
    /// The network namespace that the units join, where they have one that is not systemd's own.
    pub namespace: Option<Namespace>,
    /// The empty directory that becomes the service's root, where it has one of its own.
    pub root: Option<String>,
    /// What must be in it before systemd mounts anything, in an order in which it can be made.
    pub skeleton: Vec<Skeleton>,
    /// The service's own resolv.conf, where it has one.
    pub resolv_conf: Option<String>,
    /// The program that verifies the sandbox, and how often.
    pub verify: Option<(AbsPath, Period)>,
    /// By what it can meet other sandboxes.
    pub paths: Paths,
    /// What became of each guarantee, in the order of the areas.
    pub outcomes: Vec<Outcome>,
    /// What should be known beside.
    pub notes: Vec<String>,
}

impl Plan {
    /// A plan that has nothing in it yet.
    pub(crate) fn new(
        resolved: &Resolved,
        target: &Target,
        slice: UnitName,
        units: Vec<UnitName>,
        sockets: Vec<UnitName>,
    ) -> Self {
        Self {
            name: resolved.name.clone(),
            description: resolved.policy.description.as_ref().map(ToString::to_string),
            target: target.clone(),
            slice,
            units: units.into_iter().map(|name| UnitPlan { name, settings: Settings::default() }).collect(),
            sockets,
            service: Settings::default(),
            slice_settings: Settings::default(),
            socket_settings: Settings::default(),
            filter: None,
            namespace: None,
            root: None,
            skeleton: Vec::new(),
            resolv_conf: None,
            verify: None,
            paths: Paths::default(),
            outcomes: Vec::new(),
            notes: Vec::new(),
        }
    }

    /// The values of a directive of the service or its slice, as systemd reads them, a line each. The units have the whole
    /// of it, whichever guarantees asked for parts.
    pub fn lines(&self, name: &str) -> Vec<String> {
        let setting = self
            .service
            .get(Section::Service, name)
            .or_else(|| self.service.get(Section::Unit, name))
            .or_else(|| self.slice_settings.get(Section::Slice, name));
        setting.map(Setting::lines).unwrap_or_default()
    }
}

/// What one unit of the service needs beside what all of them share.
#[derive(Clone, Debug)]
pub struct UnitPlan {
    /// The unit.
    pub name: UnitName,
    /// Directives for this unit alone.
    pub settings: Settings,
}

/// The packet filter of a sandbox.
#[derive(Clone, Debug)]
pub struct Filter {
    /// The service's chains and map elements.
    pub service: FilteredService,
    /// The same for a target that has iptables only.
    pub iptables: Option<sandboxed_netfilter::iptables::Service>,
    /// What sockets made in the slice may do, where they are held to anything.
    pub sockets: Option<Sockets>,
    /// Whether the table needs its input hook.
    pub inbound: bool,
    /// Whether a rule switches connection tracking on.
    pub conntrack: bool,
}

/// What sockets made in the slice may do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sockets {
    /// The ports that they can be bound to, where not to any.
    pub binds: Option<Binds>,
    /// How many there may be. Twice as many TCP connections may begin in a minute.
    pub open_sockets: Option<u32>,
}

/// The ports that sockets made in the slice can be bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Binds {
    /// Each as `tcp/8008`. A port that the kernel chooses is always had.
    pub ports: BTreeSet<String>,
    /// What becomes of sockets that are bound to other UDP ports.
    pub other_udp_ports: OtherPorts,
}

impl Binds {
    /// Whether a UDP port is among them.
    pub(crate) fn offer_udp(&self) -> bool {
        self.ports.iter().any(|port| port.starts_with("udp/"))
    }
}

/// A network namespace that the units join.
#[derive(Clone, Debug)]
pub enum Namespace {
    /// One that a unit of ours makes.
    Private(Private),
    /// One that something else has made.
    Joined {
        /// The unit that makes it, if the policy names it.
        unit: Option<UnitName>,
    },
}

/// A network of the service's own.
#[derive(Clone, Debug)]
pub struct Private {
    /// The service's chains in the table of such networks.
    pub chains: Chains,
    /// The networks of its cable, where the policy names them.
    pub prefixes: Vec<IpNet>,
    /// Interfaces that the policy names for it to send by.
    pub interfaces: Vec<String>,
    /// The ports that lead to it from other machines.
    pub published: Vec<(Protocol, u16)>,
    /// What leads to it from this machine, and from it to this machine.
    pub doors: Vec<Door>,
}

/// A TCP port that is handed through between a network of a service's own and this machine.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Door {
    /// Whether it leads from this machine to the service.
    pub inward: bool,
    /// Where connections are taken.
    pub listen: Vec<SocketAddr>,
    /// Where they lead, on the other side.
    pub to: SocketAddr,
}

/// Directives with their values, each given once.
#[derive(Clone, Debug, Default)]
pub struct Settings(Vec<Setting>);

/// A directive with its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The section.
    pub section: Section,
    /// The directive's name.
    pub name: &'static str,
    /// Its full value; an empty list where `None`.
    pub value: Option<Value>,
    /// The guarantees it serves, by id.
    pub serves: Vec<&'static str>,
}

impl Setting {
    /// The values as systemd reads them, a line each; none where a list is emptied.
    pub fn lines(&self) -> Vec<String> {
        let value = self.value.as_ref().zip(directive::lookup(self.section, self.name));
        value.and_then(|(value, directive)| value.assignments(directive).ok()).unwrap_or_default()
    }
}

impl Settings {
    /// All of them, in the order in which they were planned.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }

    /// The setting of a directive.
    pub fn get(&self, section: Section, name: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.section == section && setting.name == name)
    }

    /// Sets a directive, in the place of what was planned for it before.
    pub(crate) fn put(&mut self, setting: Setting) {
        self.0.retain(|known| known.section != setting.section || known.name != setting.name);
        self.0.push(setting);
    }

    /// Lets `calls` through the system call filter, and namespaces of these `kinds` through their restriction, where the
    /// settings have them.
    pub(crate) fn allow(&mut self, calls: &[&str], kinds: &[&str]) {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>();
        for setting in &mut self.0 {
            match (setting.name, &mut setting.value) {
                ("SystemCallFilter", Some(Value::Filter { except, .. })) => union(except, owned(calls)),
                ("RestrictNamespaces", Some(Value::Allow(have))) => union(have, owned(kinds)),
                ("RestrictNamespaces", value @ Some(Value::Bool(true))) => {
                    *value = Some(Value::Allow(owned(kinds)));
                }
                _ => {}
            }
        }
    }

    /// Adds a setting. A list that is there already is lengthened; a scalar stays, and has to be the same.
    pub(crate) fn add(&mut self, setting: Setting) {
        let known =
            self.0.iter_mut().find(|known| known.section == setting.section && known.name == setting.name);
        let Some(known) = known else {
            self.0.push(setting);
            return;
        };
        for id in setting.serves {
            if !known.serves.contains(&id) {
                known.serves.push(id);
            }
        }
        match (&mut known.value, setting.value) {
            (Some(Value::Binds(have)), Some(Value::Binds(more))) => union(have, more),
            (Some(Value::Paths(have)), Some(Value::Paths(more))) => union(have, more),
            (Some(Value::TmpFs(have)), Some(Value::TmpFs(more))) => union(have, more),
            (Some(Value::Words(have)), Some(Value::Words(more)))
            | (Some(Value::Allow(have)), Some(Value::Allow(more)))
            | (Some(Value::Deny(have)), Some(Value::Deny(more))) => union(have, more),
            (Some(Value::UnitNames(have)), Some(Value::UnitNames(more))) => union(have, more),
            (have @ None, value) => *have = value,
            (_, None) => {}
            (have, value) => {
                debug_assert!(*have == value, "{} is planned twice: {have:?}, {value:?}", known.name);
            }
        }
    }
}

fn union<T: PartialEq>(have: &mut Vec<T>, more: Vec<T>) {
    for item in more {
        if !have.contains(&item) {
            have.push(item);
        }
    }
}

/// What became of a guarantee.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// Its id.
    pub guarantee: &'static str,
    /// Its area.
    pub area: AreaName,
    /// Its sentence.
    pub promise: &'static str,
    /// What became of it.
    #[serde(flatten)]
    pub status: Status,
}

impl Outcome {
    pub(crate) fn new(guarantee: &'static Guarantee, status: Status) -> Self {
        Self { guarantee: guarantee.id, area: guarantee.area, promise: guarantee.promise, status }
    }
}

/// What became of a guarantee.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "status", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum Status {
    /// It holds.
    Kept {
        /// By what.
        mechanism: String,
        /// The directives; [`Plan::lines`] has their values.
        directives: BTreeSet<&'static str>,
        /// What the policy opens all the same.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        exceptions: Vec<String>,
    },
    /// It holds in part; the rest is named.
    Weak {
        /// By what.
        mechanism: String,
        /// The directives; [`Plan::lines`] has their values.
        directives: BTreeSet<&'static str>,
        /// What stays open, and why.
        weakness: String,
    },
    /// The policy does without it.
    Waived {
        /// The policy's reason.
        reason: String,
    },
}

/// A part of a service's own root, by its path in there, tmpfiles.d(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Skeleton {
    /// A directory, to mount on.
    Directory(&'static str),
    /// A symbolic link, and where it leads.
    Link(&'static str, &'static str),
}
