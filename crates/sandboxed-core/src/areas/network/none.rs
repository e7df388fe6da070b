//! The mode without a network.

use sandboxed_systemd::value::Value;

use super::{
    EGRESS_LIMITED, HOST_NETWORKS_CLOSED, LOCAL_PORTS_CLOSED, Network, OFFER_LIMITED, PORTS_NOT_EXHAUSTED,
    PORTS_NOT_TAKEN,
};
use crate::planner::{Mechanism, Planner, guarantee};

impl Network {
    pub(super) fn no_network(planner: &mut Planner<'_>) {
        let no_network = || Mechanism::service("PrivateNetwork", Value::Bool(true));
        let nothing = |planner: &Planner<'_>| Self::with_handed(planner, no_network(), "no network");
        let mut kept = false;
        for promised in [
            &LOCAL_PORTS_CLOSED,
            &HOST_NETWORKS_CLOSED,
            &EGRESS_LIMITED,
            &PORTS_NOT_TAKEN,
            &PORTS_NOT_EXHAUSTED,
            &OFFER_LIMITED,
        ] {
            kept |= guarantee(promised).by(nothing(planner)).keep(planner);
        }
        kept |= Self::abstract_beside_handed(planner, "no network", no_network).keep(planner);
        if kept {
            Self::filter_handed(planner);
        }
    }
}
