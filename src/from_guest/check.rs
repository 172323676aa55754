use wasmtime::component::{Lift, StreamReader};
use wasmtime::{AsContextMut, Result};

/// An error where what the store has by that number is not such a stream.
///
/// A reader is a number, and knows no store: that of another store may be a stream here, too, and Wasmtime then reads that.
pub(super) fn checked<T: Lift + 'static>(
    store: impl AsContextMut,
    stream: StreamReader<T>,
) -> Result<StreamReader<T>> {
    stream.try_into_stream_any(store)?.try_into_stream_reader()
}
