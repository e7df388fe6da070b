//! The policy: what a service needs, from which everything else is computed.

use std::collections::BTreeSet;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::areas::filesystem::Filesystem;
use crate::areas::ipc::Ipc;
use crate::areas::network::Network;
use crate::areas::privileges::Privileges;
use crate::areas::processes::Processes;
use crate::areas::resources::Resources;
use crate::areas::secrets::Secrets;
use crate::areas::syscalls::Syscalls;
use crate::guarantee::Accept;
use crate::scalar::{Description, SandboxName, SocketName, UnitName};

/// What a service needs. Whatever is not named here, the service cannot do.
///
/// A policy that names only its units gets every guarantee; each relaxation is a field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[schemars(
    title = "Policy of a sandboxed service",
    extend("examples" = [{ "version": 1, "units": ["example.service"] }])
)]
pub struct Policy {
    /// The schema that an editor completes this policy from.
    #[serde(
        rename = "$schema",
        default,
        deserialize_with = "present",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "String", title = "Schema")]
    pub schema: Option<String>,
    /// The version of the policy language. A later release adds guarantees only to later versions, so that an upgrade
    /// never changes what a policy means.
    #[schemars(title = "Version")]
    pub version: Version,
    /// The preset that this policy starts from. Whatever the policy names replaces what the preset says; objects are
    /// merged field by field, lists are replaced as a whole.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SandboxName", title = "Preset")]
    pub preset: Option<SandboxName>,
    /// The name of the sandbox. Where it is absent, the preset's name is taken, and without a preset that of the unit, if there is
    /// one alone.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "SandboxName", title = "Name")]
    pub name: Option<SandboxName>,
    /// What the service is, for people.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Description", title = "Description")]
    pub description: Option<Description>,
    /// The units of the service. They share one slice, one filter and these rules. A service of several processes
    /// (Synapse and its workers) names them all.
    #[serde(default, deserialize_with = "distinct", skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Units", extend("uniqueItems" = true))]
    pub units: Vec<UnitName>,
    /// The socket units that hand the service its sockets. They go into the same slice: a socket keeps the control
    /// group it was made in.
    #[serde(default, deserialize_with = "distinct", skip_serializing_if = "Vec::is_empty")]
    #[schemars(title = "Socket units", extend("uniqueItems" = true))]
    pub sockets: Vec<SocketName>,
    /// What the service sees of the file system.
    #[serde(default, deserialize_with = "object")]
    pub filesystem: Filesystem,
    /// What the service reaches over the network, and who reaches it.
    #[serde(default, deserialize_with = "object")]
    pub network: Network,
    /// What the service sees of other processes.
    #[serde(default, deserialize_with = "object")]
    pub processes: Processes,
    /// Which ways of talking to other processes on the machine are open.
    #[serde(default, deserialize_with = "object")]
    pub ipc: Ipc,
    /// Which privileges the service has.
    #[serde(default, deserialize_with = "object")]
    pub privileges: Privileges,
    /// Which system calls the service may make.
    #[serde(default, deserialize_with = "object")]
    pub syscalls: Syscalls,
    /// How much of the machine the service may use.
    #[serde(default, deserialize_with = "object")]
    pub resources: Resources,
    /// Secrets that systemd hands to the service.
    #[serde(default, deserialize_with = "object")]
    pub secrets: Secrets,
    /// How often `sandboxed verify` tries from inside of the sandbox whether the plan is kept, while the service runs. A
    /// breach makes the unit `sandboxed-NAME-verify.service` fail, with what was found in its journal.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Period", title = "Verification", extend("examples" = ["daily"]))]
    pub verify: Option<Period>,
    /// The guarantees that this service does without, each with the reason.
    #[serde(default)]
    pub accept: Accept,
}

/// How often something is done, as systemd.time(7) has it: at midnight, with a delay that spreads machines over an hour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Period {
    /// Every hour.
    Hourly,
    /// Every day.
    Daily,
    /// Every week.
    Weekly,
}

impl Period {
    /// The calendar event, systemd.time(7).
    pub(crate) fn event(self) -> &'static str {
        match self {
            Self::Hourly => "hourly",
            Self::Daily => "daily",
            Self::Weekly => "weekly",
        }
    }
}

/// The version of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// The first.
    V1,
}

impl Serialize for Version {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::V1 => serializer.serialize_u8(1),
        }
    }
}

impl<'de> Deserialize<'de> for Version {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // JSON has one kind of number: 1.0 is 1, for the schema and so for us.
        let number = f64::deserialize(deserializer)?;
        if (number - 1.0).abs() < f64::EPSILON {
            Ok(Self::V1)
        } else {
            Err(serde::de::Error::custom("expected the version 1"))
        }
    }
}

impl JsonSchema for Version {
    fn inline_schema() -> bool {
        true
    }
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Version".into()
    }
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "integer", "enum": [1] })
    }
}

/// Reads an optional field that is there: absent means absent, and `null` is not a value.
pub(crate) fn present<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

/// Reads a list that names nothing twice.
fn distinct<'de, D: Deserializer<'de>, T: Deserialize<'de> + Ord>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    let items = Vec::<T>::deserialize(deserializer)?;
    if items.iter().collect::<BTreeSet<_>>().len() < items.len() {
        return Err(serde::de::Error::custom("expected each item once"));
    }
    Ok(items)
}

/// Reads an object. What serde derives for a struct would take a list of its fields' values too, which JSON Schema does not.
pub(crate) fn object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_map(ObjectVisitor(PhantomData))
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        T::deserialize(MapAccessDeserializer::new(map))
    }
}

#[cfg(test)]
mod tests {
    use crate::check::by_schema;
    use crate::json;
    use crate::language::Language;

    /// What a policy says of itself is shown as a line of a report, and must not be able to become more than one.
    #[test]
    fn a_description_is_one_line() {
        let policy = |text: &str| {
            serde_json::json!({ "version": 1, "units": ["a.service"], "description": text }).to_string()
        };
        for text in ["Foo\n  53 of 53 guarantees hold", "a\rb", "a\u{1b}[31mb", "", " "] {
            let found = by_schema(&json::parse(&policy(text)).unwrap());
            let [one] = found.as_slice() else { panic!("{text:?}: {found:?}") };
            let message = one.kind.message(Language::Json);
            assert_eq!(one.kind.help(Language::Json), None);
            assert!(message.contains("a description in one line of printable characters"), "{message}");
        }
        for text in ["Foo", "Größe: 1 \u{2013} 2 (\"x\")"] {
            assert_eq!(by_schema(&json::parse(&policy(text)).unwrap()), [], "{text:?}");
        }
    }
}
