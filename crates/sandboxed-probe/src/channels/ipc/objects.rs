//! System V and POSIX objects, keyrings, pipes and terminals: things that have a name or a number.

use std::ffi::CString;
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use super::super::{append, open, peek, with_token};
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::{self, NULL, call};
use crate::targets::Targets;

/// Objects that were planted on the host's side.
pub(crate) const OBJECTS: &[Channel] = &[
    Channel {
        id: "sysv-memory-read",
        title: "read a System V shared memory segment of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "shmop(2)",
        attempt: |targets| {
            let (_, id) = planted(targets.ipc.shared_memory)?;
            let content = sys::ipc::read_shared_memory(id, targets.token.len())?;
            with_token(targets, &content, "the segment")
        },
    },
    Channel {
        id: "sysv-memory-write",
        title: "write to a System V shared memory segment of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "shmop(2)",
        attempt: |targets| {
            let (_, id) = planted(targets.ipc.shared_memory)?;
            sys::ipc::write_shared_memory(id, targets.token.as_bytes())?;
            Ok("wrote the planted text over itself".into())
        },
    },
    Channel {
        id: "sysv-memory-key",
        title: "find a System V shared memory segment by its key",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "shmget(2)",
        attempt: |targets| {
            let (key, _) = planted(targets.ipc.shared_memory)?;
            let id = call!(libc::SYS_shmget, key, 0, 0)?;
            Ok(format!("key {key:#x} has id {id}"))
        },
    },
    Channel {
        id: "sysv-memory-list",
        title: "list the System V shared memory segments of others",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "sysvipc(7)",
        attempt: |targets| listed(planted(targets.ipc.shared_memory)?, "/proc/sysvipc/shm"),
    },
    Channel {
        id: "sysv-semaphore-change",
        title: "change a System V semaphore of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "semop(2)",
        attempt: |targets| {
            let (key, _) = planted(targets.ipc.semaphore)?;
            let id = call!(libc::SYS_semget, key, 0, 0).step("semget")?;
            let up: [u8; 6] = sys::fields(&[(2, &1_i16.to_ne_bytes())]);
            let down: [u8; 6] = sys::fields(&[(2, &(-1_i16).to_ne_bytes())]);
            call!(libc::SYS_semop, id, &up, 1).step("semop")?;
            call!(libc::SYS_semop, id, &down, 1).step("undo")?;
            Ok("raised and lowered it".into())
        },
    },
    Channel {
        id: "sysv-semaphore-read",
        title: "read a System V semaphore of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "semctl(2)",
        attempt: |targets| {
            /// `GETVAL`
            const VALUE: i32 = 12;
            let (_, id) = planted(targets.ipc.semaphore)?;
            let value = call!(libc::SYS_semctl, id, 0, VALUE, 0)?;
            if value != i64::from(targets.ipc.semaphore_value) {
                return Err(Shut::closed(format!("another semaphore of value {value}")));
            }
            Ok(format!("its value is {value}"))
        },
    },
    Channel {
        id: "sysv-semaphore-list",
        title: "list the System V semaphores of others",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "sysvipc(7)",
        attempt: |targets| listed(planted(targets.ipc.semaphore)?, "/proc/sysvipc/sem"),
    },
    Channel {
        id: "sysv-queue-send",
        title: "put a message into a System V queue of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "msgop(2)",
        attempt: |targets| {
            let (key, _) = planted(targets.ipc.message_queue)?;
            let id = call!(libc::SYS_msgget, key, 0).step("msgget")?;
            let message: [u8; 16] = sys::fields(&[(0, &2_i64.to_ne_bytes())]);
            call!(libc::SYS_msgsnd, id, &message, 8, libc::IPC_NOWAIT)?;
            // Take it out again: type 2 is only ours.
            let _ = call!(libc::SYS_msgrcv, id, &mut [0_u8; 16], 8, 2, libc::IPC_NOWAIT);
            Ok("sent a message".into())
        },
    },
    Channel {
        id: "sysv-queue-receive",
        title: "read a message from a System V queue of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "msgop(2)",
        attempt: |targets| {
            /// `MSG_COPY`: leave it there. Not all kernels have it.
            const COPY: i32 = 0o40000;
            let (_, id) = planted(targets.ipc.message_queue)?;
            let mut message = [0_u8; 256];
            let copied = call!(libc::SYS_msgrcv, id, &mut message, 248, 0, libc::IPC_NOWAIT | COPY);
            if copied.as_ref().is_err_and(|error| error.raw_os_error() == Some(libc::ENOSYS)) {
                return Err(Shut::missing("the kernel cannot copy messages"));
            }
            copied?;
            with_token(targets, &message, "the queue")
        },
    },
    Channel {
        id: "sysv-queue-list",
        title: "list the System V message queues of others",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "sysvipc(7)",
        attempt: |targets| listed(planted(targets.ipc.message_queue)?, "/proc/sysvipc/msg"),
    },
    Channel {
        id: "posix-memory-read",
        title: "read a POSIX shared memory object of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "shm_overview(7)",
        attempt: |targets| {
            let path = targets.ipc.posix_memory.as_deref();
            let path = path.ok_or_else(|| Shut::missing("no shared memory object was planted"))?;
            with_token(targets, &peek(path)?, &path.display().to_string())
        },
    },
    Channel {
        id: "posix-memory-write",
        title: "write to a POSIX shared memory object of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "shm_overview(7)",
        attempt: |targets| {
            let path = targets.ipc.posix_memory.as_deref();
            append(targets, path.ok_or_else(|| Shut::missing("no shared memory object was planted"))?)
        },
    },
    Channel {
        id: "posix-queue-open",
        title: "open a POSIX message queue of another service",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "mq_overview(7)",
        attempt: |targets| {
            // The system call, unlike the function of the C library, wants the name without its slash.
            let name = queue(targets)?;
            sys::descriptor(call!(libc::SYS_mq_open, name.as_c_str(), libc::O_RDWR, 0, NULL))?;
            Ok(format!("opened /{}", name.to_string_lossy()))
        },
    },
    Channel {
        id: "posix-queue-list",
        title: "list the POSIX message queues of others",
        guarantee: Guarantee::IpcObjectsPrivate,
        source: "mq_overview(7)",
        attempt: |targets| {
            let path = std::path::Path::new("/dev/mqueue").join(queue(targets)?.to_string_lossy().as_ref());
            if !std::path::Path::new("/dev/mqueue").exists() && targets.host.surveyed {
                super::super::expect_on_host(targets, "/dev/mqueue")?;
            }
            Ok(super::super::seen(&path)?)
        },
    },
    Channel {
        id: "key-read",
        title: "read a key of another service by its number",
        guarantee: Guarantee::KeyringPrivate,
        source: "keyctl(2)",
        attempt: |targets| {
            let key = key(targets)?;
            read_key(targets, key.into())
        },
    },
    Channel {
        id: "key-search",
        title: "find another service's key in the keyring of their common user",
        guarantee: Guarantee::KeyringPrivate,
        source: "user-keyring(7)",
        attempt: |targets| {
            key(targets)?;
            let description =
                CString::new(targets.victim()?.key_description.clone()).map_err(std::io::Error::other)?;
            let found = call!(libc::SYS_keyctl, SEARCH, USER_KEYRING, c"user", description.as_c_str(), 0)?;
            read_key(targets, found)
        },
    },
    Channel {
        id: "key-request",
        title: "have the kernel look for another service's key",
        guarantee: Guarantee::KeyringPrivate,
        source: "request_key(2)",
        attempt: |targets| {
            key(targets)?;
            let description =
                CString::new(targets.victim()?.key_description.clone()).map_err(std::io::Error::other)?;
            let link = call!(libc::SYS_keyctl, LINK, USER_KEYRING, PROCESS_KEYRING);
            link.step("link the user's keyring")?;
            let found = call!(libc::SYS_request_key, c"user", description.as_c_str(), NULL, 0)?;
            read_key(targets, found)
        },
    },
    Channel {
        id: "key-plant",
        title: "leave a key in the keyring that all services of its user share",
        guarantee: Guarantee::KeyringPrivate,
        source: "add_key(2)",
        attempt: |_| {
            let key = call!(libc::SYS_add_key, c"user", c"sandboxed-probe-left", b"x", 1, USER_KEYRING)?;
            let _ = call!(libc::SYS_keyctl, UNLINK, key, USER_KEYRING);
            Ok("added a key and removed it".into())
        },
    },
    Channel {
        id: "key-list",
        title: "list keys",
        guarantee: Guarantee::KeyringPrivate,
        source: "proc(5)",
        attempt: |targets| {
            let serial = format!("{:08x}", key(targets)?);
            let table = peek("/proc/keys")?;
            if String::from_utf8_lossy(&table).contains(&serial) {
                Ok(format!("the planted key {serial} is in /proc/keys"))
            } else {
                Err(Shut::closed("the planted key is not in /proc/keys"))
            }
        },
    },
    Channel {
        id: "named-pipe",
        title: "write into a named pipe of another service",
        guarantee: Guarantee::RuntimeHidden,
        source: "fifo(7)",
        attempt: |targets| {
            let path =
                targets.files.fifo.as_deref().ok_or_else(|| Shut::missing("no named pipe was planted"))?;
            let mut pipe = open(path, OpenOptions::new().write(true).custom_flags(libc::O_NONBLOCK))?;
            pipe.write_all(b"x").step("write")?;
            Ok(format!("wrote to {}", path.display()))
        },
    },
    Channel {
        id: "terminal-write",
        title: "write to a terminal that is in use",
        guarantee: Guarantee::DevicesHidden,
        source: "pts(4)",
        attempt: |targets| {
            let path =
                targets.files.terminal.as_deref().ok_or_else(|| Shut::missing("no terminal was planted"))?;
            let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
            let mut terminal = open(path, OpenOptions::new().write(true).custom_flags(flags))?;
            terminal.write_all(b"x").step("write")?;
            Ok(format!("wrote to {}", path.display()))
        },
    },
    Channel {
        id: "terminal-list",
        title: "see which terminals are in use",
        guarantee: Guarantee::DevicesHidden,
        source: "pts(4)",
        attempt: |targets| {
            let path =
                targets.files.terminal.as_deref().ok_or_else(|| Shut::missing("no terminal was planted"))?;
            Ok(super::super::seen(path)?)
        },
    },
];

