//! Which ways of talking to other processes on the machine are open.
//!
//! ipc_namespaces(7), systemd.exec(5) `PrivateIPC=`, `KeyringMode=`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::AreaName;
use super::filesystem::guarantees;
use crate::guarantee::Guarantee;
use crate::scalar::HostPath;

/// Which ways of talking to other processes on the machine are open. By default: none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields, rename_all = "camelCase")]
#[schemars(title = "Inter-process communication")]
pub struct Ipc {
    /// Unix sockets of other services that this service may connect to, by path.
    #[schemars(title = "Sockets", extend("x-guarantee" = "runtime-hidden"))]
    pub sockets: Vec<HostPath>,
    /// Let the service use the system message bus. Whatever answers there without asking who calls is open then.
    #[schemars(title = "Message bus", extend("x-guarantee" = "message-bus-closed"))]
    pub message_bus: bool,
    /// Let the service write to the journal by itself (syslog(3), sd_journal_print(3)). Its standard output and error
    /// reach the journal in any case.
    #[schemars(title = "Journal", extend("x-guarantee" = "journal-unforged"))]
    pub journal: bool,
}

guarantees! { Ipc;
    IPC_OBJECTS_PRIVATE = "ipc-objects-private", "",
        "cannot reach other services' System V or POSIX message queues, semaphores or shared memory";
    KEYRING_PRIVATE = "keyring-private", "",
        "cannot reach a kernel keyring of other services";
    MESSAGE_BUS_CLOSED = "message-bus-closed", "/ipc/messageBus",
        "cannot ask other services for anything over the system message bus";
    JOURNAL_UNFORGED = "journal-unforged", "/ipc/journal",
        "cannot write to the journal but through its standard output and error";
}
