#![doc = include_str!("../docs/crate.md")]
#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]
// The pages name what needs a feature; that the links lead somewhere is checked with all of them.
#![cfg_attr(
    not(all(
        feature = "tokio",
        feature = "futures",
        feature = "codec",
        feature = "http-body",
        feature = "tracing"
    )),
    allow(rustdoc::broken_intra_doc_links)
)]

mod boxed;
pub mod completion;
mod consumer;
mod end;
pub mod from_guest;
mod handoff;
pub mod items;
mod layer;
mod limits;
mod oneshot;
mod place;
mod producer;
pub mod relay;
mod sink;
mod source;
pub mod to_guest;
mod transform;
pub mod values;
mod wake;
mod wit;

// The adapters are what readers come for, so their folders stand at the top level, beside this one: one folder a module, one
// file an adapter.
#[macro_use]
#[path = "../adapters/shared/mod.rs"]
mod shared;

#[path = "../adapters/blocking/mod.rs"]
pub mod blocking;
#[cfg(feature = "http-body")]
#[path = "../adapters/body/mod.rs"]
pub mod body;
#[cfg(feature = "tokio")]
#[path = "../adapters/channels/mod.rs"]
pub mod channels;
#[cfg(feature = "codec")]
#[path = "../adapters/codec/mod.rs"]
pub mod codec;
#[cfg(feature = "futures")]
#[path = "../adapters/futures_io/mod.rs"]
pub mod futures_io;
#[path = "../adapters/handovers/mod.rs"]
mod handovers;
#[path = "../adapters/iterators/mod.rs"]
pub mod iterators;
#[path = "../adapters/layers/mod.rs"]
mod layers;
#[cfg(feature = "futures")]
#[path = "../adapters/sinks/mod.rs"]
pub mod sinks;
#[cfg(feature = "tokio")]
#[path = "../adapters/sockets/mod.rs"]
pub mod sockets;
#[cfg(feature = "futures")]
#[path = "../adapters/streams/mod.rs"]
pub mod streams;
#[cfg(feature = "tokio")]
#[path = "../adapters/tokio_io/mod.rs"]
pub mod tokio_io;
#[cfg(feature = "wasi")]
#[path = "../adapters/wasi/mod.rs"]
pub mod wasi;

#[doc = include_str!("../docs/contract.md")]
pub mod contract {}

#[doc = include_str!("../docs/ends.md")]
pub mod ends {}

/// Pages that answer one question each.
pub mod guide {
    #[doc = include_str!("../docs/layers.md")]
    pub mod layers {}

    #[doc = include_str!("../docs/adapters.md")]
    pub mod adapters {}

    #[doc = include_str!("../docs/design.md")]
    pub mod design {}
}

pub use wasmtime;

pub use self::boxed::{BoxConsumer, BoxProducer};
pub use self::completion::{CancelHandle, Completed, Completion, StoreToken};
pub use self::consumer::{ByteConsumer, ItemConsumer};
pub use self::end::{Cut, End, EndReason};
pub use self::layer::Meter;
pub use self::producer::{ByteProducer, ItemProducer};
pub use self::sink::{ByteSink, Flush, ItemSink, Take};
pub use self::source::{ByteSource, ItemSource, Then};
pub use self::transform::{Transformed, transform, transform_in};
pub use self::values::{ValueConsumer, ValueProducer};
