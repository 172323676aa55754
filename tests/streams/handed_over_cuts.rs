//! A hand-over that is cut: its other side can distinguish it from the end of the data, and gets the reason.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures::FutureExt as _;
use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use futures::stream::StreamExt as _;
use http::HeaderMap;
use http_body::Body;
use wasmtime_streams::from_guest::{GuestItems, GuestReader, ToHost};
use wasmtime_streams::{
    BoxConsumer, ByteConsumer, ByteSink, CancelHandle, Cut, End, EndReason, ItemConsumer, ItemSink,
    StoreToken, Take,
    body::{self, BodyError, GuestBody},
    from_guest, relay,
};
use wasmtime_streams_testing::{Guest, Setup, executor};

use crate::support::guest::{Code, with_guest};

/// The bytes that a receiver got, and the reason if it was cut. It is polled three times more after that.
type Received = (Vec<u8>, Option<EndReason>);

/// Polls for one part after the other: bytes, none at the end, or a cut. The cut comes once or at each poll.
async fn received<P>(mut next: P) -> Received
where
    P: FnMut(&mut Context<'_>) -> Poll<Result<Vec<u8>, EndReason>>,
{
    let (mut all, mut cut) = (Vec::new(), None);
    let (mut ends, mut cuts) = (0, 0);
    while ends + cuts < 4 {
        match poll_fn(&mut next).await {
            Ok(bytes) if bytes.is_empty() => ends += 1,
            Ok(bytes) => {
                assert!(ends == 0 && cut.is_none(), "{bytes:?} after the end");
                all.extend(bytes);
            }
            Err(reason) => {
                assert!(ends == 0, "a cut after the end");
                assert!(cut.replace(reason).is_none_or(|before| before == reason));
                cuts += 1;
            }
        }
    }
    assert!(cuts <= 1 || ends == 0, "an end after {cuts} cuts");
    (all, cut)
}

async fn read(mut reader: GuestReader) -> Received {
    received(|cx| {
        let mut buf = [0; 2];
        let read = reader.poll_read(cx, &mut buf).map_err(|cut| cut.0);
        read.map_ok(|n| buf[..n].to_vec())
    })
    .await
}

async fn items(mut items: GuestItems<u8>) -> Received {
    let next = |item: Option<u8>| item.into_iter().collect();
    let (all, cut) = received(|cx| items.poll_item(cx).map(|item| Ok(next(item)))).await;
    assert!(cut.is_none() && items.is_at_end());
    (all, items.cut())
}

async fn try_items(items: GuestItems<u8>) -> Received {
    let mut items = items.into_try_stream();
    received(|cx| {
        let next = items.poll_next_unpin(cx).map(Option::transpose);
        next.map_ok(|item| item.into_iter().collect()).map_err(|cut| cut.0)
    })
    .await
}

async fn body<F>(body: GuestBody<F>) -> Received
where
    F: Future<Output = Result<Option<HeaderMap>, BodyError>>,
{
    let mut body = pin!(body);
    received(|cx| {
        body.as_mut().poll_frame(cx).map(|frame| match frame {
            // Trailers are the end of the data.
            Some(Ok(frame)) => Ok(frame.into_data().map_or_else(|_| vec![], |data| data.to_vec())),
            Some(Err(BodyError::Cut(reason))) => Err(reason),
            Some(Err(error)) => panic!("{error:?}"),
            None => Ok(vec![]),
        })
    })
    .await
}

/// What ends a guest's stream after three bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Ends {
    InOrder,
    Limit,
    Until,
    Cancel,
    StoreGone,
}

impl Ends {
    fn reason(self) -> EndReason {
        match self {
            Ends::InOrder => EndReason::Finished,
            Ends::Limit => EndReason::LimitReached,
            Ends::Until => EndReason::TimedOut,
            Ends::Cancel => EndReason::Cancelled,
            Ends::StoreGone => EndReason::Abandoned,
        }
    }
}

