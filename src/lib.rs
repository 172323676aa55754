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
        feature = "nats",
        feature = "quic",
        feature = "tracing",
        feature = "wasi"
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
mod sync;
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
#[cfg(feature = "nats")]
#[path = "../adapters/nats/mod.rs"]
pub mod nats;
#[cfg(feature = "quic")]
#[path = "../adapters/quic/mod.rs"]
pub mod quic;
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

pub mod guide {
    //! Pages that answer one question each.
    //!
    //! | question | page |
    //! |---|---|
    //! | How do I call a guest, and who polls the store? | [`calling`] |
    //! | How do I make a guest? | [`own_guest`] |
    //! | Which adapter? | [`choosing`] |
    //! | Which limits, deadlines and counters are there? | [`layers`] |
    //! | How do I stop a stream, and when does it take effect? | [`cancellation`] |
    //! | How do streams end, and who sees what? | [`ends`](crate::ends) |
    //! | Where does an error go, and how does the guest learn of it? | [`errors`] |
    //! | When is data flushed, and who shuts the sink down? | [`closing`] |
    //! | What does a read of zero items do? | [`zero_length`] |
    //! | What holds up whom, and how much does a stream hold? | [`memory`] |
    //! | How do resources cross, and streams within items? | [`handles`] |
    //! | How does a stream get from guest to guest, or past a guest? | [`passing_on`] |
    //! | How do I send an HTTP body through a guest? | [`proxying`] |
    //! | How do I put my object behind a guest of WASI? | [`wasi`] |
    //! | How does a stream get to a guest on another machine? | [`machines`] |
    //! | How do I check an implementation of my own? | [`checking`] |
    //! | How do I write an adapter? | [`adapters`] |
    //! | What about guests that never wait? | [`yielding`] |
    //! | What can I measure and trace? | [`observing`] |
    //! | How do I move to the next major of Wasmtime? | [`upgrading`] |
    //! | I have a hand-written producer: what now? | [`by_hand`] |
    //! | How is this crate built, and why? | [`design`] |

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/calling.md")]
    pub mod calling {}

    #[doc = include_str!("../docs/guide/own_guest.md")]
    pub mod own_guest {}

    #[cfg(all(feature = "tokio", feature = "futures"))]
    #[doc = include_str!("../docs/guide/choosing.md")]
    pub mod choosing {}

    #[doc = include_str!("../docs/guide/layers.md")]
    pub mod layers {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/cancellation.md")]
    pub mod cancellation {}

    #[cfg(all(feature = "tokio", feature = "futures"))]
    #[doc = include_str!("../docs/guide/errors.md")]
    pub mod errors {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/closing.md")]
    pub mod closing {}

    #[cfg(all(feature = "tokio", feature = "futures"))]
    #[doc = include_str!("../docs/guide/zero_length.md")]
    pub mod zero_length {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/memory.md")]
    pub mod memory {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/handles.md")]
    pub mod handles {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/passing_on.md")]
    pub mod passing_on {}

    #[cfg(all(feature = "tokio", feature = "http-body"))]
    #[doc = include_str!("../docs/guide/proxying.md")]
    pub mod proxying {}

    #[cfg(all(feature = "futures", feature = "wasi"))]
    #[doc = include_str!("../docs/guide/wasi.md")]
    pub mod wasi {}

    #[cfg(all(feature = "nats", feature = "quic"))]
    #[doc = include_str!("../docs/guide/machines.md")]
    pub mod machines {}

    #[doc = include_str!("../docs/guide/checking.md")]
    pub mod checking {}

    #[doc = include_str!("../docs/guide/adapters.md")]
    pub mod adapters {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/yielding.md")]
    pub mod yielding {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/observing.md")]
    pub mod observing {}

    #[doc = include_str!("../docs/guide/upgrading.md")]
    pub mod upgrading {}

    #[cfg(feature = "tokio")]
    #[doc = include_str!("../docs/guide/by_hand.md")]
    pub mod by_hand {}

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
