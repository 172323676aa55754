use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use ::http::HeaderMap;
use http_body::{Body, Frame};
use pin_project_lite::pin_project;

use crate::oneshot::{Receiver, Sender, oneshot};
use crate::shared::fill::{end_known, fill};
use crate::{ByteProducer, ByteSource, End, EndReason, Then, relay::Splice};

/// Reads a `stream<u8>` from the data of an HTTP [`Body`], such as one that hyper has received.
///
/// The inverse is [`from_guest`](crate::body::from_guest()). [`with_trailers`](ByteProducer::with_trailers) adds the
/// trailers; without it they are dropped. The body's `size_hint` reports how much to expect: ask it before you call
/// this function.
///
/// # Partial writes
/// A guest read is filled from as many frames as are ready, or takes a part of one; the remaining bytes are kept for
/// the next read. Empty frames, and frames that are neither data nor trailers, are skipped.
///
/// # Cancellation
/// A cancelled read returns at once. The remaining bytes of a frame stay in the adapter, so nothing is lost.
///
/// # Zero-length operations
/// A zero-length read completes at once: either a part of a frame is left, or the body cannot report whether another
/// one is ready.
///
/// # Errors
/// An error ends the stream, after the bytes before it. It is [`End::Failed`](crate::End::Failed) in the completion and
/// in the output of [`Trailers`], and therefore in an `Arc`.
///
/// # Drop
/// The body is dropped with the guest's end; hyper then aborts a message that is not read to its end. The completion
/// hands the body back; [`Read::into_parts`] also returns the remaining bytes of a frame.
///
/// ```
/// use http_body_util::Full;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[cfg(feature = "tokio")]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let body = Full::new(&b"hello"[..]);
/// let (producer, trailers) = wasmtime_streams::body::read(body).with_trailers();
/// let reader = StreamReader::new(&mut store, producer)?;
///
/// let (writer, done) = wasmtime_streams::tokio_io::write(Vec::new()).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert_eq!(done.inner.into_inner(), b"hello");
/// assert!(trailers.await.unwrap().is_none());
/// # Ok(())
/// # }
/// # #[cfg(not(feature = "tokio"))] fn main() {}
/// ```
pub fn read<B>(body: B) -> ByteProducer<Read<B>>
where
    B: Body<Data: Send, Error: Send + Sync> + Send + 'static,
    B::Data: 'static,
    B::Error: 'static,
{
    ByteProducer::new(Read { body, rest: None, trailers: None })
}

impl<B> ByteProducer<Read<B>>
where
    B: Body<Data: Send, Error: Send + Sync> + Send + 'static,
    B::Data: 'static,
    B::Error: 'static,
{
    /// Adds the trailers, as a future that resolves once, as soon as they are known.
    ///
    /// They are known when the guest has read the stream to its end. To give them to the guest as a
    /// `future<result<option<trailers>, error>>`, map them and pass them to
    /// [`values::future`](crate::values::future()); `deliver_with` makes the headers a resource.
    pub fn with_trailers(mut self) -> (Self, Trailers<B::Error>) {
        let (tx, rx) = oneshot();
        self.get_mut().trailers = Some(tx);
        (self, Trailers(rx))
    }
}

/// The trailers of an HTTP body; see [`ByteProducer::with_trailers`].
///
/// Can be awaited on any task. It waits until the guest has read the stream, so the store must run.
#[derive(Debug)]
#[must_use = "futures do nothing unless they are awaited"]
pub struct Trailers<E>(Receiver<Result<Option<HeaderMap>, Arc<E>>>);

impl<E> Future for Trailers<E> {
    /// `None` if the body had no trailers; [`End::Failed`] if the body failed; [`End::Abandoned`] if the guest dropped
    /// the stream, or the host the body, before its end.
    type Output = Result<Option<HeaderMap>, End<Arc<E>>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll(cx)) {
            Some(trailers) => trailers.map_err(End::Failed),
            None => Err(End::Abandoned),
        })
    }
}

pin_project! {
    /// The source of [`read`].
    #[derive(Debug)]
    pub struct Read<B: Body> {
        #[pin]
        body: B,
        rest: Option<Result<B::Data, Arc<B::Error>>>,
        trailers: Option<Sender<Result<Option<HeaderMap>, Arc<B::Error>>>>,
    }
}

impl<B: Body> Read<B> {
    accessors!(body: B);

    /// The body, and what was taken from it but has not reached the guest: the remaining bytes of a frame, or the error
    /// that the guest's next read would have ended with.
    pub fn into_parts(self) -> (B, Option<Result<B::Data, Arc<B::Error>>>) {
        (self.body, self.rest)
    }
}

impl<B: Body> Splice for Read<B> {}

impl<B> ByteSource for Read<B>
where
    B: Body<Data: Send, Error: Send + Sync> + Send + 'static,
    B::Data: 'static,
    B::Error: 'static,
{
    type Error = Arc<B::Error>;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Arc<B::Error>>> {
        let this = self.project();
        let (mut body, rest, trailers) = (this.body, this.rest, this.trailers);
        let filled = fill(buf, rest, || {
            if body.is_end_stream() {
                resolve(trailers, Ok(None));
                return Poll::Ready(None);
            }
            Poll::Ready(match ready!(body.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data().map_err(Frame::into_trailers) {
                    Ok(data) => Some(Ok(data)),
                    // Nothing may follow the trailers.
                    Err(Ok(headers)) => {
                        resolve(trailers, Ok(Some(headers)));
                        None
                    }
                    Err(Err(_unknown)) => {
                        cx.waker().wake_by_ref();
                        return Poll::Pending;
                    }
                },
                Some(Err(error)) => {
                    let error = Arc::new(error);
                    resolve(trailers, Err(error.clone()));
                    Some(Err(error))
                }
                None => {
                    resolve(trailers, Ok(None));
                    None
                }
            })
        });
        end_known(filled, || {
            let ended = rest.is_none() && body.is_end_stream();
            if ended {
                resolve(trailers, Ok(None));
            }
            ended
        })
    }

    fn ended(self: Pin<&mut Self>, reason: EndReason) {
        let this = self.project();
        // A guest that knows the length of the data drops the stream once it has all, and the trailers may be there.
        if reason == EndReason::PeerDropped && this.trailers.is_some() && this.rest.is_none() {
            let cx = &mut Context::from_waker(Waker::noop());
            match this.body.poll_frame(cx) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_trailers() {
                    Ok(headers) => resolve(this.trailers, Ok(Some(headers))),
                    // Kept for `into_parts`.
                    Err(frame) => *this.rest = frame.into_data().ok().map(Ok),
                },
                Poll::Ready(Some(Err(error))) => {
                    let error = Arc::new(error);
                    resolve(this.trailers, Err(error.clone()));
                    *this.rest = Some(Err(error));
                }
                Poll::Ready(None) => resolve(this.trailers, Ok(None)),
                Poll::Pending => {}
            }
        }
        // From here on there are no trailers, even if the host keeps the body.
        *this.trailers = None;
    }
}

/// Sends the trailers, if anybody waits for them.
fn resolve<T>(waiting: &mut Option<Sender<T>>, trailers: T) {
    if let Some(waiting) = waiting.take() {
        // Fails only if the future was dropped: nobody waits for them.
        let _ = waiting.send(trailers);
    }
}
