//! How a body that a guest writes ends, and the trailers of a body that a guest reads.

use std::any::Any;
use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt::Debug;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::channel::oneshot;
use futures::future::{BoxFuture, ready};
use futures::{AsyncReadExt as _, FutureExt as _, join};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt as _;
use tokio_util::sync::CancellationToken;
use wasmtime_streams::{
    ByteProducer, ByteSource, CancelHandle, End, EndReason,
    body::{self},
    from_guest,
};

use crate::support::guest::{Code, Guest, with_guest};

fn trailers() -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("sum", 532.into());
    trailers
}

#[test]
fn a_body_ends_with_the_guests_stream_before_the_completion_is_awaited() {
    // Rule "Completion": a host may send the body first and await the completion afterwards.
    for (length, with_trailers) in [(None, false), (Some(5), false), (None, true), (Some(5), true)]
    {
        with_guest::<u8, _>(async |guest| {
            let (consumer, body) = body::from_guest(64, length);
            let (consumer, done) = consumer.with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, b"hello").await;
            guest.drop_writable(stream).await;
            let body = if with_trailers {
                body.with_trailers(ready(Ok(Some(trailers())))).collect().await
            } else {
                body.collect().await
            };
            let body = body.unwrap();
            assert_eq!(body.trailers(), with_trailers.then(trailers).as_ref());
            assert_eq!(body.to_bytes(), "hello");
            let done = done.await;
            assert!(done.end.is_finished() && done.moved == 5, "{:?}", done.end);
        });
    }
}

#[test]
fn a_body_that_is_too_short_fails_before_the_completion_is_awaited() {
    // Rule "Truncated is never complete": the guest wrote less than the declared length.
    with_guest::<u8, _>(async |guest| {
        let (consumer, body) = body::from_guest(64, Some(9));
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, b"hello").await;
        guest.drop_writable(stream).await;
        let error = body.collect().await.unwrap_err();
        assert!(error.to_string().contains("5 of the 9 bytes"), "{error}");
        drop(done);
    });
}

#[test]
fn a_cancel_after_the_guests_end_does_not_truncate_unread_data() {
    // Rule "Completion": the end came first. The completion and the receiver both report it.
    for polled in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let (consumer, body) = body::from_guest(64, None);
            let (consumer, mut of_body) = consumer.with_completion();
            let to_body = guest.sink(consumer).await;
            let (consumer, mut reader) = from_guest::consumer(64);
            let (consumer, mut of_reader) = consumer.with_completion();
            let to_reader = guest.sink(consumer).await;
            if polled {
                assert!((&mut of_body).now_or_never().is_none());
                assert!((&mut of_reader).now_or_never().is_none());
            }
            for stream in [to_body, to_reader] {
                guest.send_all(stream, b"hello").await;
                guest.drop_writable(stream).await;
            }
            of_body.cancel();
            of_reader.cancel();
            let mut read = Vec::new();
            reader.read_to_end(&mut read).await.unwrap();
            assert_eq!(
                (body.collect().await.unwrap().to_bytes(), &read[..]),
                ("hello".into(), &b"hello"[..])
            );
            let (of_body, of_reader) = (of_body.await.end, of_reader.await.end);
            assert!(of_body.is_finished() && of_reader.is_finished(), "{of_body:?}, {of_reader:?}");
        });
    }
}

/// A body whose frames are all ready, of known or unknown length.
struct Frames {
    frames: VecDeque<Frame<Bytes>>,
    left: Option<u64>,
}

