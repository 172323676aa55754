//! Stdin, stdout and stderr.

#[cfg(test)]
mod contract;
mod error;
mod inherit;
mod object;
mod shared;
mod streams;

use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use wasmtime::component::{FutureReader, Linker, StreamReader};
use wasmtime::{AsContextMut as _, Result, StoreContextMut};

pub use self::error::{StdioError, stdio_end};
pub use self::inherit::{process_stderr, process_stdin, process_stdout};
use self::object::{Closing, Input, Output};
pub use self::object::{StdioInput, StdioOutput};
use self::shared::{Outcome, Shared};
use self::streams::{Reading, Writing};
use crate::items::AsIs;
use crate::{End, oneshot, tokio_io, values};

/// How the stream over one host object of a [`Stdio`] ended, from [`Stdio::closing`].
#[non_exhaustive]
#[derive(Debug)]
pub struct StdioEnd {
    /// [`PeerDropped`](End::PeerDropped) for an input that the guest did not read to its end, and
    /// [`Finished`](End::Finished) for an output that is flushed and shut down.
    pub end: End<Box<dyn Error + Send + Sync>>,
    /// How many bytes the guest got or wrote.
    pub moved: u64,
    /// How many streams the guest has opened over the object.
    pub opened: u64,
}

/// How the three streams of a [`Stdio`] ended; `None` for what the host did not set, or set with a completion of its
/// own.
#[non_exhaustive]
#[derive(Debug)]
pub struct StdioEnds {
    /// The input.
    pub stdin: Option<StdioEnd>,
    /// The output.
    pub stdout: Option<StdioEnd>,
    /// The output for messages.
    pub stderr: Option<StdioEnd>,
}

/// One host object, and what resolves once it is closed.
struct Slot<O: object::Object + ?Sized> {
    shared: Arc<Shared<O>>,
    closing: Option<Closing>,
}

impl<O: object::Object + ?Sized> Slot<O> {
    fn new((object, closing): (Box<O>, Option<Closing>)) -> Self {
        Self { shared: Shared::new(object), closing }
    }

    /// Ends the streams, and gives what resolves once the object is closed.
    fn close(&mut self) -> Closed {
        let opened = self.shared.opened();
        self.shared.close();
        Closed { closing: self.closing.take(), opened, end: None }
    }
}

/// One object that is being closed.
#[derive(Default)]
struct Closed {
    closing: Option<Closing>,
    opened: u64,
    end: Option<StdioEnd>,
}

impl Closed {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if let Some(closing) = &mut self.closing {
            let end = ready!(closing.as_mut().poll(cx));
            self.closing = None;
            self.end = Some(StdioEnd { opened: self.opened, ..end });
        }
        Poll::Ready(())
    }
}

/// A guest's stdio: any producer as stdin, any consumer as stdout and stderr, with their limits, meters and deadlines.
///
/// It is part of the store's data, and [`stdio`] or [`cli`](super::cli) connects it. What is not set is empty, and
/// takes and drops everything.
///
/// # Partial operations, zero-length operations
/// Those of the producer and of the consumers.
///
/// # Several streams
/// A guest may open each of the three as often as it likes; Rust's standard library opens stdout for each print. All
/// streams share the host object: an input goes on where the last stream stopped, outputs are in the order of their
/// operations, and a limit or a deadline counts for all together. An operation waits for the operation of another
/// stream. A stream that the guest drops leaves the object open.
///
/// # Cancellation
/// A cancelled operation is answered at once. What it took from the guest goes out with the next operation or at
/// [`closing`](Self::closing).
///
/// # Errors
/// The stream and all later ones over the same object end, and the guest's result future has the `error-code`:
/// [`stdio_end`] has the table. The host gets the error from [`closing`](Self::closing).
///
/// # Drop
/// The objects are dropped; outputs are neither flushed nor shut down. Await [`closing`](Self::closing) after the run.
///
/// ```
/// use wasmtime_streams::{iterators, tokio_io, wasi::Stdio};
///
/// let stdio = Stdio::new()
///     .stdin(tokio_io::read(&b"hello\n"[..]))
///     .stdout(iterators::collect_bytes(1 << 20).limit(64 * 1024))
///     .stderr(tokio_io::write(tokio::io::sink()));
/// # let _ = stdio;
/// ```
#[derive(Default)]
pub struct Stdio {
    stdin: Option<Slot<dyn Input>>,
    stdout: Option<Slot<dyn Output>>,
    stderr: Option<Slot<dyn Output>>,
    stderr_to_stdout: bool,
}

