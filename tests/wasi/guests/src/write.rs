//! A stream of bytes that the guest writes: raw operations, none longer than the options say.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use wit_bindgen::{StreamResult, StreamWriter};

use crate::{Options, read::STUCK, report::End};

/// A stream of bytes that the guest writes.
#[derive(Debug)]
pub struct Writing {
    stream: StreamWriter<u8>,
    options: Options,
    moved: u64,
    end: End,
}

impl Writing {
    /// Writes `stream` as `options` say.
    pub fn new(stream: StreamWriter<u8>, options: &Options) -> Self {
        Self { stream, options: options.clone(), moved: 0, end: End::Completed }
    }

    /// Writes all bytes; false if the host takes no more.
    pub async fn all(&mut self, bytes: &[u8]) -> bool {
        for piece in bytes.chunks(self.options.buffer) {
            if !self.piece(piece.to_vec()).await {
                return false;
            }
        }
        true
    }

    /// Writes the bytes, at first by an operation that has all of them; false if the host takes no more.
    pub async fn piece(&mut self, bytes: Vec<u8>) -> bool {
        let mut stuck = 0;
        let mut left = bytes;
        while !left.is_empty() && self.end == End::Completed {
            let before = left.len();
            let result;
            (result, left) = write(&mut self.stream, left, &self.options).await;
            self.moved += (before - left.len()) as u64;
            stuck = if left.len() < before { 0 } else { stuck + 1 };
            if result == StreamResult::Dropped {
                self.end = End::Dropped;
            } else if stuck == STUCK {
                self.end = End::Stuck;
            }
        }
        self.end == End::Completed
    }

    /// Drops the stream. Returns how many bytes the host took and how the stream ended, once the future of the result
    /// has its value.
    pub async fn result<R>(self, result: impl IntoFuture<Output = R>) -> (u64, End, R) {
        drop(self.stream);
        (self.moved, self.end, result.await)
    }
}

/// One operation with all of `bytes`, with what the options add before it. Returns what the host did not take.
async fn write(
    stream: &mut StreamWriter<u8>,
    mut bytes: Vec<u8>,
    options: &Options,
) -> (StreamResult, Vec<u8>) {
    if options.zero {
        let (result, _) = stream.write(Vec::new()).await;
        if result == StreamResult::Dropped {
            return (result, bytes);
        }
    }
    if options.cancel {
        let mut operation = pin!(stream.write(bytes));
        let (result, left) = match operation.as_mut().poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(done) => done,
            Poll::Pending => operation.as_mut().cancel(),
        };
        bytes = left.into_vec();
        if result == StreamResult::Dropped || bytes.is_empty() {
            return (result, bytes);
        }
    }
    let (result, left) = stream.write(bytes).await;
    (result, left.into_vec())
}
