//! Shared by the targets, which decode any bytes into an adapter, a script of its host object and a script of the
//! guest.

use std::fmt::Debug;

use wasmtime_streams_testing::inner::{Control, Script, Step};
use wasmtime_streams_testing::{Check, Item, Made, Op, Role};

#[path = "../../tests/support/codec.rs"]
mod codec;
#[path = "../../tests/support/completed.rs"]
mod completed;

pub use codec::ByteCodec;
pub use completed::{completed, completed_as};

/// Steps in the longest script of a host object. Low enough that empty chunks never make an adapter yield.
const LONGEST: usize = 48;

/// The bytes that are not decoded yet; missing ones are 0.
#[derive(Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// An input of all `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A length, and then that many bytes.
    pub fn part(&mut self) -> &'a [u8] {
        let len = usize::from(self.byte()) % LONGEST;
        let (part, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        part
    }

    /// The script of the guest: the rest of the bytes.
    pub fn ops(self) -> Vec<Op> {
        Op::decode(self.0)
    }
}

/// The steps of a host object.
#[derive(Clone, Debug)]
pub struct Host {
    steps: Vec<Step>,
    /// Whether one of them fails.
    pub fails: bool,
    /// How many steps wait for the script to release them.
    holds: usize,
}

impl Host {
    /// A source of at most 248 bytes, all different, and those bytes.
    pub fn source(bytes: &[u8], may_fail: bool) -> (Self, Vec<u8>) {
        let mut items = 0..248_u8;
        let steps = bytes.iter().map(|byte| match byte & 7 {
            0 => Step::Empty,
            1 => Step::Pending,
            2 | 3 => Step::Hold,
            7 if may_fail => Step::Fail,
            _ => match items.by_ref().take(usize::from(byte >> 3) + 1).collect::<Vec<_>>() {
                data if data.is_empty() => Step::Empty,
                data => Step::Data(data),
            },
        });
        let host = Self::new(steps.collect());
        let data = host.steps.iter().filter_map(|step| match step {
            Step::Data(data) => Some(data),
            _ => None,
        });
        let items = data.flatten().copied().collect();
        (host, items)
    }

    /// A sink.
    pub fn sink(bytes: &[u8]) -> Self {
        let steps = bytes.iter().map(|byte| match byte & 7 {
            0 => Step::Pending,
            1 | 2 => Step::Hold,
            7 => Step::Fail,
            _ => Step::Accept(usize::from(byte >> 3) + 1),
        });
        Self::new(steps.collect())
    }

    fn new(mut steps: Vec<Step>) -> Self {
        // Nothing comes after a failure.
        let fail = steps.iter().position(|step| *step == Step::Fail);
        steps.truncate(fail.map_or(steps.len(), |at| at + 1));
        let holds = steps.iter().filter(|step| **step == Step::Hold).count();
        Self { fails: fail.is_some(), holds, steps }
    }

    /// A new script of its steps.
    pub fn script(&self) -> Script {
        Script::new(self.steps.clone())
    }

    /// The same for flushing and closing, where each hold needs a step after it.
    pub fn flushes(self) -> Self {
        let done = |step| match step {
            Step::Hold => vec![Step::Hold, Step::Accept(1)],
            step => vec![step],
        };
        Self { steps: self.steps.into_iter().flat_map(done).collect(), ..self }
    }

    fn is_ready(&self) -> bool {
        !self.steps.iter().any(|step| matches!(step, Step::Pending | Step::Hold))
    }
}

/// Lets the guest's script advance the host objects, unless all of them are always ready.
pub fn step<X, V>(made: Made<X, V>, hosts: &[(&Host, Control)]) -> Made<X, V> {
    if hosts.iter().all(|(host, _)| host.is_ready()) {
        return made;
    }
    let mut held: Vec<_> =
        hosts.iter().map(|(host, control)| (host.holds, control.clone())).collect();
    made.step(move || {
        let mut moved = false;
        for (left, control) in held.iter_mut().filter(|(left, _)| *left > 0) {
            *left -= 1;
            control.release();
            moved = true;
        }
        moved
    })
}

/// Runs one script. A finding aborts, and is printed so that it can be understood without the bytes.
pub fn run<D, T, R>(what: &str, host: &impl Debug, check: Check<D, T, R>, ops: &[Op])
where
    D: Send + 'static,
    T: Item,
    R: Role<D, T>,
{
    if let Err(failure) = check.replay(ops).run() {
        eprintln!("\n{what} over {host:?}\n{failure}\n");
        // Not a panic: libFuzzer cannot unwind, and would panic a second time.
        std::process::abort();
    }
}

/// Removes libFuzzer's panic hook, which would abort at once: the kit catches and reports an adapter's panics.
pub fn quiet() {
    drop(std::panic::take_hook());
}
