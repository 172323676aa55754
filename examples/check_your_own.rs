//! Checks a producer that was written by hand, with one mistake in it, and then the corrected one.
//!
//! ```text
//! cargo run --example check_your_own --features testing
//! ```
//!
//! In a project of your own this is a test: a `make` for your type, and [`Check::assert`] in place of `run`.
//!
//! [`Check::assert`]: wasmtime_streams::testing::Check::assert

use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams::testing::{self, Made};

/// A channel as a `stream<u32>`, as one writes it in a hurry.
struct Hurried(UnboundedReceiver<u32>);

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
        answer(&mut self.0, cx, store, &mut destination)
    }
}

/// The same, corrected.
struct Careful(UnboundedReceiver<u32>);

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
        answer(&mut self.0, cx, store, &mut destination)
    }
}

/// What both have in common: as many items as the guest wants, as far as they are there.
fn answer<'a, D: 'static>(
    rx: &mut UnboundedReceiver<u32>,
    cx: &mut Context<'_>,
    store: StoreContextMut<'a, D>,
    destination: &mut Destination<'a, u32, VecBuffer<u32>>,
) -> Poll<Result<StreamResult>> {
    // The guest may name any number: never allocate by it. 0 only asks whether something is ready.
    let wanted = destination.remaining(store).unwrap_or(64).min(1024);
    if wanted == 0 {
        return Poll::Ready(Ok(StreamResult::Completed));
    }
    let mut items = Vec::new();
    match rx.poll_recv_many(cx, &mut items, wanted) {
        Poll::Ready(0) => Poll::Ready(Ok(StreamResult::Dropped)),
        Poll::Ready(_) => {
            destination.set_buffer(items.into());
            Poll::Ready(Ok(StreamResult::Completed))
        }
        Poll::Pending => Poll::Pending,
    }
}

/// Makes a fresh producer for each script, with its channel. The kit calls `step` to let the next items arrive; after the
/// last ones the sender is dropped, which is the end. Without a `step` everything must be ready from the start.
fn fed<P>(make: fn(UnboundedReceiver<u32>) -> P) -> impl Fn() -> Made<P> {
    move || {
        let (tx, rx) = unbounded_channel();
        let (mut tx, mut next) = (Some(tx), 1);
        Made::new(make(rx)).step(move || {
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
