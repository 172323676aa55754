//! A stream and its result future, as interfaces pass them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{FutureExt as _, stream};
use wasmtime::{Engine, Store};
use wasmtime_streams::{End, Flush, completion::Drive, from_guest, sinks, streams, tokio_io};
use wasmtime_streams_testing::executor::idle;

use crate::support::guest::{Code, Guest, with_guest};
use crate::support::script::{Reader, Script, Step, Writer};

/// `result<_, u32>`
type Outcome = Result<(), u32>;

/// Maps an end to the result of the interface, and counts how often.
#[derive(Clone, Default)]
struct Map(Arc<AtomicUsize>);

impl Map {
    fn end<E>(&self) -> impl FnOnce(End<E>) -> Outcome + Send + use<E> {
        let count = self.0.clone();
        move |end| {
            count.fetch_add(1, Ordering::SeqCst);
            match end {
                End::Finished => Ok(()),
                End::PeerDropped => Err(1),
                End::Cancelled => Err(2),
                End::LimitReached => Err(3),
                End::Failed(_) => Err(4),
                End::Abandoned => Err(99),
                _ => Err(5),
            }
        }
    }

    /// How often it was called.
    fn calls(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }

    /// Whether nobody can call it any more.
    fn is_gone(&self) -> bool {
        Arc::strong_count(&self.0) == 1
    }
}

/// Waits for the future, in the guest.
async fn read(guest: &Guest<'_, Outcome>, future: u32) -> Outcome {
    if guest.future_read(future).await == Code::Blocked {
        assert_eq!(guest.wait(future).await, Code::Completed(0));
    }
    guest.items(1).await.remove(0).unwrap()
}

#[test]
fn the_future_resolves_before_the_guest_drops_its_stream() {
    // Rule "Completion": as soon as the end is known.
    with_guest::<Outcome, _>(async |guest| {
        let map = Map::default();
        let source = streams::items(stream::iter([Ok(()), Err(7)]));
        let (reader, ended) = guest.with(|store| source.into_wit(store, map.end())).unwrap();
        let (reader, ended) = (guest.take(reader).await, guest.take_future(ended).await);
        assert_eq!(guest.future_read(ended).await, Code::Blocked);
        idle().await;
        assert_eq!(guest.future_cancel_read(ended).await, Code::Cancelled(0));
        assert_eq!(guest.recv(reader, 9).await.0, Code::Dropped(2));
        assert_eq!(read(guest, ended).await, Ok(()));
        assert_eq!(map.calls(), 1);
        guest.drop_readable(reader).await;
        guest.future_drop_readable(ended).await;
        assert_eq!((map.calls(), map.is_gone()), (1, true));
    });
}

#[test]
fn the_future_resolves_if_the_guest_drops_its_stream_first() {
    // Rule "Completion": a waiting read of the future is woken.
    for parked in [false, true] {
        with_guest::<Outcome, _>(async |guest| {
            let map = Map::default();
            let source = streams::items(stream::pending());
            let (reader, ended) = guest.with(|store| source.into_wit(store, map.end())).unwrap();
            let (reader, ended) = (guest.take(reader).await, guest.take_future(ended).await);
            if parked {
                assert_eq!(guest.future_read(ended).await, Code::Blocked);
                idle().await;
                guest.drop_readable(reader).await;
                assert_eq!(guest.wait(ended).await, Code::Completed(0));
                assert_eq!(guest.items(1).await, [Some(Err(1))]);
            } else {
                guest.drop_readable(reader).await;
                assert_eq!(read(guest, ended).await, Err(1));
            }
            guest.future_drop_readable(ended).await;
            assert_eq!((map.calls(), map.is_gone()), (1, true));
        });
    }
}

