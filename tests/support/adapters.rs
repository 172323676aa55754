//! Tables of all adapters over scripted objects. A line in a table puts an adapter under every test that goes over it.

use std::fmt::Display;

use futures::future::{BoxFuture, FutureExt as _};
use futures::{StreamExt as _, TryStreamExt as _};
use tokio_util::codec::{FramedRead, FramedWrite};
use wasmtime::StoreContextMut;
use wasmtime::component::{StreamConsumer, StreamProducer, StreamReader};
use wasmtime_streams::{self as ws, Completion, End};

use super::codec::ByteCodec;
use super::guest::{Guest, World};
use super::script::{ChunkStream, ChunkWriter, ItemStream, Log, Reader, Script, Writer};

/// How a stream ended, and how much moved.
pub type Done = BoxFuture<'static, (End<String>, u64)>;

fn done<S, E>(completion: Completion<S, E>) -> Done
where
    S: Unpin + Send + 'static,
    E: Display + Send + 'static,
{
    completion.map(|done| (done.end.map_err(|error| error.to_string()), done.moved)).boxed()
}

pub type Install = Box<dyn FnOnce(StoreContextMut<'_, World>) -> StreamReader<u8>>;
pub type Pipe = Box<dyn FnOnce(StoreContextMut<'_, World>, StreamReader<u8>)>;

/// An adapter from a scripted object to a `stream<u8>`.
pub struct Source {
    pub name: &'static str,
    /// Whether it can fail.
    pub fallible: bool,
    /// Whether it can tell that it is readable.
    pub readiness: bool,
    make: fn(Script) -> (Install, Done),
}

fn install(producer: impl StreamProducer<World, Item = u8>) -> Install {
    Box::new(|store| StreamReader::new(store, producer).unwrap())
}

macro_rules! source {
    ($name:literal, fallible: $fallible:literal, readiness: $readiness:literal, $make:expr) => {
        Source {
            name: $name,
            fallible: $fallible,
            readiness: $readiness,
            make: |script| {
                let (producer, completion) = $make(script).with_completion();
                (install(producer), done(completion))
            },
        }
    };
}

pub fn sources() -> Vec<Source> {
    vec![
        source!("tokio_io::read", fallible: true, readiness: false, |script| {
            ws::tokio_io::read(Reader::new(script))
        }),
        source!("tokio_io::buf_read", fallible: true, readiness: true, |script| {
            ws::tokio_io::buf_read(Reader::new(script))
        }),
        source!("streams::chunks", fallible: false, readiness: false, |script| {
            ws::streams::chunks(ChunkStream(script).map(Result::unwrap))
        }),
        source!("streams::try_chunks", fallible: true, readiness: false, |script| {
            ws::streams::try_chunks(ChunkStream(script).into_stream())
        }),
        source!("streams::items", fallible: false, readiness: false, |script| {
            ws::streams::items(ItemStream::new(script, |byte| byte).map(Result::unwrap))
        }),
        source!("streams::try_items", fallible: true, readiness: false, |script| {
            ws::streams::try_items(ItemStream::new(script, |byte| byte))
        }),
        source!("streams::peekable", fallible: false, readiness: true, |script| {
            ws::streams::peekable(ItemStream::new(script, |byte| byte).map(Result::unwrap).peekable())
        }),
        source!("streams::try_peekable", fallible: true, readiness: true, |script| {
            ws::streams::try_peekable(ItemStream::new(script, |byte| byte).peekable())
        }),
        source!("futures_io::read", fallible: true, readiness: false, |script| {
            ws::futures_io::read(Reader::new(script))
        }),
        source!("futures_io::buf_read", fallible: true, readiness: true, |script| {
            ws::futures_io::buf_read(Reader::new(script))
        }),
        source!("codec::read", fallible: true, readiness: false, |script| {
            ws::codec::read(FramedRead::new(Reader::new(script), ByteCodec(|byte| byte)))
        }),
    ]
}

impl Source {
    /// Makes the adapter over `script`. It is not in a store yet.
    pub fn make(&self, script: Script) -> (Install, Done) {
        (self.make)(script)
    }

    /// Gives the adapter over `script` to the guest.
    pub async fn open(&self, guest: &Guest<'_, u8>, script: Script) -> (u32, Done) {
        let (install, done) = (self.make)(script);
        let reader = guest.with(install);
        (guest.take(reader).await, done)
    }
}

/// An adapter from a `stream<u8>` to a scripted object.
pub struct Sink {
    pub name: &'static str,
    /// Whether it can tell that it is writable.
    pub readiness: bool,
    /// Whether it may take more than the inner object has room for.
    pub holds: bool,
    make: fn(Writer<u8>) -> (Pipe, Done),
}

fn pipe(consumer: impl StreamConsumer<World, Item = u8>) -> Pipe {
    Box::new(|store, reader| reader.pipe(store, consumer).unwrap())
}

macro_rules! sink {
    ($name:literal, readiness: $readiness:literal, holds: $holds:literal, $make:expr) => {
        Sink {
            name: $name,
            readiness: $readiness,
            holds: $holds,
            make: |writer| {
                let (consumer, completion) = $make(writer).with_completion();
                (pipe(consumer), done(completion))
            },
        }
    };
}

pub fn sinks() -> Vec<Sink> {
    vec![
        sink!("tokio_io::write", readiness: false, holds: false, ws::tokio_io::write),
        sink!("sinks::chunks", readiness: true, holds: false, |writer| {
            ws::sinks::chunks(ChunkWriter(writer))
        }),
        sink!("sinks::items", readiness: true, holds: true, ws::sinks::items::<_, u8>),
        sink!("sinks::items, strict", readiness: true, holds: false, |writer| {
            ws::sinks::items::<_, u8>(writer).batch(1)
        }),
        sink!("futures_io::write", readiness: false, holds: false, ws::futures_io::write),
        sink!("codec::write", readiness: false, holds: true, |writer| {
            ws::codec::write(FramedWrite::new(writer, ByteCodec(|byte| byte)))
        }),
    ]
}

impl Sink {
    /// Makes the adapter over `writer`. It is not in a store yet.
    pub fn make(&self, writer: Writer<u8>) -> (Pipe, Done) {
        (self.make)(writer)
    }

    /// Lets the guest make a stream, and pipes it into the adapter over `writer`.
    pub async fn open(&self, guest: &Guest<'_, u8>, writer: Writer<u8>) -> (u32, Done, Log<u8>) {
        let log = writer.log();
        let (pipe, done) = (self.make)(writer);
        let (reader, writable) = guest.stream().await;
        guest.with(|store| pipe(store, reader));
        (writable, done, log)
    }
}
