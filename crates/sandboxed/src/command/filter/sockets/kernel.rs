//! The kernel's side: bpf(2), for which there is no safe wrapper.
#![allow(unsafe_code)]

use std::ffi::c_long;
use std::io;
use std::mem::{size_of, size_of_val};
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};

use anyhow::{Context, Result};

use super::instruction::Instruction;

/// Commands of bpf(2), linux/bpf.h.
#[derive(Clone, Copy)]
pub(super) enum Command {
    MakeMap = 0,
    Load = 5,
    Attach = 8,
    Detach = 9,
    DescriptorById = 13,
    MapById = 14,
    Info = 15,
    Query = 16,
    LoadTypes = 18,
}

/// `BPF_F_ALLOW_MULTI`: beside others, each of which has to allow it.
const BESIDE_OTHERS: u32 = 1 << 1;
/// The most programs of one kind in one group: `BPF_CGROUP_MAX_PROGS`.
const MOST: usize = 64;
/// The most maps of a program of ours.
const MAPS: usize = 2;
/// What our programs are called, so that they are known again.
const NAME: &[u8; 16] = b"sandboxed_sock\0\0";

/// Where a program is attached: `BPF_CGROUP_INET_SOCK_CREATE`, `…INET4_BIND` and so on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hook {
    Open = 2,
    Bind4 = 8,
    Bind6 = 9,
    Connect4 = 10,
    Connect6 = 11,
    SetOption = 22,
    Close = 34,
}

impl Hook {
    pub(super) const ALL: [Self; 7] =
        [Self::Close, Self::Open, Self::Bind4, Self::Bind6, Self::Connect4, Self::Connect6, Self::SetOption];

    /// The type of its programs: `BPF_PROG_TYPE_CGROUP_SOCK`, `…_SOCK_ADDR` or `…_SOCKOPT`.
    const fn kind(self) -> u32 {
        match self {
            Self::Open | Self::Close => 9,
            Self::Bind4 | Self::Bind6 | Self::Connect4 | Self::Connect6 => 18,
            Self::SetOption => 25,
        }
    }

    /// The system call at which it is asked, as its manual page is called.
    const fn call(self) -> &'static str {
        match self {
            Self::Open => "socket(2)",
            Self::Bind4 | Self::Bind6 => "bind(2)",
            Self::Connect4 | Self::Connect6 => "connect(2)",
            Self::SetOption => "setsockopt(2)",
            Self::Close => "close(2)",
        }
    }
}

/// A program in the kernel.
pub(super) struct Program {
    descriptor: OwnedFd,
    name: [u8; 16],
    /// What identifies its instructions: a hash of theirs, but for the maps that they name.
    pub(super) tag: [u8; 8],
    /// The numbers of these maps.
    pub(super) maps: Vec<u32>,
}

/// The parts of `union bpf_attr` that these commands read, as far as they do: what is missing at the end is zero.
#[repr(C)]
#[derive(Default)]
struct Load {
    kind: u32,
    count: u32,
    instructions: u64,
    license: u64,
    log_level: u32,
    log_size: u32,
    log: u64,
    kernel_version: u32,
    flags: u32,
    name: [u8; 16],
    interface: u32,
    expected_hook: u32,
}

#[repr(C)]
#[derive(Default)]
struct Attach {
    group: u32,
    program: u32,
    hook: u32,
    flags: u32,
}

#[repr(C)]
#[derive(Default)]
struct Query {
    group: u32,
    hook: u32,
    flags: u32,
    attach_flags: u32,
    ids: u64,
    count: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Default)]
pub(super) struct ById {
    pub(super) id: u32,
    pub(super) next: u32,
    pub(super) flags: u32,
}

#[repr(C)]
#[derive(Default)]
pub(super) struct AskInfo {
    pub(super) object: u32,
    pub(super) length: u32,
    pub(super) info: u64,
}

/// The beginning of `struct bpf_prog_info`.
#[repr(C)]
#[derive(Default)]
struct Info {
    kind: u32,
    id: u32,
    tag: [u8; 8],
    jited_length: u32,
    translated_length: u32,
    jited: u64,
    translated: u64,
    load_time: u64,
    created_by: u32,
    map_count: u32,
    maps: u64,
    name: [u8; 16],
}

/// Calls bpf(2).
///
/// # Safety
/// Addresses in `attributes` must be of memory that is as long as they say, and outlives the call.
pub(super) unsafe fn bpf<T>(command: Command, attributes: &mut T) -> io::Result<c_long> {
    // SAFETY: the attributes are plain numbers, and as long as is said; for the addresses among them the caller vouches.
    match unsafe {
        libc::syscall(libc::SYS_bpf, command as c_long, std::ptr::from_mut(attributes), size_of::<T>())
    } {
        -1 => Err(io::Error::last_os_error()),
        result => Ok(result),
    }
}

