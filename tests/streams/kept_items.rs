//! Data that was acknowledged to the guest is sent, though a limit or a signal ends the stream before it is sent or
//! flushed.

use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};

use futures::channel::oneshot;
use futures::{FutureExt as _, Sink};
use tokio::io::AsyncWrite;
use tokio_util::codec::FramedWrite;
use wasmtime_streams::{
    End, EndReason, ItemConsumer, ItemSink,
    blocking::{self, Job},
    codec, futures_io, sinks, tokio_io,
};
use wasmtime_streams_testing::executor::idle;

use crate::support::codec::ByteCodec;
use crate::support::guest::{Code, Guest, with_guest};
use crate::support::script::{ChunkWriter, Control, Log, Script, Step, Writer};

/// A writer with room for one, and then none until it is released.
fn full() -> (Writer<u8>, Log<u8>, Control) {
    let script = Script::new([Step::Accept(1), Step::Hold]);
    let control = script.control();
    let writer = Writer::new(script);
    let log = writer.log();
    (writer, log, control)
}

/// The guest writes 3 items to a sink with a limit of 3, cancels before all are sent, and writes on.
async fn written_on<S: ItemSink<Item = u8> + Unpin>(
    guest: &Guest<'_, u8>,
    consumer: ItemConsumer<S>,
    (log, control): (Log<u8>, Control),
    again: bool,
) {
    let stream = guest.sink(consumer.limit(3)).await;
    guest.load(&[1, 2, 3]).await;
    assert_eq!(guest.write(stream, 3).await, Code::Blocked);
    idle().await;
    assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
    assert!(log.accepted().len() < 3, "all was sent at once");
    guest.load(&[4]).await;
    let mut code = guest.write(stream, 1).await;
    assert_eq!(code, Code::Blocked, "the write did not wait: {:?}", log.accepted());
    if again {
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(0));
        code = guest.write(stream, 1).await;
        assert_eq!(code, Code::Blocked);
    }
    control.release();
    assert_eq!(guest.wait(stream).await, Code::Dropped(0));
    assert_eq!(log.accepted(), [1, 2, 3]);
    assert_eq!(log.look(|written| written.flushed), 3);
}

#[test]
fn items_that_a_cancelled_write_left_are_sent_before_the_limit_ends_the_stream() {
    // Rule "Cancellation keeps the stream", rule "Completion": the guest saw that 3 are written, and nothing else
    // sends them.
    for again in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let (writer, log, control) = full();
            written_on(guest, sinks::items::<_, u8>(writer), (log, control), again).await;
        });
    }
}

#[test]
fn frames_that_a_cancelled_write_left_are_sent_before_the_limit_ends_the_stream() {
    // Rule "Cancellation keeps the stream": frames that are encoded, and items that are not yet.
    for capacity in [1, 64] {
        for again in [false, true] {
            with_guest::<u8, _>(async |guest| {
                let (writer, log, control) = full();
                let frames = FramedWrite::with_capacity(writer, ByteCodec(|byte| byte), capacity);
                let consumer = codec::write::<_, _, u8>(frames);
                written_on(guest, consumer, (log, control), again).await;
            });
        }
    }
}

#[test]
fn items_that_a_cancelled_write_left_are_sent_by_the_completion_at_a_limit() {
    // Rule "The completion closes the sink": it closes the sink at a limit.
    with_guest::<u8, _>(async |guest| {
        let (writer, log, control) = full();
        let (consumer, done) = sinks::items::<_, u8>(writer).limit(3).with_completion();
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2, 3]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        control.release();
        assert_eq!(guest.send(stream, &[4]).await, Code::Dropped(0));
        let done = done.await;
        assert!(matches!(done.end, End::LimitReached), "{:?}", done.end);
        assert_eq!((done.moved, log.accepted()), (3, vec![1, 2, 3]));
        assert!(log.look(|written| written.closed));
    });
}