/// A completion that is kept and not awaited, as a future of its reason.
type Kept = Option<(CancelHandle, LocalBoxFuture<'static, EndReason>)>;

/// Lets a guest write three bytes, and ends its stream. `receive` must get exactly that.
fn check(
    ends: Ends,
    store: StoreToken,
    consumer: BoxConsumer<StoreToken, u8>,
    until: oneshot::Sender<()>,
    kept: Kept,
    receive: LocalBoxFuture<'static, Received>,
) {
    let case = format!("{ends:?}, completion: {}", kept.is_some());
    let script = async |guest: &Guest<'_, StoreToken, u8>| {
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        match ends {
            Ends::InOrder => guest.drop_writable(stream).await,
            Ends::Limit => assert_eq!(guest.write(stream, 1).await, Code::Dropped(0)),
            Ends::Until => {
                drop(until);
                assert_eq!(guest.write(stream, 1).await, Code::Dropped(0));
            }
            Ends::Cancel => kept.as_ref().expect("a completion").0.cancel(),
            Ends::StoreGone => return Err((receive, kept)),
        }
        Ok((receive.await, kept))
    };
    let ran = Setup::new(store).run(script).0.expect("stalled");
    let (got, kept) = match ran.expect("the guest trapped") {
        Ok(got) => got,
        Err((receive, kept)) => (executor::run(receive), kept),
    };
    let cut = Some(ends.reason()).filter(|reason| *reason != EndReason::Finished);
    assert_eq!(got, (vec![1, 2, 3], cut), "{case}");
    if let Some((_, end)) = kept {
        assert_eq!(executor::run(end), ends.reason(), "{case}");
    }
}

/// Each end, with a completion and without.
macro_rules! every_end {
    ($pair:expr, $receive:expr) => {
        for (ends, completion) in [
            (Ends::InOrder, false),
            (Ends::InOrder, true),
            (Ends::Limit, false),
            (Ends::Limit, true),
            (Ends::Until, false),
            (Ends::Until, true),
            (Ends::Cancel, true),
            (Ends::StoreGone, true),
        ] {
            let (consumer, receiver) = $pair;
            let (until, over) = oneshot::channel::<()>();
            let consumer = match ends {
                Ends::Limit => consumer.limit(3),
                Ends::Until => consumer.until(EndReason::TimedOut, over.map(drop)),
                _ => consumer,
            };
            let store = StoreToken::new();
            let (consumer, kept) = if completion {
                let (consumer, done) = consumer.with_completion();
                let done = done.watch_store(&store);
                let cancel = done.cancel_handle();
                (consumer.boxed(), Some((cancel, done.map(|done| done.end.reason()).boxed_local())))
            } else {
                (consumer.boxed(), None)
            };
            check(ends, store, consumer, until, kept, $receive(receiver).boxed_local());
        }
    };
}

#[test]
fn a_reader_gets_a_cut_after_all_bytes_and_never_at_an_end_in_order() {
    // Rule "Truncated is never complete": a reader.
    every_end!(from_guest::consumer(64), read);
}

#[test]
fn items_report_a_cut_in_both_forms() {
    // Rule "Truncated is never complete": items, plain and as `Result`s.
    every_end!(from_guest::item_consumer(64), items);
    every_end!(from_guest::item_consumer(64), try_items);
}

#[test]
fn a_truncated_body_fails_and_a_complete_one_ends_without_its_completion() {
    // Rule "Truncated is never complete": a body, also with trailers, which do not hide a cut.
    every_end!(body::from_guest(64, None), body);
    let trailers = |(consumer, body): (_, GuestBody)| {
        (consumer, body.with_trailers(std::future::ready(Ok(Some(HeaderMap::new())))))
    };
    every_end!(trailers(body::from_guest(64, None)), body);
}

/// A user's sink around another one. It forwards everything but `ended`.
struct Forgets<S>(S);