/// Operations and special keyrings of keyctl(2).
const READ: i32 = 11;
const SEARCH: i32 = 10;
const LINK: i32 = 8;
const UNLINK: i32 = 9;
const USER_KEYRING: i32 = -4;
const PROCESS_KEYRING: i32 = -2;

fn planted(object: Option<(i32, i32)>) -> Result<(i32, i32), Shut> {
    object.ok_or_else(|| Shut::missing("none was planted"))
}

/// Whether a key is in the second column of a table below /proc/sysvipc.
fn listed((key, id): (i32, i32), table: &str) -> Attempt {
    let content = peek(table)?;
    let content = String::from_utf8_lossy(&content);
    let planted = |line: &str| {
        let mut columns = line.split_whitespace();
        columns.next() == Some(&key.to_string()) && columns.next() == Some(&id.to_string())
    };
    if content.lines().any(planted) {
        Ok(format!("the planted one is in {table}"))
    } else {
        Err(Shut::closed(format!("the planted one is not in {table}")))
    }
}

fn queue(targets: &Targets) -> Result<CString, Shut> {
    let name =
        targets.ipc.posix_queue.as_deref().ok_or_else(|| Shut::missing("no message queue was planted"))?;
    CString::new(name.trim_start_matches('/')).map_err(|error| Shut::missing(error.to_string()))
}

fn key(targets: &Targets) -> Result<i32, Shut> {
    match targets.victim()?.key {
        0 => Err(Shut::missing("no key was planted")),
        key => Ok(key),
    }
}

fn read_key(targets: &Targets, key: i64) -> Attempt {
    let mut content = [0_u8; 256];
    let length = content.len();
    call!(libc::SYS_keyctl, READ, key, &mut content, length)?;
    with_token(targets, &content, &format!("key {key}"))
}
