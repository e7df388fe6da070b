//! The mode in which the service joins a network namespace that something else has made.

use sandboxed_systemd::name::UnitName;
use sandboxed_systemd::value::Value;

use super::{
    EGRESS_LIMITED, HOST_NETWORKS_CLOSED, LOCAL_PORTS_CLOSED, Network, OFFER_LIMITED, PORTS_NOT_EXHAUSTED,
    PORTS_NOT_TAKEN,
};
use crate::plan::Namespace;
use crate::planner::{Mechanism, Planner, guarantee, path};

impl Network {
    pub(super) fn joined(&self, planner: &mut Planner<'_>) {
        let Some(joined) = &self.namespace else { return };
        let inside = |planner: &Planner<'_>| {
            let what = format!("the network namespace {}, which something else has made", joined.path());
            let mechanism = Mechanism::service("NetworkNamespacePath", path(joined).map(Value::Path));
            Self::with_handed(planner, mechanism.summary(what.clone()), &what)
        };
        let open = |what: &str| format!("{what} in {} is up to whatever has made it", joined.path());
        // systemd's own filter knows nothing of namespaces, so it holds in any.
        let closed = inside(planner)
            .and("IPAddressDeny", Value::words(["localhost"]))
            .leaves_open(open("which of this machine's ports are reached, but for loopback addresses,"));
        let mut kept = guarantee(&LOCAL_PORTS_CLOSED).by(closed).keep(planner);
        for (promised, what) in [
            (&HOST_NETWORKS_CLOSED, "which of this machine's own networks are reached"),
            (&EGRESS_LIMITED, "which other machines are reached"),
            (&PORTS_NOT_EXHAUSTED, "how many ports the service uses up"),
            (&OFFER_LIMITED, "who reaches the service's ports"),
        ] {
            kept |= guarantee(promised).by(inside(planner).leaves_open(open(what))).keep(planner);
        }
        let what = format!("the network namespace {}, which something else has made", joined.path());
        let others = || {
            Mechanism::service("NetworkNamespacePath", path(joined).map(Value::Path)).leaves_open(open(
                "whether this machine's abstract sockets are closed, and whose others there are,",
            ))
        };
        kept |= Self::abstract_beside_handed(planner, &what, others).keep(planner);
        kept |= guarantee(&PORTS_NOT_TAKEN)
            .by(self.landlocked(inside(planner), Some("whatever has made its network"), None))
            .or(inside(planner).leaves_open(open("which ports the service takes")))
            .keep(planner);
        if kept {
            Self::filter_handed(planner);
            let unit = self.namespace_unit.as_ref().and_then(|unit| UnitName::new(unit.as_str()).ok());
            planner.plan.namespace = Some(Namespace::Joined { unit });
        }
    }
}
