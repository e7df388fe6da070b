//! What programs keep between their calls.
#![allow(unsafe_code)]

use std::collections::BTreeSet;
use std::mem::size_of_val;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use anyhow::{Context, Result};

use super::kernel::{AskInfo, ById, Command, address, bpf, number, owned};

/// What programs have in common, and keep between their calls.
pub(super) struct Map {
    descriptor: OwnedFd,
}

/// `BPF_MAP_TYPE_ARRAY` and `BPF_MAP_TYPE_SK_STORAGE`
const ARRAY: u32 = 2;
const SOCKETS: u32 = 24;

impl AsFd for Map {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

#[repr(C)]
#[derive(Default)]
struct MakeMap {
    kind: u32,
    key: u32,
    value: u32,
    entries: u32,
    flags: u32,
    inner: u32,
    node: u32,
    name: [u8; 16],
    interface: u32,
    types: u32,
    key_type: u32,
    value_type: u32,
}

#[repr(C)]
#[derive(Default)]
struct LoadTypes {
    types: u64,
    log: u64,
    length: u32,
    log_size: u32,
    log_level: u32,
}

/// Numbers that the kernel keeps with sockets, in its format for types of data (Documentation/bpf/btf.rst).
#[repr(C)]
struct Format {
    magic: u16,
    version: u8,
    flags: u8,
    /// The length of this header, and behind it where the types and their names are.
    header: u32,
    types_at: u32,
    types_length: u32,
    names_at: u32,
    names_length: u32,
    types: [Integer; 2],
    names: [u8; 4],
}

/// `struct btf_type` of the kind `BTF_KIND_INT`, and what that has beside.
#[repr(C)]
struct Integer {
    name: u32,
    kind: u32,
    bytes: u32,
    bits: u32,
}

impl Integer {
    const fn of(bytes: u32) -> Self {
        /// `BTF_KIND_INT`
        const KIND: u32 = 1 << 24;
        Self { name: 0, kind: KIND, bytes, bits: 8 * bytes }
    }
}

/// A number that stands for a socket, and one that is kept with it.
const TYPES: Format = Format {
    magic: 0xeb9f,
    version: 1,
    flags: 0,
    header: 24,
    types_at: 0,
    types_length: 32,
    names_at: 32,
    names_length: 4,
    types: [Integer::of(4), Integer::of(8)],
    names: [0; 4],
};

impl Map {
    /// A map with one entry of so many bytes, which are zero.
    ///
    /// # Errors
    /// If the kernel has none for us.
    pub(super) fn array(length: u32) -> Result<Self> {
        Self::make(MakeMap { kind: ARRAY, key: 4, value: length, entries: 1, ..MakeMap::default() })
    }

    /// A map with one number of eight bytes for each socket, which goes with the socket. One that accept(2) makes has none of the
    /// socket's that listens.
    ///
    /// # Errors
    /// If the kernel has none for us.
    pub(super) fn of_sockets() -> Result<Self> {
        /// `BPF_F_NO_PREALLOC`, which it takes.
        const AS_NEEDED: u32 = 1;
        let types = TYPES;
        let mut load = LoadTypes {
            types: address(&raw const types),
            length: u32::try_from(size_of_val(&types))?,
            ..LoadTypes::default()
        };
        // SAFETY: the types outlive the call.
        let types = owned(
            unsafe { bpf(Command::LoadTypes, &mut load) }.context("the kernel takes no types, bpf(2)")?,
        )?;
        Self::make(MakeMap {
            kind: SOCKETS,
            key: 4,
            value: 8,
            flags: AS_NEEDED,
            types: number(&types),
            key_type: 1,
            value_type: 2,
            ..MakeMap::default()
        })
    }

    /// The array and the map of sockets among maps that are in use, by their numbers, if these are no more and no less.
    ///
    /// # Errors
    /// If the kernel does not show them.
    pub(super) fn in_use(numbers: &BTreeSet<u32>) -> Result<Option<(Self, Self)>> {
        let (mut array, mut sockets) = (None, None);
        for &id in numbers {
            let mut asked = ById { id, ..ById::default() };
            // SAFETY: there are no addresses.
            let map =
                unsafe { bpf(Command::MapById, &mut asked) }.context("the kernel does not show a map")?;
            let map = Self { descriptor: owned(map)? };
            match map.kind()? {
                ARRAY => array = array.xor(Some(map)),
                SOCKETS => sockets = sockets.xor(Some(map)),
                _ => return Ok(None),
            }
        }
        Ok(array.zip(sockets).filter(|_| numbers.len() == 2))
    }

    fn kind(&self) -> Result<u32> {
        // The beginning of `struct bpf_map_info`.
        let mut kind = 0_u32;
        let mut asked = AskInfo {
            object: number(&self.descriptor),
            length: u32::try_from(size_of_val(&kind))?,
            info: address(&raw mut kind),
        };
        // SAFETY: there is room for as much as is said.
        unsafe { bpf(Command::Info, &mut asked) }.context("the kernel does not describe a map")?;
        Ok(kind)
    }

    fn make(mut asked: MakeMap) -> Result<Self> {
        // SAFETY: there are no addresses.
        let made = unsafe { bpf(Command::MakeMap, &mut asked) }.context("the kernel makes no map, bpf(2)")?;
        Ok(Self { descriptor: owned(made)? })
    }
}
