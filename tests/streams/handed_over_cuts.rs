//! What crosses to another task, and is cut short: the other side can tell it from the end of the data, and knows why.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use futures::channel::oneshot;
use futures::future::LocalBoxFuture;
use futures::stream::{FusedStream, StreamExt as _, TryStreamExt as _};
use futures::{AsyncWriteExt as _, FutureExt as _, SinkExt, select};
use http::HeaderMap;
use http_body::Body;
use http_body_util::BodyExt as _;
use wasmtime_streams::lift::{Cut, GuestItems, GuestReader, ToHost};
use wasmtime_streams::testing::{Guest, Setup, executor};
use wasmtime_streams::{
    BodyError, BoxConsumer, ByteConsumer, ByteSink, CancelHandle, End, EndReason, GuestBody, Halt,
    ItemConsumer, ItemSink, StoreToken, Take, guest_body, lift, lower, relay,
};

use crate::support::guest::{Code, with_guest};

/// What whoever receives a guest's bytes has got, and whether the end was a cut. It is asked three times more after that.
type Received = (Vec<u8>, Option<EndReason>);

/// Polls for one part after the other: bytes, none at the end, or a cut, which comes once.
async fn received<P>(mut next: P) -> Received
where
    P: FnMut(&mut Context<'_>) -> Poll<Result<Vec<u8>, EndReason>>,
{
    let (mut all, mut cut) = (Vec::new(), None);
    let mut ends = 0;
    while ends < 4 {
        match poll_fn(&mut next).await {
            Ok(bytes) if bytes.is_empty() => ends += 1,
            Ok(bytes) => {
                assert!(ends == 0 && cut.is_none(), "{bytes:?} after the end");
                all.extend(bytes);
            }
            Err(reason) => {
                assert!(ends == 0, "it is told before the end");
                assert_eq!(cut.replace(reason), None, "it is told once");
            }
        }
    }
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

/// A completion that is kept and not awaited, as the end that it will say.
type Kept = Option<(CancelHandle, LocalBoxFuture<'static, EndReason>)>;

/// Lets a guest write three bytes, and ends its stream so; what `receive` gets must say just that.
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
    let ran = Setup::new(store).run(script).0.expect("nothing waits for ever");
    let (got, kept) = match ran.expect("the guest does not trap") {
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
fn a_cut_comes_once_after_all_bytes_and_the_end_does_not_look_like_it() {
    // Rule "Truncated is never complete": of a reader.
    every_end!(lift::consumer(64), read);
}

#[test]
fn a_cut_of_items_is_told_in_both_forms() {
    // Rule "Truncated is never complete": of items, plain and as `Result`s.
    every_end!(lift::item_consumer(64), items);
    every_end!(lift::item_consumer(64), try_items);
}

#[test]
fn a_body_that_was_cut_short_fails_and_one_whose_completion_is_kept_ends() {
    // Rule "Truncated is never complete": of a body, also one with trailers, which do not make up for it.
    every_end!(guest_body(64, None), body);
    let trailers = |(consumer, body): (_, GuestBody)| {
        (consumer, body.with_trailers(std::future::ready(Ok(Some(HeaderMap::new())))))
    };
    every_end!(trailers(guest_body(64, None)), body);
}

/// A sink of a user's around another one: it hands on all but the reason of the end.
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
        ) -> Poll<Result<(), Halt<S::Error>>> {
            self.inner().poll_flush(cx)
        }

        fn poll_close(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), Halt<S::Error>>> {
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
    ) -> Poll<Result<usize, Halt<S::Error>>> {
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
    ) -> Poll<Result<(), Halt<Infallible>>> {
        self.inner().poll_accept(cx, items)
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        ItemSink::poll_flush(self.inner(), cx)
    }

    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        ItemSink::poll_close(self.inner(), cx)
    }

    fn ended(self: Pin<&mut Self>, _: EndReason) {}
}

#[test]
fn a_wrapper_that_forgets_to_hand_on_the_end_cuts_every_stream() {
    // Rule "Truncated is never complete": the first test of such a wrapper finds it, and nobody gets half of the data as all.
    with_guest::<u8, _>(async |guest| {
        let (consumer, reader) = lift::consumer(64);
        let stream = guest.sink(ByteConsumer::new(Forgets(consumer.into_inner()))).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        guest.drop_writable(stream).await;
        assert_eq!(read(reader).await, (vec![1, 2, 3], Some(EndReason::Abandoned)));

        let (consumer, receiver) = guest_body(64, None);
        let stream = guest.sink(ByteConsumer::new(Forgets(consumer.into_inner()))).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        guest.drop_writable(stream).await;
        assert_eq!(body(receiver).await, (vec![1, 2, 3], Some(EndReason::Abandoned)));
    });
    with_guest::<String, _>(async |guest| {
        let (consumer, mut items) = lift::item_consumer(64);
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
fn a_sink_of_a_hand_over_that_no_stream_was_given_to_is_a_cut() {
    // Rule "Truncated is never complete": to drop it says nothing of an end.
    let (consumer, reader) = lift::consumer(64);
    drop(consumer.into_inner());
    assert_eq!(executor::run(read(reader)), (vec![], Some(EndReason::Abandoned)));
    let (consumer, receiver) = guest_body(64, None);
    drop(consumer.into_inner());
    assert_eq!(executor::run(body(receiver)), (vec![], Some(EndReason::Abandoned)));
    let (consumer, receiver) = guest_body(64, None);
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
fn a_body_says_in_words_what_cut_it_short() {
    // Rule "Truncated is never complete": the text of an error is for people.
    let error = BodyError::from(EndReason::TimedOut).to_string();
    assert!(error.contains("took longer than the host allowed"), "{error}");
    assert!(!error.contains("TimedOut"), "{error}");
}

/// What a host does with what it writes to.
#[derive(Clone, Copy, Debug)]
enum Host {
    Closes,
    ShutsDown,
    Drops,
    Aborts(EndReason),
    ClosesAndAborts,
}

const HOSTS: [(Host, EndReason); 6] = [
    (Host::Closes, EndReason::Finished),
    (Host::ShutsDown, EndReason::Finished),
    (Host::Drops, EndReason::Abandoned),
    (Host::Aborts(EndReason::TimedOut), EndReason::TimedOut),
    // An abort is no end of the data.
    (Host::Aborts(EndReason::Finished), EndReason::Abandoned),
    (Host::ClosesAndAborts, EndReason::Finished),
];

#[test]
fn only_a_host_writer_that_is_closed_has_come_to_the_end_of_its_data() {
    // Rule "Truncated is never complete": what was written before is delivered, and the completion says why it ended.
    for (host, reason) in HOSTS {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = lower::producer(64);
            let (producer, done) = producer.with_completion();
            let stream = guest.source(producer).await;
            writer.write_all(&[1, 2, 3]).await.unwrap();
            match host {
                Host::Closes => writer.close(),
                Host::ShutsDown => {
                    tokio::io::AsyncWriteExt::shutdown(&mut writer).await.unwrap();
                }
                Host::Drops => drop(writer),
                Host::Aborts(reason) => writer.abort(reason),
                Host::ClosesAndAborts => {
                    futures::AsyncWriteExt::close(&mut writer).await.unwrap();
                    writer.abort(EndReason::Cancelled);
                }
            }
            let (mut got, mut code) = (Vec::new(), Code::Completed(0));
            while !matches!(code, Code::Dropped(_)) {
                let bytes;
                (code, bytes) = guest.recv(stream, 9).await;
                got.extend(bytes);
            }
            assert_eq!((got, done.await.end.reason()), (vec![1, 2, 3], reason), "{host:?}");
        });
    }
}

#[test]
fn only_a_host_sink_that_is_closed_has_come_to_the_end_of_its_data() {
    // Rule "Truncated is never complete": the same for items.
    for (host, reason) in HOSTS {
        with_guest::<u8, _>(async |guest| {
            let (mut sink, producer) = lower::item_producer(64);
            let (producer, done) = producer.with_completion();
            let stream = guest.source(producer).await;
            sink.send_batch(vec![1, 2, 3]).await.unwrap();
            match host {
                Host::Closes => sink.close(),
                Host::ShutsDown => SinkExt::<u8>::close(&mut sink).await.unwrap(),
                Host::Drops => drop(sink),
                Host::Aborts(reason) => sink.abort(reason),
                Host::ClosesAndAborts => {
                    sink.close();
                    sink.abort(EndReason::Cancelled);
                }
            }
            let (mut got, mut code) = (Vec::new(), Code::Completed(0));
            while !matches!(code, Code::Dropped(_)) {
                let items;
                (code, items) = guest.recv(stream, 9).await;
                got.extend(items);
            }
            assert_eq!((got, done.await.end.reason()), (vec![1, 2, 3], reason), "{host:?}");
        });
    }
}

#[test]
fn a_parked_read_is_woken_by_a_host_writer_that_is_dropped_or_aborted() {
    // Rule "A fresh waker".
    for aborts in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = lower::producer(64);
            let (producer, done) = producer.with_completion();
            let stream = guest.source(producer).await;
            assert_eq!(guest.read(stream, 9).await, Code::Blocked);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None);
            if aborts {
                writer.abort(EndReason::Cancelled);
            } else {
                drop(writer);
            }
            assert_eq!(wait.await, Code::Dropped(0));
            let reason = if aborts { EndReason::Cancelled } else { EndReason::Abandoned };
            assert_eq!(done.await.end.reason(), reason);
        });
    }
}

