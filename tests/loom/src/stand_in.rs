//! What the pieces name of Wasmtime and of the rest of the library, as far as they use it.

use std::fmt;
use std::marker::PhantomData;

use crate::completion::Owned;
use crate::layer::{Layers, Signal};
use crate::{ByteSink, ByteSource, ItemSink, ItemSource};

/// Wasmtime's error: a text.
#[derive(Debug)]
pub struct Error(String);

impl Error {
    pub fn msg(text: impl fmt::Display) -> Self {
        Self(text.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

pub mod component {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub enum StreamResult {
        Completed,
        Cancelled,
        Dropped,
    }
}

/// Of the stdio of WASI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StdioError {
    Io,
    Pipe,
}

/// Of the stdio of WASI.
pub(crate) mod object {
    pub(crate) trait Object: Send {
        fn cancel(&mut self);
        fn outcome(&mut self) -> Option<crate::stdio::Outcome>;
    }
}

/// Producers and consumers: `layer` gives each of them methods, which no model calls.
macro_rules! unused {
    ($($type:ident<S $(, $rest:ident)*>: $bound:ident, $item:ty;)*) => { $(
        pub struct $type<S $(, $rest)*, C = Owned>(PhantomData<fn(S $(, $rest)*, C)>);

        impl<S: $bound $(, $rest)*, C> $type<S $(, $rest)*, C> {
            pub(crate) fn layer(self, _: impl FnOnce(&mut Layers<$item>)) -> Self {
                self
            }

            pub(crate) fn until_signal(self, _: Signal) -> Self {
                self
            }
        }
    )* };
}

unused! {
    ByteProducer<S>: ByteSource, u8;
    ItemProducer<S, V>: ItemSource, S::Item;
    ByteConsumer<S>: ByteSink, u8;
    ItemConsumer<S, W, V>: ItemSink, S::Item;
}
