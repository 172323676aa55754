//! Where a source or sink stands, with what is configured beside it: in the producer or consumer, or shared with a
//! completion.
//!
//! A place is the one owner of the end of its stream. Whatever ends it, the layers are told first, then the object, then
//! the completion and whoever waits, each once, and nobody under a lock.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

use crate::completion::{Completion, SharedPlace, Slot};
use crate::layer::{Layers, Outcome, Signal};
use crate::{ByteSink, ByteSource, End, EndReason, ItemSink, ItemSource, Then};

/// Which of the four traits an object has.
#[allow(unreachable_pub)] // in the bounds of what `Owned` and `Shared` seal
pub trait Kind<S: Send>: 'static {
    type Item: Send + 'static;
    type Error: Send + 'static;
    /// What it means when Wasmtime drops the stream.
    const DROPPED: EndReason;
    const SINK: bool;

    fn ended(object: Pin<&mut S>, reason: EndReason);

    fn poll_close(object: Pin<&mut S>, cx: &mut Context<'_>) -> Poll<Result<(), End<Self::Error>>>;
}

macro_rules! kinds {
    ($($kind:ident: $trait:ident, $item:ty, $dropped:ident, $sink:literal, |$object:ident, $cx:ident| $close:expr;)*) => { $(
        pub(crate) enum $kind {}

        impl<S: $trait> Kind<S> for $kind {
            type Item = $item;
            type Error = S::Error;
            const DROPPED: EndReason = EndReason::$dropped;
            const SINK: bool = $sink;

            fn ended(object: Pin<&mut S>, reason: EndReason) {
                object.ended(reason);
            }

            fn poll_close(
                $object: Pin<&mut S>,
                $cx: &mut Context<'_>,
            ) -> Poll<Result<(), End<S::Error>>> {
                $close
            }
        }
    )* };
}

kinds! {
    BytesFrom: ByteSource, u8, PeerDropped, false, |_object, _cx| Poll::Ready(Ok(()));
    ItemsFrom: ItemSource, S::Item, PeerDropped, false, |_object, _cx| Poll::Ready(Ok(()));
    BytesInto: ByteSink, u8, Finished, true, |object, cx| object.poll_close(cx);
    ItemsInto: ItemSink, S::Item, Finished, true, |object, cx| object.poll_close(cx);
}

/// Why a stream ends that Wasmtime drops.
pub(crate) fn dropped<K: Kind<S>, S: Send>() -> EndReason {
    // A panic, of the object itself most likely, takes the store along: that is not the guest's end of the data.
    if thread::panicking() { EndReason::Abandoned } else { K::DROPPED }
}

/// What a zero-length read took from a source that cannot tell otherwise whether something is ready. It goes first into
/// the next read.
#[derive(Debug)]
#[allow(unreachable_pub)] // sealed
pub struct Ahead<T, E> {
    pub(crate) item: T,
    pub(crate) then: Result<Then, E>,
}

/// What is kept beside a source or sink.
#[derive(Debug)]
#[allow(unreachable_pub)] // sealed
pub struct Beside<T, E> {
    pub(crate) layers: Layers<T>,
    /// How many bytes or items have moved.
    pub(crate) moved: u64,
    pub(crate) ahead: Option<Box<Ahead<T, E>>>,
}

impl<T, E> Beside<T, E> {
    const NEW: Self = Self { layers: Layers::NONE, moved: 0, ahead: None };

    /// Tells the layers, then the object, of the end.
    pub(crate) fn tell<K: Kind<S, Item = T, Error = E>, S: Send>(
        &mut self,
        object: Pin<&mut S>,
        end: &End<E>,
        lost: usize,
    ) {
        self.moved = self.moved.saturating_sub(lost as u64);
        self.layers.ended(&Outcome::of(end, lost), self.moved);
        let _within = self.layers.within();
        K::ended(object, end.reason());
    }
}

/// Whether a completion shares the object of a producer or consumer: [`Owned`] or [`Shared`].
pub trait Holding: sealed::Holding {}

impl<C: sealed::Holding> Holding for C {}

/// Of a producer or consumer without a completion: the object stands in it.
#[derive(Debug)]
pub enum Owned {}

/// Of a producer or consumer with a [`Completion`]: the object stands in a slot that they share.
#[derive(Debug)]
pub enum Shared {}

mod sealed {
    use super::{Hold, Kind};

    #[allow(unreachable_pub, missing_docs)] // sealed: nothing of it can be named outside
    pub trait Holding: 'static {
        type In<K: Kind<S>, S: Send>: Hold<K, S> + Send;
    }
}

impl sealed::Holding for Owned {
    type In<K: Kind<S>, S: Send> = OwnedPlace<K, S>;
}

impl sealed::Holding for Shared {
    type In<K: Kind<S>, S: Send> = SharedPlace<K, S>;
}

/// The object and what is beside it, wherever they stand.
#[allow(unreachable_pub, private_interfaces)] // sealed
pub trait Hold<K: Kind<S>, S: Send>: Sized {
    /// Changes what is beside the object.
    fn configure(&mut self, change: impl FnOnce(&mut Beside<K::Item, K::Error>));

    /// Adds what may end the stream also while no operation is under way.
    fn until(&mut self, signal: Signal);

    /// Polls the object; `None` if the stream has ended.
    fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Beside<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>>;

