//! How many sockets the service has, and how many connections it has begun of late. Each holds one of the ports that the kernel
//! gives to whoever asks; a connection does so for a minute after its end (`TIME_WAIT`), when there is no socket any more.

use std::collections::BTreeSet;
use std::os::fd::AsFd;

use anyhow::Result;

use super::instruction::{
    Answer, Code, Helper, Register, Test, add, add_to, call, copy, end, load_double, map, set, shift_right,
    store, store_double, when,
};
use super::map::Map;

/// The numbers of a group, which its programs share.
pub(super) struct Count {
    /// One entry: the sockets that are open, the period that it is, and the connections that were begun in it.
    numbers: Map,
    /// Of each socket whether it is counted. Those that accept(2) makes are not: they have the port of the one that listens.
    counted: Map,
    /// The most sockets. A quarter of that is the most connections in one period.
    most: i32,
}

/// Where the entry has its numbers, and its length in bytes.
const OPEN: i16 = 0;
const PERIOD: i16 = 8;
const BEGUN: i16 = 16;
const LENGTH: u32 = 24;

/// A period is 2^33 ns, 8.6 s. `TCP_TIMEWAIT_LEN` (net/tcp.h), 60 s, lies across eight of them at most, so what ended connections
/// hold for that is at most twice as many ports as there may be sockets. They hold more where the other end does not read what
/// was sent, and so does not let them end.
const PERIOD_BITS: i32 = 33;
const PERIODS: i32 = 4;
/// Where on the stack the key of the entry is.
const KEY: i16 = -4;
/// `BPF_SK_STORAGE_GET_F_CREATE`
const CREATE: i32 = 1;

const RESULT: Register = Register::Result;
const VALUE: Register = Register::First;

impl Count {
    /// Begins to count, or goes on where programs do already that share these maps.
    ///
    /// # Errors
    /// If the kernel has no such maps.
    pub(super) fn with(maps: &BTreeSet<u32>, most: u32) -> Result<Self> {
        let (numbers, counted) = match Map::in_use(maps)? {
            Some(both) => both,
            None => (Map::array(LENGTH)?, Map::of_sockets()?),
        };
        Ok(Self { numbers, counted, most: i32::try_from(most)? })
    }

    /// The entry, in [`RESULT`]; it is always there, which the kernel is not told.
    fn entry(&self) -> Code {
        let key = Register::Second;
        [set(key, 0), store(Register::Stack, KEY, key), copy(key, Register::Stack), add(key, KEY.into())]
            .into_iter()
            .chain(map(Register::First, self.numbers.as_fd()))
            .chain([call(Helper::LookUp)])
            .chain(when(Test::Null(RESULT), end(Answer::Refuse)))
            .collect()
    }

    /// The mark of the socket in [`Register::Context`], in [`RESULT`], or nothing.
    fn mark(&self, flags: i32) -> Code {
        map(Register::First, self.counted.as_fd())
            .into_iter()
            .chain([
                copy(Register::Second, Register::Context),
                set(Register::Third, 0),
                set(Register::Fourth, flags),
                call(Helper::SocketStorage),
            ])
            .collect()
    }

    /// What a program says where a connection begins, or a socket is bound to a port that the kernel chooses.
    pub(super) fn begin(&self) -> Code {
        let period = Register::Kept;
        [call(Helper::Nanoseconds), copy(period, RESULT), shift_right(period, PERIOD_BITS)]
            .into_iter()
            .chain(self.entry())
            .chain([load_double(VALUE, RESULT, PERIOD)])
            .chain(when(
                // A thread that was held up in between must not take it back.
                Test::Below(VALUE, period),
                [set(VALUE, 0), store_double(RESULT, BEGUN, VALUE), store_double(RESULT, PERIOD, period)],
            ))
            .chain([set(VALUE, 1), add_to(RESULT, BEGUN, VALUE), load_double(VALUE, RESULT, BEGUN)])
            .chain(when(Test::Above(VALUE, self.most / PERIODS), end(Answer::Refuse)))
            .chain(end(Answer::Allow))
            .collect()
    }

    /// What socket(2) asks. A socket that is not marked would not be missed when it is closed, so without memory for the mark
    /// there is none.
    pub(super) fn opened(&self) -> Code {
        let take_back: Code =
            [set(VALUE, -1), add_to(RESULT, OPEN, VALUE)].into_iter().chain(end(Answer::Refuse)).collect();
        std::iter::once(copy(Register::Context, Register::First))
            .chain(self.mark(CREATE))
            .chain(when(Test::Null(RESULT), end(Answer::Refuse)))
            .chain([copy(Register::Kept, RESULT), load_double(VALUE, RESULT, 0)])
            // By the program that this one replaces, which is asked as well until it is gone.
            .chain(when(Test::Is(VALUE, 1), end(Answer::Allow)))
            .chain(self.entry())
            .chain([set(VALUE, 1), add_to(RESULT, OPEN, VALUE), load_double(VALUE, RESULT, OPEN)])
            .chain(when(Test::Above(VALUE, self.most), take_back))
            .chain([set(VALUE, 1), store_double(Register::Kept, 0, VALUE)])
            .chain(end(Answer::Allow))
            .collect()
    }

    /// What is told of a socket that was closed.
    pub(super) fn closed(&self) -> Code {
        std::iter::once(copy(Register::Context, Register::First))
            .chain(self.mark(0))
            .chain(when(Test::Null(RESULT), end(Answer::Allow)))
            .chain([load_double(VALUE, RESULT, 0)])
            .chain(when(Test::Is(VALUE, 0), end(Answer::Allow)))
            .chain([set(VALUE, 0), store_double(RESULT, 0, VALUE)])
            .chain(self.entry())
            .chain([set(VALUE, -1), add_to(RESULT, OPEN, VALUE)])
            .chain(end(Answer::Allow))
            .collect()
    }
}
