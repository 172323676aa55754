//! The place of a source or sink and its [`StreamState`]: in the producer or consumer, or in a slot shared with a
//! completion.
//!
//! A place alone ends its stream. Whatever ends it, it notifies the layers first, then the object, then the completion
//! and the parked operation: each once, and without a lock.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::thread;

use pin_project_lite::pin_project;

use crate::completion::{Completion, SharedPlace, Slot};
use crate::layer::{Layers, Outcome, Signal};
use crate::sync::Arc;
use crate::{ByteSink, ByteSource, End, EndReason, ItemSink, ItemSource, Then};

/// Which of the four traits an object implements.
#[allow(unreachable_pub)] // in the bounds of what `Owned` and `Shared` seal
pub trait Kind<S: Send>: 'static {
    type Item: Send + 'static;
    type Error: Send + 'static;
    /// The end reason when Wasmtime drops the stream.
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

/// The end reason of a stream that Wasmtime drops.
pub(crate) fn drop_reason<K: Kind<S>, S: Send>() -> EndReason {
    // The store is dropped by a panic, most likely of the object itself: that is not the end of the data.
    if thread::panicking() { EndReason::Abandoned } else { K::DROPPED }
}

/// The byte or item that a zero-length read looked ahead, with the source's answer. It goes first into the next read.
#[derive(Debug)]
#[allow(unreachable_pub)] // sealed
pub struct LookAhead<T, E> {
    pub(crate) item: T,
    pub(crate) then: Result<Then, E>,
}

/// What is kept with each source or sink.
#[derive(Debug)]
#[allow(unreachable_pub)] // sealed
pub struct StreamState<T, E> {
    pub(crate) layers: Layers<T>,
    /// The number of bytes or items that have moved.
    pub(crate) moved: u64,
    pub(crate) ahead: Option<Box<LookAhead<T, E>>>,
}

impl<T, E> StreamState<T, E> {
    const NEW: Self = Self { layers: Layers::NONE, moved: 0, ahead: None };

    /// Notifies the layers, then the object, of the end.
    pub(crate) fn notify<K: Kind<S, Item = T, Error = E>, S: Send>(
        &mut self,
        object: Pin<&mut S>,
        end: &mut End<E>,
        lost: usize,
    ) {
        if K::SINK
            && end.is_finished()
            && let Some(reason) = self.layers.truncated()
        {
            *end = reason.into();
        }
        self.moved = self.moved.saturating_sub(lost as u64);
        self.layers.ended(&Outcome::of(end, lost), self.moved);
        let _entered = self.layers.entered();
        K::ended(object, end.reason());
    }
}

/// Whether a producer or consumer has a completion: [`Owned`] or [`Shared`]. The trait is sealed.
///
/// Code that takes both is generic over it: `fn log<S: ByteSource, C: Holding>(producer: ByteProducer<S, C>)`.
pub trait Holding: sealed::Holding {}

impl<C: sealed::Holding> Holding for C {}

/// A producer or consumer without a completion, which owns its object. The default.
#[derive(Debug)]
pub enum Owned {}

/// A producer or consumer that shares its object with a [`Completion`].
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

/// Access to the object and its [`StreamState`], with a completion and without.
#[allow(unreachable_pub, private_interfaces)] // sealed
pub trait Hold<K: Kind<S>, S: Send>: Sized {
    /// Changes the stream state before the stream starts.
    fn configure(&mut self, change: impl FnOnce(&mut StreamState<K::Item, K::Error>));

    /// Adds a signal.
    fn until(&mut self, signal: Signal);

    /// Polls the object; `None` if the stream has ended.
    fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut StreamState<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>>;

    /// Calls a method of the object that cannot wait, if the stream has not ended.
    fn with_object(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>));

    /// Ends the stream, unless it has ended, and notifies everybody. `lost` items were given and did not reach the
    /// guest. The end is given back if there is no completion to take it.
    fn end(self: Pin<&mut Self>, end: End<K::Error>, lost: usize) -> Option<End<K::Error>>;

    fn is_spliceable(&self) -> bool;

    fn fmt_object(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        S: fmt::Debug;
}

pin_project! {
    struct OwnedObject<S, T, E> {
        #[pin]
        object: S,
        stream: StreamState<T, E>,
        ended: bool,
    }
}

pin_project! {
    #[allow(unreachable_pub)] // sealed
    pub struct OwnedPlace<K: Kind<S>, S: Send> {
        // `None` only between `take` and the drop: a type with a `Drop` cannot be moved out of.
        #[pin]
        owned: Option<OwnedObject<S, K::Item, K::Error>>,
    }

    // Wasmtime ends a stream by dropping it.
    impl<K: Kind<S>, S: Send> PinnedDrop for OwnedPlace<K, S> {
        fn drop(this: Pin<&mut Self>) {
            this.end(drop_reason::<K, S>().into(), 0);
        }
    }
}