/// Ends a stream whose receiver has left, before or after the guest's end, and says how.
macro_rules! left {
    ($pair:expr, $first:expr) => {
        for guest_writes in [false, true] {
            with_guest::<u8, _>(async |guest| {
                let (consumer, receiver) = $pair;
                let (consumer, done) = consumer.with_completion();
                let stream = guest.sink(consumer).await;
                assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
                drop(receiver);
                if guest_writes {
                    assert_eq!(guest.write(stream, 1).await, Code::Dropped(0));
                } else {
                    guest.drop_writable(stream).await;
                }
                let end = done.await.end;
                assert!(matches!(end, End::ReceiverDropped), "{end:?}");
                let error = end.into_result().unwrap_err().to_string();
                assert!(error.contains("receiver"), "{error}");
            });
        }
    };
}

#[test]
fn a_sink_whose_reader_has_left_says_so_and_that_is_an_error() {
    // Rule "Completion": what the guest wrote last has reached nobody, also if it then ends its stream in order.
    left!(lift::consumer(64), read);
    left!(lift::item_consumer(64), items);
    left!(guest_body(64, None), body);
    left!(relay::byte_parts(64), drop);
}

#[test]
fn a_body_that_is_too_short_is_no_end_in_order_for_the_completion_either() {
    // Rule "Truncated is never complete": whoever gets the body and whoever gave the stream are told the same.
    with_guest::<u8, _>(async |guest| {
        let (consumer, body) = guest_body(64, Some(5));
        let (consumer, done) = consumer.with_completion();
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2]).await, Code::Completed(2));
        guest.drop_writable(stream).await;
        let error = body.collect().await.unwrap_err();
        assert!(matches!(error, BodyError::TooShort { expected: 5, got: 2 }), "{error:?}");
        let end = done.await.end;
        assert!(matches!(end, End::Failed(BodyError::TooShort { expected: 5, got: 2 })), "{end:?}");
    });
}