impl<S> Forgets<S> {
    fn inner(self: Pin<&mut Self>) -> Pin<&mut S>
    where
        S: Unpin,
    {
        Pin::new(&mut self.get_mut().0)
    }
}

impl<S> Unpin for Forgets<S> {}

macro_rules! forgets {
    () => {
        type Error = S::Error;

        fn poll_flush(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), End<S::Error>>> {
            self.inner().poll_flush(cx)
        }

        fn poll_close(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), End<S::Error>>> {
            self.inner().poll_close(cx)
        }

        fn ended(self: Pin<&mut Self>, _: EndReason) {}
    };
}

impl<S: ByteSink + Unpin> ByteSink for Forgets<S> {
    forgets!();

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<S::Error>>> {
        self.inner().poll_write(cx, buf)
    }
}

impl ItemSink for Forgets<ToHost<String>> {
    type Item = String;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<String>,
    ) -> Poll<Result<(), End<Infallible>>> {
        self.inner().poll_accept(cx, items)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        ItemSink::poll_flush(self.inner(), cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), End<Infallible>>> {
        ItemSink::poll_close(self.inner(), cx)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_wrapper_that_does_not_forward_the_end_cuts_every_stream() {
    // Rule "Truncated is never complete": any test of such a wrapper shows the mistake. Nobody takes half of the data
    // for all.
    with_guest::<u8, _>(async |guest| {
        let (consumer, reader) = from_guest::consumer(64);
        let stream = guest.sink(ByteConsumer::new(Forgets(consumer.into_inner()))).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        guest.drop_writable(stream).await;
        assert_eq!(read(reader).await, (vec![1, 2, 3], Some(EndReason::Abandoned)));

        let (consumer, receiver) = body::from_guest(64, None);
        let stream = guest.sink(ByteConsumer::new(Forgets(consumer.into_inner()))).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        guest.drop_writable(stream).await;
        assert_eq!(body(receiver).await, (vec![1, 2, 3], Some(EndReason::Abandoned)));
    });
    with_guest::<String, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(64);
        let stream = guest.sink(ItemConsumer::new(Forgets(consumer.into_inner()))).await;
        guest.load_items(&["one".to_owned()]).await;
        assert_eq!(guest.write(stream, 1).await, Code::Completed(1));
        guest.drop_writable(stream).await;
        assert_eq!(items.try_next_item().await, Ok(Some("one".to_owned())));
        assert_eq!(items.try_next_batch().await, Err(Cut(EndReason::Abandoned)));
        assert_eq!(items.try_next_item().await, Ok(None));
    });
}

#[test]
fn a_hand_over_that_was_never_piped_is_a_cut() {
    // Rule "Truncated is never complete": its drop is no end of the data.
    let (consumer, reader) = from_guest::consumer(64);
    drop(consumer.into_inner());
    assert_eq!(executor::run(read(reader)), (vec![], Some(EndReason::Abandoned)));
    let (consumer, receiver) = body::from_guest(64, None);
    drop(consumer.into_inner());
    assert_eq!(executor::run(body(receiver)), (vec![], Some(EndReason::Abandoned)));
    let (consumer, receiver) = body::from_guest(64, None);
    consumer.abort(EndReason::TimedOut);
    assert_eq!(executor::run(body(receiver)), (vec![], Some(EndReason::TimedOut)));
    with_guest::<u8, _>(async |guest| {
        let (consumer, producer) = relay::byte_parts(64);
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        drop(consumer.into_inner());
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));
        assert!(matches!(done.await.end, End::Abandoned));
    });
}

#[test]
fn the_error_of_a_truncated_body_has_a_readable_reason() {
    // Rule "Truncated is never complete": the text of an error is for people.
    let error = BodyError::from(EndReason::TimedOut).to_string();
    assert!(error.contains("took longer than the host allowed"), "{error}");
    assert!(!error.contains("TimedOut"), "{error}");
}
