//! The rows of the feature `futures`.

use ::futures::{StreamExt as _, TryStreamExt as _, stream};
use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams as ws;
use wasmtime_streams::testing::{self, Made, Report};

use super::{ITEMS, Kind, add, completed, name, names, record, records};
use crate::script::{ChunkStream, ChunkWriter, ItemStream, Reader, Writer};

struct Connection;

fn resources() -> Report {
    testing::producer_in(ResourceTable::new, vec![0; 5], || {
        let connections = stream::iter((0..5).map(|_| Connection));
        let push = |mut store: StoreContextMut<'_, ResourceTable>, connection: Connection| {
            Ok(store.data_mut().push(connection)?)
        };
        let (producer, done) = ws::stream(connections).deliver_with(push).with_completion();
        completed(Made::new(producer), done)
    })
    .link(|root| {
        let ty = ResourceType::host::<Connection>();
        root.resource("item", ty, |mut store: StoreContextMut<'_, ResourceTable>, rep| {
            let connection = Resource::<Connection>::new_own(rep);
            store.as_context_mut().data_mut().delete(connection)?;
            Ok(())
        })
    })
    .leftovers(|table| table.iter_mut().count())
    .assert()
}

#[rustfmt::skip]
rows! {
    stream: source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::stream(ItemStream::new(script, |n| n).map(Result::unwrap)));
    stream_of_strings: source!(names(), short: false, Ready Parts, |script| ws::stream(ItemStream::new(script, name).map(Result::unwrap)));
    stream_of_records: source!(records(), short: false, Ready Parts, |script| ws::stream(ItemStream::new(script, record).map(Result::unwrap)));
    stream_of_resources: resources();
    try_stream: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::try_stream(ItemStream::new(script, |n| n)));
    peekable: source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::peekable(ItemStream::new(script, |n| n).map(Result::unwrap).peekable()));
    peekable_of_strings: source!(names(), short: false, Ready Parts, |script| ws::peekable(ItemStream::new(script, name).map(Result::unwrap).peekable()));
    try_peekable: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::try_peekable(ItemStream::new(script, |n| n).peekable()));
    sink: sink!(ITEMS.to_vec(), Ready Parts Fails, ws::sink::<_, u8>);
    sink_strict: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::sink::<_, u8>(writer).batch(1));
    sink_of_strings: sink!(names(), Ready Parts Fails, ws::sink::<_, String>);
    sink_of_records: sink!(records(), Ready Parts Fails, ws::sink::<_, (u32, String)>);
    futures_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::futures_read(Reader::new(script)));
    futures_buf_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::futures_buf_read(Reader::new(script)));
    futures_write: sink!(ITEMS.to_vec(), Ready Parts Fails, ws::futures_write);
    chunks: source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::chunks(ChunkStream(script).map(Result::unwrap)));
    try_chunks: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::try_chunks(ChunkStream(script).into_stream()));
    chunk_sink: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::chunk_sink(ChunkWriter(writer)));
}