impl Frames {
    /// "hello", and trailers.
    fn new(length: Option<u64>) -> Self {
        let frames = [Frame::data("hello".into()), Frame::trailers(trailers())];
        Self { frames: frames.into(), left: length }
    }
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = self.frames.pop_front();
        let data = frame.as_ref().and_then(Frame::data_ref).map_or(0, Bytes::len);
        self.left = self.left.map(|left| left - data as u64);
        Poll::Ready(frame.map(Ok))
    }

    fn is_end_stream(&self) -> bool {
        self.frames.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

#[test]
fn trailers_resolve_when_a_guest_reads_exactly_the_known_length() {
    // Rule "Completion": such a guest drops the stream without reading its end.
    for reads in [&[5][..], &[2, 3]] {
        for completion in [false, true] {
            with_guest::<u8, _>(async |guest| {
                let (producer, given) = body::read(Frames::new(Some(5))).with_trailers();
                let mut kept = None;
                let stream = if completion {
                    let (producer, done) = producer.with_completion();
                    kept = Some(done);
                    guest.source(producer).await
                } else {
                    guest.source(producer).await
                };
                for read in reads {
                    assert_eq!(guest.recv(stream, *read).await.0.count(), *read);
                }
                guest.drop_readable(stream).await;
                assert_eq!(given.await.unwrap(), Some(trailers()), "{reads:?}, {completion}");
                if let Some(done) = kept {
                    assert_eq!(done.await.moved, 5);
                }
            });
        }
    }
}

/// What ends the stream before the guest has read its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Guest,
    Handle,
    Token,
    Until,
    Limit,
}

/// How the stream ended, and the adapter, which the test keeps.
type Done = BoxFuture<'static, (String, Box<dyn Any + Send>)>;

async fn open<S>(guest: &Guest<'_, u8>, producer: ByteProducer<S>) -> (u32, Done, CancelHandle)
where
    S: ByteSource + Unpin,
    S::Error: Debug,
{
    let (producer, done) = producer.with_completion();
    let handle = done.cancel_handle();
    let done = done.map(|done| (format!("{:?}", done.end), Box::new(done.inner) as _)).boxed();
    (guest.source(producer).await, done, handle)
}

/// Lets a guest read `read` bytes of a body with trailers, and ends the stream. Awaits the completion and the trailers
/// together, so that the body is kept until the trailers have resolved.
async fn ended(guest: &Guest<'_, u8>, by: By, read: u32) {
    let (producer, trailers) = body::read(Frames::new(None)).with_trailers();
    let token = CancellationToken::new();
    let (until, ending) = oneshot::channel::<()>();
    let (stream, done, handle) = if by == By::Limit {
        open(guest, producer.limit(u64::from(read))).await
    } else {
        let producer = producer.cancel_on(token.clone());
        open(guest, producer.until(EndReason::TimedOut, ending.map(drop))).await
    };
    if read > 0 {
        assert_eq!(guest.recv(stream, read).await.0.count(), read);
    }
    let expected = match by {
        By::Guest => {
            guest.drop_readable(stream).await;
            "PeerDropped"
        }
        By::Handle => {
            handle.cancel();
            "Cancelled"
        }
        By::Token => {
            token.cancel();
            "Cancelled"
        }
        By::Until => {
            drop(until);
            "TimedOut"
        }
        By::Limit => "LimitReached",
    };
    let ((end, _body), trailers) = join!(done, trailers);
    assert_eq!(end, expected);
    assert!(matches!(trailers, Err(wasmtime_streams::End::Abandoned)), "{by:?}: {trailers:?}");
}

#[test]
fn trailers_of_an_unread_body_are_abandoned_while_the_host_keeps_the_body() {
    // Rule "Completion": a host that awaits both must not wait for ever.
    for by in [By::Guest, By::Handle, By::Token, By::Until] {
        for read in [0, 3] {
            with_guest::<u8, _>(async |guest| ended(guest, by, read).await);
        }
    }
    with_guest::<u8, _>(async |guest| ended(guest, By::Limit, 3).await);
}

#[test]
fn trailers_of_a_body_that_has_ended_are_not_abandoned() {
    // Rule "Completion": the end came before the guest dropped its end.
    with_guest::<u8, _>(async |guest| {
        let (producer, given) = body::read(Frames::new(None)).with_trailers();
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await.0, Code::Dropped(5));
        guest.drop_readable(stream).await;
        let (done, given) = join!(done, given);
        assert!(matches!(done.end, End::Finished) && given.unwrap() == Some(trailers()));
    });
}
