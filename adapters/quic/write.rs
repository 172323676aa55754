use std::pin::Pin;
use std::task::{Context, Poll};

use quinn::{SendStream, VarInt, WriteError};

use super::codes::Codes;
use super::sending::{Sending, end_of, stopped};
use crate::{ByteConsumer, ByteSink, End, EndReason};

/// Writes a guest's `stream<u8>` to a QUIC stream.
///
/// The inverse is [`read`](crate::quic::read()).
///
/// # Partial writes
/// A guest write returns exactly the number of bytes that QUIC accepted, up to its flow control and the `send_window` of the
/// [`TransportConfig`](quinn::TransportConfig): a reader that is slow on the other machine holds up the guest.
///
/// # Cancellation
/// A cancelled write returns at once with what was accepted.
///
/// # Zero-length operations
/// A zero-length write waits until there is room, or the stream has ended.
///
/// # Errors
/// A peer that stops the stream ends it for the guest as [`End::ReceiverDropped`](crate::End::ReceiverDropped), and
/// [`Write::stop_code`] has its code. It shows at a write, also at one that waits; where the guest writes seldom,
/// [`until_stopped`](ByteConsumer::until_stopped) shows it at once. A lost connection is
/// [`End::Failed`](crate::End::Failed), whose error has the reason.
///
/// # Drop
/// At the end of the data the stream is finished, at a cut it is reset with the code of the reason ([`Codes`]): both at
/// once, whether or not there is a [completion](crate::Completion). One that is awaited waits until the peer has
/// acknowledged everything, so [`End::Finished`](crate::End::Finished) means that all of it has arrived at the other
/// machine. Keep the connection until then.
///
/// ```
/// # use wasmtime_streams::quic;
/// # use wasmtime::{Store, component::StreamReader};
/// # async fn example(mut store: Store<()>, connection: quinn::Connection) -> wasmtime::Result<()> {
/// let reader = StreamReader::new(&mut store, wasmtime_streams::tokio_io::read(&b"hello"[..]))?;
/// let (writer, done) = quic::write(connection.open_uni().await?).with_completion();
/// reader.pipe(&mut store, writer)?;
/// let done = store.run_concurrent(async |_| done.await).await?;
/// assert!(done.end.is_finished()); // the other machine has it
/// # Ok(())
/// # }
/// ```
pub fn write(stream: SendStream) -> ByteConsumer<Write> {
    ByteConsumer::new(Write { sending: Sending::new(stream) })
}

impl ByteConsumer<Write> {
    /// Sets the codes of the frames that cut the stream.
    pub fn with_codes(mut self, codes: Codes) -> Self {
        self.get_mut().sending.codes = codes;
        self
    }

    /// Ends the stream as [`EndReason::ReceiverDropped`] as soon as the peer stops it or the connection is lost, also while
    /// the guest does not write.
    pub fn until_stopped(self) -> Self {
        let stopped = stopped(self.get_ref().get_ref());
        self.until(EndReason::ReceiverDropped, stopped)
    }
}

/// The sink of [`write`](crate::quic::write()).
///
/// Dropped before the end of its stream, it resets the QUIC stream.
#[derive(Debug)]
pub struct Write {
    sending: Sending,
}

impl Write {
    /// The QUIC stream.
    pub fn get_ref(&self) -> &SendStream {
        &self.sending.stream
    }

    /// The QUIC stream. What is written through it directly is extra data to the peer; a host that finishes or resets it
    /// says how it ends.
    pub fn get_mut(&mut self) -> &mut SendStream {
        &mut self.sending.stream
    }

    /// The code with which the peer stopped the stream: [`Codes::reason`] has what it stands for.
    pub fn stop_code(&self) -> Option<VarInt> {
        self.sending.stop_code
    }
}

impl ByteSink for Write {
    type Error = WriteError;

    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<Result<usize, End<WriteError>>> {
        self.sending.poll_send(cx, buf).map_err(end_of)
    }

    fn poll_writable(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Result<(), End<WriteError>>>> {
        Some(self.sending.poll_send(cx, &[]).map_ok(drop).map_err(end_of))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), End<WriteError>>> {
        // QUIC sends by itself.
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), End<WriteError>>> {
        self.sending.poll_delivered(cx)
    }

    fn ended(mut self: Pin<&mut Self>, reason: EndReason) {
        match reason {
            EndReason::Finished => self.sending.finish(),
            cut => self.sending.cut(cut),
        }
    }
}
