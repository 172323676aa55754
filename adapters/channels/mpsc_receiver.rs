use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use ::tokio::sync::mpsc::{Receiver, UnboundedReceiver};

use crate::{EndReason, ItemProducer, ItemSource, Then, relay::Splice};

/// A `stream<T>` of the items received from a tokio mpsc channel.
///
/// The inverse is [`mpsc_sender`](crate::channels::mpsc_sender()).
///
/// # Partial writes
/// Each guest read takes all items in the channel, up to what the guest asked for and the
/// [batch](crate::ItemProducer::batch), and frees as many slots at once.
///
/// # Cancellation
/// Answered at once. Items are taken only in the poll that delivers them, so none is lost.
///
/// # Zero-length operations
/// They complete at once: a receiver cannot wait for an item without taking it.
///
/// # Errors
/// There are none. The stream ends when all senders are dropped and the channel is empty, together with the last items
/// if that is known by then.
///
/// # Drop
/// The receiver is dropped with the guest's end, which closes the channel and discards the items in it, or handed back
/// by the completion with those items. A task that panics drops its sender too, which looks like the end of the data:
/// where that matters, let the last item say that it is the last ([How streams end](crate::ends)).
///
/// ```
/// use tokio::sync::mpsc;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (tx, rx) = mpsc::channel(8);
/// let reader = StreamReader::new(&mut store, wasmtime_streams::channels::mpsc_receiver(rx))?;
/// for n in [1_u32, 2, 3] {
///     tx.send(n).await?;
/// }
/// drop(tx);
///
/// let (tx, mut rx) = mpsc::channel(8);
/// reader.pipe(&mut store, wasmtime_streams::channels::mpsc_sender(tx))?;
/// let mut got = Vec::new();
/// store.run_concurrent(async |_| while rx.recv_many(&mut got, 8).await > 0 {}).await?;
/// assert_eq!(got, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn mpsc_receiver<T>(receiver: Receiver<T>) -> ItemProducer<MpscReceiver<T>>
where
    T: Send + 'static,
{
    ItemProducer::new(MpscReceiver { receiver })
}

/// A `stream<T>` of the items received from an unbounded tokio mpsc channel: like [`mpsc_receiver`](mpsc_receiver()).
///
/// The inverse is [`mpsc_unbounded_sender`](crate::channels::mpsc_unbounded_sender()).
///
/// # Partial writes
/// As for [`mpsc_receiver`](mpsc_receiver()).
///
/// # Cancellation
/// As for [`mpsc_receiver`](mpsc_receiver()).
///
/// # Zero-length operations
/// As for [`mpsc_receiver`](mpsc_receiver()).
///
/// # Errors
/// As for [`mpsc_receiver`](mpsc_receiver()).
///
/// # Drop
/// As for [`mpsc_receiver`](mpsc_receiver()).
///
/// ```
/// use tokio::sync::mpsc;
/// use wasmtime::{Engine, Store, component::StreamReader};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> wasmtime::Result<()> {
/// let mut store = Store::new(&Engine::default(), ());
/// let (tx, rx) = mpsc::unbounded_channel();
/// let reader = StreamReader::new(&mut store, wasmtime_streams::channels::mpsc_unbounded_receiver(rx))?;
/// (1..=3_u32).try_for_each(|n| tx.send(n))?;
/// drop(tx);
///
/// let (tx, mut rx) = mpsc::unbounded_channel();
/// reader.pipe(&mut store, wasmtime_streams::channels::mpsc_unbounded_sender(tx))?;
/// let mut got = Vec::new();
/// store.run_concurrent(async |_| while rx.recv_many(&mut got, 8).await > 0 {}).await?;
/// assert_eq!(got, [1, 2, 3]);
/// # Ok(())
/// # }
/// ```
pub fn mpsc_unbounded_receiver<T>(
    receiver: UnboundedReceiver<T>,
) -> ItemProducer<MpscUnboundedReceiver<T>>
where
    T: Send + 'static,
{
    ItemProducer::new(MpscUnboundedReceiver { receiver })
}

macro_rules! receiver {
    ($(#[doc = $doc:literal])* $name:ident($receiver:ident)) => {
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub struct $name<T> {
            receiver: $receiver<T>,
        }

        impl<T> $name<T> {
            accessors!(receiver: $receiver<T>);
        }

        impl<T> Splice for $name<T> {}

        impl<T: Send + 'static> ItemSource for $name<T> {
            type Item = T;
            type Error = Infallible;

            fn poll_items(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                max: usize,
                out: &mut Vec<T>,
            ) -> Poll<Result<Then, Infallible>> {
                let receiver = &mut self.get_mut().receiver;
                // `poll_recv_many` pushes item by item and reserves nothing.
                out.reserve(receiver.len().min(max));
                let n = ready!(receiver.poll_recv_many(cx, out, max));
                // The senders first: an item sent between the two calls would be missed the other way round.
                let closed = n == 0 || receiver.sender_strong_count() == 0 && receiver.is_empty();
                Poll::Ready(Ok(match closed {
                    true => Then::End(EndReason::Finished),
                    // The channel may hold more than was asked for.
                    false if n == max => Then::More,
                    false => Then::Stop,
                }))
            }

            fn ended(self: Pin<&mut Self>, _: EndReason) {}
        }
    };
}

receiver! {
    /// The source of [`mpsc_receiver`](mpsc_receiver()).
    MpscReceiver(Receiver)
}

receiver! {
    /// The source of [`mpsc_unbounded_receiver`](mpsc_unbounded_receiver()).
    MpscUnboundedReceiver(UnboundedReceiver)
}
