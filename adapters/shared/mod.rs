//! Code that several adapters share.

/// The accessors of an adapter for its inner object.
macro_rules! accessors {
    ($inner:ident: $type:ty) => {
        /// The inner object.
        pub fn get_ref(&self) -> &$type {
            &self.$inner
        }

        /// The inner object. The guest sees data that is moved through it directly as a gap or as extra data.
        pub fn get_mut(&mut self) -> &mut $type {
            &mut self.$inner
        }

        /// The inner object. Anything that the adapter itself still holds is dropped.
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
