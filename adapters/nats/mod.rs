//! Work for many machines over NATS JetStream.
//!
//! Needs the feature `nats`.
//!
//! | I have … | the guest … | use |
//! |---|---|---|
//! | the messages of a pull consumer | reads a `stream<T>` | [`read`](read()) |
//! | a JetStream context | writes a `stream<T>` | [`publish`](publish()) |
//!
//! The server keeps a message until a worker has acknowledged it. What a worker that dies has not acknowledged, it gives to
//! another one. So each message is worked on *at least* once, and of the results a message id leaves one. Core NATS, without
//! JetStream, has no acknowledgements and no flow control: it drops what a slow reader does not take.
//!
//! # Examples
//!
//! A worker whose guest makes one result of each message, in order. A message is acknowledged when its result is stored:
//!
//! ```no_run
//! use async_nats::jetstream::{consumer::PullConsumer, context::Context, message::PublishMessage};
//! use wasmtime::{Store, component::{StreamReader, TypedFunc}};
//! use wasmtime_streams::{nats, transform};
//!
//! type Record = (String, Vec<u8>); // or yours of `bindgen!`, with `wasmtime_streams::plain!`
//!
//! async fn work(
//!     store: &mut Store<()>,
//!     guest: TypedFunc<(StreamReader<Record>,), (StreamReader<Record>,)>,
//!     consumer: PullConsumer,
//!     context: Context,
//! ) -> Result<(), Box<dyn std::error::Error>> {
//!     let acks = nats::Acks::new();
//!     let messages = consumer.stream().max_messages_per_batch(16).messages().await?;
//!     let input = nats::read(messages).acknowledge_later(acks.clone(), |message| {
//!         (message.subject.to_string(), message.payload.to_vec())
//!     });
//!     let output = nats::publish(context, |(subject, result): Record| {
//!         let id = subject.clone(); // of two results of the same work the server keeps one
//!         PublishMessage::build().payload(result.into()).message_id(id).outbound_message(format!("results.{subject}"))
//!     })
//!     .acknowledge_stored(acks);
//!     let call = async |store: &_, input| Ok(guest.call_concurrent(store, (input,)).await?.0);
//!     let done = transform(store, input, output, call).await;
//!     done.result?;
//!     println!("{} results: {}", done.output.inner.stored(), done.input.end);
//!     Ok(())
//! }
//! ```
//!
//! A guest that has done with a message when it has taken it, such as one that only counts:
//!
//! ```no_run
//! use async_nats::jetstream::consumer::PullConsumer;
//! use wasmtime::{Store, component::StreamReader};
//! use wasmtime_streams::nats;
//!
//! async fn feed(
//!     mut store: Store<()>,
//!     consumer: PullConsumer,
//! ) -> Result<StreamReader<Vec<u8>>, Box<dyn std::error::Error>> {
//!     let messages = consumer.stream().max_messages_per_batch(16).messages().await?;
//!     let taken = nats::read(messages).acknowledge_taken(|message| message.payload.to_vec());
//!     Ok(StreamReader::new(&mut store, taken)?) // the guest's argument
//! }
//! ```
//!
//! One that does not answer each message by one item, in order: [`deliver_with`](crate::ItemProducer::deliver_with), whose
//! closure gets a [`Delivery`], and [`on_stored`](crate::ItemConsumer::on_stored).
//!
//! # Acknowledgement
//!
//! | what becomes of a message | what the server is told |
//! |---|---|
//! | the guest took it, [`acknowledge_taken`](crate::ItemProducer::acknowledge_taken) | `+ACK` |
//! | its result is stored, [`acknowledge_stored`](crate::ItemConsumer::acknowledge_stored) | `+ACK` |
//! | the host calls [`Ack::ack`], [`nak`](Ack::nak) or [`term`](Ack::term) | that |
//! | its [`Ack`] is dropped | `-NAK`: it is delivered again a second later |
//! | it is in the client's buffer when the adapter is dropped | `-NAK`: it is delivered again at once |
//! | it is in the guest's memory when the guest traps | what becomes of its [`Ack`]: with those of [`Acks`] it is dropped |
//! | the process or the machine dies | nothing: it is delivered again after `ack_wait` |
//!
//! A guest that traps on one message takes down those beside it, and they go back together. Give what is delivered for the
//! second time ([`Message::info`](async_nats::jetstream::Message::info)) to a guest of its own, so that one message does
//! not hold up the others, and see `max_deliver` of the consumer.
//!
//! # How streams end
//!
//! | what happens | end of the source | end of the sink |
//! |---|---|---|
//! | the consumer is deleted | `Failed`, [`ConsumerDeleted`](async_nats::jetstream::consumer::pull::MessagesErrorKind::ConsumerDeleted) | |
//! | the server is gone, or the network | `Failed`, [`MissingHeartbeat`](async_nats::jetstream::consumer::pull::MessagesErrorKind::MissingHeartbeat), after two heartbeats; without heartbeats none: the client connects again | `Failed`, `TimedOut`, for a message that is not acknowledged |
//! | the stream is deleted or full | as for the consumer | `Failed`, with the server's error |
//! | the client is closed | `Abandoned` | `Failed` |
//! | the end of a fetch, with [`finite`](crate::ItemProducer::finite) | `Finished` | |
//! | the guest drops its end | `PeerDropped` | `Finished`, once all is acknowledged |
//!
//! # Memory
//!
//! The client buffers at most one and a half times `max_messages_per_batch` of the consumer's
//! [stream](async_nats::jetstream::consumer::Consumer::stream), 200 by default, or `max_bytes_per_batch`; a stream holds a
//! [batch](crate::ItemProducer::batch) besides, and the host at most `max_ack_pending` acknowledgements. A guest that reads
//! slowly leaves the rest in the server. A sink holds [`in_flight`](crate::ItemConsumer::in_flight) messages.

mod ack;
mod acks;
mod publish;
mod publishing;
mod read;
mod taken;

pub use self::ack::{Ack, Delivery};
pub use self::acks::{Acks, Later};
pub use self::publish::{Publish, publish};
pub use self::read::{Read, read};
pub use self::taken::Taken;
