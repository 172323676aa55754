//! Every source of the crate that needs no reactor, as a `stream<u8>`. The test decides when data and end arrive.

use std::any::Any;
use std::collections::VecDeque;
use std::io::{self, Read};
use std::mem;
use std::sync::{Arc, Mutex};
use std::task::{Context, Waker};

use bytes::Bytes;
use futures::channel::oneshot;
use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, channel::mpsc};
use http_body::Frame;
use http_body_util::StreamBody;
use tokio::sync::{broadcast, mpsc as tokio_mpsc, watch};
use tokio_util::codec::FramedRead;
use wasmtime::StoreContextMut;
use wasmtime::component::StreamReader;
use wasmtime_streams::{
    self as ws, ByteProducer, ByteSource, EndReason, ItemProducer, ItemSource, blocking::Job,
    to_guest,
};

use super::codec::ByteCodec;
use super::guest::{Guest, World};
use super::script::{ChunkStream, ItemStream, Reader, Script, Step};

/// A layer around a source. It must not change what the guest sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layer {
    Nothing,
    Limit,
    Until,
    Inspect,
    Completion,
}

pub const LAYERS: [Layer; 5] =
    [Layer::Nothing, Layer::Limit, Layer::Until, Layer::Inspect, Layer::Completion];

/// What a source answers to a zero-length read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// Whether there is something to read, the end included.
    All,
    /// The same, if its host object can tell.
    Perhaps,
    /// Nothing: it finds out only by reading.
    Nothing,
}

/// Something that the test triggers once.
type Event = Option<Box<dyn FnOnce()>>;

fn trigger(event: &mut Event) {
    event.take().expect("triggered twice")();
}

/// A source that has no data yet.
pub struct Made {
    install: Box<dyn FnOnce(StoreContextMut<'_, World>) -> StreamReader<u8>>,
    arrive: Event,
    end: Event,
    cut: Event,
    kept: Box<dyn Any>,
}

/// The stream that a guest reads from a [`Made`].
pub struct Opened {
    pub stream: u32,
    arrive: Event,
    end: Event,
    cut: Event,
    _kept: Box<dyn Any>,
}

impl Opened {
    /// Makes the data arrive.
    pub fn arrive(&mut self) {
        trigger(&mut self.arrive);
    }

    /// Makes the end of the data arrive.
    pub fn end(&mut self) {
        trigger(&mut self.end);
    }

    /// Cuts the stream on the host side, if its layer can.
    pub fn cut(&mut self) {
        trigger(&mut self.cut);
    }
}

pub struct AnySource {
    pub name: &'static str,
    pub readiness: Readiness,
    /// Whether it waits for its data and its end. Otherwise it blocks the thread.
    pub waits: bool,
    make: fn(&[u8], Layer) -> Made,
}

impl AnySource {
    /// Gives the guest the source over `data`, which has already arrived.
    pub async fn open(&self, guest: &Guest<'_, u8>, data: &[u8], layer: Layer) -> Opened {
        let mut opened = self.open_late(guest, data, layer).await;
        opened.arrive();
        opened
    }

    /// Gives the guest the source over `data`, which arrives later.
    pub async fn open_late(&self, guest: &Guest<'_, u8>, data: &[u8], layer: Layer) -> Opened {
        let Made { install, arrive, end, cut, kept } = (self.make)(data, layer);
        let reader = guest.with(install);
        Opened { stream: guest.take(reader).await, arrive, end, cut, _kept: kept }
    }

