//! Checks a producer written by hand against the contract, with a mistake and without: `cargo run --example check_your_own`
//!
//! In your project this is a test: what makes your type, and `assert()` in place of `run()`.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use wasmtime::component::{Destination, StreamProducer, StreamResult, VecBuffer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::{self as testing, Made};

/// A channel as a `stream<u32>`. Its readiness shows only by taking an item.
struct Channel {
    rx: UnboundedReceiver<u32>,
    /// The guest's last operation was a zero-length read.
    asked: bool,
    /// An item that was looked ahead by a zero-length read.
    ahead: Option<u32>,
    with_mistake: bool,
}

impl<D: 'static> StreamProducer<D> for Channel {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u32, VecBuffer<u32>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        // The guest cancels this one read. Nothing is taken from the channel, and the next read goes on from here. The
        // mistake is to take `finish` for the end of the stream.
        if finish && self.with_mistake {
            return Poll::Ready(Ok(StreamResult::Dropped));
        } else if finish {
            return Poll::Ready(Ok(StreamResult::Cancelled));
        }
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

/// Makes a producer and its channel, which the kit does for each script. It calls `step` to make the next item arrive;
/// after the last one that drops the sender, which ends the stream. Without a `step` all items must be ready from the start.
fn made(with_mistake: bool) -> Made<Channel> {
    let (tx, rx) = unbounded_channel();
    let (mut tx, mut next) = (Some(tx), 1);
    Made::new(Channel { rx, asked: false, ahead: None, with_mistake }).step(move || {
        if next > 6 {
            return tx.take().is_some();
        }
        // Fails if the guest has dropped its end.
        let _ = tx.as_ref().map(|tx| tx.send(next));
        next += 1;
        true
    })
}

fn main() {
    // What must arrive, in this order. All different, so that a finding can name the one that is lost.
    let items: Vec<u32> = (1..=6).collect();
    for (title, with_mistake) in [("With the mistake:", true), ("Without it:", false)] {
        println!("{title}\n");
        match testing::producer(items.clone(), move || made(with_mistake)).run() {
            Ok(report) => println!("{report}: nothing was found"),
            Err(failure) => println!("{failure}\n"),
        }
    }
}