    /// Lets the object do something that cannot wait, if the stream has not ended.
    fn with(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>));

    /// Ends the stream, unless it has ended, and tells everybody whom it concerns. `lost` items were given and did not reach
    /// the other side. What no completion takes comes back.
    fn end(self: Pin<&mut Self>, end: End<K::Error>, lost: usize) -> Option<End<K::Error>>;

    fn is_spliceable(&self) -> bool;

    fn fmt_object(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        S: fmt::Debug;
}

pin_project! {
    struct Here<S, T, E> {
        #[pin]
        object: S,
        beside: Beside<T, E>,
        ended: bool,
    }
}

pin_project! {
    #[allow(unreachable_pub)] // sealed
    pub struct OwnedPlace<K: Kind<S>, S: Send> {
        // `None` only between `take` and the drop: a place that tells its object of the end as it is dropped cannot be taken
        // apart.
        #[pin]
        here: Option<Here<S, K::Item, K::Error>>,
    }

    // A stream that is dropped has ended, too.
    impl<K: Kind<S>, S: Send> PinnedDrop for OwnedPlace<K, S> {
        fn drop(this: Pin<&mut Self>) {
            this.end(dropped::<K, S>().into(), 0);
        }
    }
}

impl<K: Kind<S>, S: Send> Hold<K, S> for OwnedPlace<K, S> {
    fn configure(&mut self, change: impl FnOnce(&mut Beside<K::Item, K::Error>)) {
        if let Some(here) = &mut self.here {
            change(&mut here.beside);
        }
    }

    fn until(&mut self, signal: Signal) {
        self.configure(|beside| beside.layers.until(signal));
    }

    #[inline(always)]
    fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Beside<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        let here = self.project().here.as_pin_mut()?.project();
        Some(poll(here.object, here.beside, cx))
    }

    fn with(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>)) {
        if let Some(here) = self.project().here.as_pin_mut()
            && !here.ended
        {
            act(here.project().object);
        }
    }

    #[inline(never)]
    fn end(self: Pin<&mut Self>, end: End<K::Error>, lost: usize) -> Option<End<K::Error>> {
        if let Some(here) = self.project().here.as_pin_mut() {
            let here = here.project();
            if !mem::replace(here.ended, true) {
                here.beside.tell::<K, S>(here.object, &end, lost);
            }
        }
        Some(end)
    }

    fn is_spliceable(&self) -> bool {
        self.here.as_ref().is_some_and(|here| {
            !here.ended && here.beside.ahead.is_none() && here.beside.layers.is_none()
        })
    }

    fn fmt_object(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        S: fmt::Debug,
    {
        match &self.here {
            Some(here) => here.object.fmt(f),
            None => f.write_str("(gone)"),
        }
    }
}

pin_project! {
    /// Where the object of a producer or consumer stands.
    pub(crate) struct Place<K: Kind<S>, S: Send, C: Holding> {
        #[pin]
        inner: C::In<K, S>,
    }
}

impl<K: Kind<S>, S: Send> Place<K, S, Owned> {
    pub(crate) fn new(object: S) -> Self {
        let here = Here { object, beside: Beside::NEW, ended: false };
        Self { inner: OwnedPlace { here: Some(here) } }
    }

    fn take(mut self) -> Here<S, K::Item, K::Error> {
        match self.inner.here.take() {
            Some(here) => here,
            None => unreachable!("the place goes with what is taken from it"),
        }
    }

    /// Shares the object with a completion.
    pub(crate) fn share(self) -> (Place<K, S, Shared>, Completion<S, K::Error>)
    where
        S: Unpin + 'static,
    {
        let Here { object, beside, .. } = self.take();
        let slot = Arc::new(Slot::new(object, beside, |object| Pin::new(object)));
        let completion = Completion::new(slot.clone());
        (Place { inner: SharedPlace::new(slot) }, completion)
    }

    pub(crate) fn get_ref(&self) -> &S {
        match &self.inner.here {
            Some(here) => &here.object,
            None => unreachable!("the place goes with what is taken from it"),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        match &mut self.inner.here {
            Some(here) => &mut here.object,
            None => unreachable!("the place goes with what is taken from it"),
        }
    }

    /// The object, of a stream that never began; it is not told of an end.
    pub(crate) fn into_inner(self) -> S {
        self.take().object
    }
}

impl<K: Kind<S>, S: Send, C: Holding> Place<K, S, C> {
    /// Adds a layer, also where a completion shares the object by now.
    pub(crate) fn layer(&mut self, add: impl FnOnce(&mut Layers<K::Item>)) {
        self.inner.configure(|beside| add(&mut beside.layers));
    }

    /// Adds what may end the stream also while no operation is under way: a completion waits for it.
    pub(crate) fn until(&mut self, signal: Signal) {
        self.inner.until(signal);
    }

    #[inline(always)]
    pub(crate) fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut Beside<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        self.project().inner.poll(cx, poll)
    }

    pub(crate) fn with(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>)) {
        self.project().inner.with(act);
    }

    pub(crate) fn end(
        self: Pin<&mut Self>,
        end: End<K::Error>,
        lost: usize,
    ) -> Option<End<K::Error>> {
        self.project().inner.end(end, lost)
    }

    /// Whether the object may be given to whoever takes the stream apart: nobody else has it, nothing was taken out of it
    /// ahead of the guest, and no layer would be lost.
    pub(crate) fn is_spliceable(&self) -> bool {
        self.inner.is_spliceable()
    }
}

impl<K: Kind<S>, S: Send + fmt::Debug, C: Holding> fmt::Debug for Place<K, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_object(f)
    }
}
