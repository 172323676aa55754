//! Host writers and sinks that are closed, aborted or dropped, and receivers that leave: what each side sees.

use futures::stream::{FusedStream, StreamExt as _, TryStreamExt as _};
use futures::{AsyncWriteExt as _, SinkExt, select};
use http_body_util::BodyExt as _;
use wasmtime_streams::Cut;
use wasmtime_streams::{
    End, EndReason,
    body::{self, BodyError},
    from_guest, relay, to_guest,
};

use crate::support::guest::{Code, with_guest};

/// How a host ends its writer or sink.
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
fn only_closing_a_host_writer_is_the_end_of_the_data() {
    // Rule "Truncated is never complete": what was written before is delivered, and the completion has the reason.
    for (host, reason) in HOSTS {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = to_guest::producer(64);
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
fn only_closing_a_host_sink_is_the_end_of_the_data() {
    // Rule "Truncated is never complete": the same for items.
    for (host, reason) in HOSTS {
        with_guest::<u8, _>(async |guest| {
            let (mut sink, producer) = to_guest::item_producer(64);
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
fn dropping_or_aborting_a_host_writer_wakes_a_parked_read() {
    // Rule "Register the current waker".
    for aborts in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let (mut writer, producer) = to_guest::producer(64);
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

/// Ends a stream whose receiver has end_after_receiver_left, before or after the guest's end, and returns its end.
macro_rules! end_after_receiver_left {
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
fn a_sink_reports_that_its_reader_has_left_as_an_error() {
    // Rule "Completion": nobody got the guest's last data, also if the guest then ends its stream in order.
    end_after_receiver_left!(from_guest::consumer(64), read);
    end_after_receiver_left!(from_guest::item_consumer(64), items);
    end_after_receiver_left!(body::from_guest(64, None), body);
    end_after_receiver_left!(relay::byte_parts(64), drop);
}

#[test]
fn a_body_that_is_too_short_is_no_end_in_order_for_the_completion() {
    // Rule "Truncated is never complete": the receiver of the body and the host of the stream see the same end.
    with_guest::<u8, _>(async |guest| {
        let (consumer, body) = body::from_guest(64, Some(5));
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
    // Rule "Register the current waker": `select!` skips a terminated stream, and would wait for the end for ever.
    with_guest::<u8, _>(async |guest| {
        let (consumer, mut items) = from_guest::item_consumer(8);
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
            let (consumer, mut items) = from_guest::item_consumer(8);
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