/// The descriptor that a command returned.
pub(super) fn owned(result: c_long) -> io::Result<OwnedFd> {
    let number = RawFd::try_from(result).map_err(io::Error::other)?;
    // SAFETY: the kernel has just made it for us.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

pub(super) fn number(descriptor: &impl AsRawFd) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

/// An address as the kernel is told it, behind the compiler's back.
pub(super) fn address<T>(of: *const T) -> u64 {
    of.expose_provenance() as u64
}

impl Program {
    /// Has the kernel take a program, which it checks.
    ///
    /// # Errors
    /// If it does not: a kernel without `CONFIG_CGROUP_BPF`, or a process that is not root.
    pub(super) fn load(hook: Hook, instructions: &[Instruction]) -> Result<Self> {
        let mut load = Load {
            kind: hook.kind(),
            count: u32::try_from(instructions.len())?,
            instructions: address(instructions.as_ptr()),
            license: address(c"".as_ptr()),
            name: *NAME,
            expected_hook: hook as u32,
            ..Load::default()
        };
        // SAFETY: the instructions and the license outlive the call.
        let result = unsafe { bpf(Command::Load, &mut load) }
            .with_context(|| format!("the kernel takes no BPF program for {}, bpf(2)", hook.call()))?;
        Self::of(owned(result)?)
    }

    /// The programs that are attached to a group itself.
    ///
    /// # Errors
    /// If the kernel does not say.
    pub(super) fn attached(group: BorrowedFd<'_>, hook: Hook) -> Result<Vec<Self>> {
        let mut ids = [0_u32; MOST];
        let mut query = Query {
            group: number(&group),
            hook: hook as u32,
            ids: address(ids.as_mut_ptr()),
            count: u32::try_from(MOST)?,
            ..Query::default()
        };
        // SAFETY: there is room for as many as is said.
        unsafe { bpf(Command::Query, &mut query) }.context("the kernel does not list a group's programs")?;
        ids.iter()
            .take(usize::try_from(query.count)?)
            .map(|&id| {
                let mut asked = ById { id, ..ById::default() };
                // SAFETY: there are no addresses.
                let result = unsafe { bpf(Command::DescriptorById, &mut asked) }
                    .context("the kernel does not show a group's program")?;
                Self::of(owned(result)?)
            })
            .collect()
    }

    fn of(descriptor: OwnedFd) -> Result<Self> {
        let mut maps = [0_u32; MAPS];
        let mut info =
            Info { map_count: u32::try_from(MAPS)?, maps: address(maps.as_mut_ptr()), ..Info::default() };
        let mut asked = AskInfo {
            object: number(&descriptor),
            length: u32::try_from(size_of_val(&info))?,
            info: address(std::ptr::from_mut(&mut info)),
        };
        // SAFETY: there is room for as much as is said.
        unsafe { bpf(Command::Info, &mut asked) }.context("the kernel does not describe a program")?;
        let maps = maps.into_iter().take(usize::try_from(info.map_count)?).collect();
        Ok(Self { descriptor, name: info.name, tag: info.tag, maps })
    }

    /// Whether it is one of this program's.
    pub(super) fn is_ours(&self) -> bool {
        self.name == *NAME
    }

    /// Attaches it to a group, for as long as that exists.
    ///
    /// # Errors
    /// If the kernel does not let it be.
    pub(super) fn attach(&self, group: BorrowedFd<'_>, hook: Hook) -> Result<()> {
        self.put(Command::Attach, group, hook, BESIDE_OTHERS).with_context(|| {
            format!("the program for {} cannot be attached to the control group", hook.call())
        })
    }

    /// Takes it away from a group.
    ///
    /// # Errors
    /// If it is not there.
    pub(super) fn detach(&self, group: BorrowedFd<'_>, hook: Hook) -> Result<()> {
        self.put(Command::Detach, group, hook, 0).with_context(|| {
            format!("the earlier program for {} cannot be taken away from the control group", hook.call())
        })
    }

    fn put(&self, command: Command, group: BorrowedFd<'_>, hook: Hook, flags: u32) -> io::Result<()> {
        let mut attach =
            Attach { group: number(&group), program: number(&self.descriptor), hook: hook as u32, flags };
        // SAFETY: there are no addresses.
        unsafe { bpf(command, &mut attach) }.map(drop)
    }
}
