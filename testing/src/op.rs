//! The steps of a script.

use std::fmt;

/// One step of a script. A step that does not apply, such as a wait without a pending operation, does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// The guest starts to read or write this many items; 0 is a zero-length operation.
    Start(u32),
    /// The host object advances by one step. Before a `Cancel` this is a race: the host object advances after the guest
    /// has cancelled, right before the implementation answers.
    Step,
    /// Wakes the task of the pending operation without a cause: the implementation is polled once more.
    Wake,
    /// Runs until nothing can run any more.
    Idle,
    /// The guest waits for its operation. Whenever nothing can run, the host object advances, while it can.
    Wait,
    /// The guest cancels its operation.
    Cancel,
    /// The guest drops its end. The rest of the script is not run.
    Drop,
    /// The guest reads to the last item, and then repeats zero-length reads until one does not complete.
    Ask,
    /// The guest, which reads, passes its end to the host and gets it back: see [`Check::passes`](super::Check::passes).
    Pass,
    /// The host cuts the stream by [`Made::cut`](super::Made::cut).
    Cut,
    /// The guest traps. The rest of the script is not run.
    Trap,
    /// The store is dropped. The rest of the script is not run.
    DropStore,
}

impl Op {
    /// Decodes a fuzzer's `bytes` into a script: each byte is one step, and every byte is valid.
    ///
    /// ```
    /// # use wasmtime_streams_testing::Op;
    /// assert_eq!(Op::decode(&[0, 0x18, 5]), [Op::Start(0), Op::Start(3), Op::Wait]);
    /// ```
    pub fn decode(bytes: &[u8]) -> Vec<Op> {
        let decode = |byte: &u8| match (byte & 7, u32::from(byte >> 3)) {
            // What ends the script, or the stream, is rare.
            (7, 31) => Op::Drop,
            (7, 30) => Op::Trap,
            (7, 29) => Op::DropStore,
            (7, 27..29) => Op::Cut,
            (7, 25..27) => Op::Ask,
            (7, 22..24) => Op::Pass,
            (7, _) => Op::Wake,
            (3, _) => Op::Step,
            (4, _) => Op::Idle,
            (5, _) => Op::Wait,
            (6, _) => Op::Cancel,
            // At most 65,536 items, which fit into the buffer of every guest.
            (_, n @ 24..) => Op::Start(1 << (n - 15)),
            (_, n) => Op::Start(n),
        };
        bytes.iter().map(decode).collect()
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Op::Start(0) => f.write_str("ask for readiness"),
            Op::Start(n) => write!(f, "start {n}"),
            Op::Step => f.write_str("host step"),
            Op::Wake => f.write_str("wake without a cause"),
            Op::Idle => f.write_str("idle"),
            Op::Wait => f.write_str("wait"),
            Op::Cancel => f.write_str("cancel"),
            Op::Drop => f.write_str("drop"),
            Op::Ask => f.write_str("ask for the end"),
            Op::Pass => f.write_str("pass to the host and back"),
            Op::Cut => f.write_str("host cut"),
            Op::Trap => f.write_str("trap"),
            Op::DropStore => f.write_str("drop the store"),
        }
    }
}
