//! Trailers of HTTP bodies, in both directions and in every order.

use std::convert::Infallible;

use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _, join, stream};
use http::HeaderMap;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use wasmtime::StoreContextMut;
use wasmtime_streams::{
    ValueConsumer,
    body::{self, BodyError, GuestTrailers, TrailersSink},
};
use wasmtime_streams_testing::executor::idle;

use crate::read_to_end;
use crate::support::guest::{Code, World, with_guest};

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("sum", 6.into());
    headers
}

/// A body of three bytes, with trailers or without.
fn body(trailers: bool) -> impl Body<Data = Bytes, Error = Infallible> + Send + 'static {
    let data = [Frame::data(Bytes::from_static(b"12")), Frame::data(Bytes::from_static(b"3"))];
    let trailers = trailers.then(|| Frame::trailers(headers()));
    StreamBody::new(stream::iter(data.into_iter().chain(trailers)).map(Ok))
}

#[test]
fn trailers_resolve_whether_they_are_awaited_before_or_after_the_data() {
    // Rule "Completion": the same for a body without trailers.
    for has in [true, false] {
        for first in [true, false] {
            for completion in [true, false] {
                with_guest::<u8, _>(async |guest| {
                    let (producer, mut trailers) = body::read(body(has)).with_trailers();
                    let (stream, done) = if completion {
                        let (producer, done) = producer.with_completion();
                        (guest.source(producer).await, Some(done))
                    } else {
                        (guest.source(producer).await, None)
                    };
                    assert!((&mut trailers).now_or_never().is_none());
                    let reads = async {
                        idle().await;
                        read_to_end(guest, stream, 2).await
                    };
                    let (data, trailers) =
                        if first { join!(reads, trailers) } else { (reads.await, trailers.await) };
                    assert_eq!(data, b"123");
                    assert_eq!(trailers.unwrap(), has.then(headers));
                    if let Some(done) = done {
                        assert!(done.await.end.is_finished());
                    }
                });
            }
        }
    }
}

#[test]
fn zero_length_reads_at_the_end_of_the_data_resolve_the_trailers() {
    // Rule "Zero-length reads": the guest knows the length, and reads zero-length until the stream is dropped.
    for has in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let (producer, trailers) = body::read(body(has)).with_trailers();
            let stream = guest.source(producer).await;
            let mut data = Vec::new();
            while data.len() < 3 {
                data.extend(guest.recv(stream, 3 - data.len() as u32).await.1);
            }
            let mut answers = Vec::new();
            while answers.len() < 5 && answers.last().is_none_or(|n| *n == Code::Completed(0)) {
                answers.push(guest.recv(stream, 0).await.0);
            }
            assert_eq!(answers.last(), Some(&Code::Dropped(0)), "{answers:?}");
            assert_eq!(trailers.await.unwrap(), has.then(headers));
        });
    }
}

#[test]
fn dropping_the_trailers_does_not_affect_the_data() {
    // Rule "Completion": dropped before, during and after the data.
    for at in 0..3 {
        with_guest::<u8, _>(async |guest| {
            let (producer, trailers) = body::read(body(true)).with_trailers();
            let mut trailers = Some(trailers);
            let stream = guest.source(producer).await;
            if at == 0 {
                drop(trailers.take());
            }
            assert_eq!(guest.recv(stream, 1).await.1, b"1");
            if at == 1 {
                drop(trailers.take());
            }
            assert_eq!(read_to_end(guest, stream, 1).await, b"23");
            drop(trailers.take());
        });
    }
}

#[test]
fn a_guest_that_leaves_early_abandons_the_trailers() {
    // Rule "Completion": before the first byte and during the data. A task that waits for the trailers is woken.
    for reads in [0, 1] {
        for waits in [true, false] {
            with_guest::<u8, _>(async |guest| {
                let (producer, trailers) = body::read(body(true)).with_trailers();
                let stream = guest.source(producer).await;
                if reads > 0 {
                    assert_eq!(guest.recv(stream, reads).await.1, b"1");
                }
                let leaves = async {
                    if waits {
                        idle().await;
                    }
                    guest.drop_readable(stream).await;
                };
                let trailers = if waits {
                    join!(leaves, trailers).1
                } else {
                    leaves.await;
                    trailers.await
                };
                assert!(matches!(trailers, Err(wasmtime_streams::End::Abandoned)), "{trailers:?}");
            });
        }
    }
}

