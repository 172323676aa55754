#![doc = include_str!("../docs/crate.md")]
#![forbid(unsafe_code)]

mod boxed;
mod completion;
mod consumer;
mod crossing;
mod deliver;
mod end;
mod handoff;
mod layer;
pub mod lift;
mod limits;
pub mod lower;
mod oneshot;
mod place;
mod producer;
pub mod relay;
mod sink;
mod source;
#[cfg(feature = "testing")]
pub mod testing;
mod value;
mod wake;
mod wit;

// The adapters are what readers come for, so their folder stands at the top level, beside this one.
#[path = "../adapters/mod.rs"]
mod adapters;

#[doc = include_str!("../docs/contract.md")]
pub mod contract {}

#[doc = include_str!("../docs/ends.md")]
pub mod ends {}

pub use wasmtime;

pub use self::adapters::*;
pub use self::boxed::{BoxConsumer, BoxProducer};
pub use self::completion::{
    CancelHandle, Completed, Completion, Drive, DriveError, Driven, StoreToken,
};
pub use self::consumer::{ByteConsumer, ItemConsumer};
pub use self::crossing::{Crossing, IntoGuest, IntoHost, Nested, Plain};
pub use self::deliver::{Deliver, Identity, Receive, With};
pub use self::end::{End, EndError, EndReason};
pub use self::layer::Meter;
pub use self::place::{Holding, Owned, Shared};
pub use self::producer::{ByteProducer, ItemProducer, Splice};
pub use self::sink::{ByteSink, Flush, Halt, ItemSink, Take};
pub use self::source::{ByteSource, ItemSource, Then};
pub use self::value::{
    OrTrap, ValueConsumer, ValueProducer, ValueSink, callback, future, try_future,
};
