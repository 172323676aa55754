//! Common mistakes beside a stream: futures that stay open after its end, and channel places that stay occupied.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use futures::FutureExt as _;
use futures::channel::oneshot;
use tokio::sync::mpsc;
use tokio_util::sync::PollSender;
use wasmtime::component::StreamResult::{self, Cancelled, Completed, Dropped};
use wasmtime::component::{Destination, Source, StreamConsumer, StreamProducer, VecBuffer};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};
use wasmtime_streams_testing::{
    Check, Finding, Made, ReceiverEnd, StreamIn, StreamOut, consumer, producer,
};

use crate::wrong::{assert_found, items, take};

const RULE: &str = "Truncated is never complete";

/// A body with trailers, and with a future that gives the guest its result.
pub struct WithTrailers {
    items: Vec<u32>,
    cancelled: Arc<Mutex<bool>>,
    trailers: Slot<()>,
    result: Slot<Result<(), &'static str>>,
    mistake: BesideMistake,
}

/// The sender of a future. The completion has it too, so that the host can reach it.
type Slot<T> = Arc<Mutex<Option<oneshot::Sender<T>>>>;

/// What goes wrong with the futures.
#[derive(Clone, Copy, PartialEq)]
pub enum BesideMistake {
    NoMistake,
    TrailersStayOpen,
    ResultStaysOpen,
    CancelIsOk,
}

impl<D: 'static> StreamProducer<D> for WithTrailers {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut dst: Destination<'a, u32, VecBuffer<u32>>,
        _: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        if *this.cancelled.lock().unwrap() {
            let result =
                if this.mistake == BesideMistake::CancelIsOk { Ok(()) } else { Err("cancelled") };
            if this.mistake != BesideMistake::ResultStaysOpen {
                this.end(result);
            }
            return Poll::Ready(Ok(Dropped));
        }
        let wanted = dst.remaining(store).unwrap_or(64).min(this.items.len());
        dst.set_buffer(this.items.drain(..wanted).collect::<Vec<_>>().into());
        if this.items.is_empty() {
            this.end(Ok(()));
            return Poll::Ready(Ok(Dropped));
        }
        Poll::Ready(Ok(Completed))
    }
}

impl WithTrailers {
    fn end(&self, result: Result<(), &'static str>) {
        // The receivers may be gone.
        let result = self.result.lock().unwrap().take().map(|tx| tx.send(result));
        let trailers = self.trailers.lock().unwrap().take().map(|tx| tx.send(()));
        let _ = (result, trailers);
    }
}

impl Drop for WithTrailers {
    fn drop(&mut self) {
        match self.mistake {
            // Trailers are sent at the end of the data only, so their sender stays open.
            BesideMistake::TrailersStayOpen => {}
            BesideMistake::ResultStaysOpen => drop(self.trailers.lock().unwrap().take()),
            _ => self.end(Err("abandoned")),
        }
    }
}

/// The host keeps the result of the completion.
pub fn with_trailers(mistake: BesideMistake) -> Check<(), u32, StreamOut<WithTrailers>> {
    producer(items(), move || {
        let ((tx, trailers), (result_tx, mut result)) = (oneshot::channel(), oneshot::channel());
        let (tx, result_tx) =
            (Arc::new(Mutex::new(Some(tx))), Arc::new(Mutex::new(Some(result_tx))));
        let kept = (tx.clone(), result_tx.clone());
        let cancelled = Arc::new(Mutex::new(false));
        let cut = cancelled.clone();
        let mut end = ReceiverEnd::Open;
        Made::new(WithTrailers {
            items: items(),
            cancelled,
            trailers: tx,
            result: result_tx,
            mistake,
        })
        .cut(move || *cut.lock().unwrap() = true)
        .resolves("the trailers", trailers.map(drop))
        .receiver_end(move || {
            let _ = &kept;
            match (&mut result).now_or_never() {
                Some(Ok(Ok(()))) => end = ReceiverEnd::Complete,
                Some(_) if end == ReceiverEnd::Open => end = ReceiverEnd::Cut,
                _ => {}
            }
            end
        })
    })
}