#[test]
fn a_body_that_fails_fails_its_trailers() {
    // Rule "Items before the error": after the data before the error, in whatever order both are awaited.
    for first in [true, false] {
        with_guest::<u8, _>(async |guest| {
            let frames = [Ok(Frame::data(Bytes::from_static(b"12"))), Err("broken")];
            let (producer, trailers) =
                body::read(StreamBody::new(stream::iter(frames))).with_trailers();
            let stream = guest.source(producer).await;
            let reads = async {
                idle().await;
                read_to_end(guest, stream, 9).await
            };
            let (data, trailers) =
                if first { join!(reads, trailers) } else { (reads.await, trailers.await) };
            assert_eq!(data, b"12");
            assert!(
                matches!(trailers, Err(wasmtime_streams::End::Failed(why)) if *why == "broken")
            );
        });
    }
}

type Make =
    fn(StoreContextMut<'_, World>, u8) -> wasmtime::Result<Result<Option<HeaderMap>, &'static str>>;

/// Trailers by a number that the guest gives: 0 for none, and 99 for an error.
fn of_a_guest() -> (ValueConsumer<u8, TrailersSink<Make>>, GuestTrailers) {
    let make: Make = |_, sum| {
        Ok(match sum {
            0 => Ok(None),
            99 => Err("no sum"),
            _ => Ok(Some(headers())),
        })
    };
    body::trailers_from_guest(make)
}

/// When the guest writes its trailers.
#[derive(Clone, Copy, Debug)]
enum Writes {
    BeforeTheData,
    InItsMidst,
    AfterTheEnd,
}

#[test]
fn trailers_of_a_guest_come_after_its_data_whenever_it_gives_them() {
    // Rule "Exactly once, in order": whether the body is read meanwhile or afterwards.
    for writes in [Writes::BeforeTheData, Writes::InItsMidst, Writes::AfterTheEnd] {
        for (sum, read_late) in [(6, true), (6, false), (0, true), (0, false), (99, true)] {
            with_guest::<u8, _>(async |guest| {
                let (consumer, body) = body::from_guest(64, None);
                let (values, trailers) = of_a_guest();
                let stream = guest.sink(consumer).await;
                let future = guest.future_sink(values).await;
                let body = body.with_trailers(trailers);
                let gives = async || {
                    guest.load(&[sum]).await;
                    let code = guest.future_write(future).await;
                    assert!(matches!(code, Code::Completed(_)), "{code:?}");
                };
                let guest_side = async {
                    if let Writes::BeforeTheData = writes {
                        gives().await;
                    }
                    assert_eq!(guest.send(stream, b"12").await, Code::Completed(2));
                    if let Writes::InItsMidst = writes {
                        gives().await;
                    }
                    assert_eq!(guest.send(stream, b"3").await, Code::Completed(1));
                    guest.drop_writable(stream).await;
                    if let Writes::AfterTheEnd = writes {
                        idle().await;
                        gives().await;
                    }
                };
                let body = if read_late {
                    guest_side.await;
                    body.collect().await
                } else {
                    join!(guest_side, body.collect()).1
                };
                if sum == 99 {
                    assert!(matches!(body, Err(BodyError::Trailers(_))), "{body:?}");
                    return;
                }
                let body = body.unwrap();
                assert_eq!(body.trailers().cloned(), (sum > 0).then(headers), "{writes:?}");
                assert_eq!(body.to_bytes(), "123", "{writes:?}");
            });
        }
    }
}

#[test]
fn a_guest_can_write_the_trailers_of_a_dropped_body() {
    // Rule "No traps, no panics": nobody receives them any more.
    with_guest::<u8, _>(async |guest| {
        let (consumer, body) = body::from_guest(64, None);
        let (values, trailers) = of_a_guest();
        let stream = guest.sink(consumer).await;
        let future = guest.future_sink(values).await;
        let body = body.with_trailers(trailers);
        assert_eq!(guest.send(stream, b"12").await, Code::Completed(2));
        drop(body);
        assert_eq!(guest.send(stream, b"3").await, Code::Dropped(0));
        guest.load(&[6]).await;
        let code = guest.future_write(future).await;
        assert!(matches!(code, Code::Completed(_) | Code::Dropped(_)), "{code:?}");
    });
}
