use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::collect::room;
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Collects up to `limit` bytes of a guest's `stream<u8>` into a `Vec`.
///
/// The inverse is [`items`](crate::iterators::items()), or [`blocking::read_on`](crate::blocking::read_on()) of a
/// `Cursor`. For items, use [`collect`](crate::iterators::collect()).
///
/// The [completion](crate::ByteConsumer::with_completion) reports the end and has the `Vec`:
/// [`End::Finished`](crate::End::Finished) if the guest dropped its end,
/// [`End::LimitReached`](crate::End::LimitReached) if it wrote more than `limit`, and
/// [`End::Abandoned`](crate::End::Abandoned) if the store was dropped, where the completion [watches
/// it](crate::Completion::watch_store).
///
/// # Partial writes
/// Each guest write is taken whole, up to the limit. Exactly `limit` bytes are taken; the rest stays with the guest,
/// whose write returns `Dropped`. The `Vec` grows with the data, by doubling, and not beyond `limit`.
///
/// # Cancellation
/// A write never waits, so there is nothing to cancel.
///
/// # Zero-length operations
/// They complete at once, at the limit too: only one more byte exceeds it.
///
/// # Errors
/// There are none.
///
/// # Drop
/// Without a completion the collected bytes are dropped. There is nothing to close.
///
/// ```
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::End;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::iterators::items(*b"hello"))?;
///
/// let (sink, done) = wasmtime_streams::iterators::collect_bytes(1 << 20).with_completion();
/// reader.pipe(&mut store, sink)?;
/// let done = futures::executor::block_on(store.run_concurrent(async |_| done.await))?;
/// assert!(matches!(done.end, End::Finished));
/// assert_eq!(done.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn collect_bytes(limit: usize) -> ByteConsumer<CollectBytes> {
    ByteConsumer::new(CollectBytes { bytes: Vec::new(), limit })
}

/// The sink of [`collect_bytes`](collect_bytes()).
#[derive(Debug)]
pub struct CollectBytes {
    bytes: Vec<u8>,
    limit: usize,
}

impl CollectBytes {
    accessors!(bytes: Vec<u8>);
}

impl ByteSink for CollectBytes {
    type Error = Infallible;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Infallible>>> {
        let Self { bytes, limit } = self.get_mut();
        let n = room(bytes, *limit).min(buf.len());
        if n == 0 {
            return Poll::Ready(Err(End::LimitReached));
        }
        bytes.extend_from_slice(&buf[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<Infallible>>>> {
        Some(Poll::Ready(Ok(())))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
