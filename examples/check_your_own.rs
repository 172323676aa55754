//! Checks a producer written by hand that has one mistake, and then the corrected one.
//!
//! ```text
//! cargo run --example check_your_own
//! ```
//!
//! In your project this is a test: a `make` for your type, and [`Check::assert`] in place of `run`.
//!
//! [`Check::assert`]: wasmtime_streams_testing::Check::assert

use std::pin::Pin;
use std::process::ExitCode;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::{self as testing, Made};

/// A channel whose readiness shows only by taking an item.
struct Channel {
    rx: UnboundedReceiver<u32>,
    /// The guest's last operation was a zero-length read.
    asked: bool,
    /// An item that was looked ahead by a zero-length read.
    ahead: Option<u32>,
}

/// A channel as a `stream<u32>`, written in a hurry.
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
        // The mistake. `finish` does not end the stream: the guest cancels this one read, and may read again.
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
        // Cancels this read, with nothing taken from the channel. The next read goes on from here.
        if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
        self.0.answer(cx, store, &mut destination)
    }
}

impl Channel {
    /// The part that both share: produces as many items as the guest asks for and the channel has.
    fn answer<'a, D: 'static>(
        &mut self,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        destination: &mut Destination<'a, u32, VecBuffer<u32>>,
    ) -> Poll<Result<StreamResult>> {
        // The guest may name any number: never allocate by it alone.
        let wanted = destination.remaining(store).unwrap_or(64).min(1024);
        // A zero-length read asks whether an item is ready. The first one in a row may complete at once. A guest that
        // repeats it would spin, so the second one takes an item, and keeps it for the next read.
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

/// Makes a producer and its channel for each script. The kit calls `step` to make the next items arrive; after the last
/// ones it drops the sender, which ends the stream. Without a `step` all items must be ready from the start.
fn fed<P>(make: fn(Channel) -> P) -> impl Fn() -> Made<P> {
    move || {
        let (tx, rx) = unbounded_channel();
        let (mut tx, mut next) = (Some(tx), 1);
        Made::new(make(Channel { rx, asked: false, ahead: None })).step(move || {
            if next > 6 {
                return tx.take().is_some();
            }
            for item in [next, next + 1] {
                // Fails if the guest has dropped its end.
                tx.as_ref().map(|tx| tx.send(item));
            }
            next += 2;
            true
        })
    }
}

fn main() -> ExitCode {
    // What must arrive, in this order. All different, so that a finding can name the one that is lost.
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
