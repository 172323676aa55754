//! The second zero-length read in a row of a source that cannot tell looks ahead by one byte or item.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::{StreamExt as _, stream};
use tokio::io::{AsyncRead, ReadBuf};
use wasmtime::StoreContextMut;
use wasmtime::component::{Resource, StreamReader};
use wasmtime_streams::{
    End, Meter, iterators,
    streams::{self, Chunks},
    tokio_io,
};
use wasmtime_streams_testing::executor::idle;

use crate::read_to_end;
use crate::support::every_source::{LAYERS, Layer, Readiness, every_source};
use crate::support::guest::{Code, Connection, Guest, World, with_guest};
use crate::support::script::{ItemStream, Script, Step};

const READY: Code = Code::Completed(0);

/// Makes `times` zero-length reads in a row.
async fn ask(guest: &Guest<'_, u8>, stream: u32, times: usize) {
    for _ in 0..times {
        assert_eq!(guest.recv(stream, 0).await.0, READY);
    }
}

/// A reader of "123" that is then held. It counts the bytes that it gave, and records the largest buffer since the last
/// check.
struct Counted {
    left: &'static [u8],
    gave: Arc<AtomicUsize>,
    buffer: Arc<AtomicUsize>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buf.filled().len();
        self.buffer.fetch_max(buf.remaining(), Ordering::SeqCst);
        let answer = Pin::new(&mut self.left).poll_read(cx, buf);
        self.gave.fetch_add(buf.filled().len() - before, Ordering::SeqCst);
        answer
    }
}

#[test]
fn the_second_zero_length_read_in_a_row_takes_one_byte_and_the_third_none() {
    // Rule "Zero-length reads": by as little as possible.
    with_guest::<u8, _>(async |guest| {
        let (gave, buffer) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let counted = Counted { left: b"123", gave: gave.clone(), buffer: buffer.clone() };
        let stream = guest.source(tokio_io::read(counted)).await;
        ask(guest, stream, 1).await;
        assert_eq!(gave.load(Ordering::SeqCst), 0, "the first zero-length read took something");
        ask(guest, stream, 1).await;
        assert_eq!((gave.load(Ordering::SeqCst), buffer.load(Ordering::SeqCst)), (1, 1));
        ask(guest, stream, 3).await;
        assert_eq!(gave.load(Ordering::SeqCst), 1, "the third zero-length read took something");
        assert_eq!(read_to_end(guest, stream, 9).await, b"123");
    });
}

#[test]
fn the_second_zero_length_read_in_a_row_takes_one_item_and_the_third_none() {
    // Rule "Zero-length reads".
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([1, 2, 3].map(|n| Step::Data(vec![n])));
        let control = script.control();
        let stream =
            guest.source(streams::items(ItemStream::new(script, |n| n).map(Result::unwrap))).await;
        for (questions, taken) in [(1, 0), (1, 1), (3, 1)] {
            ask(guest, stream, questions).await;
            assert_eq!(control.steps(), taken);
        }
        assert_eq!(read_to_end(guest, stream, 9).await, [1, 2, 3]);
    });
}

#[test]
fn one_zero_length_read_before_each_read_causes_no_look_ahead() {
    // Rule "Zero-length reads": what was not asked for stays in the host object.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([1, 2, 3].map(|n| Step::Data(vec![n])));
        let control = script.control();
        let stream =
            guest.source(streams::items(ItemStream::new(script, |n| n).map(Result::unwrap))).await;
        for n in 1..=3_u8 {
            ask(guest, stream, 1).await;
            assert_eq!(control.steps(), usize::from(n) - 1);
            assert_eq!(guest.recv(stream, 1).await, (Code::Completed(1), vec![n]));
        }
    });
}

