//! A host's reader, a guest and a host's writer: the part that uses `wasmtime-streams`.

use std::io;

use tokio::io::AsyncRead;
use wasmtime::component::StreamReader;
use wasmtime_streams::{End, tokio_read, tokio_write};

use crate::guest::Guest;
use crate::output::Output;

pub(crate) struct Transferred {
    /// How many bytes the guest got.
    pub(crate) read: u64,
    /// How many bytes of the guest's were written and flushed.
    pub(crate) written: u64,
    /// What stopped it, unless every byte has arrived.
    pub(crate) stopped: Option<Stopped>,
}

pub(crate) enum Stopped {
    Input(io::Error),
    Output(io::Error),
    Guest(wasmtime::Error),
}

/// Sends all that `reader` gives through the guest to `output`, closing included.
pub(crate) async fn transfer(
    guest: Guest,
    reader: impl AsyncRead + Send + Unpin + 'static,
    output: Output,
) -> Transferred {
    let Guest { mut store, transform } = guest;
    let Output { writer, watch, .. } = output;

    // Each half of a pair goes its own way: the producer and the consumer into the store, the completions stay here.
    let (producer, input) = tokio_read(reader).with_completion();
    let (consumer, mut output) = tokio_write(writer).with_completion();

    // Streams move only while the store runs, so their end is awaited in here. The output ends when the guest drops its
    // writable end, and is then flushed and closed by its completion, or when the writer fails.
    let run = store.run_concurrent(async |accessor| {
        let input = accessor.with(|access| StreamReader::new(access, producer))?;
        let (transformed,) = transform.call_concurrent(accessor, (input,)).await?;
        accessor.with(|access| transformed.pipe(access, consumer))?;
        wasmtime::error::Ok((&mut output).await)
    });
    // The watch stands outside of the store: it ends all at once, whatever the guest waits for.
    let (ended, stopped) = tokio::select! {
        biased;
        ended = run => match ended.flatten() {
            Ok(ended) => (Some(ended), None),
            Err(cause) => (None, Some(Stopped::Guest(cause))),
        },
        cause = watch.reader_gone() => (None, Some(Stopped::Output(cause))),
    };

    // What has not ended yet is handed back as it is. A guest may well end its output before it has read all its input.
    input.cancel();
    let input = input.await;
    let output = match ended {
        Some(ended) => ended,
        None => {
            output.cancel();
            output.await
        }
    };
    let (read, written) = (input.moved, output.inner.get_ref().bytes());
    // The cause before its consequences: an input that fails ends the output in order.
    let stopped = stopped.or(match (input.end, output.end) {
        (End::Failed(cause), _) => Some(Stopped::Input(cause)),
        (_, End::Failed(cause)) => Some(Stopped::Output(cause)),
        _ => None,
    });
    Transferred { read, written, stopped }
}
