//! tokio's channels: a receiver is a stream that the guest reads, a sender takes what the guest writes.
//!
//! | I have … | the guest sees … | use … |
//! |---|---|---|
//! | an `mpsc::Receiver` | `stream<T>`, reads | [`mpsc_receiver`](mpsc_receiver()) |
//! | an `mpsc::UnboundedReceiver` | `stream<T>`, reads | [`mpsc_unbounded_receiver`](mpsc_unbounded_receiver()) |
//! | a `broadcast::Receiver` | `stream<T>`, reads | [`broadcast_receiver`](broadcast_receiver()) |
//! | a `watch::Receiver` | `stream<T>`, reads | [`watch_receiver`](watch_receiver()) |
//! | an `mpsc::Sender` | `stream<T>`, writes | [`mpsc_sender`](mpsc_sender()) |
//! | an `mpsc::UnboundedSender` | `stream<T>`, writes | [`mpsc_unbounded_sender`](mpsc_unbounded_sender()) |
//! | a `broadcast::Sender` | `stream<T>`, writes | [`broadcast_sender`](broadcast_sender()) |
//! | a `watch::Sender` | `stream<T>`, writes | [`watch_sender`](watch_sender()) |
//! | a `oneshot::Sender` | `future<T>`, writes | [`oneshot_sender`](oneshot_sender()) |
//! | a `oneshot::Receiver` | `future<T>`, reads | [`values::try_future`](crate::values::try_future()) |
//!
//! Take the bounded mpsc channel unless you need another one: it alone makes the faster side wait. An unbounded one
//! lets a guest fill the host's memory. Take a broadcast channel where many receivers get each item, and a slow one may
//! lose some; a watch channel where only the latest value counts.
//!
//! For a guest's `stream<u8>` and a channel of `Bytes` see `streams::chunks` and `sinks::chunks` (feature `futures`): here each
//! item of the channel is an item of the stream.
//!
//! A channel shows no difference between the end of the data and a cut. Where that matters, send `Result`s, or use
//! [`from_guest::items`](crate::from_guest::items()) and [`to_guest::sink`](crate::to_guest::sink()), which report a
//! cut.
//!
//! A task feeds a guest:
//!
//! ```
//! use tokio::sync::mpsc;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{channels, iterators};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let (tx, rx) = mpsc::channel(8);
//! let stream = StreamReader::new(&mut store, channels::mpsc_receiver(rx))?;
//! tokio::spawn(async move { while tx.send("tick".to_owned()).await.is_ok() {} });
//!
//! let (ticks, done) = iterators::collect::<String>(3).with_completion();
//! stream.pipe(&mut store, ticks)?; // or a guest gets the stream
//! let done = store.run_concurrent(async |_| done.await).await?;
//! assert_eq!(done.inner.into_inner(), ["tick"; 3]);
//! # Ok(())
//! # }
//! ```
//!
//! A guest feeds a task:
//!
//! ```
//! use tokio::sync::mpsc;
//! use wasmtime::{Engine, Store, component::StreamReader};
//! use wasmtime_streams::{channels, iterators};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> wasmtime::Result<()> {
//! let mut store = Store::new(&Engine::default(), ());
//! let stream = StreamReader::new(&mut store, iterators::items(1_u32..=3))?; // or a guest's
//! let (tx, mut rx) = mpsc::channel(2);
//! stream.pipe(&mut store, channels::mpsc_sender(tx))?;
//! let task = tokio::spawn(async move {
//!     let mut sum = 0;
//!     while let Some(n) = rx.recv().await {
//!         sum += n;
//!     }
//!     sum
//! });
//! let sum = store.run_concurrent(async |_| task.await).await?;
//! assert_eq!(sum?, 6);
//! # Ok(())
//! # }
//! ```

/// The accessors of a sink over a channel's sender. They return an `Option`: the end of the data drops the sender,
/// since a channel has no shutdown.
macro_rules! sender_accessors {
    ($sender:ident: $type:ty) => {
        /// The sender; `None` once the end of the data has dropped it.
        pub fn get_ref(&self) -> Option<&$type> {
            self.$sender.as_ref()
        }

        /// The sender; `None` once the end of the data has dropped it.
        pub fn into_inner(self) -> Option<$type> {
            self.$sender
        }
    };
}

mod broadcast_receiver;
mod broadcast_sender;
mod mpsc_receiver;
mod mpsc_sender;
mod mpsc_unbounded_sender;
mod oneshot_sender;
mod wait;
mod watch_receiver;
mod watch_sender;

pub use self::broadcast_receiver::{BroadcastReceiver, broadcast_receiver};
pub use self::broadcast_sender::{BroadcastSender, broadcast_sender};
pub use self::mpsc_receiver::{
    MpscReceiver, MpscUnboundedReceiver, mpsc_receiver, mpsc_unbounded_receiver,
};
pub use self::mpsc_sender::{MpscSender, mpsc_sender};
pub use self::mpsc_unbounded_sender::{MpscUnboundedSender, mpsc_unbounded_sender};
pub use self::oneshot_sender::{OneshotSender, oneshot_sender};
pub use self::watch_receiver::{WatchReceiver, watch_receiver};
pub use self::watch_sender::{WatchSender, watch_sender};
