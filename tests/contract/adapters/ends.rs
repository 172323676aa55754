//! The rows of the combinators: what is kept without them is kept under them, with a completion and without.

use std::future::pending;

use tokio_util::sync::CancellationToken;
use tracing::Span;
use wasmtime_streams as ws;
use wasmtime_streams::testing::{self, Made, Report};
use wasmtime_streams::{EndReason, Meter};

use super::{ITEMS, Kind, add, completed};
use crate::script::{ItemStream, Reader, Writer};

/// Checks a source under combinators, with a completion outside of them and without one.
macro_rules! source_under {
    ($items:expr, short: $short:literal, $($kind:ident)*, $make:expr) => {{
        let mut report = source!($items, short: $short, $($kind)*, $make);
        $({
            let check = testing::producer($items, || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                Kind::$kind.step(Made::new($make(script)), control, holds)
            });
            let check = if $short { check.short() } else { check };
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            report = add(report, check.assert());
        })*
        report
    }};
}

/// The same for a sink, which nobody closes without a completion.
macro_rules! sink_under {
    ($items:expr, $($kind:ident)*, $make:expr) => {{
        let mut report = sink!($items, $($kind)*, $make);
        $({
            let check = testing::consumer($items, || {
                let (script, holds) = Kind::$kind.sink();
                let control = script.control();
                let writer = Writer::new(script);
                let log = writer.log();
                let made = Made::new($make(writer)).received(move || log.accepted());
                Kind::$kind.step(made, control, holds)
            });
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            report = add(report, check.assert());
        })*
        report
    }};
}

/// A sink with a limit below what is written.
macro_rules! limited {
    ($limit:literal, $make:expr) => {
        testing::consumer(ITEMS.to_vec(), || {
            let writer = Writer::new(Kind::Ready.sink().0);
            let (log, closed) = (writer.log(), writer.log());
            let (consumer, completion) = $make(writer).limit($limit).with_completion();
            completed(Made::new(consumer), completion)
                .received(move || log.accepted())
                .closed(move || closed.look(|written| written.closed))
        })
        .bound($limit)
        .assert()
    };
}

/// Items up to the limit.
fn first(limit: usize) -> Vec<u8> {
    ITEMS[..limit].to_vec()
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

fn items(script: crate::script::Script) -> ws::ItemProducer<ws::TryStreamItems<ItemStream<u8>>> {
    ws::try_stream(ItemStream::new(script, |byte| byte))
}

/// Without a completion nobody sends what is held when the guest is gone: so nothing is.
fn strict(writer: Writer<u8>) -> ws::ItemConsumer<ws::SinkItems<Writer<u8>, u8>> {
    ws::sink(writer).batch(1)
}

#[rustfmt::skip]
rows! {
    tokio_read_limited: source_under!(first(4), short: true, Ready Parts, |script| ws::tokio_read(Reader::new(script)).limit(4));
    tokio_read_limited_exactly: source_under!(ITEMS.to_vec(), short: true, Ready Parts, |script| ws::tokio_read(Reader::new(script)).limit(7));
    tokio_read_under_a_limit: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)).limit(100));
    tokio_read_until: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)).until(EndReason::TimedOut, pending()));
    tokio_read_inspected: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)).inspect(|bytes| assert!(!bytes.is_empty())));
    tokio_read_traced: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)).traced(Span::none()));
    tokio_read_metered: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_read(Reader::new(script)).metered(&Meter::new()));
    tokio_buf_read_limited: source_under!(first(5), short: true, Ready Parts, |script| ws::tokio_buf_read(Reader::new(script)).limit(5));
    tokio_buf_read_under_all: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_buf_read(Reader::new(script)).limit(100).cancel_on(never()).inspect(|_: &[u8]| {}).traced(Span::none()));

    try_stream_limited: source_under!(first(3), short: false, Ready Parts, |script| items(script).limit(3));
    try_stream_limited_exactly: source_under!(ITEMS.to_vec(), short: false, Ready Parts, |script| items(script).limit(7));
    try_stream_under_a_limit: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).limit(100));
    try_stream_until: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).until(EndReason::TimedOut, pending()));
    try_stream_inspected: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).inspect(|item: &u8| assert!(ITEMS.contains(item))));
    try_stream_traced: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).traced(Span::none()));
    try_stream_under_all: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).limit(100).cancel_on(never()).inspect(|_: &u8| {}).traced(Span::none()).metered(&Meter::new()));

    tokio_write_limited: limited!(4, ws::tokio_write);
    tokio_write_limited_exactly: limited!(7, ws::tokio_write);
    tokio_write_under_a_limit: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_write(writer).limit(100));
    tokio_write_until: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_write(writer).until(EndReason::TimedOut, pending()));
    tokio_write_inspected: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_write(writer).inspect(|bytes| assert!(!bytes.is_empty())));
    tokio_write_traced: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_write(writer).traced(Span::none()));
    tokio_write_under_all: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_write(writer).limit(100).cancel_on(never()).inspect(|_: &[u8]| {}).traced(Span::none()).metered(&Meter::new()));

    sink_limited: limited!(4, ws::sink::<_, u8>);
    sink_limited_exactly: limited!(7, ws::sink::<_, u8>);
    sink_under_a_limit: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).limit(100));
    sink_held_under_all: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::sink::<_, u8>(writer).limit(100).cancel_on(never()).inspect(|_: &u8| {}).traced(Span::none()).metered(&Meter::new()));
    sink_until: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).until(EndReason::TimedOut, pending()));
    sink_inspected: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).inspect(|item: &u8| assert!(ITEMS.contains(item))));
    sink_traced: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).traced(Span::none()));
    sink_under_all: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).limit(100).cancel_on(never()).inspect(|_: &u8| {}).traced(Span::none()).metered(&Meter::new()));
}
