//! Rows: the feature `futures`.

use ::futures::{StreamExt as _, TryStreamExt as _, stream};
use wasmtime::component::{Resource, ResourceTable, ResourceType};
use wasmtime::{AsContextMut as _, StoreContextMut};
use wasmtime_streams as ws;
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made};

use super::{ITEMS, Kind, add, completed, name, names, record, records};
use crate::script::{ChunkStream, ChunkWriter, ItemStream, Reader, Writer};

struct Connection;

fn resources() -> BoxedCheck {
    testing::producer_in(ResourceTable::new, vec![0; 5], || {
        let connections = stream::iter((0..5).map(|_| Connection));
        let push = |mut store: StoreContextMut<'_, ResourceTable>, connection: Connection| {
            Ok(store.data_mut().push(connection)?)
        };
        let (producer, done) = ws::streams::items(connections).deliver_with(push).with_completion();
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
    .boxed()
}

#[rustfmt::skip]
rows! {
    streams_items: source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::streams::items(ItemStream::new(script, |n| n).map(Result::unwrap)));
    streams_items_of_strings: source!(names(), short: false, Ready Parts, |script| ws::streams::items(ItemStream::new(script, name).map(Result::unwrap)));
    streams_items_of_records: source!(records(), short: false, Ready Parts, |script| ws::streams::items(ItemStream::new(script, record).map(Result::unwrap)));
    streams_items_of_resources: resources();
    streams_try_items: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::streams::try_items(ItemStream::new(script, |n| n)));
    streams_peekable: source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::streams::peekable(ItemStream::new(script, |n| n).map(Result::unwrap).peekable()));
    streams_peekable_of_strings: source!(names(), short: false, Ready Parts, |script| ws::streams::peekable(ItemStream::new(script, name).map(Result::unwrap).peekable()));
    streams_try_peekable: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::streams::try_peekable(ItemStream::new(script, |n| n).peekable()));
    sinks_items: sink!(ITEMS.to_vec(), Ready Parts Fails, ws::sinks::items::<_, u8>);
    sinks_items_strict: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::sinks::items::<_, u8>(writer).batch(1));
    sinks_items_of_strings: sink!(names(), Ready Parts Fails, ws::sinks::items::<_, String>);
    sinks_items_of_records: sink!(records(), Ready Parts Fails, ws::sinks::items::<_, (u32, String)>);
    futures_io_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::futures_io::read(Reader::new(script)));
    futures_io_buf_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::futures_io::buf_read(Reader::new(script)));
    futures_io_write: sink!(ITEMS.to_vec(), Ready Parts Fails, ws::futures_io::write);
    streams_chunks: source!(ITEMS.to_vec(), short: false, Ready Parts, |script| ws::streams::chunks(ChunkStream(script).map(Result::unwrap)));
    streams_try_chunks: source!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| ws::streams::try_chunks(ChunkStream(script).into_stream()));
    sinks_chunks: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::sinks::chunks(ChunkWriter(writer)));
}
