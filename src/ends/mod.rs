//! What ends a stream and what watches it: combinators over the core's four traits, written once, for every adapter.
//!
//! Each is a method of the four producers and consumers, and costs nothing where it is not asked for.

/// The accessors of a combinator.
macro_rules! wrapper_accessors {
    () => {
        /// The source or sink under it.
        pub fn get_ref(&self) -> &S {
            &self.inner
        }

        /// The source or sink under it, to configure it before the stream starts.
        pub fn get_mut(&mut self) -> &mut S {
            &mut self.inner
        }

        /// The source or sink under it.
        pub fn into_inner(self) -> S {
            self.inner
        }
    };
}

pub(crate) mod forward;
mod inspect;
mod limit;
mod meter;
mod signal;
mod until;

use std::future::Future;

pub use self::inspect::Inspect;
pub use self::limit::Limit;
pub use self::meter::Meter;
pub use self::signal::Signals;
pub(crate) use self::until::OnProgress;
pub use self::until::Until;
use crate::{
    ByteConsumer, ByteProducer, ByteSink, ByteSource, ItemConsumer, ItemProducer, ItemSink,
    ItemSource, Why,
};

/// The methods that are the same for all four.
macro_rules! combinators {
    ($type:ident<S $(, $rest:ident)*>: $bound:ident, $what:literal, $unit:literal) => {
        impl<S: $bound $(, $rest)*> $type<S $(, $rest)*> {
            #[doc = concat!("Ends the stream once so many ", $unit, " have moved, as [`End::LimitReached`](crate::End::LimitReached).")]
            ///
            /// It is exact: what is over is not taken, and stays with its owner.
            #[doc = $what]
            pub fn limit(self, limit: u64) -> $type<Limit<S> $(, $rest)*> {
                self.map(|inner| Limit::new(inner, limit))
            }

            /// Ends the stream as `why` when `ending` resolves.
            ///
            /// An operation that is parked is woken, and sees the other end dropped; else the guest learns it at its next
            /// operation. With a [completion](crate::Completion) that is awaited the stream ends at once, also while no
            /// operation is under way, and the object is handed back.
            pub fn until(
                self,
                why: Why,
                ending: impl Future<Output = ()> + Send + 'static,
            ) -> $type<Until<S> $(, $rest)*> {
                self.until_with(async move { ending.await; why }, None)
            }

            pub(crate) fn until_with(
                self,
                ending: impl Future<Output = Why> + Send + 'static,
                on_progress: OnProgress,
            ) -> $type<Until<S> $(, $rest)*> {
                self.map(|inner| Until::new(inner, ending, on_progress))
            }
        }
    };
}

combinators!(ByteProducer<S>: ByteSource, "A source ends with its last byte.", "bytes");
combinators!(ItemProducer<S, V>: ItemSource, "A source ends with its last item.", "items");
combinators!(ByteConsumer<S>: ByteSink, "A sink ends when the guest writes more.", "bytes");
combinators!(ItemConsumer<S, W, V>: ItemSink, "A sink ends when the guest writes more.", "items");

impl<S: ByteSource> ByteProducer<S> {
    /// Lets `look` see the bytes that the guest gets.
    pub fn inspect<F>(self, look: F) -> ByteProducer<Inspect<S, F>>
    where
        F: FnMut(&[u8]) + Send + 'static,
    {
        self.map(|inner| Inspect::new(inner, look))
    }
}

impl<S: ByteSink> ByteConsumer<S> {
    /// Lets `look` see the bytes that the sink accepts.
    pub fn inspect<F>(self, look: F) -> ByteConsumer<Inspect<S, F>>
    where
        F: FnMut(&[u8]) + Send + 'static,
    {
        self.map(|inner| Inspect::new(inner, look))
    }
}

impl<S: ItemSource, V> ItemProducer<S, V> {
    /// Lets `look` see the source's items, before they are delivered.
    pub fn inspect<F>(self, look: F) -> ItemProducer<Inspect<S, F>, V>
    where
        F: FnMut(&S::Item) + Send + 'static,
    {
        self.map(|inner| Inspect::new(inner, look))
    }
}

impl<S: ItemSink, W, V> ItemConsumer<S, W, V> {
    /// Lets `look` see the items that the sink takes.
    pub fn inspect<F>(self, look: F) -> ItemConsumer<Inspect<S, F>, W, V>
    where
        F: FnMut(&S::Item) + Send + 'static,
    {
        self.map(|inner| Inspect::new(inner, look))
    }
}