impl Stdio {
    /// An empty stdin, and a stdout and stderr that drop everything.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the input: a [`ByteProducer`](crate::ByteProducer).
    ///
    /// With a completion of its own, that reports the end in place of [`closing`](Self::closing) and gives the object
    /// back.
    pub fn stdin(mut self, producer: impl StdioInput) -> Self {
        self.stdin = Some(Slot::new(producer.into_parts()));
        self
    }

    /// Sets the output: a [`ByteConsumer`](crate::ByteConsumer).
    ///
    /// With a completion of its own, that reports the end in place of [`closing`](Self::closing), closes the object and
    /// gives it back.
    pub fn stdout(mut self, consumer: impl StdioOutput) -> Self {
        self.stdout = Some(Slot::new(consumer.into_parts()));
        self
    }

    /// Sets the output for messages: a [`ByteConsumer`](crate::ByteConsumer), as in [`stdout`](Self::stdout).
    pub fn stderr(mut self, consumer: impl StdioOutput) -> Self {
        self.stderr = Some(Slot::new(consumer.into_parts()));
        self.stderr_to_stdout = false;
        self
    }

    /// Sends messages to stdout, as `2>&1` does in a shell: in the order of the operations.
    pub fn stderr_to_stdout(mut self) -> Self {
        self.stderr = None;
        self.stderr_to_stdout = true;
        self
    }

    /// Ends all streams, flushes and shuts the outputs down, and reports how each ended.
    ///
    /// Call it after the run, and await it on any task: it needs no store. A stream that the guest still has ends with
    /// its next operation. A second call reports `None`.
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// use wasmtime_streams::{tokio_io, wasi::Stdio};
    ///
    /// let mut stdio = Stdio::new().stdout(tokio_io::write(tokio::io::sink()));
    /// // … the guest runs …
    /// let ends = stdio.closing().await;
    /// assert!(ends.stdout.is_some_and(|stdout| stdout.end.is_finished() && stdout.moved == 0));
    /// # }
    /// ```
    pub fn closing(&mut self) -> impl Future<Output = StdioEnds> + Send + use<> {
        let mut all = [
            self.stdin.as_mut().map(Slot::close).unwrap_or_default(),
            self.stdout.as_mut().map(Slot::close).unwrap_or_default(),
            self.stderr.as_mut().map(Slot::close).unwrap_or_default(),
        ];
        async move {
            // All at once: who reads the outputs may want the end of one before it reads the other.
            poll_fn(|cx| {
                let pending =
                    all.iter_mut().fold(false, |any, one| any | one.poll(cx).is_pending());
                if pending { Poll::Pending } else { Poll::Ready(()) }
            })
            .await;
            let [stdin, stdout, stderr] = all.map(|closed| closed.end);
            StdioEnds { stdin, stdout, stderr }
        }
    }

    fn output(&self, which: Which) -> Option<&Arc<Shared<dyn Output>>> {
        let slot = match which {
            Which::Stderr if !self.stderr_to_stdout => &self.stderr,
            _ => &self.stdout,
        };
        slot.as_ref().map(|slot| &slot.shared)
    }
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio")
            .field("stdin", &self.stdin.is_some())
            .field("stdout", &self.stdout.is_some())
            .field("stderr", &self.stderr.is_some())
            .finish_non_exhaustive()
    }
}

