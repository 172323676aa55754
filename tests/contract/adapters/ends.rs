//! Rows: adapters under layers, with a completion and without. The layers break no rule. All scripts of two operations
//! are run, and random longer ones: the rows of the bare adapters have those of three.

use std::future::pending;

use tokio_util::sync::CancellationToken;
use tracing::Span;
use wasmtime_streams as ws;
use wasmtime_streams::{EndReason, Meter};
use wasmtime_streams_testing::{self as testing, Made};

use super::{ITEMS, Kind, add, completed};
use crate::script::{ItemStream, Reader, Writer};

/// Checks a source under layers, with a completion and without one.
macro_rules! source_under {
    ($items:expr, short: $short:literal, $($kind:ident)*, $make:expr) => {{
        let mut checks = source!($items, depth: 2, short: $short, $($kind)*, $make);
        $({
            let check = testing::producer($items, || {
                let (script, holds) = Kind::$kind.source();
                let control = script.control();
                Kind::$kind.step(Made::new($make(script)), control, holds)
            });
            let check = if $short { check.short() } else { check };
            let check = if Kind::$kind == Kind::Fails { check.fails() } else { check };
            checks = add(checks, check.depth(2).boxed());
        })*
        checks
    }};
}

/// The same for a sink. Without a completion nobody closes it.
macro_rules! sink_under {
    ($items:expr, $($kind:ident)*, $make:expr) => {{
        let mut checks = sink!($items, depth: 2, $($kind)*, $make);
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
            checks = add(checks, check.depth(2).boxed());
        })*
        checks
    }};
}

/// A sink whose limit is below what is written.
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
        .boxed()
    };
}

/// The items up to the limit.
fn first(limit: usize) -> Vec<u8> {
    ITEMS[..limit].to_vec()
}

fn never() -> CancellationToken {
    CancellationToken::new()
}

fn items(script: crate::script::Script) -> ws::ItemProducer<ws::streams::TryItems<ItemStream<u8>>> {
    ws::streams::try_items(ItemStream::new(script, |byte| byte))
}

/// Holds no items. Without a completion nobody would send them after the guest is gone.
fn strict(writer: Writer<u8>) -> ws::ItemConsumer<ws::sinks::Items<Writer<u8>, u8>> {
    ws::sinks::items(writer).batch(1)
}

#[rustfmt::skip]
rows! {
    tokio_io_read_limited: source_under!(first(4), short: true, Ready Parts, |script| ws::tokio_io::read(Reader::new(script)).limit(4));
    tokio_io_read_limited_exactly: source_under!(ITEMS.to_vec(), short: true, Ready Parts, |script| ws::tokio_io::read(Reader::new(script)).limit(7));
    tokio_io_read_under_a_limit: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)).limit(100));
    tokio_io_read_until: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)).until(EndReason::TimedOut, pending()));
    tokio_io_read_inspected: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)).inspect(|bytes| assert!(!bytes.is_empty())));
    tokio_io_read_traced: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)).traced(Span::none()));
    tokio_io_read_metered: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::read(Reader::new(script)).metered(&Meter::new()));
    tokio_io_buf_read_limited: source_under!(first(5), short: true, Ready Parts, |script| ws::tokio_io::buf_read(Reader::new(script)).limit(5));
    tokio_io_buf_read_under_all: source_under!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::tokio_io::buf_read(Reader::new(script)).limit(100).cancel_on(never()).inspect(|_: &[u8]| {}).traced(Span::none()));

    streams_try_items_limited: source_under!(first(3), short: false, Ready Parts, |script| items(script).limit(3));
    streams_try_items_limited_exactly: source_under!(ITEMS.to_vec(), short: false, Ready Parts, |script| items(script).limit(7));
    streams_try_items_under_a_limit: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).limit(100));
    streams_try_items_until: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).until(EndReason::TimedOut, pending()));
    streams_try_items_inspected: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).inspect(|item: &u8| assert!(ITEMS.contains(item))));
    streams_try_items_traced: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).traced(Span::none()));
    streams_try_items_under_all: source_under!(ITEMS.to_vec(), short: false, Ready Parts Fails, |script| items(script).limit(100).cancel_on(never()).inspect(|_: &u8| {}).traced(Span::none()).metered(&Meter::new()));

    tokio_io_write_limited: limited!(4, ws::tokio_io::write);
    tokio_io_write_limited_exactly: limited!(7, ws::tokio_io::write);
    tokio_io_write_under_a_limit: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_io::write(writer).limit(100));
    tokio_io_write_until: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_io::write(writer).until(EndReason::TimedOut, pending()));
    tokio_io_write_inspected: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_io::write(writer).inspect(|bytes| assert!(!bytes.is_empty())));
    tokio_io_write_traced: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_io::write(writer).traced(Span::none()));
    tokio_io_write_under_all: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::tokio_io::write(writer).limit(100).cancel_on(never()).inspect(|_: &[u8]| {}).traced(Span::none()).metered(&Meter::new()));

    sinks_items_limited: limited!(4, ws::sinks::items::<_, u8>);
    sinks_items_limited_exactly: limited!(7, ws::sinks::items::<_, u8>);
    sinks_items_under_a_limit: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).limit(100));
    sinks_items_held_under_all: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::sinks::items::<_, u8>(writer).limit(100).cancel_on(never()).inspect(|_: &u8| {}).traced(Span::none()).metered(&Meter::new()));
    sinks_items_until: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).until(EndReason::TimedOut, pending()));
    sinks_items_inspected: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).inspect(|item: &u8| assert!(ITEMS.contains(item))));
    sinks_items_traced: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).traced(Span::none()));
    sinks_items_under_all: sink_under!(ITEMS.to_vec(), Ready Parts Fails, |writer| strict(writer).limit(100).cancel_on(never()).inspect(|_: &u8| {}).traced(Span::none()).metered(&Meter::new()));
}
