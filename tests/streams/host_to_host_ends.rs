//! A producer that is piped into a consumer of the host's own, without a guest in between: where the first one is cut short
//! the second one has not had all of it.

use std::fmt::Debug;
use std::io;
use std::task::Poll;

use futures::future::ready;
use futures::{StreamExt as _, stream};
use wasmtime::component::{StreamConsumer, StreamProducer, StreamReader};
use wasmtime::{AsContext as _, Engine, Store};
use wasmtime_streams::testing::{Guest, Setup, executor};
use wasmtime_streams::{
    Completion, End, EndReason, StoreToken, collect, guest_body, lift, relay, tokio_read,
    tokio_write, try_iter, try_stream,
};

use crate::support::script::{Reader, Script, Step, Writer};

/// How both ends of a pipe say that it ended.
type Ends = (Result<(), String>, Result<(), String>);

fn told<E: Debug>(end: End<E>) -> Result<(), String> {
    end.into_result().map_err(|error| format!("{error:?}"))
}

/// Pipes one into the other in a store of its own, runs that, and returns how both say that it ended.
fn pipe<T: Send + Sync + 'static, S, E, R, F>(
    producer: (impl StreamProducer<(), Item = T>, Completion<S, E>),
    consumer: (impl StreamConsumer<(), Item = T>, Completion<R, F>),
) -> Ends
where
    T: wasmtime::component::Lower + wasmtime::component::Lift,
    S: Unpin,
    R: Unpin,
    E: Debug,
    F: Debug,
{
    let mut store = Store::new(&Engine::default(), ());
    let stream = StreamReader::new(&mut store, producer.0).unwrap();
    stream.pipe(&mut store, consumer.0).unwrap();
    let both = async { (told(producer.1.await.end), told(consumer.1.await.end)) };
    executor::run(store.run_concurrent(async |_| both.await)).unwrap()
}

/// What a guest in another store wrote before it trapped: the far end of a relay.
fn of_a_guest_that_traps() -> wasmtime_streams::ByteProducer<wasmtime_streams::lower::FromHost<u8>>
{
    let (consumer, producer) = relay::byte_parts(64);
    let trapped = Setup::new(StoreToken::new()).run(async |guest: &Guest<'_, StoreToken, u8>| {
        let (consumer, done) = consumer.with_completion();
        drop(guest.with(|store| done.watch_store(store.as_context().data())));
        let stream = guest.sink(consumer).await;
        guest.send_all(stream, b"hello").await;
        guest.trap().await;
    });
    assert!(trapped.0.unwrap().is_err());
    producer
}

#[test]
fn what_a_producer_whose_guest_trapped_is_piped_into_is_cut() {
    // Rule "Truncated is never complete", and "Host to host".
    let writer = Writer::new(Script::new([]));
    let log = writer.log();
    let (read, written) =
        pipe(of_a_guest_that_traps().with_completion(), tokio_write(writer).with_completion());
    assert!(read.is_err() && log.accepted() == b"hello", "{read:?}");
    assert!(written.is_err(), "the writer is told that it has all");
    assert!(log.look(|written| !written.closed), "the writer is shut down as at the end");
}

#[test]
fn what_a_producer_that_is_cut_is_piped_into_is_cut() {
    // Rule "Truncated is never complete", and "Host to host": bytes and items, whatever cut them.
    let hello = || tokio_read(&b"hello"[..]);
    let all = || collect::<u8>(100).with_completion();
    let failing = || Script::new([Step::Data(b"hello".to_vec()), Step::Fail]);
    let numbers = || try_iter([Ok(1_u8), Err(io::Error::other("broken"))]);
    let ends = [
        ("bytes, a limit", pipe(hello().limit(3).with_completion(), all())),
        ("bytes, a signal", {
            pipe(hello().until(EndReason::TimedOut, ready(())).with_completion(), all())
        }),
        ("bytes, a failure", pipe(tokio_read(Reader::new(failing())).with_completion(), all())),
        ("items, a failure", pipe(numbers().with_completion(), all())),
        ("items, a limit", {
            let items = stream::iter([Ok::<_, io::Error>(1_u8), Ok(2), Ok(3)]);
            pipe(try_stream(items).limit(2).with_completion(), all())
        }),
        ("bytes, a cancel", {
            let (producer, done) = hello().with_completion();
            done.cancel();
            pipe((producer, done), all())
        }),
    ];
    let wrong: Vec<_> =
        ends.iter().filter(|(_, (from, into))| from.is_ok() || into.is_ok()).collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn what_hands_over_to_another_task_shows_the_cut_of_its_producer() {
    // Rule "Truncated is never complete", and "Host to host": without completions.
    let mut store = Store::new(&Engine::default(), ());
    let (body_consumer, body) = guest_body(64, None);
    let (reader_consumer, mut reader) = lift::consumer(64);
    let failing = || Script::new([Step::Data(b"hello".to_vec()), Step::Fail]);
    let stream = StreamReader::new(&mut store, tokio_read(Reader::new(failing()))).unwrap();
    stream.pipe(&mut store, body_consumer).unwrap();
    let stream = StreamReader::new(&mut store, tokio_read(Reader::new(failing()))).unwrap();
    stream.pipe(&mut store, reader_consumer).unwrap();
    let both = store.run_concurrent(async |_| {
        let body = http_body_util::BodyExt::collect(body).await.map(|body| body.to_bytes());
        let mut read = Vec::new();
        let end = futures::AsyncReadExt::read_to_end(&mut reader, &mut read).await;
        (body, read, end)
    });
    let (body, read, end) = executor::run(both).unwrap();
    assert_eq!(read, b"hello");
    assert!(body.is_err() && end.is_err(), "{body:?}, {end:?}");
}

#[test]
fn what_is_piped_to_its_end_is_in_order_on_both_sides() {
    // Rule "Host to host": the end is still the end.
    let (read, written) =
        pipe(tokio_read(&b"hello"[..]).with_completion(), collect::<u8>(5).with_completion());
    assert_eq!((read, written), (Ok(()), Ok(())));
    // Also where it ends only after a wait.
    let mut left = 3;
    let numbers = stream::poll_fn(move |cx| {
        left -= 1;
        cx.waker().wake_by_ref();
        if left > 0 { Poll::Pending } else { Poll::Ready(None::<u8>) }
    });
    let numbers = wasmtime_streams::stream(stream::iter([1]).chain(numbers));
    let (read, written) = pipe(numbers.with_completion(), collect::<u8>(5).with_completion());
    assert_eq!((read, written), (Ok(()), Ok(())));
}
