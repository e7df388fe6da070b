//! Instructions of the kernel's BPF machine (Documentation/bpf/standardization/instruction-set.rst), as far as our programs need
//! them.

use std::os::fd::{AsRawFd, BorrowedFd};

/// An instruction: the operation, the two registers, an offset and a constant.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    operation: u8,
    registers: u8,
    offset: i16,
    constant: i32,
}

/// A part of a program.
pub(super) type Code = Vec<Instruction>;

/// A register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Register {
    /// What a program or a helper returns.
    Result = 0,
    /// What a program is called with, and the first argument of a helper. Helpers change it and the other arguments.
    First = 1,
    Second = 2,
    Third = 3,
    Fourth = 4,
    /// What helpers leave as it is.
    Context = 6,
    Kept = 7,
    /// The end of the stack.
    Stack = 10,
}

/// Helpers of the kernel, bpf-helpers(7).
#[derive(Clone, Copy)]
pub(super) enum Helper {
    /// `bpf_map_lookup_elem`
    LookUp = 1,
    /// `bpf_ktime_get_ns`
    Nanoseconds = 5,
    /// `bpf_sk_storage_get`
    SocketStorage = 107,
}

/// What a program answers: that the call is refused, with EPERM, or that it goes on.
#[derive(Clone, Copy)]
pub(super) enum Answer {
    Refuse = 0,
    Allow = 1,
}

/// What a part of a program depends on: a register and what it is compared with, as a number without a sign.
#[derive(Clone, Copy)]
pub(super) enum Test {
    /// In the register's lower half.
    Is(Register, i32),
    /// In the whole register.
    Above(Register, i32),
    Below(Register, Register),
    Null(Register),
}

const fn instruction(operation: u8, to: u8, from: u8, offset: i16, constant: i32) -> Instruction {
    // Two bit fields, which a compiler of C lays out from the end that the machine has its bytes from.
    let registers = if cfg!(target_endian = "little") { from << 4 | to } else { to << 4 | from };
    Instruction { operation, registers, offset, constant }
}

/// `LDX | MEM | W`
pub(super) const fn load(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x61, to as u8, from as u8, offset, 0)
}

/// `LDX | MEM | DW`
pub(super) const fn load_double(to: Register, from: Register, offset: i16) -> Instruction {
    instruction(0x79, to as u8, from as u8, offset, 0)
}

/// `STX | MEM | W`
pub(super) const fn store(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0x63, to as u8, from as u8, offset, 0)
}

/// `STX | MEM | DW`
pub(super) const fn store_double(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0x7b, to as u8, from as u8, offset, 0)
}

/// `STX | ATOMIC | DW` with `ADD`
pub(super) const fn add_to(to: Register, offset: i16, from: Register) -> Instruction {
    instruction(0xdb, to as u8, from as u8, offset, 0)
}

/// `ALU64 | MOV | K`
pub(super) const fn set(register: Register, constant: i32) -> Instruction {
    instruction(0xb7, register as u8, 0, 0, constant)
}

/// `ALU64 | MOV | X`
pub(super) const fn copy(to: Register, from: Register) -> Instruction {
    instruction(0xbf, to as u8, from as u8, 0, 0)
}

/// `ALU64 | ADD | K`
pub(super) const fn add(register: Register, constant: i32) -> Instruction {
    instruction(0x07, register as u8, 0, 0, constant)
}

/// `ALU64 | RSH | K`
pub(super) const fn shift_right(register: Register, bits: i32) -> Instruction {
    instruction(0x77, register as u8, 0, 0, bits)
}

/// `ALU | END | TO_BE`, of 16 bits.
pub(super) const fn from_network(register: Register) -> Instruction {
    instruction(0xdc, register as u8, 0, 0, 16)
}

/// `LD | IMM | DW` of a map, by its descriptor.
pub(super) fn map(to: Register, map: BorrowedFd<'_>) -> [Instruction; 2] {
    /// `BPF_PSEUDO_MAP_FD`
    const MAP: u8 = 1;
    [instruction(0x18, to as u8, MAP, 0, map.as_raw_fd()), instruction(0, 0, 0, 0, 0)]
}

/// `JMP | CALL`
pub(super) const fn call(helper: Helper) -> Instruction {
    instruction(0x85, 0, 0, 0, helper as i32)
}

/// `JMP | EXIT`
const EXIT: Instruction = instruction(0x95, 0, 0, 0, 0);

/// Ends the program with what it answers.
pub(super) const fn end(answer: Answer) -> [Instruction; 2] {
    [set(Register::Result, answer as i32), EXIT]
}

/// A part of a program for where the test holds: else it is skipped.
pub(super) fn when(test: Test, part: impl AsRef<[Instruction]>) -> Code {
    let part = part.as_ref();
    let over = i16::try_from(part.len()).unwrap_or(i16::MAX);
    debug_assert!(over < i16::MAX, "{} instructions to jump over", part.len());
    let jump = match test {
        // `JMP32 | JNE | K`, `JMP | JLE | K`, `JMP | JGE | X`, `JMP | JNE | K`
        Test::Is(register, constant) => instruction(0x56, register as u8, 0, over, constant),
        Test::Above(register, constant) => instruction(0xb5, register as u8, 0, over, constant),
        Test::Below(one, other) => instruction(0x3d, one as u8, other as u8, over, 0),
        Test::Null(register) => instruction(0x55, register as u8, 0, over, 0),
    };
    std::iter::once(jump).chain(part.iter().copied()).collect()
}
