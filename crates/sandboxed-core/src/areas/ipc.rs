//! Which ways of talking to other processes on the machine are open.
//!
//! ipc_namespaces(7), systemd.exec(5) `PrivateIPC=`, `KeyringMode=`.

use sandboxed_systemd::value::{AbsPath, Bind, PathSpec, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::filesystem::below;
use crate::guarantee::guarantees;
use crate::planner::{Mechanism, Planner, guarantee};
use crate::scalar::HostPath;
use crate::unit::Unit;

/// Which ways of talking to other processes on the machine are open. By default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Inter-process communication")]
pub struct Ipc {
    /// Unix sockets of other services that this service may connect to, by path.
    #[schemars(title = "Sockets", extend("x-guarantee" = "runtime-hidden", "examples" = [["/run/postgresql/.s.PGSQL.5432"]]))]
    pub sockets: Vec<HostPath>,
    /// Let the service use the system message bus. Whatever answers there without asking who calls is open then.
    #[schemars(title = "Message bus", extend("x-guarantee" = "message-bus-closed"))]
    pub message_bus: bool,
    /// Let the service write to the journal by itself (syslog(3), sd_journal_print(3)). Its standard output and error
    /// reach the journal in any case.
    #[schemars(title = "Journal", extend("x-guarantee" = "journal-unforged"))]
    pub journal: bool,
    /// Give the service a journal of its own, which `journalctl --namespace=sandboxed-NAME` shows: what it prints does not push
    /// the entries of others out of the machine's. Its size has the limits of journald@sandboxed-NAME.conf, journald.conf(5).
    #[schemars(title = "A journal of its own", extend("x-guarantee" = "journal-kept"))]
    pub own_journal: bool,
}

guarantees! { Ipc;
    IPC_OBJECTS_PRIVATE = "ipc-objects-private", "",
        "cannot reach other services' System V or POSIX message queues, semaphores or shared memory";
    KEYRING_PRIVATE = "keyring-private", "",
        "cannot reach a kernel keyring of other services";
    MESSAGE_BUS_CLOSED = "message-bus-closed", "/ipc/messageBus",
        "cannot ask other services for anything over the system message bus";
    JOURNAL_UNFORGED = "journal-unforged", "/ipc/journal",
        "cannot write to the journal but through its standard output and error, nor choose what an entry counts for";
    JOURNAL_KEPT = "journal-kept", "/ipc/ownJournal",
        "cannot push the entries of others out of the journal";
}

/// The sockets by which a process writes to the journal by itself, systemd-journald.service(8).
const JOURNAL: &[&str] = &["/dev/log", "/run/systemd/journal/dev-log", "/run/systemd/journal/socket"];

/// The socket of the system message bus.
const MESSAGE_BUS: &str = "/run/dbus/system_bus_socket";

impl Ipc {
    /// Plans this area. The paths of sockets are hidden with /run, which the file system's area sees to.
    pub(super) fn plan(&self, planner: &mut Planner<'_>) {
        guarantee(&IPC_OBJECTS_PRIVATE)
            .by(Mechanism::service("PrivateIPC", Value::Bool(true)).and("RemoveIPC", Value::Bool(true)))
            .keep(planner);
        guarantee(&KEYRING_PRIVATE)
            .by(Mechanism::service("KeyringMode", Value::word("private")))
            .keep(planner);
        let opened = |sockets: &[&str]| {
            let named = planner.policy.filesystem.paths().chain(&self.sockets);
            let mut named = named.map(HostPath::path);
            named.find(|named| sockets.iter().any(|socket| below(socket, named))).map(str::to_owned)
        };
        let bus = opened(&[MESSAGE_BUS, "/var/run/dbus/system_bus_socket"]);
        let entries = opened(JOURNAL);
        let hidden = Mechanism::named("its socket is not bound into the service's root");
        let bus = match bus {
            _ if self.message_bus => {
                hidden.and("BindPaths", binds(&[MESSAGE_BUS])).summary("nothing").leaves_open(
                    "the policy lets the service use the message bus: what answers there decides by itself",
                )
            }
            Some(path) => Mechanism::named("nothing")
                .leaves_open(format!("the policy shows the service {path}, and with it the message bus")),
            None => hidden,
        };
        guarantee(&MESSAGE_BUS_CLOSED).by(bus).keep(planner);
        let hidden = Mechanism::named("its sockets are not bound into the service's root");
        // Since 257 systemd binds them by itself into a root of the service's own.
        let unbound = Mechanism::service("BindLogSockets", Value::Bool(false));
        // `<0>` at the start of a line is a message to every terminal, sd-daemon(3), journald.conf(5) ForwardToWall=.
        let emergency = planner.may_ask("SyslogLevel", |level| matches!(level, "emerg" | "0"));
        let own = self.own_journal || planner.base.iter().any(has_own_journal);
        let as_text = |mechanism: Mechanism| {
            mechanism
                .and("SyslogLevelPrefix", Value::Bool(false))
                .and_where(emergency, "SyslogLevel", Value::word("info"))
                // systemd shows a service the sockets of its own journal whatever BindLogSockets= says.
                .and_where(own, "InaccessiblePaths", Value::Paths(own_sockets()))
                .leaves_open_as_well(said_by_the_manager(planner))
        };
        let journal = match entries {
            _ if self.journal => guarantee(&JOURNAL_UNFORGED).by(hidden
                .and("BindPaths", binds(JOURNAL))
                .summary("nothing")
                .leaves_open("the policy lets the service write any entry to the journal")),
            Some(path) => guarantee(&JOURNAL_UNFORGED).by(Mechanism::named("nothing").leaves_open(format!(
                "the policy shows the service {path}, and with it the journal's sockets"
            ))),
            None => guarantee(&JOURNAL_UNFORGED).by(as_text(unbound)).or(as_text(hidden)),
        };
        journal.keep(planner);
        self.keep_journal(planner);
    }

    /// Plans whose entries those of the service push out: what fills a journal costs what is oldest in it, whoever wrote that,
    /// journald.conf(5) `SystemMaxUse=`. The limit of the rate counts entries, of which each may have 48 KiB.
    fn keep_journal(&self, planner: &mut Planner<'_>) {
        let choice = guarantee(&JOURNAL_KEPT);
        let said = said_by_the_manager(planner);
        let choice = if self.own_journal {
            let name = format!("sandboxed-{}", planner.plan.name);
            choice.by(Mechanism::service("LogNamespace", Value::word(&name))
                .summary(format!("a journal of its own, `journalctl --namespace={name}`"))
                .leaves_open_as_well(said))
        } else if !planner.base.is_empty() && planner.base.iter().all(has_own_journal) {
            choice.by(Mechanism::named("a journal of its own, by the unit's LogNamespace=")
                .leaves_open_as_well(said))
        } else {
            choice.by(Mechanism::named("the journal's limit of the rate, RateLimitBurst=").leaves_open(
                "what the service prints pushes older entries of others out of the journal; `ownJournal` gives it one of its own",
            ))
        };
        choice.keep(planner);
    }
}

/// Entries of the service's in the machine's journal whoever's journal it has: systemd writes there, as its own words, the
/// values that it cannot read in a notification, and its limits of the rate are those of PID 1.
fn said_by_the_manager(planner: &Planner<'_>) -> Option<String> {
    planner.heard_as_it_speaks().map(|why| {
        format!(
            "{why}, systemd writes what it cannot read in the service's notifications into the machine's journal, as PID 1's own words"
        )
    })
}

/// Whether a unit has a journal of its own, or one that it shares with some.
fn has_own_journal(unit: &Unit) -> bool {
    unit.scalar("LogNamespace").is_some_and(|name| !name.is_empty())
}

/// The sockets of such a journal, in the service's root.
fn own_sockets() -> Vec<PathSpec> {
    let sockets = ["socket", "stdout", "dev-log"].map(|name| format!("/run/systemd/journal/{name}"));
    let sockets = sockets.iter().filter_map(|socket| AbsPath::new(socket).ok());
    sockets.map(|socket| PathSpec::new(socket).optional().in_root()).collect()
}

fn binds(paths: &[&str]) -> Value {
    Value::Binds(
        paths
            .iter()
            .filter_map(|path| AbsPath::new(path).ok())
            .map(|path| Bind::new(path).optional())
            .collect(),
    )
}
