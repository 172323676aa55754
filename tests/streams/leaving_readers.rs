//! The receiver of a sink's data leaves before the guest has ended its stream. Every adapter reports that as an error.

use std::any::Any;
use std::fmt::Debug;

use bytes::Bytes;
use futures::FutureExt as _;
use futures::channel::mpsc as futures_mpsc;
use futures::future::BoxFuture;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use wasmtime::StoreContextMut;
use wasmtime::component::StreamReader;
use wasmtime_streams::{
    ByteConsumer, ByteSink, Flush, ItemConsumer, ItemSink, body, channels, from_guest, futures_io,
    relay, sinks, tokio_io,
};

use crate::support::guest::{Code, World, with_guest};

type Pipe = Box<dyn FnOnce(StoreContextMut<'_, World>, StreamReader<u8>)>;
type Done = BoxFuture<'static, Result<(), String>>;
/// The receiver of the data. It leaves by its drop.
type Reader = Box<dyn Any>;
type Open = fn() -> (Pipe, Done, Reader);

fn bytes<S: ByteSink + Unpin>(consumer: ByteConsumer<S>, reader: impl Any) -> (Pipe, Done, Reader)
where
    S::Error: Debug,
{
    let (consumer, done) = consumer.with_completion();
    let done = done.map(|done| done.end.into_result().map_err(|error| format!("{error:?}")));
    let pipe: Pipe = Box::new(|store, stream| stream.pipe(store, consumer).unwrap());
    (pipe, done.boxed(), Box::new(reader))
}

fn items<S>(consumer: ItemConsumer<S, u8>, reader: impl Any) -> (Pipe, Done, Reader)
where
    S: ItemSink<Item = u8> + Unpin,
    S::Error: Debug,
{
    let (consumer, done) = consumer.with_completion();
    let done = done.map(|done| done.end.into_result().map_err(|error| format!("{error:?}")));
    let pipe: Pipe = Box::new(|store, stream| stream.pipe(store, consumer).unwrap());
    (pipe, done.boxed(), Box::new(reader))
}

/// Adapters that know their receiver. Each has room for at least one byte or item.
const HAND_OVERS: [(&str, Open); 7] = [
    ("channels::mpsc_sender", || {
        let (tx, rx) = mpsc::channel(4);
        items(channels::mpsc_sender(tx), rx)
    }),
    ("channels::mpsc_unbounded_sender", || {
        let (tx, rx) = mpsc::unbounded_channel();
        items(channels::mpsc_unbounded_sender(tx), rx)
    }),
    ("body::from_guest", || {
        let (consumer, body) = body::from_guest(4, None);
        bytes(consumer, body)
    }),
    ("from_guest::consumer", || {
        let (consumer, reader) = from_guest::consumer(4);
        bytes(consumer, reader)
    }),
    ("from_guest::item_consumer", || {
        let (consumer, reader) = from_guest::item_consumer(4);
        items(consumer, reader)
    }),
    ("relay::byte_parts", || {
        let (consumer, producer) = relay::byte_parts(4);
        bytes(consumer, producer)
    }),
    ("relay::item_parts", || {
        let (consumer, producer) = relay::item_parts(4);
        items(consumer, producer)
    }),
];

/// Adapters over a foreign object, which shows only by a failed write that its receiver is gone.
const OBJECTS: [(&str, Open); 5] = [
    ("sinks::items of a futures channel", || {
        let (tx, rx) = futures_mpsc::channel(4);
        items(sinks::items(tx).flush(Flush::OnClose), rx)
    }),
    ("sinks::items of a tokio channel", || {
        let (tx, rx) = mpsc::channel(4);
        items(sinks::items(PollSender::new(tx)), rx)
    }),
    ("sinks::chunks", || {
        let (tx, rx) = futures_mpsc::channel::<Bytes>(4);
        bytes(sinks::chunks(tx).flush(Flush::OnClose), rx)
    }),
    ("tokio_io::write", || {
        let (writer, reader) = tokio::io::duplex(4);
        bytes(tokio_io::write(writer), reader)
    }),
    ("futures_io::write", || {
        let (writer, reader) = tokio::io::duplex(4);
        bytes(
            futures_io::write(tokio_util::compat::TokioAsyncWriteCompatExt::compat_write(writer)),
            reader,
        )
    }),
];

/// When the reader leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    /// Before the guest writes again.
    Between,
    /// While a write waits for room.
    Parked,
    /// Before the guest drops its end, without another write.
    BeforeTheEnd,
}

