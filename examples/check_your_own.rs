//! Checks a producer that was written by hand, with one mistake in it, and then the corrected one.
//!
//! ```text
//! cargo run --example check_your_own
//! ```
//!
//! In a project of your own this is a test: a `make` for your type, and [`Check::assert`] in place of `run`.
//!
//! [`Check::assert`]: wasmtime_streams_testing::Check::assert

use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::{self as testing, Made};

/// A channel that cannot tell whether an item is there without taking it.
struct Channel {
    rx: UnboundedReceiver<u32>,
    /// The guest asked whether something is ready, and has not read since.
    asked: bool,
    /// An item that was taken to answer that.
    ahead: Option<u32>,
}

/// A channel as a `stream<u32>`, as one writes it in a hurry.
struct Hurried(Channel);

impl<D: 'static> StreamProducer<D> for Hurried {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u32, VecBuffer<u32>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        // The mistake. It reads as if somebody wanted the stream to finish; but the guest only cancels this one read,
        // and may well read on.
        if finish {
            return Poll::Ready(Ok(StreamResult::Dropped));
        }
        self.0.answer(cx, store, &mut destination)
    }
}

/// The same, corrected.
struct Careful(Channel);

impl<D: 'static> StreamProducer<D> for Careful {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u32, VecBuffer<u32>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        // This read is over, with nothing taken from the channel. What is sent later is for the next one.
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        self.0.answer(cx, store, &mut destination)
    }
}

impl Channel {
    /// What both have in common: as many items as the guest wants, as far as they are there.
    fn answer<'a, D: 'static>(
        &mut self,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: &mut Destination<'a, u32, VecBuffer<u32>>,
    ) -> Poll<Result<StreamResult>> {
        // The guest may name any number: never allocate by it.
        let wanted = destination.remaining(store).unwrap_or(64).min(1024);
        // 0 only asks whether something is ready. Once that may be answered by "maybe"; but a guest that asks again, without
        // having read, would do so for ever. So now an item is taken, which waits here for the next read.
        if wanted == 0 {
            if std::mem::replace(&mut self.asked, true) && self.ahead.is_none() {
                match self.rx.poll_recv(cx) {
                    Poll::Ready(None) => return Poll::Ready(Ok(StreamResult::Dropped)),
                    Poll::Ready(item) => self.ahead = item,
                    Poll::Pending => return Poll::Pending,
                }
            }
            return Poll::Ready(Ok(StreamResult::Completed));
        }
        self.asked = false;
        let mut items: Vec<_> = self.ahead.take().into_iter().collect();
        let more = wanted - items.len();
        let received =
            if more > 0 { self.rx.poll_recv_many(cx, &mut items, more) } else { Poll::Pending };
        if items.is_empty() {
            return received.map(|_| Ok(StreamResult::Dropped));
        }
        destination.set_buffer(items.into());
        Poll::Ready(Ok(StreamResult::Completed))
    }
}

/// Makes a fresh producer for each script, with its channel. The kit calls `step` to let the next items arrive; after the
/// last ones the sender is dropped, which is the end. Without a `step` everything must be ready from the start.
fn fed<P>(make: fn(Channel) -> P) -> impl Fn() -> Made<P> {
    move || {
        let (tx, rx) = unbounded_channel();
        let (mut tx, mut next) = (Some(tx), 1);
        Made::new(make(Channel { rx, asked: false, ahead: None })).step(move || {
            if next > 6 {
                return tx.take().is_some();
            }
            for item in [next, next + 1] {
                // An error means that the guest has dropped its end.
                tx.as_ref().map(|tx| tx.send(item));
            }
            next += 2;
            true
        })
    }
}

fn main() -> ExitCode {
    // All that must arrive, in this order: best all different.
    let items: Vec<u32> = (1..=6).collect();

    println!("The hurried producer:\n");
    let Err(failure) = testing::producer(items.clone(), fed(Hurried)).run() else {
        println!("nothing was found, and it should have been");
        return ExitCode::FAILURE;
    };
    println!("{failure}\n");

    println!("The corrected one:\n");
    match testing::producer(items, fed(Careful)).run() {
        Ok(report) => println!("{report}: nothing was found"),
        Err(failure) => {
            println!("{failure}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}
