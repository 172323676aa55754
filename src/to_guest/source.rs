use std::convert::Infallible;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::handoff::Reader;
use crate::{ByteSource, EndReason, ItemSource, Then, relay::Splice};

/// The source of this module and of `relay`: it takes the data over from the host's end.
#[derive(Debug)]
pub struct FromHost<T> {
    reader: Reader<T, EndReason>,
}

impl<T> FromHost<T> {
    pub(crate) fn new(reader: Reader<T, EndReason>) -> Self {
        Self { reader }
    }

    /// What was written but did not reach the guest, first one first.
    pub fn into_unread(self) -> Vec<T> {
        self.reader.into_unread()
    }

    /// Rule "The end goes with the last items".
    fn then(&self) -> Then {
        if self.reader.is_at_end() { Then::End(EndReason::Finished) } else { Then::More }
    }
}

// No field is pinned.
impl<T> Unpin for FromHost<T> {}

impl<T> Splice for FromHost<T> {}

macro_rules! common {
    () => {
        type Error = Infallible;

        fn poll_readable(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Option<Poll<Result<Then, Infallible>>> {
            Some(self.reader.poll_chunk(cx).map(|chunk| {
                Ok(match chunk {
                    Ok(chunk) if chunk.is_empty() => Then::End(EndReason::Finished),
                    Ok(_) => Then::More,
                    Err(reason) => Then::End(reason),
                })
            }))
        }

        fn ended(self: Pin<&mut Self>, _: EndReason) {
            self.reader.refuse();
        }
    };
}

impl ByteSource for FromHost<u8> {
    common!();

    #[inline]
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<Result<(usize, Then), Infallible>> {
        let chunk = match ready!(self.reader.poll_chunk(cx)) {
            Ok(chunk) => chunk.as_slices().0,
            Err(why) => return Poll::Ready(Ok((0, Then::End(why)))),
        };
        if chunk.is_empty() {
            return Poll::Ready(Ok((0, Then::End(EndReason::Finished))));
        }
        let n = chunk.len().min(buf.len());
        buf[..n].copy_from_slice(&chunk[..n]);
        self.reader.consume(n);
        Poll::Ready(Ok((n, self.then())))
    }
}

impl<T: Send + 'static> ItemSource for FromHost<T> {
    type Item = T;

    common!();

    fn poll_items(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        max: usize,
        out: &mut Vec<T>,
    ) -> Poll<Result<Then, Infallible>> {
        let chunk = match ready!(self.reader.poll_chunk(cx)) {
            Ok(chunk) => chunk,
            Err(why) => return Poll::Ready(Ok(Then::End(why))),
        };
        if chunk.is_empty() {
            return Poll::Ready(Ok(Then::End(EndReason::Finished)));
        }
        // Wasmtime keeps the storage of a batch until the next one: it must not be much larger than the batch.
        let fits = chunk.len() <= max && chunk.capacity() / 2 <= chunk.len();
        if out.is_empty() && fits {
            // Swaps storage: the caller's goes to the writer, the chunk becomes the batch.
            let storage = mem::replace(out, mem::take(chunk).into());
            self.reader.give_storage(storage);
        } else {
            out.extend(chunk.drain(..chunk.len().min(max)));
        }
        Poll::Ready(Ok(self.then()))
    }
}
