//! A common mistake with a stream that the guest passes back: the host takes its source out, and what was looked ahead stays
//! behind.

use std::any::{Any, TypeId};
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::sync::mpsc::UnboundedReceiver as Rx;
use wasmtime::component::StreamResult::{self, Cancelled, Completed, Dropped};
use wasmtime::component::{Destination, StreamProducer, VecBuffer};
use wasmtime::{Result, StoreContextMut};
use wasmtime_streams_testing::{Check, Finding, StreamOut, producer};

use crate::wrong::{assert_found, batch, fed, items};

/// A zero-length read waits for the next item, which is kept here until it is read.
struct LooksAhead {
    rx: Rx<u32>,
    next: Option<u32>,
    /// Gives its channel away only while nothing is kept.
    careful: bool,
}

impl<D: 'static> StreamProducer<D> for LooksAhead {
    type Item = u32;
    type Buffer = VecBuffer<u32>;

    fn poll_produce<'a>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        store: StoreContextMut<'a, D>,
        mut destination: Destination<'a, u32, VecBuffer<u32>>,
        finish: bool,
    ) -> Poll<Result<StreamResult>> {
        let this = self.get_mut();
        if finish {
            return Poll::Ready(Ok(Cancelled));
        }
        let wanted = destination.remaining(store).unwrap_or(64);
        let mut items = Vec::from_iter(this.next.take());
        if items.len() < wanted.max(1) {
            match batch(&mut this.rx, wanted.max(1) - items.len(), cx) {
                Poll::Ready(Some(more)) => items.extend(more),
                _ if !items.is_empty() => {}
                Poll::Ready(None) => return Poll::Ready(Ok(Dropped)),
                Poll::Pending => return Poll::Pending,
            }
        }
        if wanted == 0 {
            this.next = items.pop();
        }
        destination.set_buffer(items.into());
        Poll::Ready(Ok(Completed))
    }

    fn try_into(me: Pin<Box<Self>>, ty: TypeId) -> Result<Box<dyn Any>, Pin<Box<Self>>> {
        if ty != TypeId::of::<Rx<u32>>() || (me.careful && me.next.is_some()) {
            return Err(me);
        }
        Ok(Box::new(Pin::into_inner(me).rx))
    }
}

fn passed(careful: bool) -> Check<(), u32, StreamOut<LooksAhead>> {
    let make = move |rx| LooksAhead { rx, next: None, careful };
    producer(items(), fed(make)).passes(move |store, stream| Ok(make(stream.try_into(store)?)))
}

#[test]
fn a_source_that_is_taken_out_leaves_an_item_behind() {
    assert_found(passed(false), Finding::Lost, "Exactly once, in order");
}

#[test]
fn a_source_that_is_given_away_only_whole_is_accepted() {
    passed(true).assert();
}
