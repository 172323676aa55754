use std::convert::Infallible;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use super::slot::{Held, Slot, Step};
use crate::{
    ByteSink, ByteSource, End, Flush, Halt, ItemSink, ItemSource, Signals, Take, Then, Undelivered,
    Why,
};

/// A source or sink with a [`Completion`](super::Completion): the half that stays with the stream.
///
/// Its own error type is [`Infallible`]: errors go to the completion, and end the stream for the guest.
pub struct Completing<S, E> {
    held: Held<S, E>,
    /// What it means when Wasmtime drops the stream.
    dropped: fn() -> End<E>,
    /// The end of an item source, until its last items are delivered.
    last: Option<End<E>>,
    flush: Flush,
    /// A sink was flushed in the same look at it in which it took the last of an operation.
    flushed: bool,
}

impl<S, E> Completing<S, E> {
    pub(super) fn new(slot: Arc<Slot<S, E>>, dropped: fn() -> End<E>, flush: Flush) -> Self {
        Self { held: Held::new(slot), dropped, last: None, flush, flushed: false }
    }
}

impl<S, E> Drop for Completing<S, E> {
    fn drop(&mut self) {
        let slot = self.held.slot();
        let gone = slot.store_is_gone().then_some(Why::Abandoned);
        let end = self.last.take().or(gone.map(End::from)).unwrap_or_else(self.dropped);
        slot.end(end, gone);
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

macro_rules! signals {
    () => {
        fn signals(&self, signals: &mut Signals) {
            self.held.ask(|object| object.signals(signals));
        }
    };
}

/// For the object's own ears: the completion gets the error itself.
fn copy(error: &wasmtime::Error) -> wasmtime::Error {
    wasmtime::Error::msg(format!("{error:?}"))
}

impl<S: Unpin + Send + 'static, E: Send + 'static> Completing<S, E> {
    fn over(&mut self, cut: Option<Why>) {
        let end = cut.map_or_else(self.dropped, End::from);
        self.held.slot().end(end, cut);
    }

    /// Asks for readiness. To a source whose stream has ended the end is what is ready; a sink's `ended` is a halt.
    fn readiness<X, Y>(
        &mut self,
        cx: &mut Context<'_>,
        ask: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Readiness<X>,
        reason: impl FnOnce(X) -> End<E>,
        ended: impl Fn() -> Result<(), Y>,
    ) -> Readiness<Y> {
        let answer = self.held.poll(cx, |object, cx, step| match ask(object, cx) {
            None => Poll::Ready(None),
            Some(poll) => poll.map(|ready| match ready {
                Ok(()) => Some(Ok(())),
                Err(error) => {
                    step.end(reason(error));
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
}

/// Polls a sink; a halt goes to the completion.
fn sink<S: Unpin, E, T>(
    held: &mut Held<S, E>,
    cx: &mut Context<'_>,
    poll: impl FnOnce(Pin<&mut S>, &mut Context<'_>, &mut Step<'_, E>) -> Poll<Result<T, Halt<E>>>,
) -> Poll<Result<T, Halt<Infallible>>> {
    let answer = held.poll(cx, |object, cx, step| {
        poll(object, cx, step).map_err(|halt| {
            step.end(halt_reason(halt));
            HALTED
        })
    });
    answer.unwrap_or(Poll::Ready(Err(HALTED)))
}

/// An operation that took all it can is about to be flushed: one look at the sink does for both. Says whether it is flushed.
fn flush_too<E>(flush: Poll<Result<(), Halt<E>>>, step: &mut Step<'_, E>) -> bool {
    match flush {
        Poll::Ready(Ok(())) => true,
        // What was taken before stays taken. The flush that follows finds the stream ended.
        Poll::Ready(Err(halt)) => {
            step.end(halt_reason(halt));
            false
        }
        Poll::Pending => false,
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
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        let answer = self.held.poll(cx, |source, cx, step| {
            source.poll_read(cx, buf).map(|ready| match ready {
                Ok((n, then)) => {
                    step.moved(n);
                    if let Then::End(why) = then {
                        step.end(why.into());
                    }
                    (n, then)
                }
                Err(error) => {
                    step.end(End::Failed(error));
                    (0, ENDED)
                }
            })
        });
        answer.unwrap_or(Poll::Ready((0, ENDED))).map(Ok)
    }

    fn poll_readable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Readiness<Infallible> {
        self.readiness(cx, |source, cx| source.poll_readable(cx), End::Failed, || Ok(()))
    }

    fn stream_ended(mut self: Pin<&mut Self>, cut: Option<Why>) {
        self.over(cut);
    }

    signals!();
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
        let Self { held, last, .. } = self.get_mut();
        let before = out.len();
        let answer = held.poll(cx, |source, cx, step| {
            let answer = source.poll_items(cx, max, out);
            step.moved(out.len() - before);
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

    fn poll_readable(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Readiness<Infallible> {
        self.readiness(cx, |source, cx| source.poll_readable(cx), End::Failed, || Ok(()))
    }

    fn ended(mut self: Pin<&mut Self>, delivered: Result<(), Undelivered>) {
        let last = self.last.take();
        match delivered {
            Ok(()) => {
                self.held.slot().tell(|source| source.ended(Ok(())));
                self.held.slot().end_itself(last.unwrap_or(End::Finished));
            }
            Err(Undelivered { error, lost }) => {
                let told = Undelivered { error: copy(&error), lost };
                self.held.slot().tell(|source| source.ended(Err(told)));
                self.held.slot().undo(lost);
                self.held.slot().end(End::Undeliverable(error), Some(Why::Cancelled));
            }
        }
    }

    fn stream_ended(mut self: Pin<&mut Self>, cut: Option<Why>) {
        self.over(cut);
    }

    signals!();
}

impl<S: ByteSink + Unpin> ByteSink for Completing<S, S::Error> {
    type Error = Infallible;

    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, Halt<Infallible>>> {
        let Self { held, flush, flushed, .. } = self.get_mut();
        sink(held, cx, |mut sink, cx, step| {
            let answer = sink.as_mut().poll_write(cx, buf);
            if let Poll::Ready(Ok(n)) = answer {
                step.moved(n);
                let all = *flush == Flush::EachOp && n == buf.len();
                *flushed = all && flush_too(sink.poll_flush(cx), step);
            }
            answer
        })
    }

    fn poll_writable(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Readiness<Halt<Infallible>> {
        self.readiness(cx, |sink, cx| sink.poll_writable(cx), halt_reason, || Err(HALTED))
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        let this = self.get_mut();
        if mem::take(&mut this.flushed) {
            return Poll::Ready(Ok(()));
        }
        sink(&mut this.held, cx, |sink, cx, _| sink.poll_flush(cx))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        sink(&mut self.held, cx, |sink, cx, _| sink.poll_close(cx))
    }

    fn op_cancelled(mut self: Pin<&mut Self>) {
        self.held.slot().tell(|sink| sink.op_cancelled());
    }

    fn stream_ended(mut self: Pin<&mut Self>, cut: Option<Why>) {
        self.over(cut);
    }

    fn flush_policy(&mut self, policy: Flush) {
        self.flush = policy;
        self.held.slot().tell(|sink| sink.get_mut().flush_policy(policy));
    }

    signals!();
}

impl<S: ItemSink + Unpin> ItemSink for Completing<S, S::Error> {
    type Item = S::Item;
    type Error = Infallible;

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        let Self { held, flush, flushed, .. } = self.get_mut();
        sink(held, cx, |mut sink, cx, step| {
            let before = items.taken();
            let answer = sink.as_mut().poll_accept(cx, items);
            step.moved(items.taken() - before);
            if let Poll::Ready(Ok(())) = answer {
                let each = *flush == Flush::EachOp && items.taken() > 0;
                *flushed = each && flush_too(sink.poll_flush(cx), step);
            }
            answer
        })
    }

    fn poll_writable(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Readiness<Halt<Infallible>> {
        self.readiness(cx, |sink, cx| sink.poll_writable(cx), halt_reason, || Err(HALTED))
    }

    fn poll_flush(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        let this = self.get_mut();
        if mem::take(&mut this.flushed) {
            return Poll::Ready(Ok(()));
        }
        sink(&mut this.held, cx, |sink, cx, _| sink.poll_flush(cx))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Halt<Infallible>>> {
        sink(&mut self.held, cx, |sink, cx, _| sink.poll_close(cx))
    }

    fn op_cancelled(mut self: Pin<&mut Self>) {
        self.held.slot().tell(|sink| sink.op_cancelled());
    }

    fn stream_ended(mut self: Pin<&mut Self>, cut: Option<Why>) {
        self.over(cut);
    }

    fn flush_policy(&mut self, policy: Flush) {
        self.flush = policy;
        self.held.slot().tell(|sink| sink.get_mut().flush_policy(policy));
    }

    signals!();

    fn delivery_failed(mut self: Pin<&mut Self>, error: wasmtime::Error) {
        let told = copy(&error);
        self.held.slot().tell(|sink| sink.delivery_failed(told));
        self.held.slot().end(End::Undeliverable(error), Some(Why::Cancelled));
    }
}
