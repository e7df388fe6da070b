//! What bind(2) and connect(2) ask: whether the service may have this port, or one more of those that the kernel chooses.

use super::Ports;
use super::count::Count;
use super::instruction::{Answer, Code, Register, Test, copy, end, from_network, load, set, store, when};
use super::port::{Protocol, TCP, UDP};

/// Where `struct bpf_sock_addr` has the port, as the network has it, and the protocol: linux/bpf.h.
const USER_PORT: i16 = 24;
const SOCKET_PROTOCOL: i16 = 36;

/// ICMP's sockets have an identifier where others have a port.
const WITHOUT_PORTS: &[i32] = &[libc::IPPROTO_ICMP, libc::IPPROTO_ICMPV6];

const CONTEXT: Register = Register::Context;
const PORT: Register = Register::Second;
const PROTOCOL: Register = Register::Third;

/// The program that allows these ports, where there are any to hold to, and the port 0, by which the kernel chooses one. For
/// other UDP ports it may have the kernel choose instead of refusing them. A TCP port that the kernel chooses counts.
pub(super) fn program(ports: Option<&Ports>, count: Option<&Count>) -> Code {
    let mut program = vec![
        copy(CONTEXT, Register::First),
        load(PROTOCOL, CONTEXT, SOCKET_PROTOCOL),
        load(PORT, CONTEXT, USER_PORT),
        from_network(PORT),
    ];
    let chosen: Code = count
        .into_iter()
        .flat_map(|count| TCP.iter().flat_map(|&tcp| when(Test::Is(PROTOCOL, tcp), count.begin())))
        .chain(end(Answer::Allow))
        .collect();
    program.extend(when(Test::Is(PORT, 0), chosen));
    let Some(ports) = ports else {
        program.extend(end(Answer::Allow));
        return program;
    };
    for &protocol in WITHOUT_PORTS {
        program.extend(when(Test::Is(PROTOCOL, protocol), end(Answer::Allow)));
    }
    for port in &ports.ports {
        for &number in port.protocol.numbers() {
            let this = when(Test::Is(PORT, port.number.into()), end(Answer::Allow));
            program.extend(when(Test::Is(PROTOCOL, number), this));
        }
    }
    if ports.replaces_udp {
        let choose = [set(PORT, 0), store(CONTEXT, USER_PORT, PORT)];
        let choose: Code = choose.into_iter().chain(end(Answer::Allow)).collect();
        for &number in UDP {
            program.extend(when(Test::Is(PROTOCOL, number), &choose));
        }
    }
    program.extend(end(Answer::Refuse));
    program
}

/// What connect(2) asks, of TCP's sockets: each begins a connection.
pub(super) fn connect(count: &Count) -> Code {
    let mut program = vec![load(PROTOCOL, Register::First, SOCKET_PROTOCOL)];
    for &number in Protocol::Tcp.numbers() {
        program.extend(when(Test::Is(PROTOCOL, number), count.begin()));
    }
    program.extend(end(Answer::Allow));
    program
}
