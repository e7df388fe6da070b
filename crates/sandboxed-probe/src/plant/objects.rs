//! System V and POSIX objects.

use std::ffi::CString;
use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::sys::{self, NULL, call};
use crate::targets::Targets;

/// What is removed again.
#[derive(Debug)]
enum Object {
    SharedMemory(i32),
    Semaphore(i32),
    Queue(i32),
    PosixQueue(CString),
    PosixMemory(PathBuf),
}

/// Planted objects; dropping removes them.
#[derive(Debug, Default)]
pub(super) struct Objects(Vec<Object>);

/// Value of the planted semaphore.
const VALUE: i32 = 21373;

impl Objects {
    /// Plants one of each kind.
    pub(super) fn plant(targets: &mut Targets, notes: &mut Vec<String>) -> Objects {
        let mut objects = Objects::default();
        let token = targets.token.clone();
        // Two numbers of 31 bits out of the token: keys that nobody else uses.
        let key = |from: usize| {
            let digits = token.get(from..from + 8).unwrap_or_default();
            u32::from_str_radix(digits, 16).ok().and_then(|key| i32::try_from(key >> 1).ok()).unwrap_or(1)
        };
        let mut try_it = |what: &str, result: io::Result<()>| {
            if let Err(error) = result {
                notes.push(format!("no {what}: {error}"));
            }
        };
        let ipc = &mut targets.ipc;
        let shared_memory = objects.shared_memory(key(0), &token).map(|pair| ipc.shared_memory = Some(pair));
        try_it("shared memory segment", shared_memory);
        ipc.semaphore_value = VALUE;
        try_it("semaphore", objects.semaphore(key(8)).map(|pair| ipc.semaphore = Some(pair)));
        try_it("message queue", objects.queue(key(16), &token).map(|pair| ipc.message_queue = Some(pair)));
        try_it("POSIX message queue", objects.posix_queue(&token).map(|name| ipc.posix_queue = Some(name)));
        try_it("POSIX shared memory", objects.posix_memory(&token).map(|path| ipc.posix_memory = Some(path)));
        objects
    }

    fn shared_memory(&mut self, key: i32, token: &str) -> io::Result<(i32, i32)> {
        let id = id(call!(libc::SYS_shmget, key, 4096, FOR_ALL))?;
        self.0.push(Object::SharedMemory(id));
        sys::ipc::write_shared_memory(id, token.as_bytes())?;
        Ok((key, id))
    }

    fn semaphore(&mut self, key: i32) -> io::Result<(i32, i32)> {
        /// `SETVAL`
        const SET: i32 = 16;
        let id = id(call!(libc::SYS_semget, key, 1, FOR_ALL))?;
        self.0.push(Object::Semaphore(id));
        call!(libc::SYS_semctl, id, 0, SET, VALUE)?;
        Ok((key, id))
    }

    fn queue(&mut self, key: i32, token: &str) -> io::Result<(i32, i32)> {
        let id = id(call!(libc::SYS_msgget, key, FOR_ALL))?;
        self.0.push(Object::Queue(id));
        let mut message = 1_i64.to_ne_bytes().to_vec();
        message.extend(token.as_bytes());
        call!(libc::SYS_msgsnd, id, message.as_slice(), token.len(), libc::IPC_NOWAIT)?;
        Ok((key, id))
    }

    fn posix_queue(&mut self, token: &str) -> io::Result<String> {
        let name = CString::new(format!("sandboxed-probe-{token}")).map_err(io::Error::other)?;
        let flags = libc::O_RDWR | libc::O_CREAT | libc::O_EXCL;
        // One short message at most: message queues are counted against a limit of the user.
        let attributes: [u8; 64] = sys::fields(&[(8, &1_i64.to_ne_bytes()), (16, &64_i64.to_ne_bytes())]);
        let opened = call!(libc::SYS_mq_open, name.as_c_str(), flags, 0o600, &attributes);
        let queue = fs::File::from(sys::descriptor(opened)?);
        let text = format!("/{}", name.to_string_lossy());
        self.0.push(Object::PosixQueue(name));
        queue.set_permissions(Permissions::from_mode(0o666))?;
        Ok(text)
    }

    fn posix_memory(&mut self, token: &str) -> io::Result<PathBuf> {
        let path = PathBuf::from(format!("/dev/shm/sandboxed-probe-{token}"));
        let mut file = OpenOptions::new().write(true).create_new(true).open(&path)?;
        self.0.push(Object::PosixMemory(path.clone()));
        file.write_all(token.as_bytes())?;
        file.set_permissions(Permissions::from_mode(0o666))?;
        Ok(path)
    }
}

/// New, and open to everybody.
const FOR_ALL: i32 = libc::IPC_CREAT | libc::IPC_EXCL | 0o666;

fn id(result: io::Result<std::ffi::c_long>) -> io::Result<i32> {
    i32::try_from(result?).map_err(io::Error::other)
}

impl Drop for Objects {
    fn drop(&mut self) {
        for object in &self.0 {
            let _ = match object {
                Object::SharedMemory(id) => call!(libc::SYS_shmctl, *id, libc::IPC_RMID, NULL),
                Object::Semaphore(id) => call!(libc::SYS_semctl, *id, 0, libc::IPC_RMID, 0),
                Object::Queue(id) => call!(libc::SYS_msgctl, *id, libc::IPC_RMID, NULL),
                Object::PosixQueue(name) => call!(libc::SYS_mq_unlink, name.as_c_str()),
                Object::PosixMemory(path) => fs::remove_file(path).map(|()| 0),
            };
        }
    }
}
