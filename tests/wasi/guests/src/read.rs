//! A stream that the guest reads: raw operations, each of exactly the length that the options say.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use wit_bindgen::{StreamReader, StreamResult};

use crate::{Options, report::End};

/// So many operations in a row that move nothing are taken for a host that will never move anything.
pub(crate) const STUCK: u32 = 10_000;

/// A stream that the guest reads.
#[derive(Debug)]
pub struct Reading<T: 'static> {
    // `None` once the guest has dropped it.
    stream: Option<StreamReader<T>>,
    options: Options,
    moved: u64,
    end: End,
}

impl<T: 'static> Reading<T> {
    /// Reads `stream` as `options` say.
    pub fn new(stream: StreamReader<T>, options: &Options) -> Self {
        Self { stream: Some(stream), options: options.clone(), moved: 0, end: End::Completed }
    }

    /// The next items, at least one; `None` at the end, whoever it came from.
    pub async fn next(&mut self) -> Option<Vec<T>> {
        for _ in 0..STUCK {
            let left =
                self.options.drop_after.map_or(u64::MAX, |after| after.saturating_sub(self.moved));
            let length = self.options.buffer.min(usize::try_from(left).unwrap_or(usize::MAX));
            if length == 0 {
                self.stream = None;
            }
            let stream = self.stream.as_mut().filter(|_| self.end == End::Completed)?;
            let (result, items) = read(stream, length, &self.options).await;
            self.moved += items.len() as u64;
            if result == StreamResult::Dropped {
                self.end = End::Dropped;
            }
            if !items.is_empty() {
                return Some(items);
            }
        }
        self.end = End::Stuck;
        self.stream = None;
        None
    }

    /// The guest wants no more: drops the stream, unless the host did first.
    pub fn stop(&mut self) {
        self.stream = None;
    }

    /// How many items were read, and how the stream ended, once the future of the result has its value.
    ///
    /// A stream that the host ended is held until then.
    pub async fn result<R>(mut self, result: impl IntoFuture<Output = R>) -> (u64, End, R) {
        if self.end != End::Dropped {
            self.stop();
        }
        let value = result.await;
        (self.moved, self.end, value)
    }

    /// How many items were read, and how the stream ended.
    pub fn finish(self) -> (u64, End) {
        (self.moved, self.end)
    }
}

/// One operation of `length` items, with what the options add before it. Ends after the first that moves something.
async fn read<T>(
    stream: &mut StreamReader<T>,
    length: usize,
    options: &Options,
) -> (StreamResult, Vec<T>) {
    if options.zero {
        let (result, items) = stream.read(Vec::new()).await;
        if result == StreamResult::Dropped {
            return (result, items);
        }
    }
    if options.cancel {
        let mut operation = pin!(stream.read(Vec::with_capacity(length)));
        let (result, items) = match operation.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => done,
            Poll::Pending => operation.as_mut().cancel(),
        };
        if result == StreamResult::Dropped || !items.is_empty() {
            return (result, items);
        }
    }
    stream.read(Vec::with_capacity(length)).await
}