#[test]
fn bytes_whose_flush_was_cancelled_are_flushed_before_the_limit_ends_the_stream() {
    // Rule "Flush policy": bytes of a raw writer, and of a blocking one.
    with_guest::<u8, _>(async |guest| {
        let flushes = Script::new([Step::Hold]);
        let control = flushes.control();
        let writer = Writer::with_flush(Script::new([]), flushes);
        let log = writer.log();
        let stream = guest.sink(tokio_io::write(writer).limit(3)).await;
        guest.load(&[1, 2, 3]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        assert_eq!(guest.write(stream, 1).await, Code::Blocked);
        control.release();
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        assert_eq!(log.look(|written| (written.accepted.len(), written.flushed)), (3, 3));
    });
    with_guest::<u8, _>(async |guest| {
        let (blocking, jobs) = (Blocking::default(), Arc::new(Mutex::new(Vec::new())));
        let queue = jobs.clone();
        let consumer =
            blocking::write_on(blocking.clone(), move |job: Job| queue.lock().unwrap().push(job));
        let stream = guest.sink(consumer.limit(3)).await;
        guest.load(&[1, 2, 3]).await;
        assert_eq!(guest.write(stream, 3).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.cancel_write(stream).await, Code::Cancelled(3));
        assert_eq!(guest.write(stream, 1).await, Code::Blocked);
        mem::take(&mut *jobs.lock().unwrap()).into_iter().for_each(Job::run);
        assert_eq!(guest.wait(stream).await, Code::Dropped(0));
        assert_eq!(*blocking.0.lock().unwrap(), (vec![1, 2, 3], 3));
    });
}

/// A blocking writer: what it has, and how much of that is flushed.
#[derive(Clone, Default)]
struct Blocking(Arc<Mutex<(Vec<u8>, usize)>>);

impl io::Write for Blocking {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let mut written = self.0.lock().unwrap();
        written.1 = written.0.len();
        Ok(())
    }
}

/// A writer or sink that ends its own stream while it is written, before it is flushed.
struct Firing<W> {
    inner: W,
    fire: Option<oneshot::Sender<()>>,
}

impl<W> Firing<W> {
    /// The writer, and the future that it resolves.
    fn new(inner: W) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (fire, fired) = oneshot::channel();
        (Self { inner, fire: Some(fire) }, fired.map(drop))
    }
}

impl<W: AsyncWrite + Unpin> AsyncWrite for Firing<W> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let n = ready!(Pin::new(&mut self.inner).poll_write(cx, buf))?;
        drop(self.fire.take());
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

impl futures::AsyncWrite for Firing<Writer<u8>> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(self, cx, buf)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(self, cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(self, cx)
    }
}

impl<T, S: Sink<T> + Unpin> Sink<T> for Firing<S> {
    type Error = S::Error;

    fn poll_ready(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Pin::new(&mut self.inner).poll_ready(cx)
    }

