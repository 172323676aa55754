use std::future::Future as _;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf as _, Bytes};
use quinn::{ReadError, RecvStream};

use super::codes::Codes;
use crate::shared::coop::poll_step;
use crate::{ByteProducer, ByteSource, EndReason, Then, relay::Splice};

/// The most bytes that one step reads; the core then decides whether to go on.
const READ_LIMIT: usize = 64 * 1024;

/// Reads a `stream<u8>` from a QUIC stream.
///
/// The inverse is [`write`](crate::quic::write()).
///
/// # Partial writes
/// A guest read is filled from all that has arrived in order, up to what the guest asked for. What the guest does not read
/// stays with QUIC, whose flow control then holds up the peer: the `stream_receive_window` of the
/// [`TransportConfig`](quinn::TransportConfig) bounds it.
///
/// # Cancellation
/// A cancelled read returns at once. Nothing is lost.
///
/// # Zero-length operations
/// A zero-length read waits until bytes, the end, or a cut have arrived. The adapter then holds what came in one packet, and
/// gives it to the next read.
///
/// # Errors
/// The peer's reset ends the stream, with the reason that its code stands for ([`Codes`]). A reset with another code and a
/// lost connection are [`End::Failed`](crate::End::Failed), whose error has the code, or why the connection closed. At a
/// reset QUIC may drop what has arrived but was not read yet.
///
/// # Drop
/// The peer is told to stop as soon as the stream ends otherwise than by its data, with the code of the reason; the
/// completion hands the stream back.
///
/// ```
/// # use wasmtime_streams::quic;
/// # use wasmtime::{Store, component::StreamReader};
/// # async fn example(mut store: Store<()>, connection: quinn::Connection) -> wasmtime::Result<()> {
/// let stream = connection.accept_uni().await?;
/// let reader = StreamReader::new(&mut store, quic::read(stream))?;
///
/// let (writer, done) = wasmtime_streams::tokio_io::write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"hello");
/// # Ok(())
/// # }
/// ```
pub fn read(stream: RecvStream) -> ByteProducer<Read> {
    ByteProducer::new(Read { stream, rest: Bytes::new(), codes: Codes::default() })
}

impl ByteProducer<Read> {
    /// Sets the codes of the frames that cut the stream.
    pub fn with_codes(mut self, codes: Codes) -> Self {
        self.get_mut().codes = codes;
        self
    }
}

/// The source of [`read`].
#[derive(Debug)]
pub struct Read {
    stream: RecvStream,
    // What a zero-length read has found.
    rest: Bytes,
    codes: Codes,
}

impl Read {
    accessors!(stream: RecvStream);

    /// The stream, and what was taken from it for a zero-length read but has not reached the guest.
    pub fn into_parts(self) -> (RecvStream, Bytes) {
        (self.stream, self.rest)
    }

    /// How a reset or a lost connection ends the stream.
    fn cut(&self, error: ReadError) -> Result<Then, ReadError> {
        cut(self.codes, &error).map(Then::End).ok_or(error)
    }
}

/// The reason of a reset whose code has one.
pub(super) fn cut(codes: Codes, error: &ReadError) -> Option<EndReason> {
    if let ReadError::Reset(code) = error { codes.cut(*code) } else { None }
}

/// Tells the peer that nobody reads any more, unless all has arrived.
pub(super) fn stop(stream: &mut RecvStream, codes: Codes, reason: EndReason) {
    // A guest that knows the length of the data drops the stream once it has all, and the end may be there.
    let cx = &mut Context::from_waker(Waker::noop());
    if reason == EndReason::Finished || matches!(stream.poll_read(cx, &mut [0]), Poll::Ready(Ok(0)))
    {
        return;
    }
    // Fails only if the stream has ended or was stopped before.
    let _ = stream.stop(codes.code(reason));
}

impl Splice for Read {}

impl ByteSource for Read {
    type Error = ReadError;

    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), ReadError>> {
        if !self.rest.is_empty() {
            let n = self.rest.len().min(buf.len());
            self.rest.copy_to_slice(&mut buf[..n]);
            return Poll::Ready(Ok((n, Then::More)));
        }
        let most = buf.len().min(READ_LIMIT);
        let read = ready!(poll_step(cx, |cx| self.stream.poll_read(cx, &mut buf[..most])));
        Poll::Ready(match read {
            Ok(0) => Ok((0, Then::End(EndReason::Finished))),
            // To ask again costs no wait, and shows an end that has arrived with the last bytes.
            Ok(n) => Ok((n, Then::More)),
            Err(error) => self.cut(error).map(|then| (0, then)),
        })
    }

    fn poll_readable(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, ReadError>>> {
        if !self.rest.is_empty() {
            return Some(Poll::Ready(Ok(Then::More)));
        }
        let chunk = poll_step(cx, |cx| pin!(self.stream.read_chunk(READ_LIMIT, true)).poll(cx));
        Some(chunk.map(|chunk| match chunk {
            Ok(Some(chunk)) => {
                self.rest = chunk.bytes;
                Ok(Then::More)
            }
            Ok(None) => Ok(Then::End(EndReason::Finished)),
            Err(error) => self.cut(error),
        }))
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        let codes = self.codes;
        stop(&mut self.stream, codes, reason);
    }
}
