//! QUIC streams of quinn: a guest's stream to a guest on another machine.
//!
//! Needs the feature `quic`.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | a `RecvStream` | reads a `stream<u8>` | [`read`](read()) |
//! | a `SendStream` | writes a `stream<u8>` | [`write`](write()) |
//! | a `RecvStream` of [`write_items`](write_items()) | reads a `stream<T>` | [`read_items`](read_items()) |
//! | a `SendStream` | writes a `stream<T>` | [`write_items`](write_items()) |
//!
//! A connection carries thousands of streams, each with its own flow control and its own end: one for each stream of a guest.
//! Which stream is which the hosts agree on: by the order in which they are opened, or by a first message.
//!
//! # Examples
//!
//! One machine sends what its guest writes:
//!
//! ```
//! use wasmtime::{Store, component::StreamReader};
//! use wasmtime_streams::quic;
//!
//! async fn send(
//!     mut store: Store<()>,
//!     output: StreamReader<u8>, // the guest's
//!     connection: quinn::Connection,
//! ) -> wasmtime::Result<()> {
//!     let sink = quic::write(connection.open_uni().await?);
//!     let (sink, sent) = sink.until_stopped().with_completion();
//!     output.pipe(&mut store, sink)?;
//!     let sent = store.run_concurrent(async |_| sent.await).await?;
//!     sent.end.into_result()?; // all of it has arrived
//!     Ok(())
//! }
//! ```
//!
//! The other one gives it to its guest:
//!
//! ```
//! use wasmtime::{Store, component::StreamReader};
//! use wasmtime_streams::{End, quic};
//!
//! async fn receive(mut store: Store<()>, connection: quinn::Connection) -> wasmtime::Result<()> {
//!     let (source, received) = quic::read(connection.accept_uni().await?).with_completion();
//!     let input = StreamReader::new(&mut store, source)?; // the guest's argument
//!     # let mut input = input;
//!     # input.close(&mut store)?;
//!     let received = store.run_concurrent(async |_| received.await).await?;
//!     match received.end {
//!         End::Finished => println!("{} bytes", received.moved),
//!         End::Failed(error) => println!("cut: {error:?}"), // `Reset` and its code, `ConnectionLost` and why
//!         end => println!("cut: {end}"), // what the other machine's host or guest did
//!     }
//!     Ok(())
//! }
//! ```
//!
//! # How streams end
//!
//! | on this machine | frame | on the other |
//! |---|---|---|
//! | the sink's end is `Finished` | `STREAM` with `FIN` | the source's end is `Finished` |
//! | the sink's end is another one | `RESET_STREAM` with the code of the reason | the source's end is the reason of the code; `Failed` with the code if it has none, or means `Failed` or `Undeliverable` |
//! | the source's end is not `Finished`, and the end of the data has not arrived | `STOP_SENDING` with the code of the reason | the sink's end is `ReceiverDropped`; [`Write::stop_code`] has the code |
//! | the connection is closed | `CONNECTION_CLOSE` with a code | both are `Failed`, as [`ConnectionLost`](quinn::ReadError::ConnectionLost) with that code, unless they had all |
//! | the process, the machine or the network fails | none | the same, as [`TimedOut`](quinn::ConnectionError::TimedOut), after the [idle timeout](quinn::TransportConfig::max_idle_timeout) |
//!
//! [`Codes`] has the codes. All frames are sent at once, whether or not there is a completion.
//! [`abort`](crate::ByteConsumer::abort) resets a stream that no guest got. A guest that traps looks like a guest that drops
//! its end unless the completion [watches the store](crate::Completion::watch_store): watch it, so that a trap is a reset.
//!
//! A completion of a sink resolves once the other machine has acknowledged everything, or as [`Failed`](crate::End::Failed)
//! if the connection is lost before: then it is not known how much has arrived. That everything has arrived does not say that
//! the guest there has read it; for that let it answer on a second stream. Close the connection after that.
//!
//! At a reset QUIC gives up what the other guest has not read yet: only the end of the data comes after all data before it.
//!
//! # Cancellation
//!
//! A guest that cancels a read or a write is answered at once, and the stream goes on. A [cancel](crate::CancelHandle) by the
//! host, a deadline or a token ends the stream, and the other machine's with the same reason.
//!
//! # Memory
//!
//! Flow control is QUIC's. A guest that reads slowly holds up the guest that writes on the other machine, and what is between
//! them is bounded by quinn's [`TransportConfig`](quinn::TransportConfig) of the reading side: `stream_receive_window` for each
//! stream and `receive_window` for a connection; the writing side keeps at most `send_window` for a connection until it is
//! acknowledged. The defaults are
//! meant for fast links: 1.25 MB, no bound, and 10 MB. A stream of items holds a buffer of 8 KiB and one frame besides, whose
//! length is bounded by `max_frame_len`: 1 MiB by default. Nothing is allocated by a length that the other machine names.

mod codes;
mod error;
mod frames;
mod read;
mod read_items;
mod sending;
mod write;
mod write_items;

pub use self::codes::Codes;
pub use self::error::ItemError;
pub use self::read::{Read, read};
pub use self::read_items::{ReadItems, read_items};
pub use self::write::{Write, write};
pub use self::write_items::{WriteItems, write_items};
