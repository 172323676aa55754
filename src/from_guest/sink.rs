use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use crate::handoff::{ReaderGone, Writer};
use crate::{ByteSink, End, EndReason, ItemSink, Take};

/// The sink of this module and of `relay`: it hands the data over to the host object.
#[derive(Debug)]
pub struct ToHost<T> {
    writer: Writer<T, EndReason>,
}

impl<T> ToHost<T> {
    pub(crate) fn new(writer: Writer<T, EndReason>) -> Self {
        Self { writer }
    }

    /// The items of the write during which the reader was dropped, first one first: taken from the guest and not handed
    /// over. For the sink of a completion that reports [`End::ReceiverDropped`](crate::End::ReceiverDropped).
    pub fn into_unsent(mut self) -> Vec<T> {
        self.writer.take_unsent()
    }
}

// No field is pinned.
impl<T> Unpin for ToHost<T> {}

type Answer<T> = Poll<Result<T, End<Infallible>>>;

fn gone(_: ReaderGone) -> End<Infallible> {
    End::ReceiverDropped
}

macro_rules! common {
    () => {
        type Error = Infallible;

        fn poll_writable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Option<Answer<()>> {
            Some(self.writer.poll_room(cx).map_err(gone))
        }

        // A flush would wait for the reader, which may wait for the guest.
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Answer<()> {
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Answer<()> {
            self.writer.close(Ok(()));
            let receiver_gone = self.writer.was_left();
            Poll::Ready(if receiver_gone { Err(End::ReceiverDropped) } else { Ok(()) })
        }

        fn op_cancelled(self: Pin<&mut Self>) {
            self.writer.cancelled();
        }

        fn ended(self: Pin<&mut Self>, reason: EndReason) {
            self.writer.close(match reason {
                EndReason::Finished => Ok(()),
                cut => Err(cut),
            });
        }
    };
}

impl ByteSink for ToHost<u8> {
    common!();

    #[inline]
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Answer<usize> {
        self.writer.poll_write(cx, buf).map_err(gone)
    }
}

impl<T: Send + 'static> ItemSink for ToHost<T> {
    type Item = T;

    common!();

    fn poll_accept(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<T>,
    ) -> Answer<()> {
        while items.remaining() > 0 {
            let max = items.remaining();
            match self.writer.poll_fill(cx, max, |buffer, room| items.take(room, buffer)) {
                Poll::Ready(taken) => taken.map_err(gone)?,
                Poll::Pending if items.taken() > 0 => break,
                Poll::Pending => return Poll::Pending,
            };
        }
        Poll::Ready(Ok(()))
    }
}
