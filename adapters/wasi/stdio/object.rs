//! The host objects of stdio, of any type.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use wasmtime::Result;
use wasmtime::component::StreamResult;

use super::StdioEnd;
use super::error::code;
use super::shared::Outcome;
use crate::completion::{Owned, Shared};
use crate::consumer::Incoming;
use crate::{ByteConsumer, ByteProducer, ByteSink, ByteSource, Completion};

/// What input and output have in common.
pub(super) trait Object: Send {
    /// Gives up the operation that is under way.
    fn cancel(&mut self);

    /// The result of the stream, if it has ended.
    fn outcome(&mut self) -> Option<Outcome>;
}

pub(super) trait Input: Object {
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        produced: &mut usize,
    ) -> Poll<Result<StreamResult>>;
}

pub(super) trait Output: Object {
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bytes: &mut dyn Incoming,
    ) -> Poll<Result<StreamResult>>;
}

impl<S> Object for ByteProducer<S, Shared>
where
    S: ByteSource<Error: Error>,
{
    fn cancel(&mut self) {
        // A read holds nothing: all that is taken is delivered in the same poll.
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.with_end(code)
    }
}

impl<S> Input for ByteProducer<S, Shared>
where
    S: ByteSource<Error: Error>,
{
    fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut [u8],
        produced: &mut usize,
    ) -> Poll<Result<StreamResult>> {
        match self.answer_without_source(false) {
            Some(answer) => Poll::Ready(answer),
            None => Pin::new(self).poll_operation(cx, buf, produced),
        }
    }
}

impl<S> Object for ByteConsumer<S, Shared>
where
    S: ByteSink<Error: Error>,
{
    fn cancel(&mut self) {
        Pin::new(self).cancel_operation();
    }

    fn outcome(&mut self) -> Option<Outcome> {
        self.with_end(code)
    }
}

impl<S> Output for ByteConsumer<S, Shared>
where
    S: ByteSink<Error: Error>,
{
    fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        mut bytes: &mut dyn Incoming,
    ) -> Poll<Result<StreamResult>> {
        Pin::new(self).poll_operation(cx, &mut bytes)
    }
}

/// Resolves once the object is closed.
pub(super) type Closing = Pin<Box<dyn Future<Output = StdioEnd> + Send>>;

fn closing<S, E>(completion: Completion<S, E>) -> Option<Closing>
where
    S: Send + 'static,
    E: Error + Send + Sync + 'static,
{
    Some(Box::pin(async move {
        let done = completion.await;
        StdioEnd { end: done.end.map_err(Into::into), moved: done.moved, opened: 0 }
    }))
}

mod sealed {
    use super::{Closing, Input, Output};

    pub trait StdioInput {
        #[doc(hidden)]
        #[allow(private_interfaces)]
        fn into_parts(self) -> (Box<dyn Input>, Option<Closing>);
    }

    pub trait StdioOutput {
        #[doc(hidden)]
        #[allow(private_interfaces)]
        fn into_parts(self) -> (Box<dyn Output>, Option<Closing>);
    }
}

/// What can be a guest's stdin: a [`ByteProducer`], with or without a completion.
pub trait StdioInput: sealed::StdioInput {}

impl<I: sealed::StdioInput> StdioInput for I {}

/// What can be a guest's stdout or stderr: a [`ByteConsumer`], with or without a completion.
pub trait StdioOutput: sealed::StdioOutput {}

impl<O: sealed::StdioOutput> StdioOutput for O {}

#[allow(private_interfaces)]
impl<S> sealed::StdioInput for ByteProducer<S, Owned>
where
    S: ByteSource<Error: Error + Sync> + Unpin,
{
    fn into_parts(self) -> (Box<dyn Input>, Option<Closing>) {
        let (producer, completion) = self.with_completion();
        (Box::new(producer), closing(completion))
    }
}

#[allow(private_interfaces)]
impl<S: ByteSource<Error: Error>> sealed::StdioInput for ByteProducer<S, Shared> {
    fn into_parts(self) -> (Box<dyn Input>, Option<Closing>) {
        (Box::new(self), None)
    }
}

#[allow(private_interfaces)]
impl<S> sealed::StdioOutput for ByteConsumer<S, Owned>
where
    S: ByteSink<Error: Error + Sync> + Unpin,
{
    fn into_parts(self) -> (Box<dyn Output>, Option<Closing>) {
        let (consumer, completion) = self.with_completion();
        (Box::new(consumer), closing(completion))
    }
}

#[allow(private_interfaces)]
impl<S: ByteSink<Error: Error>> sealed::StdioOutput for ByteConsumer<S, Shared> {
    fn into_parts(self) -> (Box<dyn Output>, Option<Closing>) {
        (Box::new(self), None)
    }
}