#[test]
fn a_future_that_the_guest_never_reads_leaves_nothing_behind() {
    // Rule "Completion": dropped before the stream's end or after it, in both directions.
    for first in [false, true] {
        with_guest::<Outcome, _>(async |guest| {
            let map = Map::default();
            let source = streams::items(stream::iter([Ok(()), Err(7)]));
            let (reader, ended) = guest.with(|store| source.into_wit(store, map.end())).unwrap();
            let (reader, ended) = (guest.take(reader).await, guest.take_future(ended).await);
            if first {
                guest.future_drop_readable(ended).await;
            }
            assert_eq!(guest.recv(reader, 9).await.0, Code::Dropped(2));
            guest.drop_readable(reader).await;
            if !first {
                guest.future_drop_readable(ended).await;
            }
            assert_eq!((map.calls(), map.is_gone()), (0, true));

            let writer = Writer::new(Script::new([]));
            let log = writer.log();
            let (reader, writable) = guest.stream().await;
            let ended = guest.with(|store| sinks::items(writer).pipe_wit(store, reader, map.end()));
            let ended = guest.take_future(ended.unwrap()).await;
            if first {
                guest.future_drop_readable(ended).await;
            }
            guest.load_items(&[Ok(()), Err(3)]).await;
            assert_eq!(guest.write(writable, 2).await, Code::Completed(2));
            guest.drop_writable(writable).await;
            if !first {
                guest.future_drop_readable(ended).await;
            }
            assert_eq!((map.calls(), map.is_gone()), (0, true));
            // As documented: without a task that drives it, the sink is dropped unclosed.
            log.look(|written| assert!(written.dropped && !written.closed && written.flushed == 2));
        });
    }
}

#[test]
fn an_error_is_mapped() {
    // Rule "Items before the error": also the end of a limit, and a sink's own error.
    with_guest::<Outcome, _>(async |guest| {
        let map = Map::default();
        let source = streams::try_items(stream::iter([Ok(Ok(())), Err("broken")]));
        let (reader, ended) = guest.with(|store| source.into_wit(store, map.end())).unwrap();
        let (reader, ended) = (guest.take(reader).await, guest.take_future(ended).await);
        assert_eq!(guest.recv(reader, 9).await.0, Code::Dropped(1));
        assert_eq!(read(guest, ended).await, Err(4));
        assert_eq!(map.calls(), 1);

        for (limit, fails, outcome) in [(1, false, Err(3)), (9, true, Err(4)), (9, false, Ok(()))] {
            let map = Map::default();
            let steps = if fails { vec![Step::Accept(1), Step::Fail] } else { Vec::new() };
            let consumer = sinks::items(Writer::new(Script::new(steps))).limit(limit);
            let (reader, writable) = guest.stream().await;
            let ended = guest.with(|store| consumer.pipe_wit(store, reader, map.end())).unwrap();
            let ended = guest.take_future(ended).await;
            guest.load_items(&[Ok(()), Err(3), Ok(())]).await;
            let written = guest.write(writable, 3).await;
            if let (Code::Completed(_), 1) = (written, limit) {
                assert_eq!(guest.write(writable, 2).await, Code::Dropped(0));
            }
            guest.drop_writable(writable).await;
            assert_eq!(read(guest, ended).await, outcome);
            assert_eq!(map.calls(), 1);
        }
    });
}

#[test]
fn a_piped_sink_is_closed_before_its_future_resolves() {
    // Rule "The completion closes the sink".
    with_guest::<Outcome, _>(async |guest| {
        let map = Map::default();
        let flush = Script::new([Step::Pending, Step::Accept(0), Step::Pending]);
        let writer = Writer::with_flush(Script::new([]), flush);
        let log = writer.log();
        let consumer = sinks::items(writer).flush(Flush::OnClose);
        let (reader, writable) = guest.stream().await;
        let ended = guest.with(|store| consumer.pipe_wit(store, reader, map.end())).unwrap();
        let ended = guest.take_future(ended).await;
        assert_eq!(guest.future_read(ended).await, Code::Blocked);
        guest.load_items(&[Err(1)]).await;
        guest.write(writable, 1).await;
        guest.drop_writable(writable).await;
        assert_eq!(guest.wait(ended).await, Code::Completed(0));
        assert_eq!(guest.items(1).await, [Some(Ok(()))]);
        assert!(log.look(|written| written.closed && written.flushed == 1));
        assert_eq!(map.calls(), 1);
    });
}

/// Keeps the task that is to be driven.
fn keep(slot: &Arc<Mutex<Option<Drive>>>) -> impl FnOnce(Drive) + use<> {
    let slot = slot.clone();
    move |drive| *slot.lock().unwrap() = Some(drive)
}

