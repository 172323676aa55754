//! Limits and other layers combine with a completion and with steps in any order, and report the same end.

use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::channel::oneshot;
use wasmtime::{Error, Result, StoreContextMut};
use wasmtime_streams::{Completion, End, EndReason, iterators, sinks, streams, tokio_io};

use crate::support::guest::{Code, Guest, World, with_guest};
use crate::support::script::{ItemStream, Reader, Script, Step, Writer};

/// Refuses one item.
fn refusing(
    bad: u8,
) -> impl FnMut(StoreContextMut<'_, World>, u8) -> Result<u8> + Send + Copy + 'static {
    move |_, item| if item == bad { Err(Error::msg("refused")) } else { Ok(item) }
}

/// Asserts how a source with a limit of 3 assert_source_ends, if the step refuses `bad`.
async fn assert_source_ends<S: Unpin, E>(
    guest: &Guest<'_, u8>,
    (order, stream): (&str, u32),
    done: Completion<S, E>,
    bad: u8,
) {
    let (code, got) = guest.recv(stream, 9).await;
    let expected: Vec<u8> = (1..bad.min(4)).collect();
    assert_eq!((code.count() as usize, &got), (expected.len(), &expected), "{order}, {bad}");
    assert!(matches!(code, Code::Dropped(_)), "{order}, {bad}: {code:?}");
    let done = done.await;
    match done.end {
        End::Undeliverable(_) => assert!(bad <= 3, "{order}, {bad}"),
        End::LimitReached => assert!(bad > 3, "{order}, {bad}: the failure is lost"),
        _ => panic!("{order}, {bad}: another end"),
    }
    assert_eq!(done.moved, expected.len() as u64, "{order}, {bad}");
}

#[test]
fn a_failed_delivery_is_reported_whatever_the_order_of_the_layers() {
    // Rule "Items before the error": also for the item that reaches the limit.
    with_guest::<u8, _>(async |guest| {
        let source = || iterators::items([1_u8, 2, 3, 4, 5]);
        let never = std::future::pending::<()>;
        for bad in 1..=4 {
            let (producer, done) = source().limit(3).deliver_with(refusing(bad)).with_completion();
            let stream = guest.source(producer).await;
            assert_source_ends(guest, ("limit, step, completion", stream), done, bad).await;

            let (producer, done) = source().deliver_with(refusing(bad)).limit(3).with_completion();
            let stream = guest.source(producer).await;
            assert_source_ends(guest, ("step, limit, completion", stream), done, bad).await;

            let (producer, done) = source().limit(3).with_completion();
            let stream = guest.source(producer.deliver_with(refusing(bad))).await;
            assert_source_ends(guest, ("limit, completion, step", stream), done, bad).await;

            let (producer, done) = source().with_completion();
            let stream = guest.source(producer.limit(3).deliver_with(refusing(bad))).await;
            assert_source_ends(guest, ("completion, limit, step", stream), done, bad).await;

            let (producer, done) = source().with_completion();
            let stream = guest.source(producer.deliver_with(refusing(bad)).limit(3)).await;
            assert_source_ends(guest, ("completion, step, limit", stream), done, bad).await;

            let (producer, done) = source().deliver_with(refusing(bad)).with_completion();
            let stream = guest.source(producer.limit(3)).await;
            assert_source_ends(guest, ("step, completion, limit", stream), done, bad).await;

            let (producer, done) = source().with_completion();
            let layered = producer.inspect(|_| {}).limit(3).until(EndReason::TimedOut, never());
            let stream = guest.source(layered.deliver_with(refusing(bad))).await;
            assert_source_ends(guest, ("completion, all layers, step", stream), done, bad).await;
        }
    });
}

/// Asserts how a sink with a limit of 3 assert_source_ends, if the step refuses `bad`.
async fn assert_sink_ends<S: Unpin, E>(
    guest: &Guest<'_, u8>,
    (order, stream): (&str, u32),
    done: Completion<S, E>,
    bad: u8,
) {
    let code = guest.send_all(stream, &[1, 2, 3, 4, 5]).await;
    assert!(matches!(code, Code::Dropped(_)), "{order}, {bad}: {code:?}");
    match done.await.end {
        End::Undeliverable(_) => assert!(bad <= 3, "{order}, {bad}"),
        End::LimitReached => assert!(bad > 3, "{order}, {bad}: the failure is lost"),
        _ => panic!("{order}, {bad}: another end"),
    }
}

#[test]
fn a_failed_receiving_step_is_reported_whatever_the_order_of_the_layers() {
    // Rule "Items before the error": of a whole batch, and one by one.
    with_guest::<u8, _>(async |guest| {
        let target = |batch| sinks::items::<_, u8>(Writer::<u8>::new(Script::new([]))).batch(batch);
        for (bad, batch) in (1..=4).flat_map(|bad| [(bad, 1), (bad, 64)]) {
            let step = refusing(bad);
            let (consumer, done) = target(batch).limit(3).receive_with(step).with_completion();
            let stream = guest.sink(consumer).await;
            assert_sink_ends(guest, ("limit, step, completion", stream), done, bad).await;

            let (consumer, done) = target(batch).limit(3).with_completion();
            let stream = guest.sink(consumer.receive_with(step)).await;
            assert_sink_ends(guest, ("limit, completion, step", stream), done, bad).await;

            let (consumer, done) = target(batch).with_completion();
            let stream = guest.sink(consumer.limit(3).receive_with(step)).await;
            assert_sink_ends(guest, ("completion, limit, step", stream), done, bad).await;

            let (consumer, done) = target(batch).with_completion();
            let stream = guest.sink(consumer.receive_with(step).limit(3)).await;
            assert_sink_ends(guest, ("completion, step, limit", stream), done, bad).await;

            let (consumer, done) = target(batch).receive_with(step).with_completion();
            let stream = guest.sink(consumer.inspect(|_| {}).limit(3)).await;
            assert_sink_ends(guest, ("step, completion, limit", stream), done, bad).await;
        }
    });
}

#[test]
fn a_limit_around_a_completion_is_exact_and_reported() {
    // Rule "Completion": in both directions. The object is handed back with what exceeds the limit.
    with_guest::<u8, _>(async |guest| {
        let (producer, done) = tokio_io::read(&b"12345"[..]).with_completion();
        let stream = guest.source(producer.limit(3)).await;
        assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(3), b"123".to_vec()));
        let done = done.await;
        assert!(matches!(done.end, End::LimitReached), "{:?}", done.end);
        assert_eq!((done.moved, done.inner.into_inner()), (3, &b"45"[..]));

        let writer = Writer::new(Script::new([]));
        let log = writer.log();
        let (consumer, done) = tokio_io::write(writer).with_completion();
        let stream = guest.sink(consumer.limit(3)).await;
        assert_eq!(guest.send_all(stream, b"12345").await, Code::Dropped(3));
        let done = done.await;
        assert!(matches!(done.end, End::LimitReached), "{:?}", done.end);
        assert_eq!((done.moved, log.accepted()), (3, b"123".to_vec()));
        assert!(log.look(|written| written.closed && written.flushed == 3));
    });
}

