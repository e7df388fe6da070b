//! What unit tests of areas have in common: the plan of a policy around one unit, and what became of its guarantees.

use sandboxed_systemd::name::UnitName;

use crate::json;
use crate::plan::{Plan, Status};
use crate::resolve::{Surroundings, resolve};
use crate::socket::Socket;
use crate::target::Target;
use crate::unit::Unit;

/// The plan of a policy with these fields (each after a comma), around a unit with these further lines.
pub(crate) fn plan(fields: &str, lines: &str, target: &Target, sockets: Option<&[Socket]>) -> Plan {
    let policy = format!(r#"{{ "version": 1, "name": "a", "units": ["a.service"]{fields} }}"#);
    let resolved = resolve(&json::parse(&policy).unwrap()).unwrap();
    let name = UnitName::new("a.service").unwrap();
    let units = [Unit::parse(name, &format!("[Service]\nUser=a\nExecStart=/bin/a\n{lines}")).unwrap()];
    let surroundings = Surroundings { units: &units, sockets, ..Surroundings::default() };
    resolved.plan(target, surroundings).unwrap().0
}

impl Plan {
    /// What became of a guarantee.
    pub(crate) fn status(&self, guarantee: &str) -> &Status {
        &self.outcomes.iter().find(|outcome| outcome.guarantee == guarantee).unwrap().status
    }
}

impl Status {
    /// What stays open; empty where nothing does.
    pub(crate) fn weakness(&self) -> &str {
        if let Self::Weak { weakness, .. } = self { weakness } else { "" }
    }
}