    /// What a guest reads of `data`: all of it, or of a watch the last value.
    pub fn gives(&self, data: &[u8]) -> Vec<u8> {
        match self.name {
            "channels::watch_receiver" => data[data.len() - 1..].to_vec(),
            _ => data.to_vec(),
        }
    }
}

macro_rules! layered {
    ($producer:ident, $layer:ident, ($arrive:ident, $end:ident)) => {{
        let events = (Some(Box::new($arrive) as _), Some(Box::new($end) as _));
        match $layer {
            Layer::Nothing => made($producer, events),
            Layer::Limit => made($producer.limit(1000), events),
            Layer::Inspect => made($producer.inspect(|_| {}), events),
            Layer::Until => {
                let (fire, fired) = oneshot::channel::<()>();
                let until = $producer.until(EndReason::TimedOut, fired.map(drop));
                Made { cut: Some(Box::new(move || drop(fire))), ..made(until, events) }
            }
            Layer::Completion => {
                let (producer, done) = $producer.with_completion();
                let cancel = done.cancel_handle();
                Made {
                    cut: Some(Box::new(move || cancel.cancel())),
                    kept: Box::new(done),
                    ..made(producer, events)
                }
            }
        }
    }};
}

fn made(
    producer: impl wasmtime::component::StreamProducer<World, Item = u8>,
    (arrive, end): (Event, Event),
) -> Made {
    Made {
        install: Box::new(|store| StreamReader::new(store, producer).unwrap()),
        arrive,
        end,
        cut: None,
        kept: Box::new(()),
    }
}

fn bytes<S: ByteSource + Unpin>(
    producer: ByteProducer<S>,
    layer: Layer,
    arrive: impl FnOnce() + 'static,
    end: impl FnOnce() + 'static,
) -> Made {
    layered!(producer, layer, (arrive, end))
}

fn items<S: ItemSource<Item = u8> + Unpin>(
    producer: ItemProducer<S>,
    layer: Layer,
    arrive: impl FnOnce() + 'static,
    end: impl FnOnce() + 'static,
) -> Made {
    layered!(producer, layer, (arrive, end))
}

/// A script with one step a byte, and then the end. The data and the end are held until the test releases them.
fn held(data: &[u8]) -> (Script, impl FnOnce() + use<>, impl FnOnce() + use<>) {
    let bytes = data.iter().map(|byte| Step::Data(vec![*byte]));
    let script = Script::new([Step::Hold].into_iter().chain(bytes).chain([Step::Hold]));
    let (arrive, end) = (script.control(), script.control());
    (script, move || arrive.release(), move || end.release())
}

/// A blocking reader. A job that would block is kept until something changes.
#[derive(Default)]
struct Blocking {
    left: VecDeque<u8>,
    ended: bool,
    held: Vec<Job>,
}

#[derive(Clone, Default)]
struct BlockingReader(Arc<Mutex<Blocking>>);

impl BlockingReader {
    fn change(&self, change: impl FnOnce(&mut Blocking)) {
        let mut blocking = self.0.lock().unwrap();
        change(&mut blocking);
        let held = mem::take(&mut blocking.held);
        drop(blocking);
        held.into_iter().for_each(Job::run);
    }
}

impl Read for BlockingReader {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.0.lock().unwrap().left.read(buf)
    }
}

fn blocking(data: &[u8], layer: Layer) -> Made {
    let reader = BlockingReader::default();
    let (jobs, arrives, ends) = (reader.clone(), reader.clone(), reader.clone());
    let producer = ws::blocking::read_on(reader, move |job: Job| {
        let mut blocking = jobs.0.lock().unwrap();
        if blocking.ended || !blocking.left.is_empty() {
            drop(blocking);
            job.run();
        } else {
            blocking.held.push(job);
        }
    });
    let data = data.to_vec();
    let arrive = move || arrives.change(|blocking| blocking.left.extend(data));
    bytes(producer, layer, arrive, move || ends.change(|blocking| blocking.ended = true))
}

fn now() -> Context<'static> {
    Context::from_waker(Waker::noop())
}

macro_rules! source {
    ($name:literal, $readiness:ident, $waits:literal, $make:expr) => {
        AnySource { name: $name, readiness: Readiness::$readiness, waits: $waits, make: $make }
    };
    ($name:literal, $readiness:ident, $form:ident, |$script:ident| $producer:expr) => {
        source!($name, $readiness, true, |data, layer| {
            let ($script, arrive, end) = held(data);
            $form($producer, layer, arrive, end)
        })
    };
}

