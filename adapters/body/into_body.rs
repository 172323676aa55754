use std::fmt;
use std::future::{Future, Ready, ready};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::http::HeaderMap;
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use wasmtime::component::StreamResult;

use crate::limits::HOST_CAPACITY;
use crate::{ByteProducer, ByteSource, Completion, End, completion::Shared};

impl<S: ByteSource + Unpin> ByteProducer<S> {
    /// Makes an HTTP [`Body`] of a producer, without a guest: for an interface that wants a body where the host has a file, a
    /// socket, or another body to which limits are to be added.
    ///
    /// The inverse is [`read`](crate::body::read()); [`from_guest`](crate::body::from_guest()) makes a body of what a guest
    /// writes. The body keeps the producer's limit, deadlines and other layers, and fails with the [`End`] if that is not the
    /// end of the data. No store has to run. [`HostBody::with_trailers`] adds trailers.
    ///
    /// # Partial writes
    /// A frame has what one poll of the source gives, at most 64 KiB. No frame is empty.
    ///
    /// # Cancellation
    /// Nothing is taken from the source while nobody polls the body.
    ///
    /// # Zero-length operations
    /// None: a body has no such operations.
    ///
    /// # Errors
    /// An error of the source is [`End::Failed`], a limit [`End::LimitReached`], after the data before it.
    ///
    /// # Drop
    /// The source is dropped with the body, or at its end. A source that feeds on another task is notified that its reader has
    /// left.
    ///
    /// ```
    /// use http_body_util::BodyExt as _;
    /// use wasmtime_streams::{EndReason, tokio_io};
    ///
    /// # #[cfg(feature = "tokio")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let body = tokio_io::read(&b"hello"[..]).into_body();
    /// assert_eq!(body.collect().await.unwrap().to_bytes(), "hello");
    ///
    /// let body = tokio_io::read(&b"hello"[..]).limit(3).into_body();
    /// assert_eq!(body.collect().await.unwrap_err().reason(), EndReason::LimitReached);
    /// # }
    /// # #[cfg(not(feature = "tokio"))] fn main() {}
    /// ```
    pub fn into_body(self) -> HostBody<S> {
        HostBody { data: Some(self.with_completion()), trailers: ready(Ok(None)), ended: false }
    }
}

/// In place of the trailers of a [`HostBody`] that has none.
pub type NoHostTrailers<E> = Ready<Result<Option<HeaderMap>, End<E>>>;

type Data<S> = (ByteProducer<S, Shared>, Completion<S, <S as ByteSource>::Error>);

pin_project! {
    /// A producer as a [`Body`], made by [`ByteProducer::into_body`].
    #[must_use = "a body does nothing until it is read"]
    pub struct HostBody<S: ByteSource, F = NoHostTrailers<<S as ByteSource>::Error>> {
        // `None` after the data.
        data: Option<Data<S>>,
        #[pin]
        trailers: F,
        ended: bool,
    }
}

impl<S: ByteSource> HostBody<S> {
    /// Adds trailers, which the body waits for once the data has ended in order. Those of another body are
    /// [`Trailers`](crate::body::Trailers).
    pub fn with_trailers<F>(self, trailers: F) -> HostBody<S, F>
    where
        F: Future<Output = Result<Option<HeaderMap>, End<S::Error>>>,
    {
        HostBody { data: self.data, trailers, ended: self.ended }
    }
}

impl<S: ByteSource, F> fmt::Debug for HostBody<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostBody").field("ended", &self.ended).finish_non_exhaustive()
    }
}

/// The next bytes, or how the data ended.
fn poll_data<S: ByteSource + Unpin>(
    (producer, completion): &mut Data<S>,
    cx: &mut Context<'_>,
) -> Poll<Result<Bytes, End<S::Error>>> {
    let mut buf = vec![0; HOST_CAPACITY];
    let mut filled = 0;
    let polled = Pin::new(producer).poll_operation(cx, &mut buf, &mut filled);
    if filled > 0 {
        buf.truncate(filled);
        // A body may be kept for long: not with the memory of a full frame.
        buf.shrink_to_fit();
        return Poll::Ready(Ok(buf.into()));
    }
    match ready!(polled) {
        Ok(StreamResult::Dropped) => Pin::new(completion).poll(cx).map(|done| Err(done.end)),
        Ok(_) => {
            cx.waker().wake_by_ref();
            Poll::Pending
        }
        Err(error) => Poll::Ready(Err(End::Undeliverable(error))),
    }
}

impl<S, F> Body for HostBody<S, F>
where
    S: ByteSource + Unpin,
    F: Future<Output = Result<Option<HeaderMap>, End<S::Error>>>,
{
    type Data = Bytes;
    type Error = End<S::Error>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, End<S::Error>>>> {
        let this = self.project();
        if *this.ended {
            return Poll::Ready(None);
        }
        if let Some(data) = this.data {
            match ready!(poll_data(data, cx)) {
                Ok(bytes) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Err(end) => {
                    *this.data = None;
                    // Rule "Truncated is never complete".
                    if !end.is_finished() {
                        *this.ended = true;
                        return Poll::Ready(Some(Err(end)));
                    }
                }
            }
        }
        let trailers = ready!(this.trailers.poll(cx));
        *this.ended = true;
        Poll::Ready(trailers.map(|trailers| trailers.map(Frame::trailers)).transpose())
    }

    fn is_end_stream(&self) -> bool {
        self.ended
    }

    // Exact only at the end: a limit may cut what the source says.
    fn size_hint(&self) -> SizeHint {
        if self.ended { SizeHint::with_exact(0) } else { SizeHint::default() }
    }
}
