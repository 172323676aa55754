use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Completed, Completion};
use crate::Cut;
use crate::oneshot::{Receiver, oneshot};

/// The task of [`Completion::driven_by`], for an executor: it waits for the end of the stream, then flushes and closes
/// a sink, and drops the object.
///
/// Dropping it before that ends the stream as [`EndReason::Abandoned`](crate::EndReason::Abandoned) and drops the
/// source or sink, neither flushed nor closed.
#[must_use = "nothing is flushed or closed until it is run"]
pub struct Drive(Pin<Box<dyn Future<Output = ()> + Send>>);

impl fmt::Debug for Drive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Drive").finish_non_exhaustive()
    }
}

impl Future for Drive {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(cx)
    }
}

/// Abandons the stream when it is dropped. That changes nothing once the stream has ended.
struct AbandonOnDrop<S, E>(Completion<S, E>);

impl<S, E> Drop for AbandonOnDrop<S, E> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// How a stream ended whose completion an executor drives; made by [`Completion::driven_by`]. It need not be awaited.
///
/// A [`Cut`] says that the executor dropped the task before the end of the stream, as a runtime that shuts down does:
/// the stream was cut short, and the sink was dropped, neither flushed nor closed.
#[derive(Debug)]
pub struct Driven<E>(Receiver<Completed<(), E>>);

impl<E> Future for Driven<E> {
    type Output = Result<Completed<(), E>, Cut>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Poll::Ready(ready!(Pin::new(&mut self.0).poll(cx)).ok_or(Cut::ABANDONED))
    }
}

impl<S, E> Completion<S, E>
where
    S: Unpin + Send + 'static,
    E: Send + 'static,
{
    /// Hands the completion to an executor. A sink is flushed and shut down after the guest's last write, whether or
    /// not anybody awaits the result, and then dropped. The drop closes what a shutdown does not: a child process's
    /// stdin, a pipe.
    ///
    /// `spawn` is called once, on this thread, with the task: `|task| drop(tokio::spawn(task))`. The executor must run
    /// it. If it drops the task instead, the stream is cut short, and the result is a [`Cut`]. To get the object back,
    /// await the completion itself, in a task of its own if need be.
    ///
    /// ```
    /// use wasmtime::{Engine, Store, component::StreamReader};
    ///
    /// # #[cfg(feature = "tokio")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> wasmtime::Result<()> {
    /// let mut store = Store::new(&Engine::default(), ());
    /// # let stream = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
    /// let (mut reader, writer) = tokio::io::simplex(64);
    /// let (writer, done) = wasmtime_streams::tokio_io::write(writer).with_completion();
    /// stream.pipe(&mut store, writer)?;
    /// drop(done.driven_by(|task| drop(tokio::spawn(task))));
    ///
    /// // The writer is shut down though nobody awaits its completion.
    /// let text = store.run_concurrent(async |_| {
    ///     let mut text = String::new();
    ///     tokio::io::AsyncReadExt::read_to_string(&mut reader, &mut text).await.map(|_| text)
    /// });
    /// assert_eq!(text.await??, "hello");
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "tokio"))] fn main() {}
    /// ```
    pub fn driven_by(self, spawn: impl FnOnce(Drive)) -> Driven<E> {
        let (tx, rx) = oneshot();
        let mut completion = AbandonOnDrop(self);
        spawn(Drive(Box::pin(async move {
            let done = Pin::new(&mut completion.0).await.without_inner();
            // `Driven` may have been dropped.
            let _ = tx.send(done);
        })));
        Driven(rx)
    }
}
