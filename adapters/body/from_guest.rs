use std::error::Error;
use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::handoff::{Reader, ReaderGone, Writer, chunk_handoff};
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Makes an HTTP [`Body`], for hyper or axum, out of a guest's `stream<u8>`.
///
/// The inverse is [`read`](crate::body::read()). Give the consumer to
/// [`StreamReader::pipe`](wasmtime::component::StreamReader::pipe), and the body to the server or client on any task,
/// while the store runs in its own. At most `capacity` bytes, and at least 2, are buffered ahead of the reader of the
/// body. [`GuestBody::with_trailers`] adds trailers.
///
/// With a `content_length` the body reports it in its size hint and enforces it: bytes beyond it are not taken, and end
/// the stream and the body with [`BodyError::TooLong`]; a stream that ends early fails the body and the completion with
/// [`BodyError::TooShort`].
///
/// # Partial writes
/// A write takes what there is room for. The body returns frames of at most half the capacity. Small writes that were
/// not read yet become one frame. No frame is empty.
///
/// # Cancellation
/// A cancelled write returns at once with what was taken.
///
/// # Zero-length operations
/// A zero-length write waits until there is room.
///
/// # Errors
/// When the body is dropped, as hyper does when its peer leaves, the stream ends at once for the guest, even during a
/// pending write, and the completion is [`End::ReceiverDropped`](crate::End::ReceiverDropped). If the message did not
/// reach its proper end, the body fails with a [`BodyError`] after all data before it, and hyper aborts the message.
///
/// # Drop
/// When the guest drops its end, the body ends, with a [completion](crate::Completion) or without, awaited or not.
/// Whatever else ends the stream (a limit, a timeout, a cancel, a dropped store with a completion that [watches
/// it](crate::Completion::watch_store)) fails the body with [`BodyError::Cut`], after the data before it. Unless a
/// completion watches the store, a guest that traps looks like one that ends its stream: a content length tells them
/// apart, and so do [trailers](crate::body::trailers_from_guest()), which such a guest does not give.
///
/// A consumer that is dropped without having been piped looks like a guest that wrote nothing: an empty body. Call this after
/// everything that can fail, or end the consumer by [`abort`](crate::ByteConsumer::abort).
///
/// ```
/// use http_body_util::BodyExt as _;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
///
/// let (consumer, body) = wasmtime_streams::body::from_guest(64 * 1024, Some(5));
/// reader.pipe(&mut store, consumer)?;
/// let body = store.run_concurrent(async |_| body.collect().await).await?;
/// assert_eq!(body.unwrap().to_bytes(), "hello");
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn from_guest(
    capacity: usize,
    content_length: Option<u64>,
) -> (ByteConsumer<GuestBodySink>, GuestBody) {
    let (writer, reader) = chunk_handoff(capacity);
    let sink = GuestBodySink { writer, left: content_length, expected: content_length, cut: false };
    let state = State::Data;
    let body = GuestBody { reader, left: content_length, trailers: ready(Ok(None)), state };
    (ByteConsumer::new(sink), body)
}

/// Why a guest's body did not reach its proper end.
#[non_exhaustive]
#[derive(Debug)]
pub enum BodyError {
    /// The guest wrote more than the declared content length.
    TooLong {
        /// The declared content length, in bytes.
        expected: u64,
    },
    /// The guest's stream ended before the declared content length.
    TooShort {
        /// The declared content length, in bytes.
        expected: u64,
        /// How many bytes the guest wrote.
        got: u64,
    },
    /// The stream was cut short before the guest ended it: cancelled, timed out, over a limit, dropped.
    Cut(EndReason),
    /// The guest dropped its trailers or trapped before it gave them.
    Aborted,
    /// The guest gave an error in place of trailers, or making them failed.
    Trailers(Box<dyn Error + Send + Sync>),
}

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            BodyError::TooLong { expected } => {
                write!(f, "the guest wrote more than the {expected} bytes that it declared")
            }
            BodyError::TooShort { expected, got } => {
                write!(f, "the guest wrote {got} of the {expected} bytes that it declared")
            }
            BodyError::Cut(reason) => write!(f, "the body was cut short: {}", reason.text()),
            BodyError::Aborted => f.write_str("the guest dropped the body before its end"),
            BodyError::Trailers(error) => write!(f, "the guest ended the body with: {error}"),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            BodyError::Trailers(error) => Some(&**error),
            _ => None,
        }
    }
}

