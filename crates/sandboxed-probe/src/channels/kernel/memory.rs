//! Memory that is both written to and executed.

use std::io::Write;

use super::super::Scratch;
use crate::channel::{Attempt, Channel, Shut, Step};
use crate::guarantee::Guarantee;
use crate::sys::memory::{Page, RETURN_42, attach_executable};
use crate::sys::{self, call};
use crate::targets::Targets;

const READ_WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const READ_EXECUTE: i32 = libc::PROT_READ | libc::PROT_EXEC;
const ANONYMOUS: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;

/// Ways to executable memory of one's own making.
pub(crate) const MEMORY: &[Channel] = &[
    Channel {
        id: "memory-map-both",
        title: "map memory that is writable and executable",
        guarantee: Guarantee::NoWriteExecute,
        source: "mmap(2)",
        attempt: |_| {
            let page = Page::map(READ_WRITE | libc::PROT_EXEC, ANONYMOUS, None)?;
            page.write(RETURN_42);
            ran(&page)
        },
    },
    Channel {
        id: "memory-make-executable",
        title: "make memory executable after writing to it",
        guarantee: Guarantee::NoWriteExecute,
        source: "mprotect(2)",
        attempt: |_| {
            let page = Page::map(READ_WRITE, ANONYMOUS, None).step("map")?;
            page.write(RETURN_42);
            page.protect(READ_EXECUTE)?;
            ran(&page)
        },
    },
    Channel {
        id: "memory-make-writable",
        title: "make executable memory writable",
        guarantee: Guarantee::NoWriteExecute,
        source: "mprotect(2)",
        attempt: |_| {
            let page = Page::map(READ_EXECUTE, ANONYMOUS, None).step("map")?;
            page.protect(READ_WRITE | libc::PROT_EXEC)?;
            page.write(RETURN_42);
            ran(&page)
        },
    },
    Channel {
        id: "memory-key",
        title: "make memory executable with a protection key",
        guarantee: Guarantee::NoWriteExecute,
        source: "pkey_mprotect(2)",
        attempt: |_| {
            let page = Page::map(READ_WRITE, ANONYMOUS, None).step("map")?;
            page.write(RETURN_42);
            page.protect_with_key(READ_EXECUTE)?;
            ran(&page)
        },
    },
    Channel {
        id: "memory-file-twice",
        title: "map an anonymous file twice, to write to and to execute",
        guarantee: Guarantee::NoWriteExecute,
        source: "memfd_create(2)",
        attempt: |_| {
            let file =
                sys::descriptor(call!(libc::SYS_memfd_create, c"sandboxed-probe", 0)).step("memfd_create")?;
            call!(libc::SYS_ftruncate, &file, 65536).step("ftruncate")?;
            Page::map(READ_WRITE, libc::MAP_SHARED, Some(&file)).step("map to write")?.write(RETURN_42);
            ran(&Page::map(READ_EXECUTE, libc::MAP_SHARED, Some(&file)).step("map to execute")?)
        },
    },
    Channel {
        id: "memory-written-file",
        title: "map a file that it has written for execution",
        guarantee: Guarantee::ProgramsFixed,
        source: "mmap(2)",
        attempt: |targets| {
            let (_scratch, mut file) = Scratch::file(targets)?;
            file.write_all(RETURN_42).step("write")?;
            file.set_len(65536).step("lengthen")?;
            ran(&Page::map(READ_EXECUTE, libc::MAP_PRIVATE, Some(&file.into()))?)
        },
    },
    Channel {
        id: "memory-shared-segment",
        title: "attach a System V segment for execution",
        guarantee: Guarantee::NoWriteExecute,
        source: "shmop(2)",
        attempt: shared_segment,
    },
    Channel {
        id: "memory-by-personality",
        title: "have all readable memory executable",
        guarantee: Guarantee::NoWriteExecute,
        source: "personality(2)",
        attempt: |_| {
            call!(libc::SYS_personality, libc::READ_IMPLIES_EXEC).step("personality")?;
            let page = Page::map(READ_WRITE, ANONYMOUS, None)?;
            page.write(RETURN_42);
            ran(&page)
        },
    },
];

/// Runs what was written there.
fn ran(page: &Page) -> Attempt {
    match page.run() {
        Some(42) => Ok("executed what was written there".into()),
        Some(other) => Err(Shut::closed(format!("the code returned {other}"))),
        None => Err(Shut::missing("the probe has no machine code for this architecture")),
    }
}

fn shared_segment(_: &Targets) -> Attempt {
    let id = call!(libc::SYS_shmget, libc::IPC_PRIVATE, 65536, 0o700 | libc::IPC_CREAT).step("shmget")?;
    let id = i32::try_from(id).unwrap_or_default();
    let attached = attach_executable(id);
    let _ = call!(libc::SYS_shmctl, id, libc::IPC_RMID, sys::NULL);
    attached?;
    Ok("attached one that was executable".into())
}