pub fn every_source() -> Vec<AnySource> {
    vec![
        source!("tokio_io::read", Nothing, bytes, |script| ws::tokio_io::read(Reader::new(script))),
        source!("tokio_io::buf_read", All, bytes, |script| ws::tokio_io::buf_read(Reader::new(
            script
        ))),
        source!("futures_io::read", Nothing, bytes, |script| ws::futures_io::read(Reader::new(
            script
        ))),
        source!("futures_io::buf_read", All, bytes, |script| {
            ws::futures_io::buf_read(Reader::new(script))
        }),
        source!("streams::chunks", Nothing, bytes, |script| {
            ws::streams::chunks(ChunkStream(script).map(Result::unwrap))
        }),
        source!("streams::try_chunks", Nothing, bytes, |script| {
            ws::streams::try_chunks(ChunkStream(script).into_stream())
        }),
        source!("body::read", Nothing, bytes, |script| {
            ws::body::read(StreamBody::new(ChunkStream(script).map_ok(Frame::<Bytes>::data)))
        }),
        source!("streams::items", Nothing, items, |script| {
            ws::streams::items(ItemStream::new(script, |byte| byte).map(Result::unwrap))
        }),
        source!("streams::try_items", Nothing, items, |script| {
            ws::streams::try_items(ItemStream::new(script, |byte| byte))
        }),
        source!("streams::peekable", All, items, |script| {
            ws::streams::peekable(
                ItemStream::new(script, |byte| byte).map(Result::unwrap).peekable(),
            )
        }),
        source!("streams::try_peekable", All, items, |script| {
            ws::streams::try_peekable(ItemStream::new(script, |byte| byte).peekable())
        }),
        source!("codec::read", Nothing, items, |script| {
            ws::codec::read(FramedRead::new(Reader::new(script), ByteCodec(|byte| byte)))
        }),
        source!("blocking::read_on", Nothing, true, blocking),
        source!("iterators::items", Nothing, false, |data, layer| {
            // Without a size hint.
            let mut left = VecDeque::from(data.to_vec());
            items(
                ws::iterators::items(std::iter::from_fn(move || left.pop_front())),
                layer,
                || {},
                || {},
            )
        }),
        source!("iterators::try_items", Nothing, false, |data, layer| {
            let mut left = VecDeque::from(data.to_vec());
            let next = move || left.pop_front().map(Ok::<_, io::Error>);
            items(ws::iterators::try_items(std::iter::from_fn(next)), layer, || {}, || {})
        }),
        source!("a channel of the futures crate", Perhaps, true, |data, layer| {
            let ((tx, rx), data) = (mpsc::unbounded(), data.to_vec());
            let sends = tx.clone();
            let arrive = move || data.iter().for_each(|n| sends.unbounded_send(*n).unwrap());
            items(ws::streams::items(rx), layer, arrive, || drop(tx))
        }),
        source!("channels::mpsc_receiver", Perhaps, true, |data, layer| {
            let ((tx, rx), data) = (tokio_mpsc::channel(64), data.to_vec());
            let sends = tx.clone();
            let arrive = move || data.iter().for_each(|n| sends.try_send(*n).unwrap());
            items(ws::channels::mpsc_receiver(rx), layer, arrive, || drop(tx))
        }),
        source!("channels::mpsc_unbounded_receiver", Perhaps, true, |data, layer| {
            let ((tx, rx), data) = (tokio_mpsc::unbounded_channel(), data.to_vec());
            let sends = tx.clone();
            let arrive = move || data.iter().for_each(|n| sends.send(*n).unwrap());
            items(ws::channels::mpsc_unbounded_receiver(rx), layer, arrive, || drop(tx))
        }),
        source!("channels::broadcast_receiver", All, true, |data, layer| {
            let ((tx, rx), data) = (broadcast::channel(64), data.to_vec());
            let sends = tx.clone();
            let arrive = move || data.iter().for_each(|n| assert!(sends.send(*n).is_ok()));
            items(ws::channels::broadcast_receiver(rx), layer, arrive, || drop(tx))
        }),
        source!("channels::watch_receiver", All, true, |data, layer| {
            let ((tx, rx), data) = (watch::channel(0), data.to_vec());
            let sends = tx.clone();
            let arrive = move || data.iter().for_each(|n| assert!(sends.send(*n).is_ok()));
            items(ws::channels::watch_receiver(rx).changes_only(), layer, arrive, || drop(tx))
        }),
        source!("to_guest::writer", All, true, |data, layer| {
            let ((writer, producer), data) = (to_guest::producer(64), data.to_vec());
            let writer = Arc::new(Mutex::new(writer));
            let writes = writer.clone();
            let arrive = move || {
                let written = writes.lock().unwrap().poll_write(&mut now(), &data);
                assert!(written.is_ready());
            };
            bytes(producer, layer, arrive, move || writer.lock().unwrap().close())
        }),
        source!("to_guest::sink", All, true, |data, layer| {
            let ((sink, producer), data) = (to_guest::item_producer(64), data.to_vec());
            let sink = Arc::new(Mutex::new(sink));
            let sends = sink.clone();
            let arrive = move || {
                data.iter().for_each(|n| sends.lock().unwrap().try_send(*n).unwrap());
            };
            items(producer, layer, arrive, move || sink.lock().unwrap().close())
        }),
    ]
}
