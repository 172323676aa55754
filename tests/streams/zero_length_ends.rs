//! Zero-length reads at the end of a stream: a guest that repeats them until the answer is not "completed" gets the
//! end.

use futures::channel::oneshot;
use futures::{FutureExt as _, StreamExt as _, stream};
use tokio_util::codec::{FramedRead, FramedWrite};
use wasmtime_streams::{
    End, EndReason, blocking, codec, from_guest, futures_io, iterators, sinks, streams, tokio_io,
};
use wasmtime_streams_testing::executor::idle;

use crate::support::codec::ByteCodec;
use crate::support::every_source::{LAYERS, Layer, Readiness, every_source};
use crate::support::guest::{Code, Guest, with_guest, with_trapping_guest};
use crate::support::script::{
    ChunkStream, ChunkWriter, FAILURE, ItemStream, Reader, Script, Step, Writer,
};

/// Reads `len` bytes, and never asks for more than is left of them.
pub(crate) async fn read_exactly(guest: &Guest<'_, u8>, stream: u32, len: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < len {
        let (code, bytes) = guest.recv(stream, (len - all.len()) as u32).await;
        assert!(matches!(code, Code::Completed(1..)), "{code:?} after {all:?}");
        all.extend(bytes);
    }
    all
}

/// Makes zero-length reads until the answer is not "completed", at most 5, and waits if need be. Returns the answers.
pub(crate) async fn ask(guest: &Guest<'_, u8>, stream: u32) -> Vec<Code> {
    let mut answers = Vec::new();
    while answers.len() < 5 && answers.last().is_none_or(|code| *code == Code::Completed(0)) {
        answers.push(guest.recv(stream, 0).await.0);
    }
    answers
}

const READY: Code = Code::Completed(0);
const ENDED: Code = Code::Dropped(0);

