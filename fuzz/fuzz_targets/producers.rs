//! Sources of all kinds that stall, fail and deliver parts, with arbitrary scripts of the guest.
#![no_main]

use std::future::pending;

use futures::{StreamExt as _, TryStreamExt as _};
use http_body::Frame;
use http_body_util::StreamBody;
use libfuzzer_sys::fuzz_target;
use tokio_util::codec::FramedRead;
use wasmtime::component::StreamProducer;
use wasmtime_streams::{self as ws, Completion, EndReason, Meter};
use wasmtime_streams_fuzz::{ByteCodec, Host, Input, completed, quiet, run, step};
use wasmtime_streams_testing::inner::{ChunkStream, ItemStream, Reader, Script};
use wasmtime_streams_testing::{self as testing, Item, Made, Op};

/// `short`: an operation may move less than is ready.
fn check<P, S, E>(
    (what, short): (&str, bool),
    host: Host,
    items: Vec<<P::Item as Item>::Value>,
    ops: &[Op],
    make: impl Fn(Script) -> (P, Completion<S, E>) + 'static,
) where
    P: StreamProducer<(), Item: Item>,
    S: Unpin + 'static,
    E: 'static,
{
    let inner = host.clone();
    let mut check = testing::producer(items, move || {
        let script = inner.script();
        let control = script.control();
        let (producer, completion) = make(script);
        step(completed(Made::new(producer), completion), &[(&inner, control)])
    });
    if short {
        check = check.short();
    }
    if host.fails {
        check = check.fails();
    }
    run(what, &host, check, ops);
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (adapter, batch) = (input.byte() % 15, usize::from(input.byte()) + 1);
    let (host, mut items) = Host::source(input.part(), !matches!(adapter, 2 | 4 | 6 | 9 | 13 | 14));
    let ops = input.ops();
    if let 13 | 14 = adapter {
        items.truncate(batch);
    }
    let numbers = items.iter().copied().map(u32::from).collect();
    let names = items.iter().copied().map(name).collect();
    // A batch of items that own heap data has at most 64.
    let short = items.len() > 64;
    match adapter {
        0 => check(("tokio_io::read", true), host, items, &ops, |script| {
            ws::tokio_io::read(Reader::new(script)).with_completion()
        }),
        1 => check(("tokio_io::buf_read", true), host, items, &ops, |script| {
            ws::tokio_io::buf_read(Reader::new(script)).with_completion()
        }),
        2 => check(("chunks", false), host, items, &ops, |script| {
            ws::streams::chunks(ChunkStream(script).map(Result::unwrap)).with_completion()
        }),
        3 => check(("streams::try_chunks", false), host, items, &ops, |script| {
            ws::streams::try_chunks(ChunkStream(script)).with_completion()
        }),
        4 => check(("stream", false), host, numbers, &ops, |script| {
            ws::streams::items(ItemStream::new(script, u32::from).map(Result::unwrap)).with_completion()
        }),
        5 => check(("streams::try_items", short), host, names, &ops, |script| {
            ws::streams::try_items(ItemStream::new(script, name)).with_completion()
        }),
        6 => check(("stream in batches", true), host, numbers, &ops, move |script| {
            let items = ItemStream::new(script, u32::from).map(Result::unwrap);
            ws::streams::items(items).batch(batch).with_completion()
        }),
        7 => check(("futures_io::read", true), host, items, &ops, |script| {
            ws::futures_io::read(Reader::new(script)).with_completion()
        }),
        8 => check(("futures_io::buf_read", true), host, items, &ops, |script| {
            ws::futures_io::buf_read(Reader::new(script)).with_completion()
        }),
        9 => check(("peekable", short), host, names, &ops, |script| {
            let items = ItemStream::new(script, name).map(Result::unwrap);
            ws::streams::peekable(items.peekable()).with_completion()
        }),
        10 => check(("streams::try_peekable", false), host, items, &ops, |script| {
            ws::streams::try_peekable(ItemStream::new(script, |n| n).peekable()).with_completion()
        }),
        11 => check(("codec::read", true), host, names, &ops, |script| {
            ws::codec::read(FramedRead::new(Reader::new(script), ByteCodec(name))).with_completion()
        }),
        12 => check(("http_body", false), host, items, &ops, |script| {
            ws::body::read(StreamBody::new(ChunkStream(script).map_ok(Frame::data)))
                .with_completion()
        }),
        13 => check(("tokio_io::read, under all", true), host, items, &ops, move |script| {
            ws::tokio_io::read(Reader::new(script))
                .limit(batch as u64)
                .until(EndReason::TimedOut, pending())
                .inspect(|bytes| assert!(!bytes.is_empty()))
                .metered(&Meter::new())
                .with_completion()
        }),
        _ => check(("streams::try_items, under all", false), host, items, &ops, move |script| {
            ws::streams::try_items(ItemStream::new(script, |n| n))
                .limit(batch as u64)
                .until(EndReason::TimedOut, pending())
                .inspect(|_: &u8| {})
                .metered(&Meter::new())
                .with_completion()
        }),
    }
});

fn name(n: u8) -> String {
    format!("item {n}")
}
