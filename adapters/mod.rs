//! One folder an ecosystem, one file an adapter. An adapter knows its ecosystem and the core's traits, nothing else.

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

#[cfg(feature = "codec")]
mod codec;
mod coop;
#[cfg(any(feature = "futures", feature = "http-body"))]
mod fill;
#[cfg(feature = "futures")]
mod futures;
#[cfg(feature = "http-body")]
mod http;
#[cfg(any(feature = "futures", feature = "tokio"))]
mod io;
mod items;
mod std;
#[cfg(feature = "tokio")]
mod tokio;
#[cfg(feature = "tracing")]
mod tracing;

#[cfg(feature = "codec")]
pub use self::codec::*;
#[cfg(feature = "futures")]
pub use self::futures::*;
#[cfg(feature = "http-body")]
pub use self::http::*;
pub use self::std::*;
#[cfg(feature = "tokio")]
pub use self::tokio::*;
