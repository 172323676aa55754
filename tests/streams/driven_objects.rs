//! A sink whose completion an executor drives. The object is dropped at the end of the stream, whether or not the
//! result is awaited. Some objects, such as a child's stdin, are closed only by their drop.

use std::io;
use std::sync::{Arc, Mutex};

use futures::FutureExt as _;
use futures::future::BoxFuture;
use tokio_util::codec::FramedWrite;
use wasmtime::StoreContextMut;
use wasmtime::component::StreamReader;
use wasmtime_streams::{
    ByteConsumer, ByteSink, End, ItemConsumer, ItemSink, blocking, codec, completion::Drive,
    futures_io, sinks, tokio_io,
};

use crate::support::codec::ByteCodec;
use crate::support::guest::{Code, World, with_guest};
use crate::support::script::{ChunkWriter, Script, Writer};

/// Keeps the task until the test runs it.
#[derive(Clone, Default)]
struct Slot(Arc<Mutex<Option<Drive>>>);

impl Slot {
    fn keep(&self) -> impl FnOnce(Drive) + use<> {
        let slot = self.0.clone();
        move |drive| *slot.lock().unwrap() = Some(drive)
    }

    /// Runs the task to its end.
    async fn drive(self) {
        let drive = self.0.lock().unwrap().take();
        drive.expect("`driven_by` calls its executor").await;
    }
}

type Pipe = Box<dyn FnOnce(StoreContextMut<'_, World>, StreamReader<u8>)>;

/// What the host keeps without awaiting it. Resolves to whether the stream ended in order.
type Driven = BoxFuture<'static, bool>;

fn bytes<S: ByteSink + Unpin>(consumer: ByteConsumer<S>, slot: &Slot) -> (Pipe, Driven) {
    let (consumer, done) = consumer.with_completion();
    let driven = done.driven_by(slot.keep()).map(|done| done.is_ok_and(|d| d.end.is_finished()));
    (Box::new(|store, stream| stream.pipe(store, consumer).unwrap()), driven.boxed())
}

fn items<S>(consumer: ItemConsumer<S, u8>, slot: &Slot) -> (Pipe, Driven)
where
    S: ItemSink<Item = u8> + Unpin,
{
    let (consumer, done) = consumer.with_completion();
    let driven = done.driven_by(slot.keep()).map(|done| done.is_ok_and(|d| d.end.is_finished()));
    (Box::new(|store, stream| stream.pipe(store, consumer).unwrap()), driven.boxed())
}

/// A blocking writer that records its drop.
struct Blocking(Writer<u8>);

impl io::Write for Blocking {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.log().look(|written| written.accepted.extend_from_slice(buf));
        Ok(buf.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

type Row = (&'static str, fn(Writer<u8>, &Slot) -> (Pipe, Driven));

const SINKS: [Row; 6] = [
    ("tokio_io::write", |writer, slot| bytes(tokio_io::write(writer), slot)),
    ("futures_io::write", |writer, slot| bytes(futures_io::write(writer), slot)),
    ("sinks::chunks", |writer, slot| bytes(sinks::chunks(ChunkWriter(writer)), slot)),
    ("blocking::write_on", |writer, slot| {
        bytes(blocking::write_on(Blocking(writer), |job| job.run()), slot)
    }),
    ("sinks::items", |writer, slot| items(sinks::items(writer), slot)),
    ("codec::write", |writer, slot| {
        items(codec::write(FramedWrite::new(writer, ByteCodec(|byte| byte))), slot)
    }),
];

#[test]
fn a_driven_sink_is_dropped_at_the_end_while_the_host_keeps_the_result() {
    // Rule "The completion closes the sink": for objects that a shutdown does not close.
    let mut kept = Vec::new();
    for (name, open) in SINKS {
        with_guest::<u8, _>(async |guest| {
            let slot = Slot::default();
            let writer = Writer::new(Script::new([]));
            let log = writer.log();
            let (pipe, driven) = open(writer, &slot);
            let (stream, writable) = guest.stream().await;
            guest.with(|store| pipe(store, stream));
            assert_eq!(guest.send_all(writable, &[1, 2]).await, Code::Completed(2));
            guest.drop_writable(writable).await;
            assert!(log.look(|written| !written.dropped), "{name}: dropped before the end");
            slot.drive().await;
            if log.look(|written| !written.dropped) {
                kept.push(name);
            }
            assert_eq!(log.accepted(), [1, 2], "{name}");
            assert!(driven.await, "{name}");
        });
    }
    assert!(kept.is_empty(), "kept: {kept:?}");
}

#[test]
fn a_driven_sink_is_dropped_while_the_guest_has_not_read_its_result_future() {
    // Rule "The completion closes the sink": the future of `pipe_wit_on` does not keep the object.
    with_guest::<u8, _>(async |guest| {
        for items in [false, true] {
            let slot = Slot::default();
            let writer = Writer::new(Script::new([]));
            let log = writer.log();
            let (stream, writable) = guest.stream().await;
            let ended = guest.with(|store| {
                let map = |_: End<io::Error>| Ok::<(), u32>(());
                if items {
                    sinks::items(writer).pipe_wit_on(store, stream, slot.keep(), map)
                } else {
                    tokio_io::write(writer).pipe_wit_on(store, stream, slot.keep(), map)
                }
            });
            let mut ended = ended.unwrap();
            assert_eq!(guest.send_all(writable, &[1, 2]).await, Code::Completed(2));
            guest.drop_writable(writable).await;
            slot.drive().await;
            assert!(log.look(|written| written.closed && written.dropped), "items: {items}");
            guest.with(|store| ended.close(store)).unwrap();
        }
    });
}
