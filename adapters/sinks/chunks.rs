use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::futures::sink::Sink;
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::{ByteConsumer, ByteSink, End, EndReason};

const MAX_CHUNK: usize = 64 * 1024;

/// Sends a guest's `stream<u8>` as chunks into a futures [`Sink`] of [`Bytes`].
///
/// The inverse is [`streams::chunks`](crate::streams::chunks()).
///
/// # Partial writes
/// Each time the sink has room, it gets one chunk of what the guest has written, up to
/// [`max_chunk`](ByteConsumer::max_chunk). Nothing is taken from the guest that the sink has no room for, and no empty
/// chunk is sent.
///
/// # Cancellation
/// Answered at once with the number of bytes sent.
///
/// # Zero-length operations
/// They wait until the sink has room. A sink that reserves a slot for that keeps it until the next write.
///
/// # Errors
/// An error ends the stream for the guest and is [`End::Failed`](crate::End::Failed) in the completion.
///
/// # Drop
/// The sink is flushed after each guest write; a channel completes the flush only once its receiver has made room
/// again, so give a channel [`Flush::OnClose`](crate::Flush::OnClose). Only the [completion](crate::Completion) closes
/// the sink. A channel's receiver cannot tell a sink dropped at a cut from a closed one: use a channel of `Result`s,
/// and send the error through a clone of the sender ([How streams end](crate::ends)).
///
/// ```
/// use bytes::Bytes;
/// use futures::{StreamExt as _, channel::mpsc, stream};
/// use wasmtime::{Engine, Store, component::StreamReader};
/// use wasmtime_streams::Flush;
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let source = wasmtime_streams::streams::chunks(stream::iter([Bytes::from("hello")]));
/// let reader = StreamReader::new(&mut store, source)?;
///
/// let (tx, rx) = mpsc::channel::<Bytes>(8);
/// let sink = wasmtime_streams::sinks::chunks(tx).max_chunk(3).flush(Flush::OnClose);
/// reader.pipe(&mut store, sink)?;
/// let got = futures::executor::block_on(store.run_concurrent(async |_| rx.collect::<Vec<_>>().await))?;
/// assert_eq!(got, ["hel", "lo"]);
/// # Ok(())
/// # }
/// ```
pub fn chunks<S>(sink: S) -> ByteConsumer<Chunks<S>>
where
    S: Sink<Bytes> + Send + 'static,
    S::Error: Send + 'static,
{
    ByteConsumer::new(Chunks { sink, max_chunk: MAX_CHUNK })
}

impl<S> ByteConsumer<Chunks<S>>
where
    S: Sink<Bytes> + Send + 'static,
    S::Error: Send + 'static,
{
    /// The largest chunk in bytes, 64 KiB by default; 0 counts as 1.
    pub fn max_chunk(mut self, bytes: usize) -> Self {
        self.get_mut().max_chunk = bytes.max(1);
        self
    }
}

pin_project! {
    /// The sink of [`chunks`](chunks()).
    #[derive(Debug)]
    pub struct Chunks<S> {
        #[pin]
        sink: S,
        max_chunk: usize,
    }
}

impl<S> Chunks<S> {
    accessors!(sink: S);
}

impl<S> ByteSink for Chunks<S>
where
    S: Sink<Bytes> + Send + 'static,
    S::Error: Send + 'static,
{
    type Error = S::Error;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<S::Error>>> {
        let mut this = self.project();
        ready!(this.sink.as_mut().poll_ready(cx)).map_err(End::Failed)?;
        let n = buf.len().min(*this.max_chunk);
        let chunk = Bytes::copy_from_slice(&buf[..n]);
        Poll::Ready(this.sink.start_send(chunk).map(|()| n).map_err(End::Failed))
    }

    fn poll_writable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<S::Error>>>> {
        Some(self.project().sink.poll_ready(cx).map_err(End::Failed))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<S::Error>>> {
        self.project().sink.poll_flush(cx).map_err(End::Failed)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<S::Error>>> {
        self.project().sink.poll_close(cx).map_err(End::Failed)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}