impl<K: Kind<S>, S: Send> Hold<K, S> for OwnedPlace<K, S> {
    fn configure(&mut self, change: impl FnOnce(&mut StreamState<K::Item, K::Error>)) {
        if let Some(owned) = &mut self.owned {
            change(&mut owned.stream);
        }
    }

    fn until(&mut self, signal: Signal) {
        self.configure(|stream| stream.layers.until(signal));
    }

    #[inline(always)]
    fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut StreamState<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        let owned = self.project().owned.as_pin_mut()?.project();
        Some(poll(owned.object, owned.stream, cx))
    }

    fn with_object(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>)) {
        if let Some(owned) = self.project().owned.as_pin_mut()
            && !owned.ended
        {
            act(owned.project().object);
        }
    }

    #[inline(never)]
    fn end(self: Pin<&mut Self>, mut end: End<K::Error>, lost: usize) -> Option<End<K::Error>> {
        if let Some(owned) = self.project().owned.as_pin_mut() {
            let owned = owned.project();
            if !mem::replace(owned.ended, true) {
                owned.stream.notify::<K, S>(owned.object, &mut end, lost);
            }
        }
        Some(end)
    }

    fn is_spliceable(&self) -> bool {
        self.owned.as_ref().is_some_and(|owned| {
            !owned.ended && owned.stream.ahead.is_none() && owned.stream.layers.is_none()
        })
    }

    fn fmt_object(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result
    where
        S: fmt::Debug,
    {
        match &self.owned {
            Some(owned) => owned.object.fmt(f),
            None => f.write_str("(gone)"),
        }
    }
}

pin_project! {
    /// The place of the object of a producer or consumer.
    pub(crate) struct Place<K: Kind<S>, S: Send, C: Holding> {
        #[pin]
        inner: C::In<K, S>,
    }
}

impl<K: Kind<S>, S: Send> Place<K, S, Owned> {
    pub(crate) fn new(object: S) -> Self {
        let owned = OwnedObject { object, stream: StreamState::NEW, ended: false };
        Self { inner: OwnedPlace { owned: Some(owned) } }
    }

    fn take(mut self) -> OwnedObject<S, K::Item, K::Error> {
        match self.inner.owned.take() {
            Some(owned) => owned,
            None => unreachable!("`take` consumes the place"),
        }
    }

    /// Shares the object with a completion.
    pub(crate) fn share(self) -> (Place<K, S, Shared>, Completion<S, K::Error>)
    where
        S: Unpin + 'static,
    {
        let OwnedObject { object, stream, .. } = self.take();
        let slot = Arc::new(Slot::new(object, stream, |object| Pin::new(object)));
        let completion = Completion::new(slot.clone());
        (Place { inner: SharedPlace::new(slot) }, completion)
    }

    pub(crate) fn get_ref(&self) -> &S {
        match &self.inner.owned {
            Some(owned) => &owned.object,
            None => unreachable!("`take` consumes the place"),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut S {
        match &mut self.inner.owned {
            Some(owned) => &mut owned.object,
            None => unreachable!("`take` consumes the place"),
        }
    }

    /// The object, of a stream that never started. `ended` is not called.
    pub(crate) fn into_inner(self) -> S {
        self.take().object
    }
}

#[cfg(feature = "wasi")]
impl<K: Kind<S>, S: Send> Place<K, S, Shared> {
    /// Reads how the stream ended, until the completion has resolved.
    pub(crate) fn with_end<T>(&mut self, read: impl FnOnce(&End<K::Error>) -> T) -> Option<T> {
        self.inner.with_end(read)
    }
}

impl<K: Kind<S>, S: Send, C: Holding> Place<K, S, C> {
    /// Adds a layer, before or after a completion was added.
    pub(crate) fn layer(&mut self, add: impl FnOnce(&mut Layers<K::Item>)) {
        self.inner.configure(|stream| add(&mut stream.layers));
    }

    /// Adds a signal. A completion waits for it as well.
    pub(crate) fn until(&mut self, signal: Signal) {
        self.inner.until(signal);
    }

    #[inline(always)]
    pub(crate) fn poll<T>(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        poll: impl FnOnce(Pin<&mut S>, &mut StreamState<K::Item, K::Error>, &mut Context<'_>) -> Poll<T>,
    ) -> Option<Poll<T>> {
        self.project().inner.poll(cx, poll)
    }

    pub(crate) fn with_object(self: Pin<&mut Self>, act: impl FnOnce(Pin<&mut S>)) {
        self.project().inner.with_object(act);
    }

    pub(crate) fn end(
        self: Pin<&mut Self>,
        end: End<K::Error>,
        lost: usize,
    ) -> Option<End<K::Error>> {
        self.project().inner.end(end, lost)
    }

    /// Whether a splice may take the object: nobody shares it, nothing was looked ahead, and no layer would be lost.
    pub(crate) fn is_spliceable(&self) -> bool {
        self.inner.is_spliceable()
    }
}

impl<K: Kind<S>, S: Send + fmt::Debug, C: Holding> fmt::Debug for Place<K, S, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.inner.fmt_object(f)
    }
}
