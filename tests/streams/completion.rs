//! How streams end, and what the host gets back.

use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use futures::channel::oneshot;
use tokio::io::{AsyncRead, AsyncWriteExt as _, BufWriter, ReadBuf};
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{CancelHandle, End, Flush, iterators, streams, tokio_io};

use crate::support::guest::{Code, with_guest};
use crate::support::script::{ChunkStream, FAILURE, Reader, Script, Step, Writer};
use wasmtime_streams_testing::executor::{self, idle};

#[test]
fn the_completion_resolves_as_soon_as_the_end_is_known() {
    // Rule "Completion": not only when the guest drops its end.
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = tokio_io::read(&b"ab"[..]).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 2).await.0, Code::Completed(2));
        assert_eq!(guest.recv(stream, 2).await.0, Code::Dropped(0));
        let done = done.await;
        assert!(done.end.is_finished());
        assert_eq!(done.moved, 2);
        guest.drop_readable(stream).await;
    });
}

#[test]
fn the_end_itself_wakes_the_completion() {
    // Rule "Completion": also while the stream still exists.
    let (producer, mut done) = tokio_io::read(&b""[..]).with_completion();
    let mut store = Store::new(&Engine::default(), ());
    let stream = StreamReader::new(&mut store, producer).unwrap();
    let (consumer, read) = iterators::collect_bytes(9).with_completion();
    stream.pipe(&mut store, consumer).unwrap();
    let end =
        async { assert_eq!(store.run_concurrent(async |_| read.await).await.unwrap().moved, 0) };
    assert!(executor::run(wakes(&mut done, end)));
    assert!(executor::run(done).end.is_finished());
}

#[test]
fn nothing_is_lost_when_the_guest_drops_its_end_right_after_its_last_write() {
    // Rule "The completion closes the sink": with a buffered writer too, whatever the flush policy.
    for policy in [Flush::EachOp, Flush::OnClose] {
        with_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Pending, Step::Accept(2), Step::Pending]);
            let flush = Script::new([Step::Pending, Step::Accept(0), Step::Pending]);
            let inner = Writer::with_flush(script, flush);
            let log = inner.log();
            let writer = BufWriter::with_capacity(64, inner);
            let (consumer, done) = tokio_io::write(writer).flush(policy).with_completion();
            let stream = guest.sink(consumer).await;
            guest.send_all(stream, &[1, 2, 3, 4, 5]).await;
            guest.drop_writable(stream).await;
            let done = done.await;
            assert!(done.end.is_finished(), "{:?}", done.end);
            assert_eq!(log.accepted(), [1, 2, 3, 4, 5]);
            assert!(log.look(|written| written.closed && written.flushed == 5));
            assert!(done.inner.into_inner().buffer().is_empty());
        });
    }
}

#[test]
fn a_failed_close_is_the_end_of_the_stream() {
    // Rule "The completion closes the sink".
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::with_flush(Script::new([]), Script::new([Step::Fail]));
        let (consumer, done) = tokio_io::write(writer).flush(Flush::OnClose).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1]).await;
        guest.drop_writable(stream).await;
        let done = done.await;
        assert!(matches!(done.end, End::Failed(error) if error.to_string() == FAILURE));
    });
}

#[test]
fn without_a_completion_the_writer_is_dropped_as_it_is() {
    // Rule "The completion closes the sink": what was flushed is there, and no shutdown is sent.
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let stream = guest.sink(tokio_io::write(writer)).await;
        guest.send_all(stream, &[1, 2]).await;
        guest.drop_writable(stream).await;
        log.look(|written| {
            assert_eq!((written.flushed, written.closed, written.dropped), (2, false, true));
        });
    });
}

#[test]
fn a_cancel_wakes_a_parked_read_and_hands_the_source_back() {
    // Rule "Completion": the slot decides who owns the object.
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Data(vec![1]), Step::Hold, Step::Data(vec![2])]);
        let (producer, done) = streams::try_chunks(ChunkStream(script)).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 1).await.1, [1]);
        assert_eq!(guest.read(stream, 1).await, Code::Blocked);
        let mut wait = Box::pin(guest.wait(stream));
        assert_eq!(guest.parked(&mut wait).await, None);
        done.cancel();
        assert_eq!(wait.await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled));
        assert_eq!(done.moved, 1);
        // The source is usable: it goes on where the guest stopped.
        let (ChunkStream(script), rest) = done.inner.into_parts();
        assert!(rest.is_none());
        script.control().release();
    });
}

#[test]
fn a_cancel_works_at_once_while_no_operation_is_under_way() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Data(vec![1, 2, 3])]);
        let (producer, done) = streams::try_chunks(ChunkStream(script)).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 1).await.1, [1]);
        done.cancel();
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled));
        assert_eq!(done.inner.into_parts().1.unwrap().unwrap(), &[2, 3][..]);
        assert_eq!(guest.read(stream, 1).await, Code::Dropped(0));
    });
}

#[test]
fn a_cancel_of_a_sink_hands_it_back_open() {
    // Rule "Completion": the host has the writer again, and it is not shut down.
    for parked in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let script = Script::new([Step::Accept(1), Step::Hold]);
            let writer = Writer::new(script);
            let log = writer.log();
            let (consumer, done) = tokio_io::write(writer).with_completion();
            let stream = guest.sink(consumer).await;
            assert_eq!(guest.send(stream, &[1]).await, Code::Completed(1));
            if parked {
                guest.load(&[2]).await;
                assert_eq!(guest.write(stream, 1).await, Code::Blocked);
                idle().await;
                done.cancel();
                assert_eq!(guest.wait(stream).await, Code::Dropped(0));
            } else {
                done.cancel();
                assert_eq!(guest.send(stream, &[2]).await, Code::Dropped(0));
            }
            let done = done.await;
            assert!(matches!(done.end, End::Cancelled));
            assert!(log.look(|written| !written.closed && !written.dropped));
            drop(done.inner);
            assert_eq!(log.accepted(), [1]);
        });
    }
}

