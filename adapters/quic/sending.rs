//! A `SendStream` whose end is told to the peer exactly once.

use std::fmt;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};

use ::tokio::io::AsyncWrite;
use quinn::{SendStream, StoppedError, VarInt, WriteError};

use super::codes::Codes;
use crate::shared::coop::poll_step;
use crate::{End, EndReason};

/// Resolves with the peer's code if it stopped the stream, with `None` once it has everything.
type Stopped = Pin<Box<dyn Future<Output = Result<Option<VarInt>, StoppedError>> + Send>>;

/// What the peer was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Finished,
    Cut,
}

/// The stream of a sink. quinn finishes a `SendStream` that is dropped, and the peer would take that for the end of the data:
/// this one is reset, unless it was finished.
pub(super) struct Sending {
    pub(super) stream: SendStream,
    pub(super) codes: Codes,
    /// The code with which the peer stopped the stream.
    pub(super) stop_code: Option<VarInt>,
    state: State,
    stopped: Option<Stopped>,
}

impl Sending {
    pub(super) fn new(stream: SendStream) -> Self {
        Self { stream, codes: Codes::default(), stop_code: None, state: State::Open, stopped: None }
    }

    /// Whether the peer was told of no end yet.
    pub(super) fn is_open(&self) -> bool {
        self.state == State::Open
    }

    /// Writes a part of `buf`. Of an empty one nothing: that waits for room alone.
    pub(super) fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, WriteError>> {
        let sent = ready!(poll_step(cx, |cx| pin!(self.stream.write(buf)).poll(cx)));
        if let Err(WriteError::Stopped(code)) = sent {
            self.stop_code = Some(code);
        }
        Poll::Ready(sent)
    }

    /// Sends the end of the data.
    pub(super) fn finish(&mut self) {
        if self.is_open() {
            self.state = State::Finished;
            // Fails only if the host has finished or reset the stream itself.
            let _ = self.stream.finish();
        }
    }

    /// Tells the peer that the data was cut. What it has not read yet may be lost.
    pub(super) fn cut(&mut self, reason: EndReason) {
        if self.is_open() {
            self.state = State::Cut;
            let cx = &mut Context::from_waker(Waker::noop());
            if let Poll::Ready(Ok(Some(code))) = pin!(self.stream.stopped()).poll(cx) {
                self.stop_code = Some(code);
            }
            // To a peer that stopped the stream its own code goes back, as RFC 9000, section 3.5, has it.
            let code = self.stop_code.unwrap_or_else(|| self.codes.code(reason));
            // Fails only if the host has finished or reset the stream itself.
            let _ = self.stream.reset(code);
        }
    }

    /// Waits until the peer has acknowledged everything; after a cut there is nothing to wait for.
    pub(super) fn poll_delivered(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End<WriteError>>> {
        if self.state == State::Cut {
            return Poll::Ready(Ok(()));
        }
        let stopped = self.stopped.get_or_insert_with(|| Box::pin(self.stream.stopped()));
        let answer = ready!(stopped.as_mut().poll(cx));
        self.stopped = None;
        Poll::Ready(match answer {
            Ok(None) => Ok(()),
            Ok(Some(code)) => {
                self.stop_code = Some(code);
                Err(End::ReceiverDropped)
            }
            Err(error) => Err(End::Failed(error.into())),
        })
    }
}

/// Resolves once the peer has stopped the stream or the connection is lost.
pub(super) fn stopped(stream: &SendStream) -> impl Future<Output = ()> + Send + 'static {
    let stopped = stream.stopped();
    async move {
        let _ = stopped.await;
    }
}

/// The end of a stream that a write fails on.
pub(super) fn end_of(error: WriteError) -> End<WriteError> {
    match error {
        WriteError::Stopped(_) => End::ReceiverDropped,
        error => End::Failed(error),
    }
}

impl Drop for Sending {
    fn drop(&mut self) {
        self.cut(EndReason::Abandoned);
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, stop_code, state, .. } = self;
        f.debug_struct("Sending")
            .field("stream", stream)
            .field("stop_code", stop_code)
            .field("state", state)
            .finish_non_exhaustive()
    }
}

/// For frames.
impl AsyncWrite for Sending {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, buf).map_err(io::Error::from)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}
