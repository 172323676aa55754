//! Sources of all kinds, that stall, fail and come in parts, read by a guest that does anything.
#![no_main]

use std::fmt::Display;

use futures::StreamExt as _;
use libfuzzer_sys::fuzz_target;
use wasmtime::component::StreamProducer;
use wasmtime_streams::testing::inner::{ChunkStream, ItemStream, Reader, Script};
use wasmtime_streams::testing::{self, Item, Made, Op};
use wasmtime_streams::{self as ws, Completion};
use wasmtime_streams_fuzz::{Host, Input, completed, quiet, run, step};

/// `short`: an operation may move less than what is ready.
fn check<P, S, E>(
    (what, short): (&str, bool),
    host: Host,
    items: Vec<<P::Item as Item>::Value>,
    ops: &[Op],
    make: impl Fn(Script) -> (P, Completion<S, E>) + 'static,
) where
    P: StreamProducer<(), Item: Item>,
    S: Unpin + 'static,
    E: Display + 'static,
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
    let (adapter, batch) = (input.byte() % 7, usize::from(input.byte()) + 1);
    let (host, items) = Host::source(input.part(), !matches!(adapter, 2 | 4 | 6));
    let ops = input.ops();
    let numbers = items.iter().copied().map(u32::from).collect();
    let names = items.iter().copied().map(name).collect();
    // Of items that own heap data no more than 64 go in a batch.
    let short = items.len() > 64;
    match adapter {
        0 => check(("tokio_read", true), host, items, &ops, |script| {
            ws::tokio_read(Reader::new(script)).with_completion()
        }),
        1 => check(("tokio_buf_read", true), host, items, &ops, |script| {
            ws::tokio_buf_read(Reader::new(script)).with_completion()
        }),
        2 => check(("chunks", false), host, items, &ops, |script| {
            ws::chunks(ChunkStream(script).map(Result::unwrap)).with_completion()
        }),
        3 => check(("try_chunks", false), host, items, &ops, |script| {
            ws::try_chunks(ChunkStream(script)).with_completion()
        }),
        4 => check(("stream", false), host, numbers, &ops, |script| {
            ws::stream(ItemStream::new(script, u32::from).map(Result::unwrap)).with_completion()
        }),
        5 => check(("try_stream", short), host, names, &ops, |script| {
            ws::try_stream(ItemStream::new(script, name)).with_completion()
        }),
        _ => check(("stream in batches", true), host, numbers, &ops, move |script| {
            let items = ItemStream::new(script, u32::from).map(Result::unwrap);
            ws::stream(items).batch(batch).with_completion()
        }),
    }
});

fn name(n: u8) -> String {
    format!("item {n}")
}