/// Cancels its own stream while it is polled.
struct SelfCancelling(Arc<Mutex<Option<CancelHandle>>>);

impl AsyncRead for SelfCancelling {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        self.0.lock().unwrap().as_ref().unwrap().cancel();
        buf.put_slice(&[1, 2]);
        Poll::Ready(Ok(()))
    }
}

#[test]
fn user_code_may_cancel_its_own_stream_while_it_is_polled() {
    // Rule "Completion": the poll holds no lock that the cancel needs. The data of that poll arrives.
    with_guest::<u8, _>(async |guest| {
        let handle = Arc::new(Mutex::new(None));
        let (producer, done) = tokio_io::read(SelfCancelling(handle.clone())).with_completion();
        *handle.lock().unwrap() = Some(done.cancel_handle());
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Completed(2), vec![1, 2]));
        let done = done.await;
        assert!(matches!(done.end, End::Cancelled));
        assert_eq!(done.moved, 2);
        assert_eq!(guest.read(stream, 9).await, Code::Dropped(0));
    });
}

#[test]
fn a_cancel_after_the_end_changes_nothing() {
    // Rule "Completion": it resolves once, with the end that came first.
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = tokio_io::read(&b""[..]).with_completion();
        let handle = done.cancel_handle();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 1).await, Code::Dropped(0));
        handle.cancel();
        assert!(done.await.end.is_finished());
        handle.cancel();
    });
}

pub(crate) struct Woken(pub(crate) AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Whether `end` wakes a task that awaits `done`.
pub(crate) async fn wakes<F: Future + Unpin>(done: &mut F, end: impl Future<Output = ()>) -> bool {
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(woken.clone());
    assert!(Pin::new(done).poll(&mut Context::from_waker(&waker)).is_pending());
    end.await;
    woken.0.load(Ordering::SeqCst)
}

#[test]
fn whoever_awaits_a_completion_is_woken_by_every_end() {
    // Rule "Completion": it may be awaited in a task of its own, long before the end.
    with_guest::<u8, _>(async |guest| {
        let (producer, mut done) = tokio_io::read(&b"ab"[..]).with_completion();
        let stream = guest.source(producer).await;
        assert!(wakes(&mut done, guest.drop_readable(stream)).await, "the guest drops its end");

        let (producer, mut done) = tokio_io::read(&b""[..]).with_completion();
        let stream = guest.source(producer).await;
        let read = async { assert_eq!(guest.read(stream, 1).await, Code::Dropped(0)) };
        assert!(wakes(&mut done, read).await, "the end");

        let (producer, mut done) = tokio_io::read(&b"ab"[..]).with_completion();
        let handle = done.cancel_handle();
        let stream = guest.source(producer).await;
        assert!(wakes(&mut done, async { handle.cancel() }).await, "a cancel");
        guest.drop_readable(stream).await;

        let (consumer, mut done) = tokio_io::write(Vec::new()).with_completion();
        let stream = guest.sink(consumer).await;
        assert!(wakes(&mut done, guest.drop_writable(stream)).await, "the guest drops its end");
    });
}

#[test]
fn a_completion_resolves_on_another_thread() {
    // Rule "Completion": any task on any executor. The store runs here.
    with_guest::<u8, _>(async |guest| {
        let writer = Writer::new(Script::new([]));
        let (consumer, done) = tokio_io::write(writer).with_completion();
        let (tx, rx) = oneshot::channel();
        let waiting = thread::spawn(move || {
            let done = futures::executor::block_on(done);
            tx.send(()).unwrap();
            done
        });
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, &[1, 2, 3]).await;
        guest.drop_writable(stream).await;
        // Not `rx.await`: this executor would report a stall while the other thread runs.
        futures::executor::block_on(rx).unwrap();
        let done = waiting.join().unwrap();
        assert!(done.end.is_finished());
        assert!(done.inner.into_inner().log().look(|written| written.closed));
    });
}

#[test]
fn an_error_hands_the_reader_back() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let script = Script::new([Step::Fail]);
        let (producer, done) = tokio_io::read(Reader::new(script)).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.read(stream, 1).await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::Failed(error) if error.to_string() == FAILURE));
        let _reader: Reader = done.inner.into_inner();
    });
}

#[test]
fn a_writer_that_was_handed_back_can_still_be_used() {
    // Rule "Completion": a cancelled writer is not shut down.
    with_guest::<u8, _>(async |guest| {
        let (consumer, done) = tokio_io::write(Vec::new()).with_completion();
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, b"guest").await;
        done.cancel();
        let mut writer = done.await.inner.into_inner();
        writer.write_all(b", host").await.unwrap();
        assert_eq!(writer, b"guest, host");
    });
}

#[test]
fn a_completion_outlives_its_store() {
    // Rule "Completion": the drop of the store ends its streams.
    let mut kept = None;
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = tokio_io::read(tokio::io::repeat(1)).with_completion();
        kept = Some(done);
        let stream = guest.source(producer).await;
        guest.recv(stream, 4).await;
    });
    let done = executor::run(kept.unwrap());
    assert!(matches!(done.end, End::PeerDropped));
    assert_eq!(done.moved, 4);
}