fn check(rows: &[(&str, Open)], moments: &[Leaves]) {
    let mut wrong = Vec::new();
    for (name, open) in rows {
        // An unbounded channel always has room.
        let parks = *name != "channels::mpsc_unbounded_sender";
        for leaves in moments.iter().filter(|leaves| parks || **leaves != Leaves::Parked) {
            with_guest::<u8, _>(async |guest| {
                let (pipe, done, reader) = open();
                let (stream, writable) = guest.stream().await;
                guest.with(|store| pipe(store, stream));
                assert_eq!(guest.send(writable, &[1]).await, Code::Completed(1));
                match leaves {
                    Leaves::Between => {
                        drop(reader);
                        while let Code::Completed(_) = guest.send(writable, &[2]).await {}
                    }
                    Leaves::Parked => {
                        while let Code::Completed(_) = guest.write(writable, 4).await {}
                        drop(reader);
                        assert_eq!(guest.wait(writable).await, Code::Dropped(0), "{name}");
                    }
                    Leaves::BeforeTheEnd => drop(reader),
                }
                guest.drop_writable(writable).await;
                let result = done.await;
                if result.is_ok() {
                    wrong.push(format!("{name}, {leaves:?}: {result:?}"));
                }
            });
        }
    }
    assert!(wrong.is_empty(), "no error is reported:\n{}", wrong.join("\n"));
}

#[test]
fn a_receiver_that_leaves_early_is_an_error_in_every_hand_over() {
    // Rule "Completion": only a source's guest can leave in order.
    check(&HAND_OVERS, &[Leaves::Between, Leaves::Parked, Leaves::BeforeTheEnd]);
}

#[test]
fn a_write_that_fails_as_the_receiver_left_is_an_error() {
    // Rule "Completion": the object's own error.
    check(&OBJECTS, &[Leaves::Between]);
}

#[test]
fn the_result_future_reports_that_the_receiver_left() {
    // Rule "Completion": the future that `pipe_wit` returns.
    with_guest::<u8, _>(async |guest| {
        let (tx, rx) = mpsc::channel(4);
        let (body_consumer, body) = body::from_guest(4, None);
        let (reader_consumer, reader) = from_guest::consumer(4);
        let (item_consumer, items) = from_guest::item_consumer(4);
        let mut open = Vec::new();
        macro_rules! piped {
            ($consumer:expr) => {{
                let (stream, writable) = guest.stream().await;
                let result = guest.with(|mut store| {
                    let result = $consumer
                        .pipe_wit(&mut store, stream, |end| end.into_result().map_err(|_| 1_u32));
                    from_guest::value(&mut store, result.unwrap()).unwrap()
                });
                open.push((writable, result));
            }};
        }
        piped!(channels::mpsc_sender(tx));
        piped!(body_consumer);
        piped!(reader_consumer);
        piped!(item_consumer);
        drop((rx, body, reader, items));
        let mut results = Vec::new();
        for (writable, result) in open {
            assert_eq!(guest.send(writable, &[1]).await, Code::Dropped(0));
            guest.drop_writable(writable).await;
            results.push(result.await.unwrap());
        }
        assert_eq!(results, [Err(1); 4]);
    });
}

#[test]
fn a_guest_that_drops_a_source_early_is_no_error() {
    // Rule "Completion": the guest wants no more of the data.
    with_guest::<u8, _>(async |guest| {
        let (producer, done) =
            wasmtime_streams::tokio_io::read(tokio::io::repeat(1)).with_completion();
        let stream = guest.source(producer).await;
        assert_eq!(guest.recv(stream, 3).await.0, Code::Completed(3));
        guest.drop_readable(stream).await;
        let done = done.await;
        assert!(!done.end.is_finished() && done.end.into_result().is_ok());
    });
}
