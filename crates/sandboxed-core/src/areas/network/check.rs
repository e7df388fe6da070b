//! What cannot be asked for together.

use super::{Mode, Network};
use crate::diagnostic::Kind;
use crate::planner::{Finding, Planner};

impl Network {
    pub(super) fn contradictions(&self, planner: &mut Planner<'_>) {
        if self.mode == Mode::None {
            for (field, used) in [("listen", !self.listen.is_empty()), ("allow", !self.allow.is_empty())] {
                if used {
                    let kind = conflict(
                        "a service without a network cannot have this",
                        "use the mode `filtered`, or leave this out",
                    );
                    planner.find(
                        Finding::new(kind, format!("/network/{field}"))
                            .related("/network/mode", "no network because of this"),
                    );
                }
            }
        }
        self.resolver_contradictions(planner);
        let bindable =
            planner.policy.privileges.capabilities.iter().any(|c| c.name() == "CAP_NET_BIND_SERVICE");
        for (index, listen) in self.listen.iter().enumerate() {
            if listen.port < 1024 && !bindable && planner.policy.sockets.is_empty() {
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

/// A conflict with a way out.
pub(super) fn conflict(reason: &str, help: &str) -> Kind {
    Kind::Conflict { reason: reason.to_owned(), help: help.to_owned() }
}

/// What is no address and port.
pub(super) fn not_an_address(text: &str, field: String) -> Finding {
    let expected = "an address and port that exist".to_owned();
    Finding::new(Kind::WrongValue { value: text.to_owned(), expected, suggestion: None }, field)
}
