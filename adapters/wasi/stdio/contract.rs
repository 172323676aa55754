//! The contract kit over several streams of one object: each operation goes to another stream than the one before, and
//! streams are dropped and opened in between. The guest must see one stream that keeps the contract.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use wasmtime::component::{
    Destination, Source, StreamConsumer, StreamProducer, StreamResult, VecBuffer,
};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::inner::{Control, Reader, Script, Step, Writer};
use wasmtime_streams_testing::{self as testing, Made, Reported};

use super::object::Input;
use super::shared::Opened;
use super::{Reading, Stdio, Writing};
use crate::{Completion, End, tokio_io};

const ITEMS: [u8; 7] = [1, 2, 3, 4, 5, 6, 7];

/// How many streams are open at a time.
const STREAMS: usize = 3;

/// Streams over the object of a [`Stdio`], one of which has the next operation.
struct Several<S> {
    stdio: Stdio,
    open: fn(&Stdio) -> S,
    streams: VecDeque<S>,
}

impl<S> Several<S> {
    fn new(stdio: Stdio, open: fn(&Stdio) -> S) -> Self {
        let streams = (0..STREAMS).map(|_| open(&stdio)).collect();
        Self { stdio, open, streams }
    }

    /// Goes on with another stream once an operation has its answer. The stream that had it is dropped.
    fn next(&mut self, answer: Poll<Result<StreamResult>>) -> Poll<Result<StreamResult>> {
        if answer.is_ready() {
            self.streams.pop_front();
            self.streams.push_back((self.open)(&self.stdio));
        }
        answer
    }
}

impl<D: 'static> StreamProducer<D> for Several<Reading> {
    type Item = u8;
    type Buffer = VecBuffer<u8>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: Destination<'a, u8, VecBuffer<u8>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let answer = Pin::new(&mut self.streams[0]).poll_produce(cx, store, destination, finish);
        self.next(answer)
    }
}

impl<D: 'static> StreamConsumer<D> for Several<Writing> {
    type Item = u8;

    fn poll_consume(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'_, D>,
        source: Source<'_, u8>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let answer = Pin::new(&mut self.streams[0]).poll_consume(cx, store, source, finish);
        self.next(answer)
    }
}

/// How the object behaves.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Ready,
    /// A part at a time, each released by the test.
    Parts,
    /// The same, and it fails at the end.
    Fails,
}

impl Kind {
    fn source(self) -> (Script, usize) {
        let mut steps = Vec::new();
        for part in ITEMS.chunks(2) {
            if self != Kind::Ready {
                steps.extend([Step::Hold, Step::Pending]);
            }
            steps.push(Step::Data(part.to_vec()));
        }
        if self == Kind::Fails {
            steps.push(Step::Fail);
        }
        (Script::new(steps), ITEMS.len().div_ceil(2))
    }

    fn sink(self) -> (Script, usize) {
        if self == Kind::Ready {
            return (Script::new([]), 0);
        }
        let mut steps = Vec::new();
        for accept in [2, 1, 3] {
            steps.extend([Step::Hold, Step::Accept(accept), Step::Pending]);
        }
        steps.push(if self == Kind::Fails { Step::Fail } else { Step::Hold });
        (Script::new(steps), if self == Kind::Fails { 3 } else { 4 })
    }
}

/// Reports the result of the completion, lets the kit drive it, cuts the stream by its handle, and releases the object.
fn completed<X, V, S, E>(
    made: Made<X, V>,
    completion: Completion<S, E>,
    (control, mut left): (Control, usize),
) -> Made<X, V>
where
    S: Unpin + 'static,
    E: 'static,
{
    let reports = Arc::new(Mutex::new(Vec::new()));
    let results = reports.clone();
    let handle = completion.cancel_handle();
    made.drive(async move {
        let report = match completion.await.end {
            End::Cancelled => Reported::Cut,
            End::Failed(_) => Reported::Failed,
            _ => Reported::Ended,
        };
        results.lock().unwrap().push(report);
    })
    .cut(move || handle.cancel())
    .reports(move || reports.lock().unwrap().clone())
    .step(move || {
        let more = left > 0;
        if more {
            left -= 1;
            control.release();
        }
        more
    })
}

