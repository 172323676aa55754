//! Rows: the feature `codec`.

use tokio_util::codec::{FramedRead, FramedWrite, LinesCodec};
use wasmtime_streams as ws;
use wasmtime_streams_testing::{self as testing, BoxedCheck, Made};

use super::{Checks, ITEMS, Kind, add, completed, name, names};
use crate::script::{Reader, Script, Step, Writer};

#[path = "../../support/codec.rs"]
mod support;
use support::ByteCodec;

fn text() -> String {
    names().iter().map(|name| format!("{name}\n")).collect()
}

/// Lines that are split over reads.
fn lines_in(kind: Kind) -> BoxedCheck {
    let check = testing::producer(names(), move || {
        let mut steps = Vec::new();
        for part in text().as_bytes().chunks(5) {
            if kind != Kind::Ready {
                steps.extend([Step::Hold, Step::Empty, Step::Pending]);
            }
            steps.push(Step::Data(part.to_vec()));
        }
        if kind == Kind::Fails {
            steps.push(Step::Fail);
        }
        let script = Script::new(steps);
        let control = script.control();
        let lines = FramedRead::new(Reader::new(script), LinesCodec::new_with_max_length(64));
        let (producer, completion) = ws::codec::read(lines).with_completion();
        let holds = text().len().div_ceil(5);
        kind.step(completed(Made::new(producer), completion), control, holds)
    });
    if kind == Kind::Fails { check.fails().short().boxed() } else { check.short().boxed() }
}

/// Lines that the writer accepts in parts.
fn lines_out(kind: Kind) -> BoxedCheck {
    let check = testing::consumer(names(), move || {
        let (script, holds) = kind.sink();
        let control = script.control();
        let writer = Writer::new(script);
        let (log, closed) = (writer.log(), writer.log());
        let lines = FramedWrite::new(writer, LinesCodec::new());
        let (consumer, completion) = ws::codec::write::<_, _, String>(lines).with_completion();
        let made = completed(Made::new(consumer), completion)
            .received(move || {
                let text = String::from_utf8(log.accepted()).unwrap();
                let whole = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
                whole.map(str::to_owned).collect()
            })
            .closed(move || closed.look(|written| written.closed));
        kind.step(made, control, holds)
    });
    if kind == Kind::Fails { check.fails().boxed() } else { check.boxed() }
}

fn all_kinds(check: fn(Kind) -> BoxedCheck) -> Checks {
    [Kind::Ready, Kind::Parts, Kind::Fails].map(check).into_iter().fold(Checks::default(), add)
}

#[rustfmt::skip]
rows! {
    codec_read: source!(ITEMS.to_vec(), short: true, Ready Parts Fails, |script| ws::codec::read(FramedRead::new(Reader::new(script), ByteCodec(|n| n))));
    codec_read_of_strings: source!(names(), short: true, Ready Parts Fails, |script| ws::codec::read(FramedRead::new(Reader::new(script), ByteCodec(name))));
    codec_read_of_lines: all_kinds(lines_in);
    codec_write: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::codec::write::<_, _, u8>(FramedWrite::new(writer, ByteCodec(|n| n))));
    codec_write_small_buffer: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::codec::write::<_, _, u8>(FramedWrite::with_capacity(writer, ByteCodec(|n| n), 2)));
    codec_write_strict: sink!(ITEMS.to_vec(), Ready Parts Fails, |writer| ws::codec::write::<_, _, u8>(FramedWrite::new(writer, ByteCodec(|n| n))).batch(1));
    codec_write_of_lines: all_kinds(lines_out);
}