    fn start_send(mut self: Pin<&mut Self>, item: T) -> Result<(), S::Error> {
        drop(self.fire.take());
        Pin::new(&mut self.inner).start_send(item)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}

/// Opens a consumer that the signal ends, with or without a completion. Without one nothing else could flush.
macro_rules! until {
    ($guest:ident, $consumer:expr, $fired:ident, $completion:ident) => {{
        let consumer = $consumer.until(EndReason::Cancelled, $fired);
        match $completion {
            false => $guest.sink(consumer).await,
            true => {
                let (consumer, done) = consumer.with_completion();
                drop(done);
                $guest.sink(consumer).await
            }
        }
    }};
}

/// The guest writes, and the stream ends during the write. What was accepted must be flushed first.
async fn flushed(guest: &Guest<'_, u8>, stream: u32, (name, log): (&str, Log<u8>)) {
    let code = guest.send(stream, &[1, 2, 3]).await;
    let (accepted, flushed) = log.look(|written| (written.accepted.clone(), written.flushed));
    assert_eq!(code.count() as usize, accepted.len(), "{name}: {code:?}");
    assert!(!accepted.is_empty() && flushed == accepted.len(), "{name}: {flushed} of {accepted:?}");
    if let Code::Completed(_) = code {
        assert_eq!(guest.send(stream, &[4]).await, Code::Dropped(0), "{name}");
        assert_eq!(log.accepted(), accepted, "{name}");
    }
}

#[test]
fn what_the_last_write_accepted_is_flushed() {
    // Rule "Flush policy": by default a completed write is flushed, also the last one.
    for completion in [false, true] {
        with_guest::<u8, _>(async |guest| {
            let writer = || {
                let writer = Writer::<u8>::new(Script::new([]));
                (writer.log(), writer)
            };
            let (log, inner) = writer();
            let (firing, fired) = Firing::new(inner);
            let stream = until!(guest, tokio_io::write(firing), fired, completion);
            flushed(guest, stream, ("tokio_io::write", log)).await;

            let (log, inner) = writer();
            let (firing, fired) = Firing::new(inner);
            let stream = until!(guest, futures_io::write(firing), fired, completion);
            flushed(guest, stream, ("futures_io::write", log)).await;

            let (log, inner) = writer();
            let (firing, fired) = Firing::new(ChunkWriter(inner));
            let stream = until!(guest, sinks::chunks(firing), fired, completion);
            flushed(guest, stream, ("sinks::chunks", log)).await;

            let (log, inner) = writer();
            let (firing, fired) = Firing::new(inner);
            let stream = until!(guest, sinks::items::<_, u8>(firing), fired, completion);
            flushed(guest, stream, ("sinks::items", log)).await;

            let (log, inner) = writer();
            let (firing, fired) = Firing::new(inner);
            let stream = until!(guest, sinks::items::<_, u8>(firing).batch(1), fired, completion);
            flushed(guest, stream, ("sinks::items, strict", log)).await;

            let (log, inner) = writer();
            let (firing, fired) = Firing::new(inner);
            let frames = FramedWrite::with_capacity(firing, ByteCodec(|byte| byte), 1);
            let stream = until!(guest, codec::write::<_, _, u8>(frames), fired, completion);
            flushed(guest, stream, ("codec::write", log)).await;
        });
    }
}

#[test]
fn a_blocking_writer_is_flushed_though_the_stream_ends_meanwhile() {
    // Rule "Flush policy": the pending job writes it, and flushes.
    with_guest::<u8, _>(async |guest| {
        let (blocking, jobs) = (Blocking::default(), Arc::new(Mutex::new(Vec::new())));
        let (fire, fired) = oneshot::channel::<()>();
        let (queue, mut fire) = (jobs.clone(), Some(fire));
        let consumer = blocking::write_on(blocking.clone(), move |job: Job| {
            queue.lock().unwrap().push(job);
            drop(fire.take());
        });
        let stream = guest.sink(consumer.until(EndReason::Cancelled, fired.map(drop))).await;
        assert_eq!(guest.send(stream, &[1, 2, 3]).await.count(), 3);
        mem::take(&mut *jobs.lock().unwrap()).into_iter().for_each(Job::run);
        assert_eq!(*blocking.0.lock().unwrap(), (vec![1, 2, 3], 3));
    });
}

#[test]
fn what_a_held_write_had_sent_is_flushed_at_a_cut() {
    // Rule "Flush policy": one of three is with the sink when the signal comes.
    with_guest::<u8, _>(async |guest| {
        let (writer, log, _control) = full();
        let (fire, fired) = oneshot::channel::<()>();
        let consumer = sinks::items::<_, u8>(writer).until(EndReason::Cancelled, fired.map(drop));
        let stream = guest.sink(consumer).await;
        guest.load(&[1, 2, 3]).await;
        parked!(wait, guest.write(stream, 3));
        drop(fire);
        assert_eq!(wait.await, Code::Dropped(3));
        assert_eq!(log.look(|written| (written.accepted.clone(), written.flushed)), (vec![1], 1));
    });
}