#[derive(Clone, Copy)]
enum Which {
    Stdout,
    Stderr,
}

type Read = (StreamReader<u8>, FutureReader<Outcome>);

/// `read-via-stream` of stdin.
fn read<T: 'static>(
    mut store: StoreContextMut<'_, T>,
    get: fn(&mut T) -> &mut Stdio,
) -> Result<Read> {
    let stdin = get(store.data_mut()).stdin.as_ref().map(|slot| slot.shared.clone());
    let (mut stream, outcome) = match stdin {
        None => (StreamReader::new(&mut store, Vec::new())?, None),
        Some(shared) => {
            let (opened, outcome) = shared.open();
            (StreamReader::new(&mut store, Reading(opened))?, Some(outcome))
        }
    };
    match result(&mut store, outcome) {
        Ok(future) => Ok((stream, future)),
        Err(error) => {
            stream.close(&mut store)?;
            Err(error)
        }
    }
}

/// `write-via-stream` of stdout or stderr.
fn write<T: 'static>(
    mut store: StoreContextMut<'_, T>,
    get: fn(&mut T) -> &mut Stdio,
    which: Which,
    stream: StreamReader<u8>,
) -> Result<FutureReader<Outcome>> {
    let output = get(store.data_mut()).output(which).cloned();
    let outcome = match output {
        None => {
            stream.pipe(&mut store, tokio_io::write(tokio::io::sink()))?;
            None
        }
        Some(shared) => {
            let (opened, outcome) = shared.open();
            stream.pipe(&mut store, Writing(opened))?;
            Some(outcome)
        }
    };
    result(&mut store, outcome)
}

/// The result future of one stream.
fn result<T: 'static>(
    store: &mut StoreContextMut<'_, T>,
    outcome: Option<oneshot::Receiver<Outcome>>,
) -> Result<FutureReader<Outcome>> {
    let result = async move {
        match outcome {
            None => Ok(()),
            // The stream sends in any case, the latest when it is dropped.
            Some(outcome) => outcome.await.unwrap_or(Ok(())),
        }
    };
    FutureReader::new(store.as_context_mut(), values::future(result).with_step(AsIs))
}

/// Defines `wasi:cli/stdin`, `stdout` and `stderr` (0.3.0) in `linker`, over the [`Stdio`] of the store's data.
///
/// It needs nothing else of WASI. If the linker has WASI already, call
/// [`Linker::allow_shadowing`](wasmtime::component::Linker::allow_shadowing) first, or use [`cli`](super::cli), which
/// adds all of WASI.
///
/// # Errors
/// The linker has one of the functions, and its shadowing is not allowed.
///
/// ```
/// use wasmtime::{Engine, component::Linker};
/// use wasmtime_streams::wasi::{self, Stdio};
///
/// struct Data {
///     stdio: Stdio,
/// }
///
/// # fn main() -> wasmtime::Result<()> {
/// let mut linker = Linker::<Data>::new(&Engine::default());
/// wasi::stdio(&mut linker, |data| &mut data.stdio)?;
/// # Ok(())
/// # }
/// ```
pub fn stdio<T: 'static>(linker: &mut Linker<T>, get: fn(&mut T) -> &mut Stdio) -> Result<()> {
    linker
        .instance("wasi:cli/stdin@0.3.0")?
        .func_wrap("read-via-stream", move |store, ()| Ok((read(store, get)?,)))?;
    for (interface, which) in
        [("wasi:cli/stdout@0.3.0", Which::Stdout), ("wasi:cli/stderr@0.3.0", Which::Stderr)]
    {
        linker
            .instance(interface)?
            .func_wrap("write-via-stream", move |store, (stream,): (StreamReader<u8>,)| {
                Ok((write(store, get, which, stream)?,))
            })?;
    }
    Ok(())
}
