#![doc = include_str!("../docs/crate.md")]
#![forbid(unsafe_code)]

mod completion;
mod consumer;
mod deliver;
mod end;
mod limits;
mod producer;
mod sink;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
mod value;

// The adapters are what readers come for, so their folder stands at the top level, beside this one.
#[path = "../adapters/mod.rs"]
mod adapters;

#[doc = include_str!("../docs/contract.md")]
pub mod contract {}

pub use wasmtime;

pub use self::adapters::*;
pub use self::completion::{CancelHandle, Completed, Completing, Completion, StoreToken};
pub use self::consumer::{ByteConsumer, ItemConsumer};
pub use self::deliver::{Deliver, Identity, Receive, With};
pub use self::end::{End, Why};
pub use self::producer::{ByteProducer, ItemProducer, Splice};
pub use self::sink::{ByteSink, Flush, Halt, ItemSink, Take};
pub use self::source::{ByteSource, ItemSource, Then, Undelivered};
pub use self::value::{
    OrTrap, ValueConsumer, ValueProducer, ValueSink, callback, future, try_future,
};
