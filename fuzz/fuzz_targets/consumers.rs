//! Sinks of all kinds that stall, fail and accept parts, with arbitrary scripts of the guest.
#![no_main]

use std::future::pending;

use libfuzzer_sys::fuzz_target;
use tokio_util::codec::FramedWrite;
use wasmtime::component::StreamConsumer;
use wasmtime_streams::{self as ws, Completion, EndReason, Flush, Meter};
use wasmtime_streams_fuzz::{ByteCodec, Host, Input, completed, quiet, run, step};
use wasmtime_streams_testing::inner::{ChunkWriter, Writer};
use wasmtime_streams_testing::{self as testing, Item, Made, Op};

/// `short`: an operation may move less than there is room for. `flushes`: the script of flushing and closing.
fn check<C, S, E>(
    (what, short): (&str, bool),
    (host, flushes): (Host, Host),
    items: Vec<<C::Item as Item>::Value>,
    ops: &[Op],
    make: impl Fn(Writer<<C::Item as Item>::Value>) -> (C, Completion<S, E>) + 'static,
) where
    C: StreamConsumer<(), Item: Item<Value: Clone>>,
    S: Unpin + 'static,
    E: 'static,
{
    let (inner, flush) = (host.clone(), flushes.clone());
    let mut check = testing::consumer(items, move || {
        let (script, flushes) = (inner.script(), flush.script());
        let hosts = [(&inner, script.control()), (&flush, flushes.control())];
        let writer = Writer::with_flush(script, flushes);
        let (log, closed) = (writer.log(), writer.log());
        let (consumer, completion) = make(writer);
        let made = completed(Made::new(consumer), completion)
            .received(move || log.accepted())
            .closed(move || closed.look(|written| written.closed));
        step(made, &hosts)
    });
    if short {
        check = check.short();
    }
    if host.fails || flushes.fails {
        check = check.fails();
    }
    run(what, &(host, flushes), check, ops);
}

fuzz_target!(init: quiet(), |bytes: &[u8]| {
    let mut input = Input::new(bytes);
    let (adapter, len) = (input.byte(), input.byte() % 64);
    let (batch, max_chunk) = (usize::from(input.byte()) + 1, usize::from(input.byte()) + 1);
    let hosts = (Host::sink(input.part()), Host::sink(input.part()).flushes());
    let ops = input.ops();
    let flush = if adapter & 0x80 == 0 { Flush::EachOp } else { Flush::OnClose };
    let items: Vec<u8> = (0..len).collect();
    let names = items.iter().map(|n| format!("item {n}")).collect();
    match adapter % 10 {
        0 => check(("tokio_io::write", false), hosts, items, &ops, move |writer| {
            ws::tokio_io::write(writer).flush(flush).with_completion()
        }),
        1 => check(("sinks::chunks", false), hosts, items, &ops, move |writer| {
            ws::sinks::chunks(ChunkWriter(writer)).max_chunk(max_chunk).flush(flush).with_completion()
        }),
        2 => check(("sink", false), hosts, items, &ops, move |writer| {
            ws::sinks::items::<_, u8>(writer).flush(flush).with_completion()
        }),
        3 => check(("sink, strict", true), hosts, items, &ops, move |writer| {
            ws::sinks::items::<_, u8>(writer).flush(flush).batch(1).with_completion()
        }),
        4 => check(("sink in batches", true), hosts, items, &ops, move |writer| {
            ws::sinks::items::<_, u8>(writer).flush(flush).batch(batch).with_completion()
        }),
        5 => check(("sink of strings", false), hosts, names, &ops, move |writer| {
            ws::sinks::items::<_, String>(writer).flush(flush).with_completion()
        }),
        6 => check(("futures_io::write", false), hosts, items, &ops, move |writer| {
            ws::futures_io::write(writer).flush(flush).with_completion()
        }),
        7 => check(("codec::write", false), hosts, items, &ops, move |writer| {
            let frames = FramedWrite::with_capacity(writer, ByteCodec(|n| n), max_chunk);
            ws::codec::write::<_, _, u8>(frames).flush(flush).with_completion()
        }),
        8 => check(("tokio_io::write, under all", false), hosts, items, &ops, move |writer| {
            ws::tokio_io::write(writer)
                .flush(flush)
                .limit(64)
                .until(EndReason::TimedOut, pending())
                .inspect(|bytes| assert!(!bytes.is_empty()))
                .metered(&Meter::new())
                .with_completion()
        }),
        _ => check(("sink, under all", false), hosts, items, &ops, move |writer| {
            ws::sinks::items::<_, u8>(writer)
                .flush(flush)
                .limit(64)
                .until(EndReason::TimedOut, pending())
                .inspect(|_: &u8| {})
                .metered(&Meter::new())
                .with_completion()
        }),
    }
});
