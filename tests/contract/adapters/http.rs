//! Rows: the feature `http-body`.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use ::futures::{FutureExt as _, TryStreamExt as _, future};
use ::http::HeaderMap;
use http_body::{Body as _, Frame};
use http_body_util::StreamBody;
use wasmtime::StoreContextMut;
use wasmtime_streams as ws;
use wasmtime_streams::body::{BodyError, GuestBody};
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made, ReceiverEnd};

use super::{ITEMS, Kind, add, completed};
use crate::script::ChunkStream;

/// A body, and what was read from it.
struct Read {
    body: GuestBody,
    bytes: Vec<u8>,
    end: ReceiverEnd,
}

impl Read {
    /// Reads one frame; `None` at the end, or when the body fails.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<()>> {
        if self.end != ReceiverEnd::Open {
            return Poll::Ready(None);
        }
        Poll::Ready(match std::task::ready!(Pin::new(&mut self.body).poll_frame(cx)) {
            Some(Ok(frame)) => {
                let data = frame.into_data().unwrap();
                assert!(!data.is_empty(), "an empty frame");
                self.bytes.extend_from_slice(&data);
                Some(())
            }
            Some(Err(_)) => {
                self.end = ReceiverEnd::Cut;
                None
            }
            None => {
                self.end = ReceiverEnd::Complete;
                None
            }
        })
    }
}

fn hooks<X>(made: Made<X, u8>, read: &Rc<RefCell<Read>>) -> Made<X, u8> {
    let (moved, log, end) = (read.clone(), read.clone(), read.clone());
    let mut idle_steps = 0;
    made.step(move || {
        // Nothing may be buffered yet; there may be later.
        let poll = moved.borrow_mut().poll(&mut Context::from_waker(Waker::noop()));
        idle_steps += usize::from(poll.is_pending());
        idle_steps < 20
    })
    .received(move || log.borrow().bytes.clone())
    .receiver_end(move || {
        let mut read = end.borrow_mut();
        while read.poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(Some(())) {}
        read.end
    })
}

/// Reads the rest.
async fn drain(read: Rc<RefCell<Read>>) {
    while future::poll_fn(|cx| read.borrow_mut().poll(cx)).await.is_some() {}
}

/// A body with room for `capacity` bytes, which is read in steps.
fn pair(capacity: usize) -> (ws::ByteConsumer<ws::body::GuestBodySink>, Rc<RefCell<Read>>) {
    let (consumer, body) = ws::body::from_guest(capacity, None);
    (consumer, Rc::new(RefCell::new(Read { body, bytes: Vec::new(), end: ReceiverEnd::Open })))
}

fn plain(capacity: usize) -> BoxedCheck {
    testing::consumer(ITEMS.to_vec(), move || {
        let (consumer, read) = pair(capacity);
        hooks(Made::new(consumer), &read).drive(drain(read))
    })
    .bound(capacity)
    .boxed()
}

fn with_completion(capacity: usize) -> BoxedCheck {
    testing::consumer(ITEMS.to_vec(), move || {
        let (consumer, read) = pair(capacity);
        let (consumer, completion) = consumer.with_completion();
        completed(hooks(Made::new(consumer), &read), completion).drive(drain(read))
    })
    .bound(capacity)
    .boxed()
}

fn trailers() -> BoxedCheck {
    testing::future_consumer(5_u32, || {
        let make = |_: StoreContextMut<'_, ()>, sum: u32| {
            let mut headers = HeaderMap::new();
            headers.insert("sum", sum.into());
            Ok(Ok::<_, BodyError>(Some(headers)))
        };
        let (consumer, mut trailers) = ws::body::trailers_from_guest(make);
        let mut received = Vec::new();
        Made::new(consumer).received(move || {
            if received.is_empty()
                && let Some(Ok(Some(headers))) = (&mut trailers).now_or_never()
            {
                received.push(headers["sum"].to_str().unwrap().parse().unwrap());
            }
            received.clone()
        })
    })
    .boxed()
}

#[rustfmt::skip]
rows! {
    body_read: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::body::read(StreamBody::new(ChunkStream(script).map_ok(Frame::data))));
    body_from_guest: plain(64);
    body_from_guest_that_is_full: plain(4);
    body_from_guest_with_completion: with_completion(4);
    body_trailers_from_guest: trailers();
}
