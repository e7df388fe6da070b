//! What setsockopt(2) asks: whether the service may share ports, or choose those that the kernel chooses for it.

use super::instruction::{Answer, Code, Register, Test, end, load, load_double, set, store, when};

/// Where `struct bpf_sockopt` has these, linux/bpf.h.
const SOCKET: i16 = 0;
const LEVEL: i16 = 24;
const NAME: i16 = 28;
const LENGTH: i16 = 32;
/// Where `struct bpf_sock` has the type of a socket.
const TYPE: i16 = 8;

/// `IP_LOCAL_PORT_RANGE`, linux/in.h: of what range the kernel chooses the port 0. IPv6 sockets have it too.
const LOCAL_PORT_RANGE: i32 = 51;
/// A length by which the kernel does nothing more, and says that it has done so.
const DONE: i32 = -1;
/// The length of a value up to which the kernel shows it to the program. One with more is refused before Linux 6.5 unless the
/// program says 0: that it has not looked.
const SHOWN: i32 = 4096;

/// The program that keeps a datagram socket from sharing a port with those of others.
///
/// Where both sockets have `SO_REUSEADDR` the kernel takes their port for free, whoever they belong to: so for port 0 it chooses
/// it as well. `SO_REUSEPORT` does the same among the sockets of one user. A service that offers UDP ports may have several
/// sockets at one of them, so there the first counts as the second; where it offers none, neither has any effect. Not even an
/// error: programs ask for this out of habit. TCP shares no port that one side listens at, and does not choose one for port 0.
pub(super) fn program(offers_udp: bool) -> Code {
    let (context, value, name) = (Register::First, Register::Second, Register::Third);
    let ignore: Code =
        [set(value, DONE), store(context, LENGTH, value)].into_iter().chain(end(Answer::Allow)).collect();
    let by_address = if offers_udp {
        [set(value, libc::SO_REUSEPORT), store(context, NAME, value)]
            .into_iter()
            .chain(end(Answer::Allow))
            .collect()
    } else {
        ignore.clone()
    };
    let by_port = if offers_udp { end(Answer::Allow).into() } else { ignore };
    let datagrams: Code = [load_double(value, context, SOCKET), load(value, value, TYPE)]
        .into_iter()
        .chain(when(
            Test::Is(value, libc::SOCK_DGRAM),
            when(Test::Is(name, libc::SO_REUSEADDR), by_address)
                .into_iter()
                .chain(when(Test::Is(name, libc::SO_REUSEPORT), by_port))
                .collect::<Code>(),
        ))
        .chain(end(Answer::Allow))
        .collect();
    let unseen = when(Test::Above(value, SHOWN), [set(value, 0), store(context, LENGTH, value)]);
    std::iter::once(load(value, context, LENGTH))
        .chain(unseen)
        .chain([load(value, context, LEVEL), load(name, context, NAME)])
        .chain(when(
            Test::Is(value, libc::IPPROTO_IP),
            when(Test::Is(name, LOCAL_PORT_RANGE), end(Answer::Refuse)),
        ))
        .chain(when(Test::Is(value, libc::SOL_SOCKET), datagrams))
        .chain(end(Answer::Allow))
        .collect()
}