#[test]
fn trailers_stay_open_when_the_guest_drops_its_end() {
    assert_found(with_trailers(BesideMistake::TrailersStayOpen), Finding::StaysOpen, RULE);
}

#[test]
fn the_future_beside_a_stream_stays_open_after_a_cancel() {
    assert_found(with_trailers(BesideMistake::ResultStaysOpen), Finding::StaysOpen, RULE);
}

#[test]
fn the_future_beside_a_stream_says_ok_after_a_cancel() {
    assert_found(with_trailers(BesideMistake::CancelIsOk), Finding::CutLooksComplete, RULE);
}

/// Sends to a channel with one place. Its completion has the sender too.
pub struct Sends {
    sender: Arc<Mutex<PollSender<u32>>>,
    cancelled: Arc<Mutex<(bool, Option<Waker>)>>,
    gives_back: bool,
}

impl Sends {
    fn give_back(&self) {
        if self.gives_back {
            self.sender.lock().unwrap().abort_send();
        }
    }
}

impl<D: 'static> StreamConsumer<D> for Sends {
    type Item = u32;

    fn poll_consume(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut store: StoreContextMut<'_, D>,
        mut source: Source<'_, u32>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let mut cancelled = self.cancelled.lock().unwrap();
        if cancelled.0 {
            self.give_back();
            return Poll::Ready(Ok(Dropped));
        }
        cancelled.1 = Some(cx.waker().clone());
        let mut sender = self.sender.lock().unwrap();
        let mut sent = 0;
        let wanted = source.remaining(&mut store);
        while let Poll::Ready(reserved) = sender.poll_reserve(cx) {
            let item = take(store.as_context_mut(), &mut source, 1)?;
            let Some(item) = item.first().filter(|_| reserved.is_ok()) else { break };
            sender.send_item(*item).map_err(wasmtime::Error::from)?;
            sent += 1;
        }
        drop(sender);
        match (sent, finish) {
            (0, _) if wanted == 0 => {}
            (0, false) => return Poll::Pending,
            (0, true) => {
                self.give_back();
                return Poll::Ready(Ok(Cancelled));
            }
            _ => {}
        }
        self.give_back();
        Poll::Ready(Ok(Completed))
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        self.give_back();
    }
}

/// A channel's receiver, and what it received.
struct Receiver {
    rx: mpsc::Receiver<u32>,
    got: Vec<u32>,
}

impl Receiver {
    fn receive(&mut self) -> bool {
        let item = self.rx.try_recv().ok();
        self.got.extend(item);
        item.is_some()
    }
}

/// The host keeps the result of the completion, and with it the sender.
pub fn sends(gives_back: bool) -> Check<(), u32, StreamIn<Sends>> {
    consumer(items(), move || {
        let (tx, rx) = mpsc::channel::<u32>(1);
        let sender = Arc::new(Mutex::new(PollSender::new(tx.clone())));
        let cancelled: Arc<Mutex<(bool, Option<Waker>)>> = Arc::default();
        let (kept, cut) = (sender.clone(), cancelled.clone());
        let receiver = Rc::new(RefCell::new(Receiver { rx, got: Vec::new() }));
        let [received, places, step] = std::array::from_fn(|_| receiver.clone());
        Made::new(Sends { sender, cancelled, gives_back })
            .step(move || step.borrow_mut().receive())
            .cut(move || {
                let mut cut = cut.lock().unwrap();
                cut.0 = true;
                cut.1.take().into_iter().for_each(Waker::wake);
            })
            .received(move || {
                let mut receiver = received.borrow_mut();
                while receiver.receive() {}
                receiver.got.clone()
            })
            .places(move || {
                let _ = &kept;
                // A sent item occupies no place of the sender.
                while places.borrow_mut().receive() {}
                tx.max_capacity() - tx.capacity()
            })
    })
}

#[test]
fn a_channel_place_stays_occupied_after_the_end() {
    assert_found(sends(false), Finding::PlaceKept, "Backpressure");
}
