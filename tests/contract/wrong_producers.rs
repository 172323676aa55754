//! Common mistakes in how producers answer, one in each.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{Completed, Dropped};
use wasmtime_streams_testing::{Finding, Made, producer};

use crate::wrong::{ITEMS, assert_found, batch, fed, full, items, nothing, ready, wrong_producer};

wrong_producer! {
    /// Gives one item a poll.
    struct OneAtATime { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        if dst.remaining(store) == Some(0) {
            return Poll::Ready(Ok(Completed));
        }
        match this.rx.poll_recv(cx) {
            Poll::Ready(Some(item)) => {
                dst.set_buffer(vec![item].into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => nothing!(finish),
        }
    }
}

#[test]
fn one_item_a_poll() {
    let check = producer(items(), ready(|rx| OneAtATime { rx }));
    assert_found(check, Finding::PartlyFilled, "Fill each operation");
}

wrong_producer! {
    /// Hands over each chunk as it arrives.
    struct ForwardsChunks { rx: Rx<Vec<u32>> }
    |this, cx, store, dst, finish| {
        if dst.remaining(store) == Some(0) {
            return Poll::Ready(Ok(Completed));
        }
        match this.rx.poll_recv(cx) {
            Poll::Ready(Some(chunk)) => {
                dst.set_buffer(chunk.into());
                Poll::Ready(Ok(Completed))
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => nothing!(finish),
        }
    }
}

#[test]
fn an_empty_chunk_completes_with_nothing() {
    let chunks = || full([vec![1, 2, 3], vec![], vec![4, 5, 6], vec![7]]);
    let check = producer(items(), move || Made::new(ForwardsChunks { rx: chunks() })).short();
    assert_found(check, Finding::CompletedWithNothing, "No empty completions");
}

#[test]
fn a_chunk_is_handed_over_whole() {
    let chunks = || full([ITEMS.to_vec()]);
    let check = producer(items(), move || Made::new(ForwardsChunks { rx: chunks() }));
    assert_found(check, Finding::Overfilled, "Bounded memory");
}

wrong_producer! {
    struct NoWaker { rx: Rx<u32> }
    |this, _, store, dst, finish| {
        if dst.remaining(store) == Some(0) {
            return Poll::Ready(Ok(Completed));
        }
        match this.rx.try_recv() {
            Ok(item) => {
                dst.set_buffer(vec![item].into());
                Poll::Ready(Ok(Completed))
            }
            Err(_) if this.rx.is_closed() => Poll::Ready(Ok(Dropped)),
            Err(_) => nothing!(finish),
        }
    }
}

#[test]
fn pending_without_a_waker() {
    let check = producer(items(), fed(|rx| NoWaker { rx }));
    assert_found(check, Finding::LostWakeup, "Register the current waker");
}

wrong_producer! {
    struct WakesItself { rx: Rx<u32> }
    |this, cx, store, dst, finish| {
        if dst.remaining(store) == Some(0) {
            return Poll::Ready(Ok(Completed));
        }
        match this.rx.try_recv() {
            Ok(item) => {
                dst.set_buffer(vec![item].into());
                Poll::Ready(Ok(Completed))
            }
            Err(_) if this.rx.is_closed() => Poll::Ready(Ok(Dropped)),
            Err(_) => {
                cx.waker().wake_by_ref();
                nothing!(finish)
            }
        }
    }
}

#[test]
fn pending_that_always_wakes_itself() {
    let check = producer(items(), fed(|rx| WakesItself { rx }));
    assert_found(check, Finding::Spins, "Register the current waker");
}

#[derive(Default)]
struct Mailbox {
    items: Vec<u32>,
    closed: bool,
    waker: Option<Waker>,
}

wrong_producer! {
    /// Registers the waker of the first poll only.
    struct FirstWaker { mailbox: Arc<Mutex<Mailbox>> }
    |this, cx, store, dst, finish| {
        let mut mailbox = this.mailbox.lock().unwrap();
        let wanted = dst.remaining(store).unwrap_or(64).min(mailbox.items.len());
        if wanted > 0 {
            dst.set_buffer(mailbox.items.drain(..wanted).collect::<Vec<_>>().into());
        } else if mailbox.items.is_empty() {
            if mailbox.closed {
                return Poll::Ready(Ok(Dropped));
            }
            mailbox.waker.get_or_insert_with(|| cx.waker().clone());
            return nothing!(finish);
        }
        Poll::Ready(Ok(Completed))
    }
}

#[test]
fn a_waker_that_is_kept_from_an_earlier_poll() {
    let check = producer(items(), || {
        let mailbox = Arc::new(Mutex::new(Mailbox::default()));
        let sender = mailbox.clone();
        Made::new(FirstWaker { mailbox }).step(move || {
            let mut mailbox = sender.lock().unwrap();
            let more = !mailbox.closed;
            if more {
                mailbox.items.extend(ITEMS);
                mailbox.closed = true;
            }
            mailbox.waker.iter().for_each(Waker::wake_by_ref);
            more
        })
    });
    assert_found(check, Finding::LostWakeup, "Register the current waker");
}

wrong_producer! {
    /// Hands over what it has, and waits for the rest.
    struct WaitsForTheRest { rx: Rx<u32>, given: usize }
    |this, cx, store, dst, finish| {
        let wanted = dst.remaining(store).unwrap_or(64);
        match batch(&mut this.rx, wanted, cx) {
            Poll::Ready(Some(items)) => {
                this.given += items.len();
                let all = items.len() == wanted || this.given == ITEMS.len();
                dst.set_buffer(items.into());
                if all { Poll::Ready(Ok(Completed)) } else { Poll::Pending }
            }
            Poll::Ready(None) => Poll::Ready(Ok(Dropped)),
            Poll::Pending => nothing!(finish),
        }
    }
}

#[test]
fn pending_after_producing() {
    let check = producer(items(), fed(|rx| WaitsForTheRest { rx, given: 0 }));
    assert_found(check, Finding::PendingAfterProducing, "Register the current waker");
}
