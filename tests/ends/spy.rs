//! Wraps a source or sink, and records what the core calls.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use wasmtime_streams::{ByteSink, ByteSource, End, EndReason, ItemSink, ItemSource, Take, Then};

/// What the core has called.
#[derive(Debug, Default)]
pub struct Seen {
    pub ended: Vec<EndReason>,
    pub closed: bool,
}

pub type Spied = Arc<Mutex<Seen>>;

pin_project! {
    pub struct Spy<S> {
        #[pin]
        inner: S,
        seen: Spied,
    }
}

impl<S> Spy<S> {
    pub fn new(inner: S) -> (Self, Spied) {
        let seen = Spied::default();
        (Self { inner, seen: seen.clone() }, seen)
    }
}

macro_rules! ended {
    ($trait:ident) => {
        fn ended(self: Pin<&mut Self>, reason: EndReason) {
            let this = self.project();
            this.seen.lock().unwrap().ended.push(reason);
            $trait::ended(this.inner, reason);
        }
    };
}

macro_rules! sink {
    ($trait:ident) => {
        type Error = S::Error;

        fn poll_writable(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Option<Poll<Result<(), End<S::Error>>>> {
            $trait::poll_writable(self.project().inner, cx)
        }

        fn poll_flush(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), End<S::Error>>> {
            $trait::poll_flush(self.project().inner, cx)
        }

        fn poll_close(
            self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Result<(), End<S::Error>>> {
            let this = self.project();
            this.seen.lock().unwrap().closed = true;
            $trait::poll_close(this.inner, cx)
        }

        fn op_cancelled(self: Pin<&mut Self>) {
            $trait::op_cancelled(self.project().inner);
        }

        ended!($trait);
    };
}

impl<S: ByteSource> ByteSource for Spy<S> {
    type Error = S::Error;

    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), S::Error>> {
        self.project().inner.poll_read(cx, buf)
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, S::Error>>> {
        ByteSource::poll_readable(self.project().inner, cx)
    }

    ended!(ByteSource);
}

impl<S: ItemSource> ItemSource for Spy<S> {
    type Item = S::Item;
    type Error = S::Error;

    fn poll_items(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<S::Item>,
    ) -> Poll<Result<Then, S::Error>> {
        self.project().inner.poll_items(cx, max, out)
    }

    fn poll_readable(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<Then, S::Error>>> {
        ItemSource::poll_readable(self.project().inner, cx)
    }

    ended!(ItemSource);
}

impl<S: ByteSink> ByteSink for Spy<S> {
    sink!(ByteSink);

    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<S::Error>>> {
        self.project().inner.poll_write(cx, buf)
    }
}

impl<S: ItemSink> ItemSink for Spy<S> {
    type Item = S::Item;

    sink!(ItemSink);

    fn poll_accept(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        items: &mut dyn Take<S::Item>,
    ) -> Poll<Result<(), End<S::Error>>> {
        self.project().inner.poll_accept(cx, items)
    }
}
