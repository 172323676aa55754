//! A truncated stream never looks complete. A host object is handed back in one step, whatever the layers.

use std::future::{pending, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http_body_util::BodyExt as _;
use tokio::sync::mpsc;
use wasmtime::component::StreamReader;
use wasmtime::{Engine, Store};
use wasmtime_streams::{
    ByteConsumer, ByteProducer, Completion, End, EndReason, StoreToken,
    body::{self, BodyError, GuestBodySink},
    channels,
    completion::Shared,
    tokio_io,
};

type Body = Result<Vec<u8>, BodyError>;

/// Pipes "hello world" into what `cut` makes of the consumer, without a completion.
async fn body(
    cut: impl AsyncFnOnce(ByteConsumer<GuestBodySink>, StreamReader<u8>, &mut Store<()>),
) -> Body {
    let mut store = Store::new(&Engine::default(), ());
    let stream = StreamReader::new(&mut store, tokio_io::read(&b"hello world"[..])).unwrap();
    let (consumer, body) = body::from_guest(1024, None);
    cut(consumer, stream, &mut store).await;
    let read = body.collect();
    store.run_concurrent(async |_| read.await).await.unwrap().map(|body| body.to_bytes().to_vec())
}

fn is_cut(body: Body, why: EndReason) {
    assert!(matches!(&body, Err(BodyError::Cut(cut)) if *cut == why), "{body:?}");
}

#[tokio::test]
async fn a_truncated_body_never_ends_in_order() {
    // Rule "Truncated is never complete": without a completion.
    let whole = body(async |c, s, store| s.pipe(store, c).unwrap()).await;
    assert_eq!(whole.unwrap(), b"hello world");
    let limited = body(async |c, s, store| s.pipe(store, c.limit(5)).unwrap()).await;
    is_cut(limited, EndReason::LimitReached);
    let exact = body(async |c, s, store| s.pipe(store, c.limit(11)).unwrap()).await;
    assert_eq!(exact.unwrap(), b"hello world");
    let until =
        body(async |c, s, store| s.pipe(store, c.until(EndReason::TimedOut, ready(()))).unwrap())
            .await;
    is_cut(until, EndReason::TimedOut);
    // Layers in every order.
    let both = body(async |c, s, store| {
        s.pipe(store, c.limit(5).until(EndReason::TimedOut, pending()).inspect(|_| {})).unwrap();
    });
    is_cut(both.await, EndReason::LimitReached);
    let both = body(async |c, s, store| {
        s.pipe(store, c.inspect(|_| {}).until(EndReason::TimedOut, pending()).limit(5)).unwrap();
    });
    is_cut(both.await, EndReason::LimitReached);
}

#[tokio::test(start_paused = true)]
async fn a_truncated_body_never_ends_in_order_with_a_completion() {
    // Rule "Truncated is never complete".
    for end in ["cancel", "limit", "deadline", "abandoned"] {
        let mut store = Store::new(&Engine::default(), StoreToken::new());
        // Never ends by itself.
        let (_tx, rx) = mpsc::channel::<u8>(9);
        let stream = StreamReader::new(&mut store, channels::mpsc_receiver(rx)).unwrap();
        let (consumer, body) = body::from_guest(1024, None);
        let limit = if end == "limit" { 0 } else { 9 };
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        let (consumer, done) = consumer.limit(limit).deadline(deadline).with_completion();
        let done = done.watch_store(store.data());
        _tx.send(1).await.unwrap();
        stream.pipe(&mut store, consumer).unwrap();
        let why = match end {
            "cancel" => {
                done.cancel();
                EndReason::Cancelled
            }
            "limit" => EndReason::LimitReached,
            "deadline" => EndReason::TimedOut,
            _ => EndReason::Abandoned,
        };
        let done = if end == "abandoned" {
            drop(store);
            done.await
        } else {
            store.run_concurrent(async |_| done.await).await.unwrap()
        };
        assert!(!done.end.is_finished(), "{:?}", done.end);
        is_cut(body.collect().await.map(|body| body.to_bytes().to_vec()), why);
    }
}

/// A struct that keeps a completion, as a user would write it.
struct Kept {
    producer: ByteProducer<tokio_io::Read<&'static [u8]>, Shared>,
    consumer: ByteConsumer<tokio_io::Write<Vec<u8>>, Shared>,
    read: Completion<tokio_io::Read<&'static [u8]>, std::io::Error>,
    written: Completion<tokio_io::Write<Vec<u8>>, std::io::Error>,
}

#[tokio::test]
async fn the_object_is_handed_back_in_one_step() {
    // Rule "Completion".
    let (producer, read) = tokio_io::read(&b"hello world"[..]).with_completion();
    let (consumer, written) = tokio_io::write(Vec::new()).with_completion();
    let kept = Kept { producer, consumer, read, written };
    let mut store = Store::new(&Engine::default(), ());
    let stream = StreamReader::new(&mut store, kept.producer).unwrap();
    stream.pipe(&mut store, kept.consumer).unwrap();
    let (read, written) =
        store.run_concurrent(async |_| tokio::join!(kept.read, kept.written)).await.unwrap();
    assert!(read.inner.into_inner().is_empty());
    assert_eq!(written.inner.into_inner(), b"hello world");

    // Layers do not change the completion's type.
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = seen.clone();
    let (producer, read): (_, Completion<tokio_io::Read<&[u8]>, _>) =
        tokio_io::read(&b"hello world"[..])
            .inspect(move |bytes| look.lock().unwrap().extend_from_slice(bytes))
            .limit(5)
            .until(EndReason::Cancelled, pending())
            .with_completion();
    let (consumer, written): (_, Completion<tokio_io::Write<Vec<u8>>, _>) =
        tokio_io::write(Vec::new())
            .until(EndReason::Cancelled, pending())
            .limit(7)
            .with_completion();
    let stream = StreamReader::new(&mut store, producer).unwrap();
    stream.pipe(&mut store, consumer).unwrap();
    let (read, written) =
        store.run_concurrent(async |_| tokio::join!(read, written)).await.unwrap();
    assert!(matches!((read.end, written.end), (End::LimitReached, End::Finished)));
    assert_eq!(read.inner.into_inner(), b" world");
    assert_eq!(
        (written.inner.into_inner(), &seen.lock().unwrap()[..]),
        (b"hello".to_vec(), &b"hello"[..])
    );
}

#[tokio::test]
async fn limits_on_both_ends_of_a_pipe_are_exact() {
    // Rule "Completion": both limits are exact.
    let mut store = Store::new(&Engine::default(), ());
    let (tx, rx) = mpsc::channel(8);
    for n in 1..=5_u32 {
        tx.send(n).await.unwrap();
    }
    let (to, mut from) = mpsc::channel(8);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let look = seen.clone();
    let (producer, read) = channels::mpsc_receiver(rx).limit(4).with_completion();
    let (consumer, written) = channels::mpsc_sender(to)
        .inspect(move |n| look.lock().unwrap().push(*n))
        .limit(3)
        .with_completion();
    let stream = StreamReader::new(&mut store, producer).unwrap();
    stream.pipe(&mut store, consumer).unwrap();
    let (read, written) =
        store.run_concurrent(async |_| tokio::join!(read, written)).await.unwrap();
    assert!(matches!(read.end, End::LimitReached | End::PeerDropped), "{:?}", read.end);
    assert!(matches!(written.end, End::LimitReached), "{:?}", written.end);
    assert_eq!(written.moved, 3);
    let mut got = Vec::new();
    from.recv_many(&mut got, 9).await;
    assert_eq!((&got[..], &seen.lock().unwrap()[..]), (&[1, 2, 3][..], &[1, 2, 3][..]));
}
