//! A host reader, a guest and a host writer: the part that uses `wasmtime-streams`.

use std::io;

use tokio::io::AsyncRead;
use wasmtime::component::StreamReader;
use wasmtime_streams::{End, tokio_io};

use crate::guest::Guest;
use crate::receiver::Receiver;
use crate::writer::Writer;

pub(crate) struct Transferred {
    /// The number of bytes that the guest read.
    pub(crate) read: u64,
    /// The number of the guest's bytes that were written and flushed.
    pub(crate) written: u64,
    /// What stopped the transfer; `None` if every byte was written.
    pub(crate) stopped: Option<Stopped>,
}

pub(crate) enum Stopped {
    Input(io::Error),
    Output(io::Error),
    Guest(wasmtime::Error),
}

/// Sends all bytes of `reader` through the guest to `writer`. Then ends the output, or cuts it if anything failed.
pub(crate) async fn transfer(
    guest: Guest,
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: Writer,
    receiver: &mut Receiver,
) -> Transferred {
    let Guest { mut store, transform } = guest;

    // The producer and the consumer go into the store; the completions stay here.
    let (producer, input) = tokio_io::read(reader).with_completion();
    let (consumer, mut output) = tokio_io::write(writer).with_completion();

    // Streams move only while the store runs, so the output's completion is awaited in here. It resolves when the guest
    // drops its writable end, once the output is flushed, or when the writer fails.
    let run = store.run_concurrent(async |accessor| {
        let input = accessor.with(|access| StreamReader::new(access, producer))?;
        let (transformed,) = transform.call_concurrent(accessor, (input,)).await?;
        accessor.with(|access| transformed.pipe(access, consumer))?;
        wasmtime::error::Ok((&mut output).await)
    });
    // The receiver is watched outside the store: if it leaves, all ends at once, whatever the guest waits for.
    let (ended, stopped) = tokio::select! {
        biased;
        ended = run => match ended.flatten() {
            Ok(ended) => (Some(ended), None),
            Err(cause) => (None, Some(Stopped::Guest(cause))),
        },
        cause = receiver.gone() => (None, Some(Stopped::Output(cause))),
    };

    // A cancel hands back what has not ended. A guest may end its output before it has read all its input.
    input.cancel();
    let input = input.await;
    let output = match ended {
        Some(ended) => ended,
        None => {
            output.cancel();
            output.await
        }
    };
    let writer = output.inner.into_inner();
    let (read, written) = (input.moved, writer.flushed());
    // The input's error first: a guest sees only the end of an input that fails, and ends its output in order.
    let stopped = stopped.or(match (input.end, output.end) {
        (End::Failed(cause), _) => Some(Stopped::Input(cause)),
        (_, End::Failed(cause)) => Some(Stopped::Output(cause)),
        _ => None,
    });
    let stopped = match stopped {
        None => writer.end().await.err().map(Stopped::Output),
        Some(cause) => {
            writer.cut();
            Some(cause)
        }
    };
    Transferred { read, written, stopped }
}
