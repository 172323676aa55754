//! An object that panics when it is notified of its end, and a waker that panics. Nothing else is left waiting.

use std::convert::Infallible;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures::FutureExt as _;
use futures::channel::oneshot;
use wasmtime_streams::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, End, EndReason, ItemConsumer, ItemProducer,
    ItemSink, ItemSource, Take, Then, tokio_io,
};
use wasmtime_streams_testing::{Guest, Setup, executor};

use crate::support::guest::with_guest;
use crate::support::script::{Reader, Script, Step, Writer};

/// Panics when it is notified of its end. Only the first time, as a second panic would abort the process.
#[derive(Default)]
struct Panics {
    notified: bool,
}

/// The `ended` of each trait.
macro_rules! notified {
    () => {
        fn ended(mut self: Pin<&mut Self>, _: EndReason) {
            assert!(std::mem::replace(&mut self.notified, true), "scripted panic in `ended`");
        }
    };
}

impl ByteSource for Panics {
    type Error = Infallible;

    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        buf[0] = 1;
        Poll::Ready(Ok((1, Then::Stop)))
    }

    notified!();
}

impl ItemSource for Panics {
    type Item = u8;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        _: usize,
        out: &mut Vec<u8>,
    ) -> Poll<Result<Then, Infallible>> {
        out.push(1);
        Poll::Ready(Ok(Then::Stop))
    }

    notified!();
}

impl ByteSink for Panics {
    type Error = Infallible;

    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<Infallible>>> {
        Poll::Ready(Ok(buf.len()))
    }

    unbuffered!();
    notified!();
}

impl ItemSink for Panics {
    type Item = u8;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        items: &mut dyn Take<u8>,
    ) -> Poll<Result<(), End<Infallible>>> {
        items.take(usize::MAX, &mut Vec::new());
        Poll::Ready(Ok(()))
    }

    unbuffered!();
    notified!();
}

/// What ends the stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    Handle,
    Signal,
    Guest,
    Store,
}

/// Ends a stream over a `Panics` in each way, and adds to `$wrong` if its completion then waits for ever.
macro_rules! ends {
    ($wrong:ident, $type:ident, $open:ident, $operate:ident, $drop:ident, $dropped:ident) => {
        for by in [By::Handle, By::Signal, By::Guest, By::Store] {
            let (signal, ending) = oneshot::channel::<()>();
            let made = $type::new(Panics::default()).until(EndReason::TimedOut, ending.map(drop));
            let (made, done) = made.with_completion();
            let handle = done.cancel_handle();
            // The panic may surface anywhere.
            let _ = catch_unwind(AssertUnwindSafe(|| {
                with_guest::<u8, _>(async |guest| {
                    let stream = guest.$open(made).await;
                    match by {
                        By::Handle => handle.cancel(),
                        By::Signal => {
                            drop(signal);
                            guest.$operate(stream, 1).await;
                        }
                        By::Guest => guest.$drop(stream).await,
                        By::Store => {}
                    }
                });
            }));
            let end = executor::try_run(done).0.map(|done| done.end);
            let as_expected = match (&end, by) {
                (Ok(End::Cancelled), By::Handle) => true,
                (Ok(end), By::Signal) => !end.is_finished(),
                (Ok(End::$dropped), By::Guest | By::Store) => true,
                _ => false,
            };
            if !as_expected {
                $wrong.push(format!("{}, {by:?}: {end:?}", stringify!($type)));
            }
        }
    };
}

#[test]
fn a_completion_resolves_though_its_object_panics_when_notified_of_the_end() {
    // Rule "Completion": it resolves, whatever the object does.
    let mut wrong = Vec::new();
    ends!(wrong, ByteProducer, source, read, drop_readable, PeerDropped);
    ends!(wrong, ItemProducer, source, read, drop_readable, PeerDropped);
    ends!(wrong, ByteConsumer, sink, write, drop_writable, Finished);
    ends!(wrong, ItemConsumer, sink, write, drop_writable, Finished);
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// A waker that counts, and with `panics` panics the first time.
struct Wakes {
    panics: bool,
    count: AtomicUsize,
}

impl Wakes {
    fn new(panics: bool) -> Arc<Self> {
        Arc::new(Self { panics, count: AtomicUsize::new(0) })
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        let first = self.count.fetch_add(1, Ordering::SeqCst) == 0;
        assert!(!(first && self.panics), "as it is woken");
    }
}

fn poll<F: Future>(future: Pin<&mut F>, wakes: &Arc<Wakes>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(wakes.clone())))
}

/// Parks an operation, polls the completion, and ends the stream. The waker of one of the two panics. Returns whether
/// the other was woken and is ready.
fn other_is_woken(by: By, sink: bool, operation_panics: bool) -> bool {
    let held = || Script::new([Step::Hold]);
    let (signal, ending) = oneshot::channel::<()>();
    let ending = ending.map(drop);
    let read = tokio_io::read(Reader::new(held())).until(EndReason::TimedOut, ending);
    let (producer, read) = read.with_completion();
    let (signal_2, ending) = oneshot::channel::<()>();
    let ending = ending.map(drop);
    let write = tokio_io::write(Writer::new(held())).until(EndReason::TimedOut, ending);
    let (consumer, written) = write.with_completion();
    let (signal, handle) =
        if sink { (signal_2, written.cancel_handle()) } else { (signal, read.cancel_handle()) };
    let mut done = if sink { written.map(drop).boxed() } else { read.map(drop).boxed() };
    let mut store = pin!(Setup::new(()).drive(async |guest: &Guest<'_, (), u8>| {
        if sink {
            let stream = guest.sink(consumer).await;
            guest.send(stream, &[1]).await
        } else {
            let stream = guest.source(producer).await;
            guest.recv(stream, 1).await.0
        }
    }));
    // Until the operation is parked.
    let quiet = Wakes::new(false);
    let mut seen = usize::MAX;
    while seen != quiet.count() {
        seen = quiet.count();
        assert!(poll(store.as_mut(), &quiet).is_pending());
    }
    let (operation, completion) = (Wakes::new(operation_panics), Wakes::new(!operation_panics));
    assert!(poll(store.as_mut(), &operation).is_pending());
    assert!(poll(Pin::new(&mut done), &completion).is_pending());
    assert_eq!((operation.count(), completion.count()), (0, 0));
    let mut signal = Some(signal);
    let panics = catch_unwind(AssertUnwindSafe(|| match by {
        By::Handle => handle.cancel(),
        _ => drop(signal.take()),
    }));
    assert!(panics.is_err(), "no waker panicked");
    // Its drop would wake as well.
    std::mem::forget(signal);
    let (other, other_is_done) = if operation_panics {
        (completion.count(), poll(Pin::new(&mut done), &quiet).is_ready())
    } else {
        (operation.count(), poll(store.as_mut(), &quiet).is_ready())
    };
    other > 0 && other_is_done
}

#[test]
fn a_waker_that_panics_does_not_keep_the_other_from_being_woken() {
    // Rule "Completion": the guest's operation and the completion both see the end.
    let mut wrong = Vec::new();
    for by in [By::Handle, By::Signal] {
        for sink in [false, true] {
            for operation_panics in [true, false] {
                if !other_is_woken(by, sink, operation_panics) {
                    let who = if operation_panics { "operation" } else { "completion" };
                    wrong.push(format!("{by:?}, sink: {sink}, the waker of the {who} panics"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
