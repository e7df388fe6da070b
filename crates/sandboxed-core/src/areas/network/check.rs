//! What cannot be asked for together.

use super::{Mode, Network};
use crate::diagnostic::Kind;
use crate::filter::FilterError;
use crate::planner::{Finding, Planner};

impl Network {
    pub(super) fn contradictions(&self, planner: &mut Planner<'_>) {
        self.fields_of_other_modes(planner);
        self.interfaces_that_are_none(planner);
        self.resolver_contradictions(planner);
        self.egress_contradictions(planner);
        self.offer_contradictions(planner);
        let bindable =
            planner.policy.privileges.capabilities.iter().any(|c| c.name() == "CAP_NET_BIND_SERVICE");
        for (index, listen) in self.listen.iter().enumerate() {
            // In a network of its own it can bind any.
            if self.mode != Mode::Private
                && listen.port < 1024
                && !bindable
                && planner.policy.sockets.is_empty()
            {
                let reason = format!("port {} can only be bound with CAP_NET_BIND_SERVICE", listen.port);
                let help = "let a socket unit bind it (`sockets`), or add the capability to `privileges.capabilities`".to_owned();
                planner.find(Finding::new(
                    Kind::Conflict { reason, help },
                    format!("/network/listen/{index}/port"),
                ));
            }
        }
    }
}

impl Network {
    /// What the mode has no use for is an error: it would promise what is not kept.
    fn fields_of_other_modes(&self, planner: &mut Planner<'_>) {
        let (listen, allow) = (("listen", !self.listen.is_empty()), ("allow", !self.allow.is_empty()));
        let (reason, help, remark, fields) = match self.mode {
            Mode::None => (
                "a service without a network cannot have this",
                "use the mode `filtered` or `private`, or leave this out",
                "no network because of this",
                vec![listen, allow],
            ),
            Mode::Joined => (
                "what is reached in a namespace that something else has made is up to that",
                "use the mode `filtered` or `private`, or leave this out",
                "another's network because of this",
                // The ports that it binds are the service's business there too; who reaches them is named as a weakness.
                vec![allow],
            ),
            Mode::Filtered | Mode::Private => ("", "", "", Vec::new()),
        };
        for (field, _) in fields.into_iter().filter(|(_, used)| *used) {
            let finding = Finding::new(conflict(reason, help), format!("/network/{field}"));
            planner.find(finding.related("/network/mode", remark));
        }
        let joins =
            [("namespace", self.namespace.is_some()), ("namespaceUnit", self.namespace_unit.is_some())];
        let of_mode = [
            (Mode::Private, "private", vec![("prefixes", !self.prefixes.is_empty())]),
            (Mode::Joined, "joined", joins.to_vec()),
        ];
        for (mode, name, fields) in of_mode {
            for (field, _) in fields.into_iter().filter(|(_, used)| *used && self.mode != mode) {
                let help = format!("set `mode` to `{name}`, or leave this out");
                let kind = conflict(&format!("only the mode `{name}` has a use for this"), &help);
                let finding = Finding::new(kind, format!("/network/{field}"));
                planner.find(finding.related("/network/mode", "because of this"));
            }
        }
        if self.mode == Mode::Joined && self.namespace.is_none() {
            let kind = conflict(
                "the mode `joined` needs to know what to join",
                "name the `namespace`: `/run/netns/vpn`",
            );
            planner.find(Finding::new(kind, "/network/mode"));
        }
    }
}

impl Network {
    /// Names that stand for something else than a way to other machines.
    fn interfaces_that_are_none(&self, planner: &mut Planner<'_>) {
        let offered = self.listen.iter().enumerate();
        let offered =
            offered.map(|(index, listen)| (format!("listen/{index}/interfaces"), &listen.interfaces));
        let leaving = [("uplinks".to_owned(), &self.uplinks), ("interfaces".to_owned(), &self.interfaces)];
        for (field, names) in leaving.into_iter().chain(offered) {
            for (index, name) in names.iter().enumerate() {
                let (reason, help) = match name.as_str() {
                    // To the kernel these are the settings of every interface, and to make one of them pass packets on makes
                    // the machine a router.
                    "all" | "default" => ("no single interface has this name", "name each interface"),
                    "lo" if !field.starts_with("listen") => (
                        "the loopback interface leads to this machine",
                        "name what the service may reach here in `allow`",
                    ),
                    _ => continue,
                };
                planner.find(Finding::new(conflict(reason, help), format!("/network/{field}/{index}")));
            }
        }
    }
}

/// What an address with a slash has to be.
pub(super) const NETWORK: &str = "a network that exists: its numbers are too large";

/// A conflict with a way out.
pub(super) fn conflict(reason: &str, help: &str) -> Kind {
    Kind::Conflict { reason: reason.to_owned(), help: help.to_owned() }
}

/// Why there are no rules. A network or a port that does not exist was named before, at its place.
pub(super) fn no_rules(planner: &mut Planner<'_>, error: &FilterError, help: &str) {
    let named = planner.findings.iter().any(|one| matches!(one.kind, Kind::WrongValue { .. }));
    if !(named && matches!(error, FilterError::Number)) {
        planner.find(Finding::new(conflict(&error.to_string(), help), "/network"));
    }
}

/// A value that has the form of what is expected, of which there is none: `192.0.2.1/33`.
pub(super) fn no_such(expected: &str, text: &str, field: String) -> Finding {
    let expected = expected.to_owned();
    Finding::new(Kind::WrongValue { value: text.into(), expected, instead: None }, field)
}
