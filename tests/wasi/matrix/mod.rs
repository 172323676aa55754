//! Real guests, which speak WASI 0.3 themselves, on Wasmtime's own WASI host and on this crate's: stdout, the guest's
//! report and its exit status must be the same, whatever the lengths of the guest's operations.

mod files;
mod guest;
mod listings;
mod ours;
mod pipes;
mod scratch;
mod sockets;
mod stdio;
mod wasmtimes;

pub(crate) use guest::{ENGINE, Host, component};
use guest::{Guest, Status};
pub(crate) use scratch::Scratch;

/// The hosts that the tests run on.
pub(crate) const HOSTS: &[Host] = &[Host::Wasmtime, Host::Ours];

/// The lengths of a guest's operations, each with a length of data that has several operations, and ends within one.
const LENGTHS: [(usize, usize); 6] = [
    (1, 333),
    (7, 3_333),
    (4_096, 333_333),
    (65_536, 1_333_333),
    (1 << 20, 3_333_333),
    (8 << 20, 9_333_333),
];

/// How a guest runs each operation.
#[derive(Clone, Copy, Debug)]
struct Mode(&'static [&'static str]);

const PLAIN: Mode = Mode(&[]);
const ZERO: Mode = Mode(&["--zero"]);
const CANCEL: Mode = Mode(&["--cancel"]);
const ZERO_AND_CANCEL: Mode = Mode(&["--zero", "--cancel"]);

/// Bytes that are different in every place that an operation could mix up with another.
pub(crate) fn data(len: usize) -> Vec<u8> {
    (0..len as u32).map(|i| (i.wrapping_mul(0x9e37_79b1) >> 24) as u8).collect()
}

/// Asserts equality without printing megabytes.
#[track_caller]
pub(crate) fn same_bytes(got: &[u8], expected: &[u8]) {
    let place = got.iter().zip(expected).position(|(got, expected)| got != expected);
    assert_eq!((got.len(), place), (expected.len(), None), "the lengths, and the first difference");
}
