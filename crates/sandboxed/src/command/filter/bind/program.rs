//! What the program says: instructions of the kernel's BPF machine (Documentation/bpf/standardization/instruction-set.rst).

use std::collections::BTreeSet;

use super::{Port, Protocol};

/// An instruction: the operation, the two registers, an offset and a constant.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Instruction {
    operation: u8,
    registers: u8,
    offset: i16,
    constant: i32,
}

/// Operations, by their names in the instruction set: `LDX | MEM | W`, `STX | MEM | W`, `ALU | END | TO_BE`, `JMP32 | JNE | K`,
/// `ALU64 | MOV | K`, `JMP | EXIT`.
const LOAD_WORD: u8 = 0x61;
const TO_BIG_ENDIAN: u8 = 0xdc;
const JUMP_IF_NOT_EQUAL: u8 = 0x56;
const STORE_WORD: u8 = 0x63;
const SET: u8 = 0xb7;
const EXIT: u8 = 0x95;

/// The register with what a program returns, that with the context it is called with, and two of its own.
const RESULT: u8 = 0;
const CONTEXT: u8 = 1;
const PORT: u8 = 2;
const PROTOCOL: u8 = 3;

/// Where `struct bpf_sock_addr` has the port, as the network has it, and the protocol: linux/bpf.h.
const USER_PORT: i16 = 24;
const SOCKET_PROTOCOL: i16 = 36;

/// What bind(2) is answered with: EPERM, and whatever else it says.
const REFUSE: i32 = 0;
const ALLOW: i32 = 1;

/// Numbers of protocols, protocols(5). ICMP's sockets have an identifier where others have a port.
const TCP: &[i32] = &[libc::IPPROTO_TCP, libc::IPPROTO_MPTCP];
const UDP: &[i32] = &[libc::IPPROTO_UDP];
const WITHOUT_PORTS: &[i32] = &[libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6];

impl Instruction {
    const fn new(operation: u8, to: u8, from: u8, offset: i16, constant: i32) -> Self {
        Self { operation, registers: from << 4 | to, offset, constant }
    }
}

/// The program that allows these ports, and the port 0, by which the kernel chooses one. For other UDP ports it may have the
/// kernel choose instead of refusing them.
pub(super) fn only(ports: &BTreeSet<Port>, replaces_udp: bool) -> Vec<Instruction> {
    let mut program = vec![
        Instruction::new(LOAD_WORD, PROTOCOL, CONTEXT, SOCKET_PROTOCOL, 0),
        Instruction::new(LOAD_WORD, PORT, CONTEXT, USER_PORT, 0),
        Instruction::new(TO_BIG_ENDIAN, PORT, 0, 0, 16),
        Instruction::new(SET, RESULT, 0, 0, ALLOW),
    ];
    // Each test skips the end of the program where it does not say so: jumps stay short, however many there are.
    let mut end_if = |register, constant| {
        program.push(Instruction::new(JUMP_IF_NOT_EQUAL, register, 0, 1, constant));
        program.push(Instruction::new(EXIT, 0, 0, 0, 0));
    };
    end_if(PORT, 0);
    for &protocol in WITHOUT_PORTS {
        end_if(PROTOCOL, protocol);
    }
    for port in ports {
        let numbers = match port.protocol {
            Protocol::Tcp => TCP,
            Protocol::Udp => UDP,
        };
        for &number in numbers {
            program.push(Instruction::new(JUMP_IF_NOT_EQUAL, PROTOCOL, 0, 2, number));
            program.push(Instruction::new(JUMP_IF_NOT_EQUAL, PORT, 0, 1, port.number.into()));
            program.push(Instruction::new(EXIT, 0, 0, 0, 0));
        }
    }
    if replaces_udp {
        for &number in UDP {
            program.push(Instruction::new(JUMP_IF_NOT_EQUAL, PROTOCOL, 0, 3, number));
            program.push(Instruction::new(SET, PORT, 0, 0, 0));
            program.push(Instruction::new(STORE_WORD, CONTEXT, PORT, USER_PORT, 0));
            program.push(Instruction::new(EXIT, 0, 0, 0, 0));
        }
    }
    program.push(Instruction::new(SET, RESULT, 0, 0, REFUSE));
    program.push(Instruction::new(EXIT, 0, 0, 0, 0));
    program
}