#[test]
fn the_looked_ahead_item_goes_first_into_the_next_read() {
    // Rule "Exactly once, in order": whatever length is read, after however many zero-length reads, anywhere in the
    // data.
    for source in every_source() {
        for layer in LAYERS {
            for before in 0..3_u32 {
                with_guest::<u8, _>(async |guest| {
                    let mut opened = source.open(guest, b"12345", layer).await;
                    let stream = opened.stream;
                    let mut got = Vec::new();
                    if before > 0 {
                        got.extend(guest.recv(stream, before).await.1);
                    }
                    let expected = source.gives(b"12345");
                    if got.len() < expected.len() {
                        ask(guest, stream, 3).await;
                        let (code, bytes) = guest.recv(stream, 1).await;
                        assert_eq!(code, Code::Completed(1), "{}, {layer:?}", source.name);
                        got.extend(bytes);
                    }
                    if got.len() < expected.len() {
                        ask(guest, stream, 2).await;
                    }
                    opened.end();
                    got.extend(read_to_end(guest, stream, 9).await);
                    assert_eq!(got, expected, "{}, {layer:?}", source.name);
                });
            }
        }
    }
}

#[test]
fn the_second_zero_length_read_waits_until_something_is_ready() {
    // Rule "Zero-length reads", rule "Register the current waker": a guest may wait for data by zero-length reads.
    for leaves in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Hold, Step::Data(vec![1]), Step::Data(vec![2])]);
            let control = script.control();
            let stream =
                guest.source(streams::items(ItemStream::new(script, |n| n).map(Result::unwrap)));
            let stream = stream.await;
            ask(guest, stream, 1).await;
            assert_eq!(guest.read(stream, 0).await, Code::Blocked);
            let mut wait = Box::pin(guest.wait(stream));
            assert_eq!(guest.parked(&mut wait).await, None);
            control.release();
            assert_eq!(wait.await, READY);
            assert_eq!(control.steps(), 1);
            if leaves {
                return guest.drop_readable(stream).await;
            }
            assert_eq!(read_to_end(guest, stream, 9).await, [1, 2]);
        });
    }
}

#[test]
fn a_cancelled_look_ahead_loses_nothing() {
    // Rule "Cancellation keeps the stream": before anything is ready, and at that moment.
    let mut wrong = Vec::new();
    for released in [false, true] {
        for woken in [false, true] {
            with_guest::<u8, _>(async |guest| {
                let script = Script::new([Step::Hold, Step::Data(vec![1]), Step::Data(vec![2])]);
                let control = script.control();
                let items = streams::items(ItemStream::new(script, |n| n).map(Result::unwrap));
                let stream = guest.source(items).await;
                ask(guest, stream, 1).await;
                let code = guest.read(stream, 0).await;
                if code != Code::Blocked {
                    return wrong.push(code);
                }
                if woken {
                    idle().await;
                }
                if released {
                    control.release();
                }
                let code = guest.cancel_read(stream).await;
                assert!(matches!(code, Code::Cancelled(0) | READY), "{code:?}");
                if !released {
                    control.release();
                }
                assert_eq!(read_to_end(guest, stream, 1).await, [1, 2]);
            });
        }
    }
    assert!(wrong.is_empty(), "the second zero-length read does not wait: {wrong:?}");
}

/// The source that a splice gives, or the reader if it is refused.
macro_rules! splice {
    ($guest:ident, $stream:ident, $source:ty) => {{
        let reader: StreamReader<u8> = $guest.give($stream).await;
        $guest.with(|store| reader.try_into::<$source>(store))
    }};
}

/// While a byte or item is looked ahead a splice is refused. Once it is read, the splice gives the rest.
macro_rules! refused_meanwhile {
    ($guest:ident, $producer:expr, $source:ty, |$given:ident| $rest:expr) => {{
        let stream = $guest.source($producer.spliceable()).await;
        ask($guest, stream, 2).await;
        let refused = splice!($guest, stream, $source);
        let Err(reader) = refused else { panic!("the splice lost what was looked ahead") };
        let stream = $guest.take(reader).await;
        assert_eq!($guest.recv(stream, 1).await, (Code::Completed(1), vec![1]));
        let $given = splice!($guest, stream, $source).ok().expect("the splice was refused");
        assert_eq!($rest, [2, 3]);
    }};
}