fn reads(kind: Kind, buffered: bool) {
    let check = testing::producer(ITEMS.to_vec(), move || {
        let (script, holds) = kind.source();
        let (control, reader) = (script.control(), Reader::new(script));
        let open = |stdio: &Stdio| Reading(stdio.stdin.as_ref().unwrap().shared.open().0);
        if buffered {
            let (stdin, completion) = tokio_io::buf_read(reader).with_completion();
            let several = Several::new(Stdio::new().stdin(stdin), open);
            return completed(Made::new(several), completion, (control, holds));
        }
        let (stdin, completion) = tokio_io::read(reader).with_completion();
        let several = Several::new(Stdio::new().stdin(stdin), open);
        completed(Made::new(several), completion, (control, holds))
    });
    let check = check.short();
    if kind == Kind::Fails {
        check.fails().assert()
    } else {
        check.assert()
    };
}

#[test]
fn streams_of_stdin_that_take_turns_keep_the_contract() {
    for kind in [Kind::Ready, Kind::Parts, Kind::Fails] {
        reads(kind, false);
    }
}

#[test]
fn streams_of_a_stdin_that_can_tell_when_it_is_ready_keep_the_contract() {
    for kind in [Kind::Ready, Kind::Parts, Kind::Fails] {
        reads(kind, true);
    }
}

fn writes(kind: Kind) {
    let check = testing::consumer(ITEMS.to_vec(), move || {
        let (script, holds) = kind.sink();
        let (control, writer) = (script.control(), Writer::new(script));
        let (log, closed) = (writer.log(), writer.log());
        let (stdout, completion) = tokio_io::write(writer).with_completion();
        let open = |stdio: &Stdio| Writing(stdio.stdout.as_ref().unwrap().shared.open().0);
        let several = Several::new(Stdio::new().stdout(stdout), open);
        completed(Made::new(several), completion, (control, holds))
            .received(move || log.accepted())
            .closed(move || closed.look(|written| written.closed))
    });
    if kind == Kind::Fails {
        check.fails().assert()
    } else {
        check.assert()
    };
}

#[test]
fn streams_to_stdout_that_take_turns_keep_the_contract() {
    for kind in [Kind::Ready, Kind::Parts, Kind::Fails] {
        writes(kind);
    }
}

#[test]
fn a_stream_that_no_longer_waits_leaves_nothing_in_the_queue() {
    // Rule "Bounded memory": a guest may open, cancel and drop as many as it likes while one operation waits.
    let stdin = tokio_io::read(Reader::new(Script::new([Step::Hold])));
    let stdio = Stdio::new().stdin(stdin);
    let shared = &stdio.stdin.as_ref().unwrap().shared;
    let poll = |stream: &mut Opened<dyn Input>, waker: &Waker| {
        let mut cx = Context::from_waker(waker);
        stream.poll(&mut cx, |input, cx| input.poll_read(cx, &mut [0; 4], &mut 0))
    };
    let (mut first, _) = shared.open();
    assert!(poll(&mut first, Waker::noop()).is_pending());
    let kept = Arc::new(Kept);
    let waker = Waker::from(kept.clone());
    let before = Arc::strong_count(&kept);
    let (mut cancelled, _) = shared.open();
    let (mut dropped, _) = shared.open();
    for stream in [&mut cancelled, &mut dropped] {
        assert!(poll(stream, &waker).is_pending());
        assert!(poll(stream, &waker).is_pending());
    }
    assert_eq!(Arc::strong_count(&kept), before + 2);
    cancelled.cancel();
    drop(dropped);
    assert_eq!(Arc::strong_count(&kept), before);
}

/// A waker's data, which counts how many there are.
struct Kept;

impl Wake for Kept {
    fn wake(self: Arc<Self>) {}
}
