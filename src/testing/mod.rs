//! Checks an implementation of Wasmtime's stream and future traits against the [contract](crate::contract).
//!
//! What is checked may be an adapter of this crate or written by hand: the kit knows nothing but Wasmtime's own traits. It
//! runs scripts of guest operations against it, all short ones and many long ones, in a real guest, on an executor that
//! knows when nothing can run any more. What it finds it names by the rule that is broken, with the shortest script that
//! shows it.
//!
//! ```
//! # use wasmtime_streams::testing::{self, Made};
//! let report = testing::producer(vec![1_u32, 2, 3], || {
//!     Made::new(wasmtime_streams::stream(futures::stream::iter([1_u32, 2, 3])))
//! })
//! .assert();
//! println!("{report}");
//! ```
//!
//! A host object that is not always ready is moved on by [`Made::step`]; what it received, and what the host was told of
//! the end, is looked at by the other methods of [`Made`]. Below the checks lie the [`Guest`] that does what it is told,
//! and the [`executor`], for tests of your own.

mod check;
pub mod executor;
mod explore;
mod guest;
pub mod inner;
mod item;
mod judge;
mod made;
mod probe;
mod report;
mod role;
mod session;
mod setup;

pub use self::check::{
    Check, consumer, consumer_in, future_consumer, future_producer, producer, producer_in,
};
pub use self::explore::Op;
pub use self::guest::{BUFFER, Code, Guest};
pub use self::item::{Heap, Item};
pub use self::made::{Made, Reported};
pub use self::report::{Failure, Finding, Report};
pub use self::role::{FutureIn, FutureOut, Role, StreamIn, StreamOut};
pub use self::setup::Setup;
