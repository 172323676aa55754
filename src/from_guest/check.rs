use wasmtime::component::{Lift, StreamReader};
use wasmtime::{AsContextMut, Result};

/// Fails unless the store has such a stream under the reader's number.
///
/// A reader is a number and does not know its store: under the same number this store may have a stream of its own,
/// which Wasmtime then reads.
pub(super) fn checked<T: Lift + 'static>(
    store: impl AsContextMut,
    stream: StreamReader<T>,
) -> Result<StreamReader<T>> {
    stream.try_into_stream_any(store)?.try_into_stream_reader()
}