#[test]
fn zero_length_reads_come_to_the_end_of_every_source() {
    // Rule "Zero-length reads": the last byte fills the guest's buffer, so from then on it reads zero-length.
    let mut wrong = Vec::new();
    for source in every_source() {
        for layer in LAYERS {
            for data in [&b"123"[..], b"9"] {
                with_guest::<u8, _>(async |guest| {
                    let mut opened = source.open(guest, data, layer).await;
                    let expected = source.gives(data);
                    let got = read_exactly(guest, opened.stream, expected.len()).await;
                    assert_eq!(got, expected, "{}", source.name);
                    opened.end();
                    let answers = ask(guest, opened.stream).await;
                    let right = match source.readiness {
                        Readiness::All => answers == [ENDED],
                        Readiness::Nothing => answers == [READY, ENDED],
                        Readiness::Perhaps => answers == [ENDED] || answers == [READY, ENDED],
                    };
                    if !right {
                        wrong.push(format!("{}, {layer:?}: {answers:?}", source.name));
                    }
                });
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_zero_length_read_before_the_end_waits_for_it() {
    // Rule "Zero-length reads", rule "Register the current waker": the first one waits if the source can tell, else the
    // second.
    let mut wrong = Vec::new();
    for source in every_source().iter().filter(|source| source.waits) {
        for layer in LAYERS {
            with_guest::<u8, _>(async |guest| {
                let mut opened = source.open(guest, b"123", layer).await;
                let stream = opened.stream;
                read_exactly(guest, stream, source.gives(b"123").len()).await;
                let mut answers = vec![guest.read(stream, 0).await];
                if answers == [READY] {
                    answers.push(guest.read(stream, 0).await);
                }
                if answers.last() == Some(&Code::Blocked) {
                    let mut wait = Box::pin(guest.wait(stream));
                    assert_eq!(guest.parked(&mut wait).await, None, "{}", source.name);
                    opened.end();
                    answers.push(wait.await);
                }
                let right = match source.readiness {
                    Readiness::All => answers == [Code::Blocked, ENDED],
                    Readiness::Nothing => answers == [READY, Code::Blocked, ENDED],
                    Readiness::Perhaps => answers.ends_with(&[Code::Blocked, ENDED]),
                };
                if !right {
                    wrong.push(format!("{}, {layer:?}: {answers:?}", source.name));
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_second_zero_length_read_of_an_empty_stream_is_its_end() {
    // Rule "Zero-length reads": nothing was ever read from it.
    for source in every_source().iter().filter(|source| source.name != "channels::watch_receiver") {
        with_guest::<u8, _>(async |guest| {
            let mut opened = source.open(guest, b"", Layer::Nothing).await;
            opened.end();
            let answers = ask(guest, opened.stream).await;
            assert!(
                matches!(answers[..], [ENDED] | [READY, ENDED]),
                "{}: {answers:?}",
                source.name
            );
        });
    }
}

#[test]
fn a_zero_length_read_of_a_cut_source_is_its_end() {
    // Rule "Zero-length reads", rule "Completion": the core knows the end, whether or not the source can tell.
    let mut wrong = Vec::new();
    for source in every_source() {
        for layer in [Layer::Until, Layer::Completion] {
            for asked in [false, true] {
                with_guest::<u8, _>(async |guest| {
                    let mut opened = source.open(guest, b"123", layer).await;
                    if asked {
                        assert_eq!(guest.recv(opened.stream, 0).await.0, READY);
                    }
                    opened.cut();
                    let answers = ask(guest, opened.stream).await;
                    if answers != [ENDED] {
                        wrong.push(format!("{}, {layer:?}, {asked}: {answers:?}", source.name));
                    }
                });
            }
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_waiting_zero_length_read_is_woken_when_the_host_cuts_the_stream() {
    // Rule "Completion": a parked operation is woken, and sees the other end dropped.
    let mut wrong = Vec::new();
    for source in every_source().iter().filter(|source| source.waits) {
        for layer in [Layer::Until, Layer::Completion] {
            with_guest::<u8, _>(async |guest| {
                let mut opened = source.open(guest, b"123", layer).await;
                let stream = opened.stream;
                read_exactly(guest, stream, source.gives(b"123").len()).await;
                let mut code = guest.read(stream, 0).await;
                if code == READY {
                    code = guest.read(stream, 0).await;
                }
                if code != Code::Blocked {
                    return wrong.push(format!("{}, {layer:?}: does not wait", source.name));
                }
                idle().await;
                opened.cut();
                let code = guest.wait(stream).await;
                if code != ENDED {
                    wrong.push(format!("{}, {layer:?}: {code:?}", source.name));
                }
            });
        }
    }
    assert!(wrong.is_empty(), "{} are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// A consumer that is cut before or after a zero-length write: by `until`, or by its completion.
macro_rules! cut_sink {
    ($guest:ident, $name:literal, $consumer:expr) => {
        for asked in [false, true] {
            let (fire, fired) = oneshot::channel::<()>();
            let stream = $guest.sink($consumer.until(EndReason::TimedOut, fired.map(drop))).await;
            if asked {
                assert_eq!($guest.write(stream, 0).await, READY, "{}", $name);
            }
            drop(fire);
            assert_eq!($guest.write(stream, 0).await, ENDED, "{}, until, {asked}", $name);

            let (consumer, done) = $consumer.with_completion();
            let stream = $guest.sink(consumer).await;
            if asked {
                assert_eq!($guest.write(stream, 0).await, READY, "{}", $name);
            }
            done.cancel();
            assert_eq!($guest.write(stream, 0).await, ENDED, "{}, cancel, {asked}", $name);
        }
    };
}

#[test]
fn a_zero_length_write_of_a_cut_sink_is_its_end() {
    // Rule "Zero-length writes": also if the sink cannot tell whether it has room.
    with_guest::<u8, _>(async |guest| {
        let writer = || Writer::<u8>::new(Script::new([]));
        let frames = || FramedWrite::new(writer(), ByteCodec(|byte: u8| byte));
        cut_sink!(guest, "sinks::items", sinks::items::<_, u8>(writer()));
        cut_sink!(guest, "codec::write", codec::write::<_, _, u8>(frames()));
        cut_sink!(guest, "sinks::chunks", sinks::chunks(ChunkWriter(writer())));
        let mut readers = Vec::new();
        let mut open = || {
            let (consumer, reader) = from_guest::consumer(9);
            readers.push(reader);
            consumer
        };
        cut_sink!(guest, "from_guest::consumer", open());
        cut_sink!(guest, "tokio_io::write", tokio_io::write(writer()));
        cut_sink!(guest, "futures_io::write", futures_io::write(writer()));
        cut_sink!(guest, "blocking::write_on", blocking::write_on(Vec::new(), |job| job.run()));
        cut_sink!(guest, "iterators::collect", iterators::collect::<u8>(9));
        cut_sink!(guest, "iterators::collect_bytes", iterators::collect_bytes(9));
    });
}

#[test]
fn a_zero_length_read_finds_the_end_of_a_reached_limit() {
    // Rule "Zero-length reads", rule "Completion": also a limit of zero.
    with_guest::<u8, _>(async |guest| {
        for stream in [
            guest.source(tokio_io::read(&b"123"[..]).limit(0)).await,
            guest.source(tokio_io::buf_read(&b"123"[..]).limit(0)).await,
            guest.source(streams::items(stream::iter([1_u8, 2])).limit(0)).await,
            guest.source(streams::peekable(stream::iter([1_u8, 2]).peekable()).limit(0)).await,
            guest.source(iterators::items([1_u8, 2]).limit(0)).await,
        ] {
            let answers = ask(guest, stream).await;
            assert!(matches!(answers[..], [ENDED] | [READY, ENDED]), "{answers:?}");
        }
        // The end came with the last byte or item.
        let stream = guest.source(tokio_io::read(&b"123"[..]).limit(2)).await;
        assert_eq!(guest.recv(stream, 2).await.0, Code::Dropped(2));
    });
}

/// Makes zero-length reads until the stream is dropped. The completion must report then that the source failed.
macro_rules! failing {
    ($guest:ident, $name:literal, $at_most:literal, $producer:expr) => {{
        let (producer, done) = $producer.with_completion();
        let stream = $guest.source(producer).await;
        let answers = ask($guest, stream).await;
        assert_eq!(answers.last(), Some(&ENDED), "{}: {answers:?}", $name);
        assert!(answers.len() <= $at_most, "{}: {answers:?}", $name);
        let end = done.await.end.map_err(|error| error.to_string());
        assert!(matches!(&end, End::Failed(why) if why == FAILURE), "{}: {end:?}", $name);
    }};
}

#[test]
fn zero_length_reads_find_an_error() {
    // Rule "Zero-length reads", rule "Items before the error".
    with_guest::<u8, _>(async |guest| {
        let script = || Script::new([Step::Fail]);
        failing!(guest, "tokio_io::buf_read", 1, tokio_io::buf_read(Reader::new(script())));
        failing!(guest, "tokio_io::read", 2, tokio_io::read(Reader::new(script())));
        failing!(guest, "streams::try_chunks", 2, streams::try_chunks(ChunkStream(script())));
        failing!(
            guest,
            "streams::try_items",
            2,
            streams::try_items(ItemStream::new(script(), |byte| byte))
        );
        let peekable = ItemStream::new(script(), |byte| byte).peekable();
        failing!(guest, "streams::try_peekable", 2, streams::try_peekable(peekable));
        let frames = FramedRead::new(Reader::new(script()), ByteCodec(|byte: u8| byte));
        failing!(guest, "codec::read", 2, codec::read(frames));
    });
}

#[test]
fn an_error_found_by_a_zero_length_read_is_a_trap_if_the_host_asks_for_it() {
    // Rule "Items before the error": not before the read that looks ahead.
    for peeks in [false, true] {
        let mut asked = 0;
        let error = with_trapping_guest::<u8, _>(async |guest| {
            let failing = ItemStream::new(Script::new([Step::Fail]), |byte| byte);
            let stream = match peeks {
                false => guest.source(streams::try_items(failing).trap_on_error()).await,
                true => {
                    guest.source(streams::try_peekable(failing.peekable()).trap_on_error()).await
                }
            };
            for _ in 0..5 {
                asked += 1;
                assert_eq!(guest.recv(stream, 0).await.0, READY);
            }
            panic!("no trap after 5 zero-length reads");
        });
        assert!(format!("{error:?}").contains(FAILURE), "{error:?}");
        assert!(asked <= 2, "{asked} questions");
    }
}