#[test]
fn a_splice_is_refused_while_an_item_is_looked_ahead() {
    // Rule "Splice": nothing is lost, and the refused stream goes on unchanged.
    type Items = streams::Items<stream::Iter<std::array::IntoIter<u8, 3>>>;
    type Bodies = Chunks<stream::Iter<std::array::IntoIter<Bytes, 1>>, Bytes>;
    with_guest::<u8, _>(async |guest| {
        refused_meanwhile!(guest, streams::items(stream::iter([1_u8, 2, 3])), Items, |source| {
            source.into_inner().collect::<Vec<_>>().await
        });
        refused_meanwhile!(
            guest,
            iterators::items([1_u8, 2, 3]),
            iterators::Items<std::array::IntoIter<u8, 3>>,
            |s| { s.into_inner().collect::<Vec<_>>() }
        );
        refused_meanwhile!(
            guest,
            tokio_io::read(&[1, 2, 3][..]),
            tokio_io::Read<&[u8]>,
            |source| { source.into_inner() }
        );
        let body = stream::iter([Bytes::from_static(&[1, 2, 3])]);
        refused_meanwhile!(guest, streams::chunks(body), Bodies, |source| {
            source.into_parts().1.unwrap().to_vec()
        });
    });
}

#[test]
fn a_splice_after_one_zero_length_read_is_not_refused() {
    // Rule "Splice": nothing was taken.
    with_guest::<u8, _>(async |guest| {
        let stream = guest.source(tokio_io::read(&[1, 2, 3][..]).spliceable()).await;
        ask(guest, stream, 1).await;
        assert_eq!(guest.recv(stream, 1).await.1, [1]);
        ask(guest, stream, 1).await;
        let source =
            splice!(guest, stream, tokio_io::Read<&[u8]>).ok().expect("the splice was refused");
        assert_eq!(source.into_inner(), [2, 3]);
    });
}

#[test]
fn a_looked_ahead_object_is_no_resource_yet() {
    // Rule "Resources are created on delivery".
    with_guest::<Resource<Connection>, _>(async |guest| {
        let producer = streams::items(stream::iter((1..=3).map(Connection))).deliver_with(
            |mut store: StoreContextMut<'_, World>, connection| {
                Ok(store.data_mut().table.push(connection)?)
            },
        );
        let stream = guest.source(producer).await;
        let count = || guest.with(|mut store| store.data_mut().table.iter_mut().count());
        for _ in 0..3 {
            assert_eq!((guest.recv(stream, 0).await.0, count()), (READY, 0));
        }
        assert_eq!(guest.read(stream, 2).await.count(), 2);
        assert_eq!(count(), 2);
        guest.drop_readable(stream).await;
    });
}

#[test]
fn a_looked_ahead_item_counts_for_the_limit_and_is_inspected_once() {
    // Rule "Completion": exact. Rule "Exactly once, in order".
    with_guest::<u8, _>(async |guest| {
        let (meter, seen) = (Meter::new(), Arc::new(Mutex::new(Vec::new())));
        let sees = seen.clone();
        let look = move |item: &u8| sees.lock().unwrap().push(*item);
        let producer =
            streams::items(stream::iter([1_u8, 2, 3, 4])).metered(&meter).inspect(look).limit(3);
        let (producer, done) = producer.with_completion();
        let stream = guest.source(producer).await;
        let mut got = Vec::new();
        for moved in 0..3 {
            ask(guest, stream, 2).await;
            assert_eq!(meter.moved(), moved, "counted before it was read");
            got.extend(guest.recv(stream, 1).await.1);
        }
        assert_eq!((got, meter.moved()), (vec![1, 2, 3], 3));
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
        let done = done.await;
        assert!(matches!(done.end, End::LimitReached), "{:?}", done.end);
        assert_eq!(done.moved, 3);
    });
}

#[test]
fn a_source_that_can_tell_never_looks_ahead() {
    // Rule "Zero-length reads": after any number of zero-length reads, a splice gives everything.
    for source in every_source().iter().filter(|source| source.readiness == Readiness::All) {
        with_guest::<u8, _>(async |guest| {
            let mut opened = source.open(guest, b"1", Layer::Nothing).await;
            ask(guest, opened.stream, 4).await;
            assert_eq!(guest.recv(opened.stream, 1).await, (Code::Completed(1), b"1".to_vec()));
            assert_eq!(guest.read(opened.stream, 0).await, Code::Blocked, "{}", source.name);
            assert_eq!(guest.cancel_read(opened.stream).await, Code::Cancelled(0));
            opened.end();
            assert_eq!(guest.recv(opened.stream, 9).await.0, Code::Dropped(0), "{}", source.name);
        });
    }
}
