use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::{Completed, Completion};
use crate::Cut;
use crate::oneshot::{Receiver, oneshot};

/// What has to be run for a stream's end: it waits for the end, then flushes and closes a sink. For an executor.
///
/// If it is dropped before that, the stream is cut short, as [`EndReason::Abandoned`](crate::EndReason::Abandoned), and the source or sink is dropped.
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

/// A completion that is being driven; ends the stream if that stops too early.
struct Driving<S, E>(Completion<S, E>);

impl<S, E> Drop for Driving<S, E> {
    fn drop(&mut self) {
        self.0.abandon();
    }
}

/// How a stream ended whose completion something else drives; made by [`Completion::driven_by`]. It need not be awaited.
///
/// A [`Cut`] says that the executor dropped the task before the stream's end, by a runtime that shut down, say: the stream was
/// cut short, and the sink was dropped, neither flushed nor closed.
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
    /// Has the completion driven by an executor, whether or not anybody awaits it: a sink is then flushed and shut down
    /// after the guest's last write in any case, and then dropped, which closes what a shutdown does not close: a
    /// child process's stdin, a pipe.
    ///
    /// `spawn` gets the task, on the calling thread: `|task| { tokio::spawn(task); }`. It must run it; if the task is dropped
    /// instead, the stream is cut short, and that is told by a [`Cut`]. What is returned is for who wants to know the end.
    /// Who wants the object back awaits the completion itself, in a task of its own if need be.
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
        let mut driving = Driving(self);
        spawn(Drive(Box::pin(async move {
            let done = Pin::new(&mut driving.0).await.without_inner();
            // Nobody has to wait for it.
            let _ = tx.send(done);
        })));
        Driven(rx)
    }
}
