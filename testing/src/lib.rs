//! Checks an implementation of Wasmtime's stream and future traits.
//!
//! Runs scripts of guest operations, all short ones and many long ones, against a [`StreamProducer`],
//! [`StreamConsumer`], [`FutureProducer`] or [`FutureConsumer`] in a real guest, on an executor that detects when
//! nothing can run. A finding names the broken rule, and shows the shortest script that breaks it. The rules are on the
//! page `contract` of the crate wasmtime-streams. This package depends on Wasmtime only, so it checks any
//! implementation.
//!
//! [`StreamProducer`]: wasmtime::component::StreamProducer
//! [`StreamConsumer`]: wasmtime::component::StreamConsumer
//! [`FutureProducer`]: wasmtime::component::FutureProducer
//! [`FutureConsumer`]: wasmtime::component::FutureConsumer
//!
//! ```
//! use std::collections::VecDeque;
//! use std::pin::Pin;
//! use std::task::{Context, Poll};
//!
//! use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
//! use wasmtime::{AsContextMut as _, Result, StoreContextMut};
//! use wasmtime_streams_testing::{self as testing, Made};
//!
//! /// Numbers that are in memory.
//! struct Numbers(VecDeque<u32>);
//!
//! impl<D: 'static> StreamProducer<D> for Numbers {
//!     type Item = u32;
//!     type Buffer = VecBuffer<u32>;
//!
//!     fn poll_produce<'a>(
//!         mut self: Pin<&mut Self>,
//!         _: &mut Context<'_>,
//!         mut store: StoreContextMut<'a, D>,
//!         mut destination: Destination<'a, u32, VecBuffer<u32>>,
//!         finish: bool,
//!     ) -> Poll<Result<StreamResult>> {
//!         if finish {
//!             return Poll::Ready(Ok(StreamResult::Cancelled));
//!         }
//!         let wanted = destination.remaining(store.as_context_mut()).unwrap_or(64);
//!         let n = wanted.min(self.0.len());
//!         let batch: Vec<_> = self.0.drain(..n).collect();
//!         destination.set_buffer(batch.into());
//!         let end = self.0.is_empty();
//!         Poll::Ready(Ok(if end { StreamResult::Dropped } else { StreamResult::Completed }))
//!     }
//! }
//!
//! // In a test:
//! let report = testing::producer(vec![1_u32, 2, 3], || Made::new(Numbers([1, 2, 3].into()))).assert();
//! println!("{report}");
//! ```
//!
//! [`Made::step`] advances a host object that is not always ready. The other methods of [`Made`] check what the host
//! object received, and what was reported of the end. For tests of your own there are the scripted [`Guest`] and the
//! [`executor`].
//!
//! # Ends and cuts
//!
//! A consumer often passes its data on to a receiver: the reader of a channel, of a body, of a pipe. The receiver must
//! be able to distinguish the end of the data from a stream that was cut short. [`Made::receiver_end`] asks what the
//! receiver sees, and [`Made::cut`] cuts the stream as the host would, at every point of a script. Scripts also let the
//! guest trap, and drop the store.
//!
//! ```
//! use std::pin::Pin;
//! use std::sync::Arc;
//! use std::sync::atomic::{AtomicBool, Ordering};
//! use std::sync::mpsc::{Sender, TryRecvError, channel};
//! use std::task::{Context, Poll};
//!
//! use wasmtime::component::{Source, StreamConsumer, StreamResult};
//! use wasmtime::{Result, StoreContextMut};
//! use wasmtime_streams_testing::{self as testing, Made, ReceiverEnd};
//!
//! /// Sends the bytes that the guest writes, and then an error if the stream was cut.
//! struct Forward {
//!     tx: Sender<Result<u8, &'static str>>,
//!     cancelled: Arc<AtomicBool>,
//! }
//!
//! impl<D: 'static> StreamConsumer<D> for Forward {
//!     type Item = u8;
//!
//!     fn poll_consume(
//!         self: Pin<&mut Self>,
//!         _: &mut Context<'_>,
//!         store: StoreContextMut<'_, D>,
//!         source: Source<'_, u8>,
//!         _: bool,
//!     ) -> Poll<Result<StreamResult>> {
//!         if self.cancelled.load(Ordering::Relaxed) {
//!             return Poll::Ready(Ok(StreamResult::Dropped));
//!         }
//!         let mut source = source.as_direct(store);
//!         let bytes = source.remaining().to_vec();
//!         source.mark_read(bytes.len());
//!         for byte in bytes {
//!             let _ = self.tx.send(Ok(byte));
//!         }
//!         Poll::Ready(Ok(StreamResult::Completed))
//!     }
//! }
//!
//! impl Drop for Forward {
//!     fn drop(&mut self) {
//!         // Without this the receiver sees only a dropped sender, which looks like the end of the data.
//!         if self.cancelled.load(Ordering::Relaxed) {
//!             let _ = self.tx.send(Err("cancelled"));
//!         }
//!     }
//! }
//!
//! testing::consumer((1..=7).collect(), || {
//!     let (tx, rx) = channel();
//!     let cancelled = Arc::new(AtomicBool::new(false));
//!     let cancel = cancelled.clone();
//!     Made::new(Forward { tx, cancelled })
//!         .cut(move || cancel.store(true, Ordering::Relaxed))
//!         .receiver_end(move || {
//!             loop {
//!                 match rx.try_recv() {
//!                     Ok(Ok(_)) => {}
//!                     Ok(Err(_)) => return ReceiverEnd::Cut,
//!                     Err(TryRecvError::Disconnected) => return ReceiverEnd::Complete,
//!                     Err(TryRecvError::Empty) => return ReceiverEnd::Open,
//!                 }
//!             }
//!         })
//! })
//! .assert();
//! ```
//!
//! More hooks: [`Made::resolves`] for trailers and other futures beside the stream, [`Made::places`] for room in a
//! channel, [`Made::watches_store`] for an implementation that can distinguish a trap from an end. Items that are
//! streams, futures or resources are counted in the store's table without a hook: see [`Check::gives`].
//!
//! # Random schedules
//!
//! A test runs all short scripts and some random ones. [`Soak`] runs millions of longer ones over a table of checks, on
//! all cores, and finds each again by its seed and number. [`Check::run_script`] and [`Op::decode`] are for fuzzers.

#![forbid(unsafe_code)]

mod blame;
mod check;
mod compare;
mod control;
mod ends;
pub mod executor;
mod explore;
mod finish;
mod guest;
mod handles;
pub mod inner;
mod item;
mod judge;
mod made;
mod memory;
mod op;
mod pass;
mod probe;
mod random;
mod report;
mod role;
mod schedule;
mod session;
mod setup;
mod soak;

pub use self::check::{
    Check, consumer, consumer_in, future_consumer, future_producer, producer, producer_in,
};
pub use self::guest::{BUFFER, Code, Guest};
pub use self::item::{Heap, Item};
pub use self::made::{Made, ReceiverEnd, Reported};
pub use self::op::Op;
pub use self::report::{Failure, Finding, Report};
pub use self::role::{FutureIn, FutureOut, Role, StreamIn, StreamOut};
pub use self::schedule::BoxedCheck;
pub use self::setup::Setup;
pub use self::soak::{Found, Progress, RowReport, Soak, SoakReport};
