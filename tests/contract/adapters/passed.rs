//! Rows: a stream that the guest passes back to the host, which takes its source out, or reads it within the same store.

use ::futures::{StreamExt as _, TryStreamExt as _};
use http_body_util::StreamBody;
use wasmtime::StoreContextMut;
use wasmtime::component::StreamReader;
use wasmtime_streams::from_guest::{self, GuestItems, GuestReader};
use wasmtime_streams::relay::Splice;
use wasmtime_streams::{self as ws, ByteProducer, ByteSource, ItemProducer, ItemSource};
use wasmtime_streams_testing::{self as testing, Finding, Made};

use super::{Checks, ITEMS, Kind, add, name, names};
use crate::script::{ChunkStream, ItemStream, Reader};

type Store<'a> = StoreContextMut<'a, ()>;

/// Checks a source whose guest passes its stream on. `$pass` makes what the host does then of such a producer.
macro_rules! passed {
    ($items:expr, $($kind:ident)*, $make:expr, $pass:expr) => {
        passed!($items, allow: [], $($kind)*, $make, $pass)
    };
    ($items:expr, allow: $allowed:expr, $($kind:ident)*, $make:expr, $pass:expr) => {{
        let mut checks = Checks::default();
        $({
            let pass = $pass(&$make(Kind::$kind.source().0));
            let check = testing::producer($items, || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                Kind::$kind.step(Made::new($make(script)), control, holds)
            });
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            let check = $allowed.into_iter().fold(check, |check, allowed: Finding| check.allow(allowed));
            // What was looked ahead, or is in the pipe, is not counted as ready.
            checks = add(checks, check.short().depth(Kind::$kind.depth(3)).passes(pass).boxed());
        })*
        checks
    }};
}

/// Takes the source out, unless a zero-length read has looked ahead, and makes a new stream of it.
fn splice<S>(
    _: &ByteProducer<S>,
) -> impl Fn(Store<'_>, StreamReader<u8>) -> Result<ByteProducer<S>, StreamReader<u8>> + use<S>
where
    S: ByteSource + Splice + Unpin,
{
    |store, stream| Ok(ByteProducer::new(stream.try_into::<S>(store)?).spliceable())
}

fn splice_items<S>(
    _: &ItemProducer<S>,
) -> impl Fn(Store<'_>, StreamReader<S::Item>) -> Result<ItemProducer<S>, StreamReader<S::Item>> + use<S>
where
    S: ItemSource + Splice + Unpin,
{
    |store, stream| Ok(ItemProducer::new(stream.try_into::<S>(store)?).spliceable())
}

/// The same, for what the host reads itself: of a pipe between two host objects Wasmtime does not poll the consumer while the
/// producer has nothing, so streams that wait for it stay open for as long.
macro_rules! piped {
    ($items:expr, $make:expr, $pass:expr) => {{
        let ready = passed!($items, Ready, $make, $pass);
        let parts = passed!($items, allow: [Finding::HandleLeft], Parts, $make, $pass);
        add(ready, parts)
    }};
}

type Reread = ByteProducer<ws::tokio_io::Read<GuestReader>>;

/// Reads the stream on the host, and makes a new one of that: two streams with a pipe between them.
fn read<S: ByteSource>(
    _: &ByteProducer<S>,
) -> fn(Store<'_>, StreamReader<u8>) -> Result<Reread, StreamReader<u8>> {
    |store, stream| {
        let reader = from_guest::reader(store, stream, 2).expect("there is room in the store");
        Ok(ws::tokio_io::read(reader))
    }
}

type ReadItems = ItemProducer<ws::streams::Items<GuestItems<String>>>;

fn read_items<S: ItemSource>(
    _: &ItemProducer<S>,
) -> fn(Store<'_>, StreamReader<String>) -> Result<ReadItems, StreamReader<String>> {
    |store, stream| {
        let items = from_guest::items(store, stream, 2).expect("there is room in the store");
        Ok(ws::streams::items(items))
    }
}

#[rustfmt::skip]
rows! {
    tokio_io_read_spliced: passed!(ITEMS.to_vec(), Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)).spliceable(), splice);
    tokio_io_buf_read_spliced: passed!(ITEMS.to_vec(), Ready Parts Fails, |script| ws::tokio_io::buf_read(Reader::new(script)).spliceable(), splice);
    futures_io_read_spliced: passed!(ITEMS.to_vec(), Ready Parts Fails, |script| ws::futures_io::read(Reader::new(script)).spliceable(), splice);
    futures_io_buf_read_spliced: passed!(ITEMS.to_vec(), Ready Parts Fails, |script| ws::futures_io::buf_read(Reader::new(script)).spliceable(), splice);
    streams_chunks_spliced: passed!(ITEMS.to_vec(), Ready Parts, |script| ws::streams::chunks(ChunkStream(script).map(Result::unwrap)).spliceable(), splice);
    streams_try_chunks_spliced: passed!(ITEMS.to_vec(), Ready Parts Fails, |script| ws::streams::try_chunks(ChunkStream(script).into_stream()).spliceable(), splice);
    body_read_spliced: passed!(ITEMS.to_vec(), Ready Parts Fails, |script| ws::body::read(StreamBody::new(ChunkStream(script).map_ok(http_body::Frame::data))).spliceable(), splice);
    streams_items_spliced: passed!(names(), Ready Parts, |script| ws::streams::items(ItemStream::new(script, name).map(Result::unwrap)).spliceable(), splice_items);
    streams_try_items_spliced: passed!(names(), Ready Parts Fails, |script| ws::streams::try_items(ItemStream::new(script, name)).spliceable(), splice_items);
    streams_peekable_spliced: passed!(names(), Ready Parts, |script| ws::streams::peekable(ItemStream::new(script, name).map(Result::unwrap).peekable()).spliceable(), splice_items);
    streams_try_peekable_spliced: passed!(names(), Ready Parts Fails, |script| ws::streams::try_peekable(ItemStream::new(script, name).peekable()).spliceable(), splice_items);
    from_guest_reader: piped!(ITEMS.to_vec(), |script| ws::tokio_io::read(Reader::new(script)), read);
    from_guest_reader_of_chunks: piped!(ITEMS.to_vec(), |script| ws::streams::chunks(ChunkStream(script).map(Result::unwrap)), read);
    from_guest_items: piped!(names(), |script| ws::streams::items(ItemStream::new(script, name).map(Result::unwrap)), read_items);
}
