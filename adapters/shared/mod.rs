//! What adapters share.

/// The accessors that every adapter has, for its one inner object.
macro_rules! accessors {
    ($inner:ident: $type:ty) => {
        /// The inner object.
        pub fn get_ref(&self) -> &$type {
            &self.$inner
        }

        /// The inner object. Moving data through it directly is seen by the guest as a gap or as extra data.
        pub fn get_mut(&mut self) -> &mut $type {
            &mut self.$inner
        }

        /// The inner object, without what the adapter itself still holds, if it holds anything.
        pub fn into_inner(self) -> $type {
            self.$inner
        }
    };
}

pub(crate) mod coop;
#[cfg(any(feature = "futures", feature = "http-body"))]
pub(crate) mod fill;
#[cfg(any(feature = "futures", feature = "tokio"))]
pub(crate) mod io;
pub(crate) mod items;
#[cfg(feature = "tokio")]
pub(crate) mod timer;
