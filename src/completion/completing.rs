use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::slot::Slot;
use crate::{ByteSink, ByteSource, End, Halt, ItemSink, ItemSource, Take, Then, Undelivered, Why};

/// A source or sink with a [`Completion`](super::Completion): the half that stays with the stream.
///
/// Its own error type is [`Infallible`]: errors go to the completion, and end the stream for the guest.
pub struct Completing<S, E> {
    slot: Arc<Slot<S, E>>,
    /// What it means when Wasmtime drops the stream.
    dropped: fn() -> End<E>,
    /// The end of an item source, until its last items are delivered.
    last: Option<End<E>>,
}

impl<S, E> Completing<S, E> {
    pub(super) fn new(slot: Arc<Slot<S, E>>, dropped: fn() -> End<E>) -> Self {
        Self { slot, dropped, last: None }
    }
}

impl<S, E> Drop for Completing<S, E> {
    fn drop(&mut self) {
        let end = self.last.take();
        self.slot.end(end.unwrap_or_else(|| match self.slot.store_is_gone() {
            true => End::Abandoned,
            false => (self.dropped)(),
        }));
    }
}

// The source or sink is never pinned in here: it stands in the slot.
impl<S, E> Unpin for Completing<S, E> {}

impl<S, E> fmt::Debug for Completing<S, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completing").finish_non_exhaustive()
    }
}

// The completion holds the reason; to the core every end is the same.
const ENDED: Then = Then::End(Why::Finished);
const HALTED: Halt<Infallible> = Halt::Ended(Why::Finished);

/// What a readiness method answers: `None` if the object cannot tell.
type Readiness<E> = Option<Poll<Result<(), E>>>;

impl<S: Unpin + Send + 'static, E: Send + 'static> Completing<S, E> {
    /// Asks for readiness. To a source whose stream has ended the end is what is ready; a sink's `ended` is a halt.
    fn readiness<X, Y>(
        &self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Readiness<X>,
        reason: impl FnOnce(X) -> End<E>,
        ended: impl Fn() -> Result<(), Y>,
    ) -> Readiness<Y> {
        let answer = self.slot.poll(cx, |object, cx, step| match ask(object, cx) {
            None => Poll::Ready(None),
            Some(poll) => poll.map(|ready| match ready {
                Ok(()) => Some(Ok(())),
                Err(error) => {
                    step.end = Some(reason(error));
                    Some(ended())
                }
            }),
        });
        match answer {
            None => Some(Poll::Ready(ended())),
            Some(Poll::Pending) => Some(Poll::Pending),
            Some(Poll::Ready(ready)) => ready.map(Poll::Ready),
        }
    }

    /// Polls a sink; a halt goes to the completion.
    fn sink<T>(
        &self,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>, &mut usize) -> Poll<Result<T, Halt<E>>>,
    ) -> Poll<Result<T, Halt<Infallible>>> {
        let answer = self.slot.poll(cx, |object, cx, step| {
            poll(object, cx, &mut step.moved).map_err(|halt| {
                step.end = Some(halt_reason(halt));
                HALTED
            })
        });
        answer.unwrap_or(Poll::Ready(Err(HALTED)))
    }
}

fn halt_reason<E>(halt: Halt<E>) -> End<E> {
    match halt {
        Halt::Ended(why) => why.into(),
        Halt::Failed(error) => End::Failed(error),
    }
}

impl<S: ByteSource + Unpin> ByteSource for Completing<S, S::Error> {
    type Error = Infallible;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        let answer = self.slot.poll(cx, |source, cx, step| {
            source.poll_read(cx, buf).map(|ready| match ready {
                Ok((n, then)) => {
                    step.moved = n;
                    if let Then::End(why) = then {
                        step.end = Some(why.into());
                    }
                    (n, then)
                }
                Err(error) => {
                    step.end = Some(End::Failed(error));
                    (0, ENDED)
                }
            })
        });
        answer.unwrap_or(Poll::Ready((0, ENDED))).map(Ok)
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Readiness<Infallible> {
        self.readiness(cx, |source, cx| source.poll_readable(cx), End::Failed, || Ok(()))
    }
}

impl<S: ItemSource + Unpin> ItemSource for Completing<S, S::Error> {
    type Item = S::Item;
    type Error = Infallible;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, Infallible>> {
        let Self { slot, last, .. } = self.get_mut();
        let before = out.len();
        let answer = slot.poll(cx, |source, cx, step| {
            let answer = source.poll_items(cx, max, out);
            step.moved = out.len() - before;
            answer.map(|ready| {
                *last = match ready {
                    Ok(Then::End(why)) => Some(why.into()),
                    Ok(then) => return then,
                    Err(error) => Some(End::Failed(error)),
                };
                ENDED
            })
        });
        answer.unwrap_or(Poll::Ready(ENDED)).map(Ok)
    }

    fn poll_readable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Readiness<Infallible> {
        self.readiness(cx, |source, cx| source.poll_readable(cx), End::Failed, || Ok(()))
    }

    fn ended(mut self: Pin<&mut Self>, delivered: Result<(), Undelivered>) {
        let last = self.last.take();
        match delivered {
            Ok(()) => self.slot.end(last.unwrap_or(End::Finished)),
            Err(Undelivered { error, lost }) => {
                self.slot.undo(lost);
                self.slot.end(End::Undeliverable(error));
            }
        }
    }
}

impl<S: ByteSink + Unpin> ByteSink for Completing<S, S::Error> {
    type Error = Infallible;

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<Infallible>>> {
        self.sink(cx, |sink, cx, moved| {
            sink.poll_write(cx, buf).map_ok(|n| {
                *moved = n;
                n
            })
        })
    }

    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Readiness<Halt<Infallible>> {
        self.readiness(cx, |sink, cx| sink.poll_writable(cx), halt_reason, || Err(HALTED))
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        self.sink(cx, |sink, cx, _| sink.poll_flush(cx))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        self.sink(cx, |sink, cx, _| sink.poll_close(cx))
    }

    fn op_cancelled(self: Pin<&mut Self>) {
        self.slot.tell(|sink| sink.op_cancelled());
    }
}

impl<S: ItemSink + Unpin> ItemSink for Completing<S, S::Error> {
    type Item = S::Item;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        self.sink(cx, |sink, cx, moved| {
            let before = items.taken();
            let answer = sink.poll_accept(cx, items);
            *moved = items.taken() - before;
            answer
        })
    }

    fn poll_writable(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Readiness<Halt<Infallible>> {
        self.readiness(cx, |sink, cx| sink.poll_writable(cx), halt_reason, || Err(HALTED))
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        self.sink(cx, |sink, cx, _| sink.poll_flush(cx))
    }

    fn poll_close(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        self.sink(cx, |sink, cx, _| sink.poll_close(cx))
    }

    fn op_cancelled(self: Pin<&mut Self>) {
        self.slot.tell(|sink| sink.op_cancelled());
    }

    fn delivery_failed(self: Pin<&mut Self>, error: wasmtime::Error) {
        self.slot.end(End::Undeliverable(error));
    }
}