#[test]
fn a_fused_stream_is_terminated_only_after_none() {
    // Rule "A fresh waker": a `select!` skips what is terminated, and would wait for ever for the end.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = lift::item_consumer(8);
        let stream = guest.sink(consumer).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await, Code::Completed(3));
        guest.drop_writable(stream).await;
        let mut never = futures::future::pending::<()>();
        let mut got = Vec::new();
        loop {
            select! {
                item = items.next() => match item {
                    Some(item) => got.push(item),
                    None => break,
                },
                () = never => unreachable!(),
            }
        }
        assert_eq!(got, [1, 2, 3]);
        assert!(items.is_terminated());

        for fallible in [false, true] {
            let (consumer, mut items) = lift::item_consumer(8);
            let stream = guest.sink(consumer.limit(1)).await;
            assert_eq!(guest.send(stream, &[1, 2]).await, Code::Dropped(1));
            if fallible {
                let mut items = items.into_try_stream();
                assert_eq!(items.try_next().await, Ok(Some(1)));
                assert!(!items.is_terminated());
                assert_eq!(items.try_next().await, Err(Cut(EndReason::LimitReached)));
                assert!(!items.is_terminated());
                assert_eq!(items.next().await, None);
                assert!(items.is_terminated());
            } else {
                assert_eq!(items.next().await, Some(1));
                assert!(!items.is_terminated());
                assert_eq!(items.next().await, None);
                assert!(items.is_terminated() && items.cut() == Some(EndReason::LimitReached));
            }
        }
    });
}