impl From<EndReason> for BodyError {
    /// [`BodyError::Cut`].
    fn from(reason: EndReason) -> Self {
        BodyError::Cut(reason)
    }
}

/// The sink of [`from_guest`].
///
/// The body ends only when the guest ends its stream. A sink that is dropped before `ended` is called fails the body, so a
/// wrapper that does not forward `ended` does not make it look complete.
#[derive(Debug)]
pub struct GuestBodySink {
    writer: Writer<u8, BodyError>,
    left: Option<u64>,
    expected: Option<u64>,
    /// The stream was cut short and the body has failed: a close changes nothing.
    cut: bool,
}

fn reader_gone<E>(_: ReaderGone) -> End<E> {
    End::ReceiverDropped
}

impl GuestBodySink {
    fn too_long(&self) -> BodyError {
        BodyError::TooLong { expected: self.expected.unwrap_or_default() }
    }

    /// Fails if the guest ended the data before the content length.
    fn check_length(&self) -> Result<(), BodyError> {
        match (self.expected, self.left) {
            (Some(expected), Some(left)) if left > 0 => {
                Err(BodyError::TooShort { expected, got: expected - left })
            }
            _ => Ok(()),
        }
    }
}

impl ByteSink for GuestBodySink {
    type Error = BodyError;

    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<BodyError>>> {
        let allowed = self.left.map_or(usize::MAX, |left| left.try_into().unwrap_or(usize::MAX));
        if allowed == 0 {
            self.writer.close(Err(self.too_long()));
            return Poll::Ready(Err(End::Failed(self.too_long())));
        }
        let written = self.writer.poll_write(cx, &buf[..buf.len().min(allowed)]);
        written.map_err(reader_gone).map_ok(|n| {
            self.left = self.left.map(|left| left.saturating_sub(n as u64));
            n
        })
    }

    fn poll_writable(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<BodyError>>>> {
        Some(self.writer.poll_room(cx).map_err(reader_gone))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<BodyError>>> {
        Poll::Ready(Ok(()))
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        self.cut = reason != EndReason::Finished;
        self.writer.close(match reason {
            EndReason::Finished => self.check_length(),
            cut => Err(BodyError::Cut(cut)),
        });
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<BodyError>>> {
        if self.cut {
            return Poll::Ready(Ok(()));
        }
        self.writer.close(self.check_length());
        Poll::Ready(if self.writer.was_left() {
            Err(End::ReceiverDropped)
        } else {
            self.check_length().map_err(End::Failed)
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Data,
    Trailers,
    Done,
}

/// In place of the trailers of a [`GuestBody`] that has none.
pub type NoTrailers = Ready<Result<Option<HeaderMap>, BodyError>>;

pin_project! {
    /// A guest's stream as a [`Body`], made by [`from_guest`].
    #[must_use = "a body does nothing until it is read"]
    #[derive(Debug)]
    pub struct GuestBody<F = NoTrailers> {
        reader: Reader<u8, BodyError>,
        left: Option<u64>,
        #[pin]
        trailers: F,
        state: State,
    }
}

impl GuestBody {
    /// Adds trailers, which the body waits for once the guest's stream has ended.
    /// [`trailers_from_guest`](crate::body::trailers_from_guest()) makes such a future out of a guest's `future<T>`.
    pub fn with_trailers<F>(self, trailers: F) -> GuestBody<F>
    where
        F: Future<Output = Result<Option<HeaderMap>, BodyError>>,
    {
        GuestBody { reader: self.reader, left: self.left, trailers, state: self.state }
    }
}

impl<F> Body for GuestBody<F>
where
    F: Future<Output = Result<Option<HeaderMap>, BodyError>>,
{
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.project();
        if *this.state == State::Data {
            match std::task::ready!(this.reader.poll_chunk(cx)) {
                Ok(chunk) if chunk.is_empty() => *this.state = State::Trailers,
                Ok(chunk) => {
                    let data = Vec::from(std::mem::take(chunk));
                    *this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
                    return Poll::Ready(Some(Ok(Frame::data(data.into()))));
                }
                Err(error) => {
                    *this.state = State::Done;
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
        if *this.state == State::Done {
            return Poll::Ready(None);
        }
        let trailers = std::task::ready!(this.trailers.poll(cx));
        *this.state = State::Done;
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.state == State::Done
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
