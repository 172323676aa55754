//! How streams of bytes to the guest end, over every adapter.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use futures::{TryStreamExt as _, stream};
use http_body::Frame;
use http_body_util::StreamBody;
use wasmtime_streams::{ByteSource as _, End, Then};

use crate::read_to_end;
use crate::support::adapters::sources;
use crate::support::guest::{Code, with_guest, with_trapping_guest};
use crate::support::script::{ChunkStream, FAILURE, Script, Step};
use wasmtime_streams_testing::executor;

#[test]
fn the_end_goes_with_the_last_bytes_if_it_is_known() {
    // Rule "The end goes with the last items". A raw reader shows its end only by another read.
    for source in sources() {
        let known = !source.name.ends_with("read");
        for pending in [false, true] {
            with_guest::<u8, _>(async |guest| {
                let mut steps = vec![Step::Data(vec![1]), Step::Data(vec![2])];
                if pending {
                    steps.push(Step::Pending);
                }
                let (stream, done) = source.open(guest, Script::new(steps)).await;
                if known && !pending {
                    let all = guest.recv(stream, 10).await;
                    assert_eq!(all, (Code::Dropped(2), vec![1, 2]), "{}", source.name);
                } else {
                    assert_eq!(read_to_end(guest, stream, 10).await, [1, 2], "{}", source.name);
                }
                assert!(done.await.0.is_finished(), "{}", source.name);
            });
        }
    }
}

#[test]
fn a_stream_without_data_ends_at_its_first_read() {
    // Rule "The end goes with the last items".
    for source in sources() {
        for zero_first in [false, true] {
            with_guest::<u8, _>(async |guest| {
                let (stream, done) = source.open(guest, Script::new([])).await;
                // A source that can tell answers the zero-length read with the end.
                let tells_end = zero_first && source.readiness;
                if zero_first {
                    let over = if tells_end { Code::Dropped(0) } else { Code::Completed(0) };
                    assert_eq!(guest.recv(stream, 0).await.0, over, "{}", source.name);
                }
                if !tells_end {
                    assert_eq!(guest.recv(stream, 8).await.0, Code::Dropped(0), "{}", source.name);
                }
                let (end, moved) = done.await;
                assert!(end.is_finished() && moved == 0, "{}", source.name);
            });
        }
    }
}

#[test]
fn bytes_go_before_the_error_that_ends_the_stream() {
    // Rule "Items before the error": before, between and after data.
    for source in sources().iter().filter(|source| source.fallible) {
        for parts in 0..4_u8 {
            for buffer in [1, 2, 7] {
                with_guest::<u8, _>(async |guest| {
                    let mut steps: Vec<_> = (0..parts).map(|n| Step::Data(vec![n; 3])).collect();
                    steps.push(Step::Fail);
                    let (stream, done) = source.open(guest, Script::new(steps)).await;
                    let want: Vec<u8> = (0..parts).flat_map(|n| [n; 3]).collect();
                    assert_eq!(read_to_end(guest, stream, buffer).await, want, "{}", source.name);
                    let (end, moved) = done.await;
                    assert!(matches!(end, End::Failed(why) if why == FAILURE), "{}", source.name);
                    assert_eq!(moved, want.len() as u64, "{}", source.name);
                });
            }
        }
    }
}

#[test]
fn an_error_is_a_trap_only_if_the_host_asks_for_it_and_after_the_bytes() {
    // Rule "Items before the error".
    let mut got = Vec::new();
    let error = with_trapping_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Data(vec![1, 2]), Step::Fail]);
        let producer = wasmtime_streams::streams::try_chunks(ChunkStream(script)).trap_on_error();
        let stream = guest.source(producer).await;
        let (code, bytes) = guest.recv(stream, 10).await;
        assert_eq!(code, Code::Completed(2));
        got = bytes;
        guest.read(stream, 10).await;
    });
    assert_eq!(got, [1, 2]);
    assert!(format!("{error:?}").contains(FAILURE), "{error:?}");
}

#[test]
fn an_error_that_was_seen_after_bytes_is_not_lost() {
    // Rule "Items before the error". The next operation reports it. Without one, it is handed back.
    let chunks = || stream::iter([Ok(&b"ab"[..]), Err("reset")]);
    let mut cx = Context::from_waker(Waker::noop());
    for look_again in [false, true] {
        let mut source = wasmtime_streams::streams::try_chunks(chunks()).into_inner();
        let mut body = wasmtime_streams::body::read(StreamBody::new(chunks().map_ok(Frame::data)));
        let mut buf = [0; 8];
        let read = Pin::new(&mut source).poll_read(&mut cx, &mut buf);
        assert_eq!(read, Poll::Ready(Ok((2, Then::More))));
        let read = Pin::new(body.get_mut()).poll_read(&mut cx, &mut buf);
        assert_eq!(read, Poll::Ready(Ok((2, Then::More))));
        if look_again {
            let read = Pin::new(&mut source).poll_read(&mut cx, &mut buf);
            assert_eq!(read, Poll::Ready(Err("reset")));
            let read = Pin::new(body.get_mut()).poll_read(&mut cx, &mut buf);
            assert_eq!(read, Poll::Ready(Err("reset".into())));
        }
        let left = (!look_again).then_some(Err("reset"));
        assert_eq!(source.into_parts().1, left);
        assert_eq!(body.into_inner().into_parts().1, left.map(|left| left.map_err(Arc::new)));
    }
}

#[test]
fn a_guest_that_drops_its_end_early_ends_the_stream() {
    // Rule "Completion".
    for source in sources() {
        for read in [0, 2] {
            with_guest::<u8, _>(async |guest| {
                let script = Script::new([Step::Data(vec![1, 2]), Step::Data(vec![3, 4])]);
                let (stream, done) = source.open(guest, script).await;
                if read > 0 {
                    assert_eq!(guest.recv(stream, read).await.1, [1, 2], "{}", source.name);
                }
                guest.drop_readable(stream).await;
                let (end, moved) = done.await;
                assert!(matches!(end, End::PeerDropped), "{}: {end:?}", source.name);
                assert_eq!(moved, u64::from(read), "{}", source.name);
            });
        }
    }
}

#[test]
fn a_trap_during_a_read_ends_the_stream() {
    // Rule "Completion": the end comes when the store is dropped.
    for source in sources() {
        let mut completion = None;
        with_trapping_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Data(vec![1]), Step::Hold]);
            let (stream, done) = source.open(guest, script).await;
            completion = Some(done);
            assert_eq!(guest.recv(stream, 1).await.1, [1]);
            assert_eq!(guest.read(stream, 1).await, Code::Blocked);
            guest.trap().await;
        });
        let (end, moved) = executor::run(completion.unwrap());
        assert!(matches!(end, End::PeerDropped), "{}: {end:?}", source.name);
        assert_eq!(moved, 1, "{}", source.name);
    }
}
