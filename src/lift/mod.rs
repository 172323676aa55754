//! Guest streams as host objects: a guest's output to read from, on any task and any executor.
//!
//! | the guest gave … | take it as … | which is |
//! |---|---|---|
//! | `stream<u8>` | [`reader`] | tokio's and futures' `AsyncRead` and `AsyncBufRead` |
//! | `stream<T>` | [`items`] | futures' `Stream`, with whole batches for who wants them |
//! | `future<T>` | [`value`] | a `Future` |
//!
//! The way back, a writer of the host's whose other end the guest reads, is [`lower`](crate::lower); [`run`] does the
//! usual case in one call, and [`relay`](crate::relay) connects two stores.
//!
//! **Who polls the store?** A stream moves only while someone polls its store: inside of
//! [`run_concurrent`](wasmtime::Store::run_concurrent), or in a call into the guest. The objects here may be used on any
//! task, but while nobody polls the store they wait. Let the store run in a task of its own, or beside the use of the
//! object, as [`run`] does.
//!
//! Each holds at most what its capacity says; when that is full the guest waits. Whole chunks cross between the tasks, not
//! single items. No task is spawned, and an idle object holds no buffer.
//!
//! When the host's end is dropped, a guest's write that is parked is woken and sees the other end dropped; else the guest
//! learns it at its next write.

mod cut;
mod items;
mod reader;
mod run;
mod sink;
mod value;

pub use self::cut::Cut;
pub use self::items::{GuestItems, item_consumer, items};
pub use self::reader::{GuestReader, consumer, reader};
pub use self::run::{run, run_items};
pub use self::sink::ToHost;
pub use self::value::{GuestValue, NoValue, ToHostValue, value, value_consumer};