/// The layer is added after the completion, and fires while no operation is pending. The completion must resolve.
macro_rules! fires_when_idle {
    ($guest:ident, $name:literal, $open:ident, $object:expr) => {
        for before in [false, true] {
            let (fire, fired) = oneshot::channel::<()>();
            let (stream, mut done) = match before {
                true => {
                    let layered = $object.until(EndReason::TimedOut, fired.map(drop));
                    let (layered, done) = layered.with_completion();
                    ($guest.$open(layered).await, done.map(|done| done.end.map_err(drop)).boxed())
                }
                false => {
                    let (shared, done) = $object.with_completion();
                    let layered = shared.until(EndReason::TimedOut, fired.map(drop));
                    ($guest.$open(layered).await, done.map(|done| done.end.map_err(drop)).boxed())
                }
            };
            assert!((&mut done).now_or_never().is_none(), "{}, {before}", $name);
            drop(fire);
            let end = (&mut done).now_or_never();
            assert!(matches!(end, Some(End::TimedOut)), "{}, {before}: {end:?}", $name);
            let code = if stringify!($open) == "source" {
                $guest.recv(stream, 9).await.0
            } else {
                $guest.send(stream, &[1]).await
            };
            assert_eq!(code, Code::Dropped(0), "{}", $name);
        }
    };
}

#[test]
fn until_around_a_completion_ends_an_idle_stream() {
    // Rule "Completion": at once while the completion is awaited, whichever of the two was added first.
    with_guest::<u8, _>(async |guest| {
        let held = || Script::new([Step::Hold]);
        let stream = || ItemStream::new(held(), |byte| byte);
        fires_when_idle!(guest, "tokio_io::read", source, tokio_io::read(Reader::new(held())));
        fires_when_idle!(
            guest,
            "tokio_io::buf_read",
            source,
            tokio_io::buf_read(Reader::new(held()))
        );
        fires_when_idle!(
            guest,
            "streams::try_items",
            source,
            wasmtime_streams::streams::try_items(stream())
        );
        let writer = || Writer::<u8>::new(Script::new([]));
        fires_when_idle!(guest, "tokio_io::write", sink, tokio_io::write(writer()));
        fires_when_idle!(guest, "sinks::items", sink, sinks::items::<_, u8>(writer()));
    });
}

#[test]
fn an_inspection_sees_the_same_whatever_the_order_of_the_layers() {
    // Rule "Completion": exactly what moves, inside of a limit, around it, and around a completion.
    with_guest::<u8, _>(async |guest| {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let look = || {
            let seen = seen.clone();
            move |item: &u8| seen.lock().unwrap().push(*item)
        };
        let source = || streams::items(futures::stream::iter([1_u8, 2, 3, 4, 5]));
        let (around, _done) = source().with_completion();
        for stream in [
            guest.source(source().inspect(look()).limit(3)).await,
            guest.source(source().limit(3).inspect(look())).await,
            guest.source(around.limit(3).inspect(look())).await,
        ] {
            assert_eq!(guest.recv(stream, 9).await, (Code::Dropped(3), vec![1, 2, 3]));
            assert_eq!(std::mem::take(&mut *seen.lock().unwrap()), [1, 2, 3]);
        }
    });
}
