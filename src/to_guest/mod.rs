//! Host objects whose other end is a guest's stream: something to write to, on any task, that a guest reads from.
//!
//! | the guest gets … | the host writes to … | which is |
//! |---|---|---|
//! | `stream<u8>` | [`writer`] | tokio's and futures' `AsyncWrite` |
//! | `stream<T>` | [`sink`] | futures' `Sink`, and takes whole batches |
//! | `future<T>` | [`value`] | a oneshot sender |
//!
//! The way back is [`lift`](crate::from_guest), which says who must poll the store meanwhile; the same bounds hold here.
//!
//! # Partial writes
//! A guest's read takes all that was written, up to what it asked for. A host's write takes what there is room for.
//!
//! # Cancellation
//! Nothing is taken by a guest's read that is cancelled. Of a host's `send_batch` that is dropped, what was not sent is lost;
//! all else can be dropped and done again.
//!
//! # Zero-length operations
//! A zero-length read waits until something was written, or the host has ended the stream.
//!
//! # Errors
//! There are none for the guest. The host's writes fail with [`Cut`](crate::Cut) once the guest has dropped its end, or its store
//! is gone.
//!
//! # Drop
//! The end of the data is what the host says: by `close`, or by `poll_shutdown` and `poll_close` of its ecosystem's traits. Who
//! drops the host's end without that has cut the stream short, as by an `abort` that says
//! [`Abandoned`](crate::EndReason::Abandoned): a task that fails or panics in the midst of its data leaves no end in order. In
//! either case what was written before is still delivered. The guest sees its stream end; the completion of the
//! [producer](producer()) says why. Where the guest must know it too, [`into_wit`](crate::ByteProducer::into_wit) gives it a
//! `future<result>` beside the stream.
//!
//! When the guest drops its end, a host's write that waits is woken and fails; else the host learns it at its next write. A
//! completion hands back [what the guest did not get](FromHost::into_unread).

mod sink;
mod source;
mod value;
mod writer;

pub use self::sink::{HostSink, Unsent, item_producer, sink};
pub use self::source::FromHost;
pub use self::value::{FromHostValue, HostValue, value, value_producer};
pub use self::writer::{HostWriter, producer, writer};
use crate::EndReason;

/// The reason of an abort, which is never the end of the data.
fn cut(reason: EndReason) -> EndReason {
    if reason == EndReason::Finished { EndReason::Abandoned } else { reason }
}
