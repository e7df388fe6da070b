//! Guarantees: the sentences of non-interference that a plan keeps, and the reasons with which a policy waives one.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value, json};

use crate::areas::{self, AreaName};
use crate::scalar::Reason;

/// One sentence of non-interference. Each is declared in the file of its area.
#[derive(Debug, PartialEq, Eq)]
pub struct Guarantee {
    /// Its name in policies, plans and reports: words joined by dashes.
    pub id: &'static str,
    /// The area whose file declares and plans it.
    pub area: AreaName,
    /// What the service cannot do: "cannot …", without the subject and the full stop.
    pub promise: &'static str,
    /// The policy field that relaxes it in part, as a JSON pointer; empty where only a waiver does.
    pub field: &'static str,
}

/// Declares the guarantees of an area: `NAME = "id", "/field", "cannot …";` each.
macro_rules! guarantees {
    ($area:ident; $($(#[doc = $doc:literal])* $name:ident = $id:literal, $field:literal, $promise:literal;)+) => {
        $(
            $(#[doc = $doc])*
            #[doc = concat!("The service ", $promise, ".")]
            pub static $name: $crate::guarantee::Guarantee =
                $crate::guarantee::Guarantee { id: $id, area: $crate::areas::AreaName::$area, promise: $promise, field: $field };
        )+
        /// The guarantees of this area, in the order in which they are planned and shown.
        pub const GUARANTEES: &[&$crate::guarantee::Guarantee] = &[$(&$name),+];
    };
}
pub(crate) use guarantees;

/// A reference to a declared guarantee; it is written, read, ordered and compared by its id.
#[derive(Clone, Copy)]
pub struct GuaranteeId(pub &'static Guarantee);

impl GuaranteeId {
    /// The guarantee with this id.
    pub fn parse(id: &str) -> Option<Self> {
        areas::guarantees().find(|g| g.id == id).map(Self)
    }
}

impl fmt::Debug for GuaranteeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.id)
    }
}

impl PartialEq for GuaranteeId {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for GuaranteeId {}

impl PartialOrd for GuaranteeId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for GuaranteeId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.id.cmp(other.0.id)
    }
}

impl Serialize for GuaranteeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.id)
    }
}

impl<'de> Deserialize<'de> for GuaranteeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let id = Cow::<str>::deserialize(deserializer)?;
        Self::parse(&id).ok_or_else(|| serde::de::Error::custom(format!("no guarantee is called `{id}`")))
    }
}

/// The guarantees that a policy does without, each with the reason.
///
/// This is the only way to switch a guarantee off as a whole, so an auditor reads one place. The reason is shown
/// wherever the plan is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Accept(pub BTreeMap<GuaranteeId, Reason>);

impl Accept {
    /// The reason with which the policy does without this guarantee.
    pub fn reason(&self, guarantee: &'static Guarantee) -> Option<&Reason> {
        self.0.get(&GuaranteeId(guarantee))
    }
}

impl JsonSchema for Accept {
    fn schema_name() -> Cow<'static, str> {
        "Accept".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let reason = generator.subschema_for::<Reason>();
        let mut reason = reason.to_value();
        let properties: Map<String, Value> = areas::guarantees()
            .map(|g| {
                if let Some(object) = reason.as_object_mut() {
                    object.insert("title".into(), json!(format!("Waive {}", g.id)));
                    object.insert(
                        "description".into(),
                        json!(format!(
                            "Why it is acceptable that this no longer holds: the service {}.",
                            g.promise
                        )),
                    );
                }
                (g.id.to_owned(), reason.clone())
            })
            .collect();
        json_schema!({
            "title": "Waived guarantees",
            "description": "The guarantees that this service does without, each with the reason. The reason is shown wherever the plan is shown.",
            "type": "object",
            "properties": properties,
            "additionalProperties": false,
            "examples": [{ "no-write-execute": "pyOpenSSL's callbacks need memory that is writable and executable" }],
        })
    }
}