#[test]
fn a_driven_sink_is_closed_though_nobody_reads_the_future() {
    // Rule "The completion closes the sink".
    with_guest::<Outcome, _>(async |guest| {
        for reads in [false, true] {
            let (map, drive) = (Map::default(), Arc::default());
            let writer = Writer::new(Script::new([]));
            let log = writer.log();
            let consumer = sinks::items(writer).flush(Flush::OnClose);
            let (reader, writable) = guest.stream().await;
            let ended =
                guest.with(|store| consumer.pipe_wit_on(store, reader, keep(&drive), map.end()));
            let ended = guest.take_future(ended.unwrap()).await;
            let mut drive = drive.lock().unwrap().take().unwrap();
            assert!((&mut drive).now_or_never().is_none());
            guest.load_items(&[Err(1)]).await;
            guest.write(writable, 1).await;
            if !reads {
                guest.future_drop_readable(ended).await;
            }
            guest.drop_writable(writable).await;
            drive.now_or_never().expect("the task waits");
            assert!(log.look(|written| written.closed && written.flushed == 1));
            if reads {
                assert_eq!(read(guest, ended).await, Ok(()));
            }
            assert_eq!((map.calls(), map.is_gone()), (reads.into(), true));
        }
    });
}

#[test]
fn a_task_that_the_executor_drops_is_reported() {
    // Rule "The completion closes the sink": what was not closed is not reported as `Ok`.
    with_guest::<Outcome, _>(async |guest| {
        let map = Map::default();
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (reader, writable) = guest.stream().await;
        let ended =
            guest.with(|store| sinks::items(writer).pipe_wit_on(store, reader, drop, map.end()));
        let ended = guest.take_future(ended.unwrap()).await;
        assert_eq!(read(guest, ended).await, Err(99));
        // Nobody would close the sink, so the stream is cut.
        guest.load_items(&[Err(1)]).await;
        assert_eq!(guest.write(writable, 1).await, Code::Dropped(0));
        guest.drop_writable(writable).await;
        assert!(log.look(|written| written.dropped && !written.closed));
    });
}

#[test]
fn byte_streams_have_the_same_result_future() {
    // Rule "Completion".
    with_guest::<u8, _>(async |guest| {
        let map = Map::default();
        let reader = Reader::new(Script::new([Step::Data(vec![1, 2]), Step::Fail]));
        let (reader, ended) =
            guest.with(|store| tokio_io::read(reader).into_wit(store, map.end())).unwrap();
        let mut ended = guest.with(|store| from_guest::value(store, ended)).unwrap();
        let reader = guest.take(reader).await;
        assert_eq!(guest.recv(reader, 9).await.0, Code::Completed(2));
        idle().await;
        assert!((&mut ended).now_or_never().is_none());
        assert_eq!(guest.recv(reader, 9).await.0, Code::Dropped(0));
        assert_eq!((ended.await, map.calls()), (Ok(Err(4)), 1));

        let map = Map::default();
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (reader, writable) = guest.stream().await;
        let ended =
            guest.with(|store| tokio_io::write(writer).pipe_wit(store, reader, map.end())).unwrap();
        let ended = guest.with(|store| from_guest::value(store, ended)).unwrap();
        guest.send_all(writable, &[1, 2]).await;
        guest.drop_writable(writable).await;
        assert_eq!((ended.await, map.calls()), (Ok(Ok(())), 1));
        assert!(log.look(|written| written.closed && written.accepted == [1, 2]));

        let (map, drive) = (Map::default(), Arc::default());
        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (reader, writable) = guest.stream().await;
        let ended = guest.with(|store| {
            tokio_io::write(writer).pipe_wit_on(store, reader, keep(&drive), map.end())
        });
        guest.with(|store| ended.unwrap().close(store)).unwrap();
        guest.send_all(writable, &[1, 2]).await;
        guest.drop_writable(writable).await;
        let drive = drive.lock().unwrap().take();
        drive.unwrap().await;
        assert!(log.look(|written| written.closed && written.accepted == [1, 2]));
        assert_eq!((map.calls(), map.is_gone()), (0, true));
    });
}

#[test]
fn a_full_store_keeps_neither_stream_nor_future() {
    // Rule "Bounded memory": the stream is closed if there is no room for its future.
    let mut refused = 0;
    for room in 0..=6 {
        let map = Map::default();
        let mut store = Store::new(&Engine::default(), ());
        store.concurrent_resource_table().unwrap().set_max_capacity(room);
        let pair = tokio_io::read(tokio::io::repeat(1)).into_wit(&mut store, map.end());
        refused += usize::from(pair.is_err());
        if let Ok((mut stream, mut ended)) = pair {
            stream.close(&mut store).unwrap();
            ended.close(&mut store).unwrap();
        } else if room == 3 {
            // With one entry more or less it is Wasmtime that leaves a part of its own behind.
            assert!(store.concurrent_resource_table().unwrap().is_empty(), "room for {room}");
        }
        assert!(map.is_gone(), "room for {room}");
    }
    assert_eq!(refused, 6, "a stream and a future take three places each");
}
